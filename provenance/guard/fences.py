"""Code blocks inside of prose, recognised while the prose is written.

A fence is a line of at most three blanks, then three or more backticks or tildes (CommonMark 0.31, section 4.5): the
first opens a block and may name its language, one of the same sign that is at least as long and alone closes it. In
lists blocks are indented further, so that any indentation counts here. A block that nothing closes goes on to the end.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*([^\s`]*)([^`]*)\Z")
_LONGEST = 400
"""Characters of a line that are looked at: no fence is longer."""


@dataclass(slots=True)
class Block:
    """A code block: code points [start, end) of the text between its fences; ``end`` is None while it is open."""

    start: int
    language: str
    end: int | None = None


class Fences:
    """Finds the code blocks of one growing text."""

    def __init__(self) -> None:
        """Begin a text."""
        self.blocks: list[Block] = []
        self._starts: list[int] = []
        self._line = ""
        self._at = 0
        self._line_start = 0
        self._sign = ""

    def feed(self, piece: str) -> None:
        """Read the next piece of the text."""
        at = 0
        for line_end in _line_ends(piece):
            self._add(piece[at:line_end])
            self._ended()
            at = line_end + 1
            self._at += 1
            self._line, self._line_start = "", self._at
        self._add(piece[at:])

    def block(self, start: int, end: int) -> Block | None:
        """Return the block that most of the code points [start, end) lie in, or None where that is prose."""
        number = bisect_right(self._starts, (start + end) // 2) - 1
        if number < 0:
            return None
        found = self.blocks[number]
        return found if found.end is None or (start + end) // 2 < found.end else None

    def _add(self, part: str) -> None:
        if len(self._line) < _LONGEST:
            self._line += part[:_LONGEST]
        self._at += len(part)

    def _ended(self) -> None:
        found = _FENCE.match(self._line.rstrip("\r"))
        if found is None:
            return
        sign, language, more = found.groups()
        if not self._sign:
            self._sign = sign
            self.blocks.append(Block(self._at + 1, language.lower()))
            self._starts.append(self._at + 1)
        elif sign.startswith(self._sign) and not language and not more.strip():
            self._sign = ""
            self.blocks[-1].end = self._line_start


def _line_ends(piece: str) -> Iterator[int]:
    at = piece.find("\n")
    while at >= 0:
        yield at
        at = piece.find("\n", at + 1)
