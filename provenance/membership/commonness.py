"""Does what stands in a span stand in many repositories? Answered from a small filter, without the corpus.

The build samples windows of every text (ARCHITECTURE.md, Samples) and keeps the keys of those samples that stand in
``common_repositories`` repositories or more. The choice of a sample depends on the ``group`` of windows around it and
on nothing else: whoever holds the same ``width + group - 1`` bytes holds the same sample. So a span's own groups tell:

a span is common when nothing in it that is ``min_chars`` long or longer is rare: between the end of one common
sample and the start of the next (or an end of the span) there is never an uncommon sample on a stretch that long.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from provenance import kernel

if TYPE_CHECKING:
    from provenance.index import Index
    from provenance.membership.blocked import BlockedFilter

_BLOCK = 1 << 16


class Commonness:
    """Tells common spans of normalised texts; usable from many threads."""

    def __init__(self, filters: Sequence[BlockedFilter], group: int, min_chars: int) -> None:
        """Ask ``filters``, which are of one geometry; one that holds a sample is enough."""
        self._filters = filters
        self._geometry = filters[0].geometry
        self._group = group
        self._stretch = max(min_chars, self._geometry.width + group - 1)

    @classmethod
    def of(cls, index: Index, min_chars: int) -> Commonness | None:
        """Return what tells commonness in an index, or None where it was built without samples."""
        filters = index.common_filters
        return cls(filters, index.parameters.group, min_chars) if filters else None

    def is_common(self, normalised: bytes, start: int, end: int) -> bool:
        """Return whether [start, end) of a normalised text is common.

        A span shorter than ``width + group - 1`` bytes holds no whole group; the sample of what it has stands for it.
        One that is shorter than a window is not common: nobody knows.
        """
        width, known_until = self._geometry.width, 0
        seen = rare = False
        with memoryview(normalised) as view, view[start:end] as span:
            for position, common in self._samples(span):
                if (rare or not common) and position - known_until >= self._stretch:
                    return False
                seen = True
                if common:
                    known_until, rare = position + width, False
                else:
                    rare = True
        return seen and not (rare and end - start - known_until >= min(self._stretch, end - start))

    def _samples(self, span: memoryview) -> Iterator[tuple[int, bool]]:
        """Yield the sampled positions of a text, ascending, and whether each sample is common.

        The text is read in blocks that share a group less one window, so that every group is whole in one of them.
        Where all of a block is common, the samples between its first and its last are left out.
        """
        width = self._geometry.width
        operands = [each.operand for each in self._filters]
        last = -1
        for low in range(0, max(1, len(span) - width - self._group + 2), _BLOCK):
            with span[low : low + _BLOCK + width + self._group - 2] as block:
                packed = kernel.sample_positions(block, width, self._group)
                bits = kernel.hits(operands, block, width, self._geometry.seed)
                windows = len(block) - width + 1
            positions = struct.unpack(f"<{len(packed) // 8}Q", packed)
            if windows > 0 and int.from_bytes(bits, "little") == (1 << windows) - 1:
                positions = positions[:: max(1, len(positions) - 1)]
            for position in positions:
                if low + position > last:
                    last = low + position
                    yield last, bits[position >> 3] >> (position & 7) & 1 == 1
