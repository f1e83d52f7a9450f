"""Does what stands in a span stand in many repositories? Answered from a small filter, without the corpus.

The build samples windows of every text (ARCHITECTURE.md, Samples) and keeps the keys of those samples that stand in
``common_repositories`` repositories or more. The choice of a sample depends on the ``group`` of windows around it and
on nothing else: whoever holds the same ``width + group - 1`` bytes holds the same sample. So a span's own groups tell:

a span is common when nothing in it that is ``min_chars`` long or longer is rare: between the end of one common
sample and the start of the next (or an end of the span) there is never an uncommon sample on a stretch that long.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provenance import kernel

if TYPE_CHECKING:
    from provenance.index import Index
    from provenance.membership.blocked import BlockedFilter


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
        with memoryview(normalised) as view, view[start:end] as span:
            samples = self._samples(span)
            if not samples:
                return False
            known_until, rare = 0, False
            for position, common in samples:
                if common:
                    if rare and position - known_until >= self._stretch:
                        return False
                    known_until, rare = position + self._geometry.width, False
                else:
                    rare = True
            return not (rare and len(span) - known_until >= min(self._stretch, len(span)))

    def _samples(self, span: memoryview) -> list[tuple[int, bool]]:
        """Return the sampled positions of a text, ascending, and whether each sample is common."""
        width = self._geometry.width
        packed = kernel.sample_positions(span, width, self._group)
        positions = struct.unpack(f"<{len(packed) // 8}Q", packed)
        windows = b"".join([span[position : position + width] for position in positions])
        keys = kernel.window_keys(windows, width, width, self._geometry.seed)
        answers = [each.contains(keys) for each in self._filters]
        return [(position, any(held)) for position, *held in zip(positions, *answers, strict=True)]
