"""What pages show, computed from answers: marked lines, excerpts side by side, links to repositories."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from provenance.index import Index
from provenance.records import Source, Span
from provenance.server.questions import split_lines
from provenance.tracing import SourceMatch, TracedSpan

CONTEXT = 3
MOST_LINES = 400
"""Lines of an excerpt, or of a text shown whole; what is longer is cut, and says so."""
MOST_COMPARED = 40
"""Excerpts on one page."""
_FORGES = {"github.com": "#L{0}-L{1}", "gitlab.com": "#L{0}-{1}", "codeberg.org": "#L{0}-L{1}"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; ``spans`` are the numbers (from 1) of the spans it belongs to, ``begins`` one that begins."""

    text: str
    spans: tuple[int, ...] = ()
    common: bool = False
    begins: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its number; ``gap`` counts the lines left out before it."""

    number: int
    pieces: tuple[Piece, ...]
    gap: int = 0
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One source of a span: the lines of both texts, beginning with as many lines of context."""

    match: SourceMatch
    ours: tuple[Line, ...]
    theirs: tuple[Line, ...]
    url: str | None


def marked_lines(
    text: str, marks: Sequence[tuple[int, int, bool]], *, first: int = 1, last: int | None = None, context: int = -1
) -> tuple[Line, ...]:
    """Return lines ``first`` to ``last`` of a text with ranges of code points marked, numbered from 1 as they come.

    ``marks`` are (start, end, common). With a ``context`` only lines near a mark are returned, their gaps counted.
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


def _near(
    starts: Sequence[int], marks: Iterable[tuple[int, int, bool]], context: int, first: int, last: int
) -> Iterable[int]:
    from bisect import bisect_right

    wanted: set[int] = set()
    for start, end, _ in marks:
        low = bisect_right(starts, start)
        high = bisect_right(starts, max(start, end - 1))
        wanted.update(range(max(first, low - context), min(last, high + context) + 1))
    return sorted(wanted)


def _pieces(text: str, start: int, end: int, marks: Sequence[tuple[int, int, int, bool]]) -> tuple[Piece, ...]:
    while end > start and text[end - 1] in "\r\n":
        end -= 1
    edges = sorted({start, end, *(min(max(edge, start), end) for _, low, high, _ in marks for edge in (low, high))})
    pieces = []
    for low, high in zip(edges, edges[1:], strict=False):
        inside = [mark for mark in marks if mark[1] <= low and high <= mark[2]]
        pieces.append(
            Piece(
                text[low:high],
                tuple(number for number, *_ in inside),
                common=bool(inside) and all(common for *_, common in inside),
                begins=next((number for number, first, *_ in inside if first == low), None),
            )
        )
    return tuple(pieces)


def comparisons(index: Index, text: str, spans: Sequence[TracedSpan]) -> list[list[Comparison]]:
    """Return for each span its sources side by side with the text that was asked about."""
    room = MOST_COMPARED
    found: list[list[Comparison]] = []
    for traced in spans:
        here: list[Comparison] = []
        for match in traced.sources[:3]:
            if not room:
                break
            room -= 1
            here.append(_comparison(index, text, traced.span, match))
        found.append(here)
    return found


def _comparison(index: Index, text: str, span: Span, match: SourceMatch) -> Comparison:
    ref, _ = index.find(match.document)[0]
    stored = index.text(ref).decode("utf-8")
    before = min(CONTEXT, span.start_line - 1, match.span.start_line - 1)
    rows = min(MOST_LINES, max(span.end_line - span.start_line, match.span.end_line - match.span.start_line) + 1)
    sides = []
    for each, side in ((span, text), (match.span, stored)):
        first = each.start_line - before
        last = min(each.end_line + CONTEXT, each.start_line + rows + CONTEXT)
        sides.append(marked_lines(side, [(each.start, each.end, False)], first=first, last=last))
    theirs = tuple(
        Line(line.number, line.pieces, line.gap, repository_link(match.source, line.number)) for line in sides[1]
    )
    url = repository_link(match.source, match.span.start_line, match.span.end_line)
    return Comparison(match, sides[0], theirs, url)


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
