"""Side by side: a text that was asked about, and the stored texts that its spans stand in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provenance.index import Index
from provenance.records import Span
from provenance.server.views import (
    CONTEXT,
    MOST_LINES,
    Line,
    Mark,
    aligned,
    linked,
    marked_lines,
    repository_link,
    written,
)
from provenance.tracing import SourceMatch, TracedSpan

MOST_COMPARED = 40
"""Comparisons on one page."""
_EACH = 3
"""Sources of one span that are shown side by side."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One source of a span: the lines of both texts, with context, as many on both sides."""

    match: SourceMatch
    ours: Sequence[Line]
    theirs: Sequence[Line]
    url: str | None
    left_out: int


def comparisons(index: Index, text: str, spans: Sequence[TracedSpan]) -> list[list[Comparison]]:
    """Return for each span its sources side by side with the text that was asked about."""
    room = MOST_COMPARED
    found: list[list[Comparison]] = []
    for traced in spans:
        here = traced.sources[: min(_EACH, room)]
        room -= len(here)
        found.append([_comparison(index, text, traced.span, match) for match in here])
    return found


def _comparison(index: Index, text: str, span: Span, match: SourceMatch) -> Comparison:
    ref, _ = index.find(match.document)[0]
    stored = index.text(ref).decode("utf-8")
    before = min(CONTEXT, span.start_line - 1, match.span.start_line - 1)
    rows = min(MOST_LINES, max(span.end_line - span.start_line, match.span.end_line - match.span.start_line) + 1)
    pairs = match.aligned or ((span, match.span),)
    sides = []
    for number, (each, side) in enumerate(((span, text), (match.span, stored))):
        marks: list[Mark] = [(pair[number].start, pair[number].end, "") for pair in pairs]
        first = each.start_line - before
        last = min(each.end_line + CONTEXT, each.start_line + rows + CONTEXT)
        sides.append(marked_lines(side, marks, first=first, last=last))
    ours, theirs = sides
    left, right = aligned(ours, theirs, _rows(pairs, written(ours), written(theirs)))
    url = repository_link(match.source, match.span.start_line, match.span.end_line)
    left_out = max(0, span.end_line - (span.start_line + rows + CONTEXT))
    return Comparison(match, left, linked(right, match.source), url, left_out)


def _rows(pairs: Sequence[tuple[Span, Span]], ours: Sequence[int], theirs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return the numbers of lines that belong together, of those that hold something marked.

    Ranges that are equal but for white space have the same lines, empty ones aside; of others their beginnings meet.
    """
    for our, their in pairs:
        mine = ours[bisect_left(ours, our.start_line) : bisect_right(ours, our.end_line)]
        other = theirs[bisect_left(theirs, their.start_line) : bisect_right(theirs, their.end_line)]
        yield from zip(mine, other, strict=False) if len(mine) == len(other) else [(our.start_line, their.start_line)]
