"""What of a code survives editing, as words of a text field.

**Symbols.** Comments go, and with them layout. Identifiers, strings, and numbers of two or more characters become one
class each; keywords (`languages.CORE`, the same in every language), operators and one-digit numbers stay themselves.
Semicolons, backslashes and trailing commas go and strings in a row count as one, because formatters move them.

**Grams.** A run of `LENGTH` symbols in which every identifier is known by the order of its first occurrence: so a gram
survives any consistent renaming, and yet tells ``a = b + a`` from ``a = b + c``.

**Selection.** Open syncmers (Edgar, "Syncmers are more sensitive than minimizers", PeerJ 2021): a gram is taken when,
of its runs of `PART` classes, that in the middle has the smallest hash. Whether a gram is taken depends on nothing
outside of it, so an edit unselects no gram that it does not touch. One of nine is taken on average.

**Words.** The low 40 bits of the gram's hash, five a character. Measured on 95 MB of packages in seven languages
(2026-11): `LENGTH` 12 and `PART` 4 find as much as closed syncmers and winnowing with half the words; tantivy
needs about 11 bytes a word, 0.11 of the text.
"""

from __future__ import annotations

from provenance import kernel
from provenance.lexing.languages import Family
from provenance.lexing.lexer import lexer

LENGTH = 12
PART = 4
WORD_BITS = 40

_DIGITS = "0123456789abcdefghijklmnopqrstuv"


def fingerprint_text(text: bytes, family: Family) -> str:
    """Return the distinct fingerprints of a text as blank-separated words, ascending."""
    return lexer(family.name).fingerprint_text(text, LENGTH, PART).decode("ascii")


def fingerprints(symbols: bytes) -> dict[str, list[int]]:
    """Return the fingerprints of symbols as words, each with the first symbols of its grams, ascending."""
    hashes, firsts = (memoryview(part).cast("Q") for part in kernel.fingerprints(symbols, LENGTH, PART))
    found: dict[str, list[int]] = {}
    for value, first in zip(hashes, firsts, strict=True):
        found.setdefault(word(value), []).append(first)
    return found


def word(value: int) -> str:
    """Return the word of a gram's hash."""
    return "".join(_DIGITS[value >> place & 31] for place in range(WORD_BITS - 5, -1, -5))
