"""Where a text matches, in every unit, and the lines around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provenance.records import Span
from provenance.search.results import Snippet

_SNIPPETS = 3
_LINE_BYTES = 240
"""Longer lines are cut around what matches."""


def spans_of(text: bytes, places: Iterable[tuple[int, int]]) -> list[Span]:
    """Return half-open ranges of bytes of a UTF-8 text, ascending, in all units."""
    spans = []
    at = point = unit = 0
    line = 1
    for start, end in places:
        ahead = text[at:start].decode("utf-8", "replace")
        start_point = point + len(ahead)
        start_unit = unit + _utf16(ahead)
        start_line = line + text.count(b"\n", at, start)
        inside = text[start:end].decode("utf-8", "replace")
        point, unit = start_point + len(inside), start_unit + _utf16(inside)
        line = start_line + text.count(b"\n", start, end)
        # A range that ends with a newline ends in the line before it.
        end_line = line - 1 if end > start and text[end - 1] == 0x0A else line
        spans.append(Span(start_point, point, start, end, start_unit, unit, start_line, end_line))
        at = end
    return spans


def snippets_of(text: bytes, places: Sequence[tuple[int, int]], context: int) -> tuple[Snippet, ...]:
    """Return the lines around the first places, ``context`` lines on both sides; near places share a snippet."""
    found: list[Snippet] = []
    number = 0
    seen = 0
    line = 1
    while number < len(places) and len(found) < _SNIPPETS:
        start, end = _lines_around(text, *places[number], context)
        inside = [places[number]]
        number += 1
        while number < len(places) and places[number][0] < end:
            inside.append(places[number])
            number += 1
        start, end = max(start, inside[0][0] - _LINE_BYTES), min(end, inside[0][1] + 4 * _LINE_BYTES)
        start, end = _whole_characters(text, start, end)
        line += text.count(b"\n", seen, start)
        seen = start
        marks = []
        for first, last in inside:
            if first < end:
                before = len(text[start:first].decode("utf-8", "replace"))
                marks.append((before, before + len(text[first : min(last, end)].decode("utf-8", "replace"))))
        found.append(Snippet(line, text[start:end].decode("utf-8", "replace"), tuple(marks)))
    return tuple(found)


def _lines_around(text: bytes, start: int, end: int, context: int) -> tuple[int, int]:
    """Return where the lines of [start, end) and ``context`` lines before and behind them begin and end."""
    if end > start and text[end - 1] == 0x0A:
        end -= 1  # what ends with a newline does not reach into the next line
    for _ in range(context + 1):
        start = text.rfind(b"\n", 0, start)
        if start < 0:
            break
    for number in range(context + 1):
        end = text.find(b"\n", end + (number > 0))
        if end < 0:
            return start + 1, len(text)
    return start + 1, end


def _whole_characters(text: bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] & 0xC0 == 0x80:
        start += 1
    while end < len(text) and text[end] & 0xC0 == 0x80:
        end += 1
    return start, end


def _utf16(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
