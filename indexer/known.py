"""Sorted files of document ids: which documents an index holds already, and which it holds more than once.

Merged from all segments and mapped by the workers, so their size is shared and not multiplied.
"""

from __future__ import annotations

import heapq
import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from provenance.segment import SegmentReader
from provenance.storage import refusals_named

_ID = 16


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


def write_repeated(path: Path, segments: Sequence[SegmentReader]) -> None:
    """Write every id that stands in several segments, each followed by the position of the first of them."""
    numbered = (_numbered(number, segment) for number, segment in enumerate(segments))
    previous, written = b"", b""
    with refusals_named(path), open(path, "wb") as file:
        for row in heapq.merge(*numbered):
            identity = row[:_ID]
            if identity == previous[:_ID] and identity != written:
                file.write(identity + int.from_bytes(previous[_ID:], "big").to_bytes(4, "little"))
                written = identity
            previous = row


def _numbered(number: int, segment: SegmentReader) -> Iterator[bytes]:
    suffix = number.to_bytes(4, "big")
    return (identity + suffix for identity in segment.document_ids())


class SortedIds:
    """A file of rows that begin with a document id, ascending."""

    def __init__(self, path: Path, row_bytes: int = _ID) -> None:
        """Map the file; what follows the id in a row is its value."""
        self._row_bytes = row_bytes
        with refusals_named(path), open(path, "rb") as file:
            size = file.seek(0, 2)
            self._rows = range(size // row_bytes)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __contains__(self, document: bytes) -> bool:
        """Tell whether there is a row for a document."""
        return self.value(document) is not None

    def value(self, document: bytes) -> int | None:
        """Return the number that follows a document's id, 0 where nothing follows, or None for an id not there."""
        at = bisect_left(self._rows, document, key=self._id)
        if at == len(self._rows) or self._id(at) != document:
            return None
        end = (at + 1) * self._row_bytes
        return int.from_bytes(self._map[end - self._row_bytes + _ID : end], "little")

    def _id(self, number: int) -> bytes:
        start = number * self._row_bytes
        return self._map[start : start + _ID]
