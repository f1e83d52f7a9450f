"""Which documents an index holds already, for builds that add to it.

One sorted file of 16-byte ids, merged from all segments; workers map it, so its size is shared and not multiplied.
"""

from __future__ import annotations

import heapq
import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path

from provenance.segment import SegmentReader
from provenance.storage import refusals_named


def unique_sorted(streams: Iterable[Iterator[bytes]]) -> Iterator[bytes]:
    """Yield the distinct rows of ascending streams, ascending."""
    previous = None
    for row in heapq.merge(*streams):
        if row != previous:
            previous = row
            yield row


def write_known(path: Path, segments: Iterable[SegmentReader]) -> None:
    """Write the ids of all documents of the segments, withdrawn ones included."""
    with refusals_named(path), open(path, "wb") as file:
        for row in unique_sorted(segment.document_ids() for segment in segments):
            file.write(row)


class KnownDocuments:
    """Membership in a file that `write_known` wrote."""

    def __init__(self, path: Path) -> None:
        """Map the file."""
        with refusals_named(path), open(path, "rb") as file:
            size = file.seek(0, 2)
            self._rows = range(size // 16)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""

    def __contains__(self, document: bytes) -> bool:
        """Tell whether the index held a document when the file was written."""
        at = bisect_left(self._rows, document, key=self._row)
        return at < len(self._rows) and self._row(at) == document

    def _row(self, number: int) -> bytes:
        return self._map[number * 16 : number * 16 + 16]
