"""Colour and width for people, without rich: what `check` prints must not cost its import."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def wants_colour(stream: TextIO) -> bool:
    """Tell whether escape sequences may be written: a terminal, and neither NO_COLOR nor TERM=dumb."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def styled(text: str, *styles: str) -> str:
    """Return ``text`` with styles where stdout wants colour."""
    if not styles or not wants_colour(sys.stdout):
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def plural(count: int, noun: str) -> str:
    """Return ``1 span``, ``2,000 spans``."""
    ending = "" if count == 1 else "s"
    if ending and noun.endswith("y"):
        noun, ending = noun[:-1], "ies"
    return f"{count:,} {noun}{ending}"


def printable(text: str, kept: str = "\n\t") -> str:
    """Return ``text`` with control characters shown as escapes, so that no stored text commands a terminal."""
    return "".join(
        character if character.isprintable() or character in kept else repr(character)[1:-1] for character in text
    )


def one_line(text: str) -> str:
    """Return a name or message as `printable` does, ends of lines and tabs shown as escapes, too."""
    return printable(text, kept="")


def lines(first: int, last: int) -> str:
    """Return ``line 3`` or ``lines 3-12``."""
    return f"line {first}" if first == last else f"lines {first}-{last}"
