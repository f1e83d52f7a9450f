"""The words of a text as the engines see them: ranked search compares whole words."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from provenance import kernel

WORD_BYTES = 255
"""Longer words are not indexed."""

_ASCII_WORD = re.compile(r"[0-9A-Za-z]+")


@cache
def word_pattern() -> re.Pattern[str]:
    """Return the pattern of one word (ARCHITECTURE.md, Words), made from the kernel's table of letters and digits."""
    ranges = []
    for line in Path(kernel.__file__).with_name("alphanumeric.txt").read_text("ascii").splitlines():
        if not line.startswith("#"):
            low, _, high = line.partition("-")
            ranges.append(f"\\U{int(low, 16):08x}-\\U{int(high or low, 16):08x}")
    return re.compile(f"[0-9A-Za-z{''.join(ranges)}]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in order."""
    return (_ASCII_WORD if text.isascii() else word_pattern()).findall(text)


def is_word_character(text: bytes, at: int, *, before: bool) -> bool:
    """Tell whether the character right before (else: at) an offset of a UTF-8 text belongs to a word."""
    if before:
        start = at - 1
        while start > 0 and text[start] & 0xC0 == 0x80:
            start -= 1
        character = text[max(start, 0) : at]
    else:
        character = text[at : at + 4].decode("utf-8", "ignore")[:1].encode()
    return word_pattern().match(character.decode("utf-8", "replace")) is not None if character else False
