"""The words of a text as the engines see them, and the list of all words of a segment, scanned in place.

``words.txt`` is a newline, then every distinct word of the segment in bytewise order, each with a newline behind it.
So ``\\n`` in a pattern anchors it at either end of a word.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
from array import array
from functools import cache
from pathlib import Path

from provenance import kernel
from provenance.errors import CorruptFile
from provenance.storage import refusals_named

WORD_BYTES = 255
"""Longer words are not indexed; contents that hold one are marked."""

_ASCII_WORD = re.compile(r"[0-9A-Za-z]+")
_TABLE = Path(kernel.__file__).with_name("alphanumeric.txt")
_LONG_RUN = b"a" * (WORD_BYTES + 1)
_WORDLIKE = bytes(0x61 if chr(byte).isalnum() or byte > 0x7F else 0x20 for byte in range(256))


@cache
def word_pattern() -> re.Pattern[str]:
    """Return the pattern of one word (ARCHITECTURE.md, Words), made from the kernel's table of letters and digits."""
    ranges = []
    for line in _TABLE.read_text("ascii").splitlines():
        if not line.startswith("#"):
            low, _, high = line.partition("-")
            ranges.append(f"\\U{int(low, 16):08x}-\\U{int(high or low, 16):08x}")
    return re.compile(f"[0-9A-Za-z{''.join(ranges)}]+")


def words_with_places(text: str) -> list[tuple[str, int, int]]:
    """Return (word, start, end) for every word, in code points."""
    pattern = _ASCII_WORD if text.isascii() else word_pattern()
    return [(match[0], match.start(), match.end()) for match in pattern.finditer(text)]


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


def may_hold_long_word(text: bytes) -> bool:
    """Tell whether some word of a UTF-8 text may be too long to be indexed; never wrongly says no."""
    return _LONG_RUN in text.translate(_WORDLIKE)


class WordList:
    """The words of one segment. Raises `CorruptFile` at open, `StorageError` where it may not be read."""

    def __init__(self, path: Path) -> None:
        """Map the file."""
        with refusals_named(path), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise CorruptFile(path, "a list of words begins with a newline, this one is empty")
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        if self._map[0] != 0x0A or self._map[-1] != 0x0A:
            self._map.close()
            raise CorruptFile(path, "a list of words begins and ends with a newline, this one does not")

    def beginning_with(self, prefix: bytes, limit: int) -> list[str] | None:
        """Return all words that begin with ``prefix``, or None for more than ``limit``."""
        start = self._lower_bound(prefix)
        end = self._lower_bound(prefix + b"\xff")
        return self._split(start, end, limit)

    def matching(
        self, part: bytes, limit: int, *, first_cut: bool, last_cut: bool, fold_case: bool = False
    ) -> list[str] | None:
        """Return all words that end with, begin with, hold or are ``part``, or None where they are too many.

        ``first_cut``: letters may stand before the part, ``last_cut``: behind it. ``fold_case`` folds ASCII letters.
        None is returned for more than ``limit`` words, and may be for more than half of that.
        """
        if not fold_case and not first_cut:
            if last_cut:
                return self.beginning_with(part, limit)
            start = self._lower_bound(part)
            return [part.decode()] if self._map[start : start + len(part) + 1] == part + b"\n" else []
        # Occurrences must not overlap in the newline between two words, so one end is looked at afterwards.
        pattern = part if last_cut else part + b"\n"
        if not first_cut and last_cut:
            pattern = b"\n" + part
        most = 2 * limit + 2
        places = array("Q")
        places.frombytes(kernel.find_all(self._map, pattern, fold_case=fold_case, limit=most))
        if len(places) == most:
            return None
        if sys.byteorder == "big":
            places.byteswap()
        found: list[str] = []
        end = 0
        for place in places:
            if pattern[0] == 0x0A:
                place += 1
            if place < end:
                continue  # once more in the same word
            start = self._map.rfind(b"\n", max(0, place - WORD_BYTES - 1), place) + 1
            if start != place and not first_cut:
                continue
            if len(found) == limit:
                return None
            end = self._map.find(b"\n", place)
            found.append(self._map[start:end].decode("utf-8", "replace"))
        return found

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()

    def _split(self, start: int, end: int, limit: int) -> list[str] | None:
        if end - start > limit * (WORD_BYTES + 1):
            return None
        words = self._map[start:end].split(b"\n")[:-1]
        return [word.decode("utf-8", "replace") for word in words] if len(words) <= limit else None

    def _lower_bound(self, bound: bytes) -> int:
        """Return where the first word that is not less than ``bound`` begins."""
        low, high = 1, len(self._map)
        while low < high:
            start = self._map.rfind(b"\n", 0, (low + high) // 2) + 1
            end = self._map.find(b"\n", start)
            if self._map[start:end] < bound:
                low = end + 1
            else:
                high = start
        return low
