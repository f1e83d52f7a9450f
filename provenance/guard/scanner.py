"""The streaming scanner: text goes in as it is generated, filter spans come out as soon as nothing can change them.

However a text is cut, the spans are those of `provenance.checking.check` over the whole. The kernel asks a window as
soon as it is complete, and lets a chain live until the window one stride after its last hit has missed; a span is
finished when no living chain and no window still to be asked can belong to it. What no such thing can reach is
*settled*: it may be released. Memory holds the last windows, the living chains and the open spans, whatever has gone
before.

The prompt. Windows that stand in it were given by the user and do not count (``given``); with ``continued`` the text
is read as its continuation besides, so that a chain that begins in the prompt goes on into the answer.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Literal, NamedTuple

from provenance import kernel
from provenance.errors import MismatchError
from provenance.guard.positions import ORIGIN, Position
from provenance.membership.asking import fetch, operands
from provenance.records import Span
from provenance.text import clean
from provenance.verdict import DEFAULT_MIN_CHARS
from provenance.windows import check_floor

if TYPE_CHECKING:
    from provenance.index import Index
    from provenance.membership.base import Geometry

PromptRule = Literal["given", "continued", "ignored"]
"""What the prompt excuses: its own text; the same, but chains go on from it; nothing."""
_LEAST_WIDTH = 16
_LONG = 256
"""Characters of a piece whose windows a filter on a disk is told of beforehand."""


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


class Scan(NamedTuple):
    """What one piece of text brought.

    ``finished``: spans that are over, ascending. ``growing``: those that are not. ``settled``: the place in the text
    that no span to come can reach back over. ``settled_normalised``: the same in normalised bytes.
    """

    finished: tuple[OpenSpan, ...]
    growing: tuple[OpenSpan, ...]
    settled: Position
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
        self.min_chars = min_chars
        self.floor = check_floor(index.geometry, min_chars)
        self._index = index
        self._stream = stream_of(index, withdrawn=withdrawn)
        self._spans: list[OpenSpan] = []
        if prompt and rule == "continued":
            self._prime(clean(prompt))
        if prompt and rule != "ignored":
            excuse(self._stream, index, prompt)

    @property
    def written(self) -> Position:
        """Return how much text has been fed."""
        return Position(*self._stream.written)

    @property
    def normalised(self) -> int:
        """Return the length of the normal form of what has been fed, in bytes."""
        return self._stream.length

    def feed(self, piece: str) -> Scan:
        """Return what the next piece of the text brings. Raises what asking a filter raises."""
        if not piece.isascii():
            piece = clean(piece)
        filters = self._index.filters  # a closed index has none: this raises
        if len(piece) >= _LONG:
            fetch(filters, piece)
        place, settled, chains = self._stream.feed(piece)
        if not chains and not self._spans:
            return Scan((), (), Position._make(place), settled)
        for chain in chains:
            self._grow(*chain)
        at = Position._make(place)
        # An open span that reaches past this point holds back all of itself.
        for each in self._spans:
            if each.end > settled:
                if each.start <= settled:
                    settled, at = max(0, each.start), each.first
                break
        return self._scan(settled, at, bisect_right(self._spans, settled, key=_end))

    def finish(self) -> Scan:
        """Return what the end of the text brings: all that was open."""
        return self._scan(self.normalised, self.written, len(self._spans))

    def _prime(self, prompt: str) -> None:
        """Read the end of the prompt, so that chains go on from there."""
        stream, geometry = self._stream, self._index.geometry
        reach = 2 * max(self.floor, geometry.width + geometry.stride)
        for start, end, _, _ in stream.feed(prompt[-4 * reach :])[2]:
            self._grow(start, end, ORIGIN, ORIGIN)
        length = stream.length
        stream.begin()
        self._spans = [each._replace(start=each.start - length, end=each.end - length) for each in self._spans]

    def _grow(self, start: int, end: int, first: kernel.Place, last: kernel.Place) -> None:
        """Unite a chain, as long as it is now, with the spans that it overlaps."""
        spans = self._spans
        low = high = bisect_right(spans, start, key=_end)
        longest = end - start
        while high < len(spans) and spans[high].start < end:
            other = spans[high]
            if other.start <= start:
                start, first = other.start, other.first
            if other.end >= end:
                end, last = other.end, other.last
            longest = max(longest, other.longest)
            high += 1
        spans[low:high] = [OpenSpan(start, end, longest, Position._make(first), Position._make(last))]

    def _scan(self, settled: int, at: Position, count: int) -> Scan:
        finished, self._spans = self._spans[:count], self._spans[count:]
        return Scan(_answer(finished), _answer(self._spans), at, settled)


def stream_of(index: Index, *, withdrawn: bool) -> kernel.TextStream:
    """Return a stream that asks the filters of an index; geometry 0 is the index's own where a filter has it.

    With ``withdrawn``, what was withdrawn from the corpus counts too.
    Raises `MismatchError` for windows that cannot be asked while a text is written.
    """
    geometries = geometries_of(index)
    for each in geometries:
        require_streamable(each)
    stream = kernel.TextStream([operands(each, index.filters) for each in geometries])
    removed = None if withdrawn else index.removed_keys
    if removed is not None and index.geometry in geometries:
        stream.hide(geometries.index(index.geometry), removed.keys)
    return stream


def excuse(stream: kernel.TextStream, index: Index, prompt: str) -> None:
    """Let the windows that stand in a prompt not count in what is read from now on."""
    normalised = kernel.normalise(clean(prompt).encode())
    for number, geometry in enumerate(geometries_of(index)):
        stream.hide(number, kernel.sort_unique(kernel.window_keys(normalised, geometry.width, 1, geometry.seed)))


def geometries_of(index: Index) -> list[Geometry]:
    """Return the geometries of an index's filters, as `stream_of` numbers them."""
    return sorted({each.geometry for each in index.filters}, key=lambda each: each != index.geometry)


def require_streamable(geometry: Geometry) -> None:
    """Raise `MismatchError` unless windows of this geometry can be asked while a text is written."""
    if geometry.normaliser != "layout-1" or geometry.unit != "utf8" or geometry.width < _LEAST_WIDTH:
        raise MismatchError(
            f"a filter has windows of {geometry.width} {geometry.unit} after {geometry.normaliser}: the guard reads "
            f"streams with windows of {_LEAST_WIDTH} or more bytes after layout-1; build an index of the texts"
        )


def _answer(spans: list[OpenSpan]) -> tuple[OpenSpan, ...]:
    """Return the spans that reach into the answer, from its beginning on."""
    return tuple(each if each.start >= 0 else each._replace(start=0) for each in spans if each.end > 0)


def _end(span: OpenSpan) -> int:
    return span.end
