"""The lines around the places where a text matches."""

from __future__ import annotations

from collections.abc import Sequence

from provenance.search.results import Snippet
from provenance.text import Offsets

_SNIPPETS = 3
_LINE_BYTES = 240
"""Longer lines are cut around what matches."""
_SNIPPET_BYTES = 4 * _LINE_BYTES
"""What a snippet shows at most from the end of its first place on."""


def snippets_of(text: bytes, offsets: Offsets, places: Sequence[tuple[int, int]], context: int) -> tuple[Snippet, ...]:
    """Return the lines around the first places, ``context`` lines on both sides.

    Places whose lines touch share a snippet, as far as one goes; no line is shown twice.
    """
    found: list[Snippet] = []
    number = shown = 0
    while number < len(places) and len(found) < _SNIPPETS:
        inside = [places[number]]
        start, end = _lines_around(text, *places[number], context)
        start = min(inside[0][0], max(start, inside[0][0] - _LINE_BYTES, shown))
        most = inside[0][1] + _SNIPPET_BYTES
        for place in places[number + 1 :]:
            first, last = _lines_around(text, *place, context)
            if first > end + 1 or place[0] >= most or place[0] >= end and last > most:
                break
            inside.append(place)
            end = max(end, last)
        number += len(inside)
        start, end = _whole_characters(text, start, min(end, most))
        shown = end + 1 if text[end : end + 1] == b"\n" else end
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
