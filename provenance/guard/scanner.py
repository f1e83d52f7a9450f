"""The streaming scanner: text goes in as it is generated, filter spans come out as soon as nothing can change them.

However a text is cut, the spans are those of `provenance.checking.check` over the whole. A window is asked as soon as
it is complete; a chain lives until the window one stride after its last hit has missed; a span is finished when no
living chain and no window still to be asked can belong to it. What no such thing can reach is *settled*: it may be
released. Memory holds the last windows, the living chains and the open spans, whatever has gone before.

The prompt. Windows that stand in it were given by the user and do not count (``given``); with ``continued`` the text
is read as its continuation besides, so that a chain that begins in the prompt goes on into the answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from provenance import kernel
from provenance.errors import MismatchError
from provenance.guard.positions import GrowingText, Position
from provenance.membership.asking import ask
from provenance.records import Span
from provenance.removal import RemovedKeys
from provenance.verdict import DEFAULT_MIN_CHARS
from provenance.windows import check_floor

if TYPE_CHECKING:
    from provenance.index import Index
    from provenance.membership.base import Geometry, Hits

PromptRule = Literal["given", "continued", "ignored"]
"""What the prompt excuses: its own text; the same, but chains go on from it; nothing."""
_LEAST_WIDTH = 16
_SLACK = 16
"""Normalised bytes kept besides the windows, so that ends can be moved to whole characters."""


class OpenSpan(NamedTuple):
    """A filter span as far as it goes now, in normalised bytes of the answer; ``longest`` is its longest chain."""

    start: int
    end: int
    longest: int
    first: Position
    last: Position

    @property
    def span(self) -> Span:
        """Return it as a span of the answer in every unit."""
        return Span(
            start=self.first.code_point,
            end=self.last.code_point,
            start_byte=self.first.byte,
            end_byte=self.last.byte,
            start_utf16=self.first.utf16,
            end_utf16=self.last.utf16,
            start_line=self.first.lines + 1,
            end_line=self.last.lines + 1,
        )


@dataclass(frozen=True, slots=True)
class Scan:
    """What one piece of text brought.

    ``finished``: spans that are over, ascending. ``growing``: those that are not. ``settled``: code points of the text
    that no span to come can reach. ``settled_normalised``: the same in normalised bytes.
    """

    finished: tuple[OpenSpan, ...]
    growing: tuple[OpenSpan, ...]
    settled: int
    settled_normalised: int


class Scanner:
    """Scans one text; for one thread at a time."""

    def __init__(
        self,
        index: Index,
        *,
        min_chars: int = DEFAULT_MIN_CHARS,
        prompt: str = "",
        rule: PromptRule = "given",
        withdrawn: bool = False,
    ) -> None:
        """Begin a text that answers ``prompt``; with ``withdrawn``, what was withdrawn from the corpus counts too.

        Raises:
            ParameterError: ``min_chars`` is negative. MismatchError: the windows are not those of layout-1 in bytes.
        """
        for each in index.filters:
            require_streamable(each.geometry)
        self.min_chars = min_chars
        self.floor = check_floor(index.geometry, min_chars)
        self._filters = index.filters
        self._own = index.geometry
        self._removed = None if withdrawn else index.removed_keys
        self._text = GrowingText()
        self._phases = [Chains(geometry) for geometry in dict.fromkeys(each.geometry for each in index.filters)]
        self._back = max((each.geometry.width for each in self._phases), default=1) - 1
        self._spans: list[OpenSpan] = []
        self._offset = 0
        self._base = Position()
        self._given: dict[Geometry, RemovedKeys] = {}
        self._prompt = kernel.normalise(prompt.encode("utf-8", "replace")) if prompt and rule != "ignored" else b""
        if rule == "continued" and prompt:
            self._prime(prompt)

    @property
    def written(self) -> Position:
        """Return how much text has been fed."""
        return self._relative(self._text.written)

    @property
    def normalised(self) -> int:
        """Return the length of the normal form of what has been fed, in bytes."""
        return self._text.length - self._offset

    def feed(self, piece: str) -> Scan:
        """Return what the next piece of the text brings. Raises what asking a filter raises."""
        before = self._text.length
        if self._text.feed(piece):
            self._ask(before)
        settled, code_points = self._settled()
        # The ends of open spans are known already, so their text is not needed.
        self._text.forget(self._text.length - self._back - _SLACK)
        return self._scan(settled, code_points)

    def finish(self) -> Scan:
        """Return what the end of the text brings: all that was open."""
        for chains in self._phases:
            chains.living.clear()
        return self._scan(self._text.length, self._text.written.code_point - self._base.code_point, over=True)

    def _prime(self, prompt: str) -> None:
        """Read the end of the prompt, so that chains go on from there."""
        reach = 2 * max(self.floor, self._own.width + self._own.stride)
        self._text.feed(prompt[-4 * reach :])
        self._ask(0, given=False)
        self._text.forget(self._text.length - self._back - _SLACK)
        self._base = self._text.break_off()
        self._offset = self._text.length
        # What lies in the prompt lies before the answer's first character.
        self._spans = [each._replace(first=Position(), last=Position()) for each in self._spans]

    def _ask(self, before: int, *, given: bool = True) -> None:
        """Ask the windows that the text added since ``before`` completes, and carry chains on."""
        text = self._text
        for chains in self._phases:
            geometry = chains.geometry
            low = max(0, before - geometry.width + 1)
            tail = text.kept(low)
            filters = [each for each in self._filters if each.geometry == geometry]
            for _, answer in ask(filters, tail):
                if answer.hits and self._removed is not None and geometry == self._own:
                    answer = self._removed.without(answer, tail)
                if answer.hits and self._prompt and given:
                    answer = self._excused(geometry).without(answer, tail)
                for start, end in chains.carry(low, answer, text.length):
                    self._grow(start, end)

    def _excused(self, geometry: Geometry) -> RemovedKeys:
        """Return the windows of the prompt."""
        known = self._given.get(geometry)
        if known is None:
            keys = kernel.window_keys(self._prompt, geometry.width, 1, geometry.seed)
            known = self._given[geometry] = RemovedKeys(kernel.sort_unique(keys), geometry)
        return known

    def _grow(self, start: int, end: int) -> None:
        """Unite a chain, as long as it is now, with the spans that it overlaps."""
        spans = self._spans
        low = bisect_right(spans, start, key=_end)
        high = low
        longest = end - start
        whole = OpenSpan(start, end, longest, _UNKNOWN, _UNKNOWN)
        while high < len(spans) and spans[high].start < end:
            other = spans[high]
            whole = OpenSpan(
                min(whole.start, other.start),
                max(whole.end, other.end),
                max(whole.longest, other.longest),
                other.first if other.start <= whole.start else whole.first,
                other.last if other.end >= whole.end else whole.last,
            )
            high += 1
        if whole.first is _UNKNOWN:
            whole = whole._replace(first=self._relative(self._text.first(whole.start)))
        if whole.last is _UNKNOWN:
            whole = whole._replace(last=self._relative(self._text.last(whole.end)))
        spans[low:high] = [whole]

    def _settled(self) -> tuple[int, int]:
        """Return how many normalised bytes, and code points, neither a living chain nor a window to come can reach."""
        waiting = [each.start for chains in self._phases for each in chains.living.values()]
        reach = max(self._offset, self._text.length - self._back)
        settled = min([reach, *waiting])
        # An open span that reaches past this point holds back all of itself.
        for each in self._spans:
            if each.end > settled:
                if each.start <= settled:
                    return each.start, each.first.code_point
                break
        return settled, self._text.before(settled).code_point - self._base.code_point

    def _scan(self, settled: int, code_points: int, *, over: bool = False) -> Scan:
        count = len(self._spans) if over else bisect_right(self._spans, settled, key=_end)
        finished, self._spans = self._spans[:count], self._spans[count:]
        return Scan(
            tuple(self._answer(finished)),
            tuple(self._answer(self._spans)),
            max(0, code_points),
            max(0, settled - self._offset),
        )

    def _answer(self, spans: list[OpenSpan]) -> Iterator[OpenSpan]:
        """Yield the spans that reach into the answer, from its beginning on."""
        for each in spans:
            if each.end > self._offset:
                yield each._replace(start=max(0, each.start - self._offset), end=each.end - self._offset)

    def _relative(self, at: Position) -> Position:
        base = self._base
        return Position(
            max(0, at.code_point - base.code_point),
            max(0, at.byte - base.byte),
            max(0, at.utf16 - base.utf16),
            max(0, at.lines - base.lines),
        )


_UNKNOWN = Position(-1, -1, -1, -1)


def _end(span: OpenSpan) -> int:
    return span.end


def require_streamable(geometry: Geometry) -> None:
    """Raise `MismatchError` unless windows of this geometry can be asked while a text is written."""
    if geometry.normaliser != "layout-1" or geometry.unit != "utf8" or geometry.width < _LEAST_WIDTH:
        raise MismatchError(
            f"a filter has windows of {geometry.width} {geometry.unit} after {geometry.normaliser}: the guard reads "
            f"streams with windows of {_LEAST_WIDTH} or more bytes after layout-1; build an index of the texts"
        )


class _Living(NamedTuple):
    start: int
    last: int


class Chains:
    """The chains of one geometry that the next hit may still lengthen, by phase."""

    def __init__(self, geometry: Geometry) -> None:
        """Begin without a chain."""
        self.geometry = geometry
        self.living: dict[int, _Living] = {}

    def carry(self, low: int, answer: Hits, length: int) -> Iterator[tuple[int, int]]:
        """Yield every chain that has hits among the newest windows, from its beginning; ranges count the whole text.

        ``answer`` is about the windows from ``low`` on, of a text that is ``length`` long now.
        """
        width, stride = self.geometry.width, self.geometry.stride
        for start, end in answer.chains:
            start, last = start + low, end + low - width
            before = self.living.get(start % stride)
            if before is not None and before.last + stride == start:
                start = before.start
            if last + stride + width > length:
                self.living[start % stride] = _Living(start, last)
            yield start, last + width
        self.forget(length)

    def forget(self, length: int) -> None:
        """Drop the chains whose next window has been asked: where it hit, they were carried on."""
        reach = length - self.geometry.width - self.geometry.stride
        over = [phase for phase, each in self.living.items() if each.last <= reach]
        for phase in over:
            del self.living[phase]
