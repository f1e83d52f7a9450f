"""What pages show, computed from answers: marked lines, excerpts, links to repositories."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from provenance.records import Source
from provenance.search.results import Snippet
from provenance.server.questions import split_lines

CONTEXT = 3
"""Lines shown before and after what is marked."""
MOST_LINES = 400
"""Lines of an excerpt, or of a text shown whole; what is longer is cut, and says so."""
_FORGES = {"github.com": "#L{0}-L{1}", "gitlab.com": "#L{0}-{1}", "codeberg.org": "#L{0}-L{1}"}


Style = Literal["", "edited", "common"]
"""How a range is marked; of several the first in this order counts."""
Mark = tuple[int, int, Style]
"""A range of code points, half-open, and its style."""
_STYLES: tuple[Style, ...] = ("", "edited", "common")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; ``spans`` are the numbers (from 1) of the marks it belongs to, ``begins`` one that begins."""

    text: str
    spans: tuple[int, ...] = ()
    style: Style = ""
    begins: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its number; ``gap`` counts the lines left out before it. Number 0: room beside a line."""

    number: int
    pieces: tuple[Piece, ...]
    gap: int = 0
    url: str | None = None

    @property
    def begins(self) -> tuple[int, ...]:
        """Return the numbers of the spans that begin here."""
        return tuple(piece.begins for piece in self.pieces if piece.begins)


ROOM = Line(0, ())
"""Stands beside a line that the other text does not have."""


def marked_lines(
    text: str, marks: Sequence[Mark], *, first: int = 1, last: int | None = None, context: int = -1
) -> tuple[Line, ...]:
    """Return lines ``first`` to ``last`` of a text with ranges of code points marked, numbered from 1 as they come.

    With a ``context`` only lines near a mark are returned, their gaps counted.
    """
    lines = split_lines(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    last = len(lines) if last is None else min(last, len(lines))
    wanted = range(first, last + 1) if context < 0 else _near(starts, marks, context, first, last)
    found = []
    previous = first - 1
    for number in wanted:
        start, end = starts[number - 1], starts[number]
        pieces = _pieces(
            text, start, end, [(n, *mark) for n, mark in enumerate(marks, 1) if mark[0] < end and mark[1] > start]
        )
        found.append(Line(number, pieces, gap=number - previous - 1))
        previous = number
    return tuple(found)


def _near(starts: Sequence[int], marks: Iterable[Mark], context: int, first: int, last: int) -> Iterable[int]:
    wanted: set[int] = set()
    for start, end, _ in marks:
        low = bisect_right(starts, start)
        high = bisect_right(starts, max(start, end - 1))
        wanted.update(range(max(first, low - context), min(last, high + context) + 1))
    return sorted(wanted)


def _pieces(text: str, start: int, end: int, marks: Sequence[tuple[int, int, int, Style]]) -> tuple[Piece, ...]:
    while end > start and text[end - 1] in "\r\n":
        end -= 1
    # Blanks around a line are not marked: they were not compared.
    low, high = start, end
    while low < end and text[low] in " \t\f\v":
        low += 1
    while high > low and text[high - 1] in " \t\f\v":
        high -= 1
    inside = [
        (number, max(first, low), min(last, high), style)
        for number, first, last, style in marks
        if max(first, low) < min(last, high)
    ]
    edges = sorted({start, end, *(edge for _, *both, _ in inside for edge in both)})
    pieces = []
    for one, other in zip(edges, edges[1:], strict=False):
        here = [mark for mark in inside if mark[1] <= one and other <= mark[2]]
        pieces.append(
            Piece(
                text[one:other],
                tuple(number for number, *_ in here),
                style=min((style for *_, style in here), key=_STYLES.index, default=""),
                begins=next(
                    (number for number, first, _, _ in marks if start <= first < end and one == max(first, low)), None
                )
                if here
                else None,
            )
        )
    return tuple(pieces)


def aligned(
    ours: Sequence[Line], theirs: Sequence[Line], rows: Iterable[tuple[int, int]]
) -> tuple[list[Line], list[Line]]:
    """Return both texts with room put in, so that the lines of each pair in ``rows`` stand side by side.

    ``rows`` are (line of ours, line of theirs) by their numbers. A pair that does not come after the last one on both
    sides is passed over.
    """
    at_ours, at_theirs = ({line.number: at for at, line in enumerate(side)} for side in (ours, theirs))
    left: list[Line] = []
    right: list[Line] = []
    done = (0, 0)
    met = (0, 0)

    def level(until: tuple[int, int]) -> None:
        left.extend(ours[done[0] : until[0]])
        right.extend(theirs[done[1] : until[1]])
        short, long = sorted((left, right), key=len)
        short.extend([ROOM] * (len(long) - len(short)))

    for our, their in rows:
        if our > met[0] and their > met[1] and our in at_ours and their in at_theirs:
            met = our, their
            until = at_ours[our], at_theirs[their]
            level(until)
            done = until
    level((len(ours), len(theirs)))
    return left, right


def written(lines: Iterable[Line]) -> list[int]:
    """Return the numbers of the lines that hold something marked."""
    return [line.number for line in lines if any(piece.spans and piece.text.strip() for piece in line.pieces)]


def excerpt(snippets: Sequence[Snippet]) -> list[Line]:
    """Return the lines of all snippets of one text, each once, the gaps between them counted."""
    texts: dict[int, str] = {}
    marks: dict[int, set[tuple[int, int]]] = {}
    for snippet in snippets:
        start = 0
        for number, line in enumerate(split_lines(snippet.text), snippet.first_line):
            # Snippets of one text may share a line; one of them may have cut it.
            if len(line) > len(texts.get(number, "")):
                texts[number] = line
                marks.pop(number, None)
            if line and texts[number].startswith(line.rstrip("\r\n")):
                inside = {(max(a - start, 0), min(b - start, len(line))) for a, b in snippet.marks}
                marks.setdefault(number, set()).update((a, b) for a, b in inside if a < b)
            start += len(line)
    found: list[Line] = []
    for number in sorted(texts):
        ranges: list[Mark] = [(a, b, "") for a, b in sorted(marks.get(number, ()))]
        gap = number - found[-1].number - 1 if found else 0
        pieces = marked_lines(texts[number], ranges)[0].pieces
        found.append(Line(number, pieces, gap=gap))
    return found


def linked(lines: Iterable[Line], source: Source) -> list[Line]:
    """Return lines of a source with the address of each in its repository."""
    return [replace(line, url=repository_link(source, line.number)) for line in lines]


def repository_link(source: Source, start: int | None = None, end: int | None = None) -> str | None:
    """Return the address of a source at its revision, at lines where the site is known; None if it has no safe one."""
    if source.url is None or not re.fullmatch(r"https?://[^\s@<>\"'\\]{1,2000}", source.url):
        return None
    if start is None or "#" in source.url:
        return source.url
    pattern = _FORGES.get(urlsplit(source.url).hostname or "")
    shows_a_file = "/blob/" in source.url or "/src/" in source.url
    if pattern is None or not shows_a_file:
        return source.url
    return source.url + pattern.format(start, end if end is not None else start)
