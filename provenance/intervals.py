"""Sets of half-open ranges of which none holds another."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Intervals:
    """An antichain of ranges, ascending; starts and ends ascend together, so that every question is one bisection."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        """Begin without any range."""
        self.starts: list[int] = []
        self.ends: list[int] = []

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges, ascending."""
        return zip(self.starts, self.ends, strict=True)

    def around(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the leftmost member that holds [start, end), or None."""
        at = bisect_left(self.ends, end)
        return (self.starts[at], self.ends[at]) if at < len(self.starts) and self.starts[at] <= start else None

    def has_around(self, start: int, end: int) -> bool:
        """Tell whether some member holds [start, end)."""
        return self.around(start, end) is not None

    def has_within(self, start: int, end: int) -> bool:
        """Tell whether [start, end) holds some member."""
        at = bisect_left(self.starts, start)
        return at < len(self.starts) and self.ends[at] <= end

    def within(self, start: int, end: int) -> range:
        """Return the positions of the members that [start, end) holds."""
        return range(bisect_left(self.starts, start), bisect_right(self.ends, end))

    def all_within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the members that [start, end) holds, ascending."""
        return ((self.starts[at], self.ends[at]) for at in self.within(start, end))

    def add_longest(self, start: int, end: int) -> None:
        """Add a range and drop what it holds; nothing changes where a member holds it."""
        if not self.has_around(start, end):
            self._replace(self.within(start, end), start, end)

    def add_shortest(self, start: int, end: int) -> None:
        """Add a range and drop what holds it; nothing changes where it holds a member."""
        if not self.has_within(start, end):
            self._replace(range(bisect_left(self.ends, end), bisect_right(self.starts, start)), start, end)

    def _replace(self, gone: range, start: int, end: int) -> None:
        at = slice(gone.start, max(gone.start, gone.stop))
        self.starts[at] = [start]
        self.ends[at] = [end]


def joined_ranges(ranges: Iterable[tuple[int, int]]) -> Intervals:
    """Return the union of ranges that ascend by start, as ranges that neither overlap nor touch."""
    found = Intervals()
    for start, end in ranges:
        if found.ends and start <= found.ends[-1]:
            found.ends[-1] = max(found.ends[-1], end)
        else:
            found.starts.append(start)
            found.ends.append(end)
    return found
