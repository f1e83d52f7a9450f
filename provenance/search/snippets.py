"""The lines around the places where a text matches."""

from __future__ import annotations

from collections.abc import Sequence

from provenance.search.results import Snippet
from provenance.text import Offsets

_SNIPPETS = 3
_LINE_BYTES = 240
"""Longer lines are cut around what matches."""


def snippets_of(text: bytes, offsets: Offsets, places: Sequence[tuple[int, int]], context: int) -> tuple[Snippet, ...]:
    """Return the lines around the first places, ``context`` lines on both sides; near places share a snippet."""
    found: list[Snippet] = []
    number = 0
    while number < len(places) and len(found) < _SNIPPETS:
        start, end = _lines_around(text, *places[number], context)
        inside = [places[number]]
        number += 1
        while number < len(places) and places[number][0] < end:
            inside.append(places[number])
            number += 1
        start, end = max(start, inside[0][0] - _LINE_BYTES), min(end, inside[0][1] + 4 * _LINE_BYTES)
        start, end = _whole_characters(text, start, end)
        marks = []
        for first, last in inside:
            if first < end:
                before = len(text[start:first].decode("utf-8", "replace"))
                marks.append((before, before + len(text[first : min(last, end)].decode("utf-8", "replace"))))
        found.append(Snippet(offsets.line(start), text[start:end].decode("utf-8", "replace"), tuple(marks)))
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
