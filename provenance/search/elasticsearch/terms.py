"""The terms of a text: which grams stand in which of its cells, and its words.

A text of up to `CELL` + `REACH` bytes is one cell, with all its grams (ARCHITECTURE.md, Gram file), those of layout
included. A longer one has a cell at every multiple j of `CELL` of its normalised text for which j = 0 or more than
`REACH` bytes follow, with the grams in [j, j + `CELL` + `REACH`) without layout. So all grams of a string of at most
`REACH` bytes lie in the cell in which it begins, or the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provenance import kernel

CELL = 1 << 16
"""Most files are one cell. Cells of 8 KiB have 1.6 times as many grams in all, which is what loading takes."""
REACH = 256
END = (1 << 32) - 1
"""Where the last cell of a text ends."""
_TERMS = 32
"""Grams asked for at most: more hardly narrow anything, and each costs the node the same."""
_PIECE = 8 << 20
_LAYOUT = b"~"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the bytes of the source text it comes from, its distinct grams and some words, blanks between."""

    start: int
    end: int
    alone: bool
    grams: bytes
    words: bytes


def cells_of(text: bytes) -> Iterator[Cell]:
    """Yield the cells of a UTF-8 text; there is at least one."""
    if len(text) <= CELL + REACH:
        yield Cell(0, END, True, kernel.gram_words(text), b"".join(_pieces(text)))
        return
    normalised, starts = _starts(text)
    pieces = list(_pieces(text))
    for number, start in enumerate(starts):
        at = number * CELL
        # One byte more on both sides: white space at an end would be dropped.
        part = normalised[max(0, at - 1) : at + CELL + REACH + 1]
        yield Cell(
            start=start,
            end=starts[number + 1] if number + 1 < len(starts) else END,
            alone=False,
            grams=kernel.gram_words(part),
            words=pieces[number] if number < len(pieces) else b"",
        )


def _starts(text: bytes) -> tuple[bytes, list[int]]:
    """Return the normalised text, and where in the source its cells begin."""
    import numpy

    normalised, ours, theirs = kernel.normalise_map(text)
    left = numpy.frombuffer(ours, dtype="<u8")
    right = numpy.frombuffer(theirs, dtype="<u8")
    starts = [0]
    for place in range(CELL, len(normalised) - REACH, CELL):
        at = int(numpy.searchsorted(left, place, side="right")) - 1
        starts.append(int(right[at]) + place - int(left[at]))
    return normalised, starts


def _pieces(text: bytes) -> Iterator[bytes]:
    """Yield the words of a text, as often as they weigh (`kernel.weighed_words`), each word in one piece alone.

    The cluster takes 100 MB at once, and a text may be larger: then there are several pieces, fewer than cells.
    """
    words = kernel.weighed_words(text)
    start = 0
    while len(words) - start > _PIECE:
        end = words.find(b" ", start + _PIECE - 1)
        if end < 0:
            break
        word = words[words.rfind(b" ", 0, end) + 1 : end]
        while end < len(words) and words[end + 1 : end + 2 + len(word)].rstrip(b" ") == word:
            end += len(word) + 1
        yield words[start:end]
        start = end + 1
    yield words[start:]


def wanted(part: bytes, *, fold_case: bool, verbatim: bool) -> tuple[list[list[str]], list[list[str]]]:
    """Return what a cell must have to hold ``part``: of every list one gram at least.

    First for a text that is one cell, then for a cell of several: that has no grams of layout, and may hold a part
    of ``part`` alone, its middle. Parameters are as for `SearchEngine.holding`.
    """
    whole = kernel.wanted_words(part, fold_case=fold_case, verbatim=verbatim)
    normalised = kernel.normalise(part) if verbatim else part
    if len(normalised) > REACH:
        at = (len(normalised) - REACH) // 2
        middle = kernel.wanted_words(normalised[at : at + REACH], fold_case=fold_case)
    else:
        middle = [each for each in whole if not each.startswith(_LAYOUT)]
    return _spread(whole), _spread(middle)


def _spread(lists: list[bytes]) -> list[list[str]]:
    step = max(1.0, len(lists) / _TERMS)
    chosen = (lists[int(number * step)] for number in range(min(len(lists), _TERMS)))
    return [each.decode("ascii").split() for each in chosen]
