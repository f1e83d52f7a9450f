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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat

import xxhash

from provenance.index import Index
from provenance.intervals import Intervals
from provenance.records import ContentRef
from provenance.search.base import Filters
from provenance.stored import Places, StoredTexts, Stretch
from provenance.text import trimmed

_WHOLE_BYTES = 1 << 15
"""Queries up to this size are compared whole with a candidate, longer ones around the range in question."""
_STEP = 1 << 12
_BYTES_A_STEP = 1 << 12
"""What one step of the search costs beside searching, in the bytes that could be searched meanwhile."""
_GROWTH = 4
_LARGEST_PAGE = 16
"""Candidates fetched at once, in those that are verified before it is asked whether they suffice."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one query may cost.

    ``contents``: stored texts verified for one range, once it is found; ``queries``: questions put to the engine;
    ``scan_bytes``: stored text read after which no candidates but the first ``contents`` are looked at (a range
    of few or no words has many); ``cache_bytes``: stored texts and normal forms kept; ``runs``: runs that are
    described, the longest (a text that repeats itself, as a table of zeros, has as many as characters); ``work``:
    bytes searched and steps taken, counted alike on every machine, after which no more is looked for; ``units``: parts
    of a text (functions, or windows of 200 tokens) for which edited copies are looked for.
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
    """Who has a range of the query: contents, by address, and where in each it may stand.

    Of a text that is read whole anyway no places are kept. ``exact`` is false when there may be more.
    """

    places: tuple[tuple[ContentRef, Places], ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """The maximal runs, trimmed of white space, ascending; ``complete`` is false when some may be missing."""

    runs: tuple[tuple[int, int, Holders], ...]
    complete: bool


class RunFinder:
    """Finds the maximal common runs of one normalised query; for one thread, once."""

    def __init__(
        self,
        index: Index,
        texts: StoredTexts,
        query: bytes,
        minimum: int,
        *,
        filters: Filters,
        visible: Callable[[ContentRef], bool],
        limits: Limits,
    ) -> None:
        """Prepare for ``query``, a normalised text; ``texts`` are the index's.

        Contents that are not ``visible`` do not count.
        """
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
        self._texts = texts
        self._visible = visible
        self._engine = index.engine
        self._filters = filters
        self._runs = Intervals()
        self._absent = Intervals()
        self._exhausted = Intervals()
        self._asked: set[tuple[int, int]] = set()
        self._settled: dict[bytes, bool] = {}
        self._verified: dict[ContentRef, Intervals] = {}
        self._held_at: dict[tuple[ContentRef, int, int], Places] = {}
        self._compared: dict[tuple[ContentRef, int, int], Intervals] = {}
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
        most = self._limits.contents
        part = self._query[start:end]
        fetched, after = most, None
        while True:
            candidates = self._engine.holding(part, self._filters, fetched, after)
            located = list(zip(candidates.refs, candidates.places or repeat(()), strict=False))
            for first in range(0, len(located), most):
                if first and self._suffices(start, end):
                    return False
                self._verify(located[first : first + most], start, end)
                if self._spent():
                    return False
            if candidates.complete:
                return True
            if self._suffices(start, end):
                return False
            fetched, after = min(fetched * _GROWTH, most * _LARGEST_PAGE), candidates.refs[-1]

    def _suffices(self, start: int, end: int) -> bool:
        """Tell whether no more candidates of a range need be looked at."""
        return self._runs.has_around(start, end) or self._texts.bytes_read > self._limits.scan_bytes

    def _verify(self, located: list[tuple[ContentRef, Places]], start: int, end: int) -> None:
        """Learn the runs around a range that stored texts have."""
        part = self._query[start:end]
        low, high = self._vicinity(start, end)
        # Who was asked for a part of the range was compared around every place of that part.
        new = [each for each in located if not self._is_settled(each[0], start, end) and self._visible(each[0])]
        self._texts.expect(new, high - low)
        for ref, places in new:
            stretches = self._texts.around(ref, places, high - low)
            self._work += sum(len(stretch.normalised) for stretch in stretches)
            # Looking for the range is cheaper than comparing, and most of what is not it ends here.
            if any(part in stretch.normalised for stretch in stretches):
                if not stretches[0].is_whole:
                    self._held_at[ref, start, end] = places
                self._compare(ref, places, stretches, low, high)
            if self._spent():
                return
            self._verified.setdefault(ref, Intervals()).add_shortest(start, end)

    def _is_settled(self, ref: ContentRef, start: int, end: int) -> bool:
        verified = self._verified.get(ref)
        return verified is not None and verified.has_within(start, end)

    def _vicinity(self, start: int, end: int) -> tuple[int, int]:
        """Return what of the query is compared with texts that hold a range: all of it, or of a long one the part."""
        size = len(self._query)
        if size <= _WHOLE_BYTES:
            return 0, size
        # In steps, so that neighbouring ranges share one comparison.
        low = max(0, (start - self._minimum) // _STEP * _STEP)
        return low, min(size, -(-(end + self._minimum) // _STEP) * _STEP)

    def _compare(self, ref: ContentRef, places: Places, stretches: list[Stretch], low: int, high: int) -> None:
        """Learn all runs in a part of the query that stretches of one stored text have."""
        size = len(self._query)
        view = memoryview(self._query)
        grow = _STEP
        while True:
            stretches = [each for each in stretches if self._is_new(each, low, high)]
            runs = [
                (low + at, low + until)
                for stretch in stretches
                for at, until in stretch.common_runs(view[low:high], self._minimum)
            ]
            if not any(low and at == low or high < size and until == high for at, until in runs):
                break
            # A run is cut by the range that was compared: compare a larger one.
            low, high = max(0, low - grow), min(size, high + grow)
            grow *= 2
            stretches = self._texts.around(ref, places, high - low)
        for stretch in stretches:
            self._compared.setdefault(stretch.key, Intervals()).add_longest(low, high)
        for at, until in runs:
            if self._spent():
                return
            self._work += _BYTES_A_STEP
            self._runs.add_longest(at, until)
            self._found.setdefault((at, until), set()).add(ref)

    def _is_new(self, stretch: Stretch, low: int, high: int) -> bool:
        compared = self._compared.get(stretch.key)
        return compared is None or not compared.has_around(low, high)

    def _places(self, start: int, end: int, refs: set[ContentRef]) -> tuple[tuple[ContentRef, Places], ...]:
        """Return where to look for a range: where a part of it stands in texts that were not read whole."""
        return tuple((ref, self._places_in(ref, start, end)) for ref in sorted(refs))

    def _places_in(self, ref: ContentRef, start: int, end: int) -> Places:
        for low, high in self._verified.get(ref, Intervals()).all_within(start, end):
            if (ref, low, high) in self._held_at:
                return self._held_at[ref, low, high]
        return ()
