"""Places in an answer, in every unit."""

from __future__ import annotations

from typing import NamedTuple

from provenance.text import Offsets, clean


class Position(NamedTuple):
    """A place in a text in every unit: code points, UTF-8 bytes, UTF-16 units, line ends before it."""

    code_point: int = 0
    byte: int = 0
    utf16: int = 0
    lines: int = 0


ORIGIN = Position()


def advanced(at: Position, text: str) -> Position:
    """Return the place at the end of ``text`` that begins at ``at``; a CR LF must not be cut at either end."""
    utf8 = clean(text).encode()
    offsets = Offsets(utf8)
    return Position(
        at.code_point + len(text),
        at.byte + len(utf8),
        at.utf16 + offsets.utf16(len(utf8)),
        at.lines + offsets.line(len(utf8)) - 1,
    )
