"""All maximal common runs of one text and a corpus: chains of filter hits -> candidates -> verified runs.

A *run* is a range of the normalised query that stands in a normalised stored text, extended as far as both agree.
What is wanted: every run of at least ``minimum`` bytes that no other run holds, and who has it.

Why little has to be asked. A stored text that shares a run with the query has its windows ("tiles") at multiples of
the stride, so its tiles inside the run are hits of one phase, and lie in one chain of that phase:

- A run reaches less than one stride past its chain on either side, or the next tile would be a hit too. A chain
  whose reach lies inside a run already known can add nothing; one whose reach is too short can hold no run.
- A run of ``minimum`` bytes holds at least ``g`` whole tiles, whatever the phase. So it holds some *seed*:
  ``g`` consecutive tiles of the chain.

A chain may be made of tiles of several texts, so it is swept seed by seed, from left to right. `_find` of a range
verifies all stored texts that hold it, and so learns every run around it. With the runs around a seed known, any
other run around that seed must reach further to the left than the leftmost (asked: the range from one byte before
it to the end of the first seed of any phase inside), or further to the right than the run before it (asked: from
the last seed of any phase inside that run to one byte past its end). Every answer "stands nowhere" settles all longer
ranges too, of all phases. A snippet copied whole costs one query of the engine, inside other text three.

Everything is bounded (`Limits`), and whatever met a bound says so (`Findings.complete`, `Holders.exact`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import xxhash

from provenance import kernel
from provenance.index import Index
from provenance.intervals import Intervals
from provenance.records import ContentRef
from provenance.search.base import Filters
from provenance.text import trimmed

_WHOLE_BYTES = 1 << 15
"""Queries up to this size are compared whole with a candidate, longer ones around the range in question."""
_STEP = 1 << 12
_BYTES_A_STEP = 1 << 12
"""What one step of the search costs beside searching, in the bytes that could be searched meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one query may cost.

    ``contents``: stored texts verified for one range, once it is found; ``queries``: questions put to the engine;
    ``scan_bytes``: stored text read after which no candidates but the first ``contents`` are looked at (a range
    of few or no words has many); ``cache_bytes``: normalised stored texts kept; ``runs``: runs that are described,
    the longest (a text that repeats itself, as a table of zeros, has as many as characters); ``work``: bytes searched
    and steps taken, counted alike on every machine, after which no more is looked for; ``units``: parts of a text
    (functions, or windows of 200 tokens) for which edited copies are looked for.
    """

    contents: int = 64
    queries: int = 20_000
    scan_bytes: int = 64 << 20
    cache_bytes: int = 64 << 20
    runs: int = 10_000
    work: int = 32 << 30
    units: int = 400


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has a range of the query: (content, first place in its normalised text), by address.

    ``exact`` is false when there may be more.
    """

    places: tuple[tuple[ContentRef, int], ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """The maximal runs, trimmed of white space, ascending; ``complete`` is false when some may be missing."""

    runs: tuple[tuple[int, int, Holders], ...]
    complete: bool


class StoredTexts:
    """Normalised stored texts of one index, the last used kept up to a number of bytes."""

    def __init__(self, index: Index, cache_bytes: int) -> None:
        """Keep up to ``cache_bytes`` of text."""
        self._index = index
        self._room = cache_bytes
        self.bytes_read = 0
        self._kept: OrderedDict[ContentRef, bytes] = OrderedDict()

    def expect(self, refs: Iterable[ContentRef]) -> None:
        """Fetch the texts that will be asked for next in one go, where they are not at hand."""
        self._index.expect((ref, 0, None) for ref in refs if ref not in self._kept)

    def normalised(self, ref: ContentRef) -> bytes:
        """Return the normalised text of a content."""
        text = self._kept.get(ref)
        if text is not None:
            self._kept.move_to_end(ref)
            return text
        text = kernel.normalise(self._index.text(ref))
        self.bytes_read += len(text)
        self._kept[ref] = text
        self._room -= len(text)
        while self._room < 0 and len(self._kept) > 1:
            self._room += len(self._kept.popitem(last=False)[1])
        return text


class RunFinder:
    """Finds the maximal common runs of one normalised query; for one thread, once."""

    def __init__(
        self,
        index: Index,
        query: bytes,
        minimum: int,
        *,
        filters: Filters,
        visible: Callable[[ContentRef], bool],
        limits: Limits,
    ) -> None:
        """Prepare for ``query``, a normalised text; contents that are not ``visible`` do not count."""
        geometry = index.geometry
        self._query = query
        self._width = geometry.width
        self._stride = geometry.stride
        # A run shorter than a window holds no tile and is nobody's promise.
        self._minimum = max(minimum, geometry.width)
        self._tiles = max(1, (self._minimum - self._width - self._stride + 1) // self._stride + 1)
        self._seed_length = (self._tiles - 1) * self._stride + self._width
        self._seeds: list[int] = []
        self._limits = limits
        self._texts = StoredTexts(index, limits.cache_bytes)
        self._visible = visible
        self._engine = index.engine
        self._filters = filters
        self._runs = Intervals()
        self._absent = Intervals()
        self._exhausted = Intervals()
        self._asked: set[tuple[int, int]] = set()
        self._settled: dict[bytes, bool] = {}
        self._compared: dict[ContentRef, Intervals] = {}
        self._found: dict[tuple[int, int], set[ContentRef]] = {}
        self._complete = True
        self._work = 0

    def find(self, chains: Iterable[tuple[int, int]]) -> Findings:
        """Return the runs that the chains lead to."""
        ordered = sorted(chains, key=lambda chain: (chain[0] - chain[1], chain[0]))
        for start, end in ordered:
            self._seeds.extend(range(start, end - self._seed_length + 1, self._stride))
        self._seeds.sort()
        for start, end in ordered:
            if self._spent():
                break
            self._sweep(start, end)
        spans = Intervals()
        for start, end in self._runs:
            start, end = trimmed(self._query, start, end)
            if end - start >= self._minimum:
                spans.add_longest(start, end)
        spans = self._longest(spans)
        for start, end in spans:
            if not self._exhausted.has_within(start, end):
                self._find(start, end)
        holders: list[set[ContentRef]] = [set() for _ in spans]
        for (start, end), refs in self._found.items():
            for number in spans.within(start, end):
                holders[number] |= refs
        runs = tuple(
            (start, end, Holders(self._places(start, end, refs), self._exhausted.has_within(start, end)))
            for (start, end), refs in zip(spans, holders, strict=True)
        )
        return Findings(runs, self._complete)

    def _longest(self, spans: Intervals) -> Intervals:
        most = self._limits.runs
        if len(spans) <= most:
            return spans
        self._complete = False
        kept = Intervals()
        for start, end in sorted(sorted(spans, key=lambda span: (span[0] - span[1], span[0]))[:most]):
            kept.add_longest(start, end)
        return kept

    def _spent(self) -> bool:
        """Tell whether a bound on all work together is met; what is missing then is not known."""
        spent = self._work > self._limits.work or len(self._runs) > 2 * self._limits.runs
        self._complete = self._complete and not spent
        return spent

    def _sweep(self, start: int, end: int) -> None:
        stride, seed = self._stride, self._seed_length
        left = max(0, start - stride + 1)
        right = min(len(self._query), end + stride - 1)
        last_seed = (end - start - seed) // stride
        if last_seed < 0 or right - left < self._minimum or self._runs.has_around(left, right):
            return
        number = 0
        while number <= last_seed and not self._spent():
            at = start + number * stride
            if not self._runs.has_around(at, at + seed) and not self._reach(at, end):
                number += 1
                continue
            # Runs that hold the seed before this one, too, are known by now.
            run_start, run_end = self._leftmost(at, at + seed, left if number == 0 else at - stride + 1)
            while True:
                number = min(last_seed, (run_end - seed - start) // stride)
                at = start + number * stride
                if run_end >= right or self._spent():
                    return
                # The last seed of any phase inside of the run: what is absent there is absent for all phases.
                last = self._seeds[bisect_right(self._seeds, run_end - seed) - 1]
                if not (self._find(last, run_end + 1) and self._find(at, run_end + 1)):
                    break
                run_start, run_end = self._leftmost(at, run_end + 1, run_start)
            number += 1

    def _reach(self, at: int, end: int) -> bool:
        """Find runs around a seed of which none is known, asking for the longest range first: few texts hold it."""
        if self._settled.get(self._digest(at, at + self._seed_length)):
            return False
        tiles = (end - at - self._width) // self._stride + 1
        while True:
            length = (tiles - 1) * self._stride + self._width
            if self._find(at, at + length):
                return True
            if length <= self._seed_length:
                return False
            tiles = max(self._tiles, tiles // 2)

    def _leftmost(self, start: int, end: int, limit: int) -> tuple[int, int]:
        """Return the leftmost run around a range, having asked for all that begin at ``limit`` or later."""
        while True:
            run = self._runs.around(start, end)
            assert run is not None
            begin = run[0]
            if begin <= limit:
                return run
            first = self._seeds[bisect_left(self._seeds, begin)] + self._seed_length
            if not (self._find(begin - 1, min(first, end)) and self._find(begin - 1, end)):
                return run

    def _find(self, start: int, end: int) -> bool:
        """Learn all runs around [start, end); tell whether there is any."""
        self._work += _BYTES_A_STEP
        if self._absent.has_within(start, end):
            return False
        part = self._digest(start, end)
        exhausted = self._settled.get(part, False) or self._exhausted.has_within(start, end)
        if (
            not exhausted
            and part not in self._settled
            and (start, end) not in self._asked
            and len(self._asked) < self._limits.queries
            and not self._spent()
        ):
            self._asked.add((start, end))
            exhausted = self._ask(start, end)
        if exhausted:
            self._exhausted.add_shortest(start, end)
        there = self._runs.has_around(start, end)
        if len(self._query) <= _WHOLE_BYTES or exhausted and not there:
            # A text that repeats itself asks for the same again and again. What stands nowhere stands nowhere; of the
            # rest, whoever was asked for was compared with the whole query.
            self._settled[part] = exhausted
        if there:
            return True
        if exhausted:
            self._absent.add_shortest(start, end)
        else:
            self._complete = False
        return False

    def _digest(self, start: int, end: int) -> bytes:
        return xxhash.xxh3_128_digest(memoryview(self._query)[start:end])

    def _ask(self, start: int, end: int) -> bool:
        """Verify the stored texts that may hold a range; tell whether all of them were."""
        limit = self._limits.contents
        part = self._query[start:end]
        candidates = self._engine.holding(part, self._filters, limit)
        while True:
            visible = [ref for ref in candidates.refs if self._visible(ref)]
            self._texts.expect(visible)
            for ref in visible:
                text = self._texts.normalised(ref)
                self._work += len(text)
                # Looking for the range is cheaper than comparing, and most of what is not it ends here.
                if part in text:
                    self._compare(ref, start, end)
                if self._spent():
                    return False
            if candidates.complete:
                return True
            if self._runs.has_around(start, end) or self._texts.bytes_read > self._limits.scan_bytes:
                return False
            candidates = self._engine.holding(part, self._filters, limit, candidates.refs[-1])

    def _compare(self, ref: ContentRef, start: int, end: int) -> None:
        """Learn all runs of one stored text in the query, or near the range where the query is long."""
        size = len(self._query)
        compared = self._compared.setdefault(ref, Intervals())
        if size <= _WHOLE_BYTES:
            low, high = 0, size
        else:
            # In steps, so that neighbouring ranges share one comparison.
            low = max(0, (start - self._minimum) // _STEP * _STEP)
            high = min(size, -(-(end + self._minimum) // _STEP) * _STEP)
        if compared.has_around(low, high):
            return
        stored = self._texts.normalised(ref)
        view = memoryview(self._query)
        grow = _STEP
        while True:
            runs = kernel.common_runs(view[low:high], stored, self._minimum)
            if not runs or not (low and runs[0][0] == 0 or high < size and low + runs[-1][0] + runs[-1][2] == high):
                break
            # A run is cut by the range that was compared: compare a larger one.
            low, high = max(0, low - grow), min(size, high + grow)
            grow *= 2
        compared.add_longest(low, high)
        for at, _, length in runs:
            if self._spent():
                return
            self._work += _BYTES_A_STEP
            self._runs.add_longest(low + at, low + at + length)
            self._found.setdefault((low + at, low + at + length), set()).add(ref)

    def _places(self, start: int, end: int, refs: set[ContentRef]) -> tuple[tuple[ContentRef, int], ...]:
        part = self._query[start:end]
        return tuple((ref, self._texts.normalised(ref).find(part)) for ref in sorted(refs))
