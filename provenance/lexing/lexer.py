"""One lexer for all languages: source bytes to tokens with their exact ranges, in linear time, never failing.

At every position, in this order: blanks (all bytes up to 0x20 and 0x7F) are skipped; line comments; comments and
strings between markers; string prefixes; regular expressions; numbers; words (ASCII letters, ``_``, ``$`` and all bytes
from 0x80, then digits too); operators; any other byte stands alone. A string alone on its line where a statement may
begin is a comment in families with docstrings.

A string that must end on its line and does not makes its quote punctuation, and so every further quote of that kind
up to where the search ended; a marker whose closer is nowhere below is punctuation (or takes the rest, where
`Block.to_end`) and is not looked for again. So every byte is looked at a bounded number of times, and
lexing is in step again at the next line, whatever came before.

A snippet may begin inside of a comment or a string of several lines. `opening` finds out by what the text says later.
"""

from __future__ import annotations

import sys
from array import array
from functools import cache
from typing import NamedTuple

from provenance import kernel
from provenance.lexing.languages import CORE, FAMILIES, OPERATORS, REGEX_AFTER, Family

COMMENT, STRING, NUMBER, IDENTIFIER, KEYWORD, PUNCTUATION = range(6)
"""Kinds of tokens."""

KIND_NAMES = ("comment", "string", "number", "identifier", "keyword", "punctuation")


class Token(NamedTuple):
    """One token: its kind and its half-open byte range in the source."""

    kind: int
    start: int
    end: int


def tables(family: Family) -> tuple[object, ...]:
    """Return the arguments that make the kernel's lexer of a family."""
    return (
        [(c.opener.encode(), c.blank_before, c.blank_after, c.not_after.encode()) for c in family.line_comments],
        [
            (
                b.opener.encode(),
                b.closer.encode(),
                b.fence.encode(),
                (b.comment, b.escape, b.doubled, b.lines, b.nested, b.to_end, b.one),
            )
            for b in family.blocks
        ],
        family.prefixes.encode(),
        (family.regexes, family.docstrings, family.separator),
        _encoded(family.keywords),
        _encoded(REGEX_AFTER),
        [operator.encode() for operator in OPERATORS],
        _encoded(CORE),
    )


@cache
def lexer(name: str) -> kernel.Lexer:
    """Return the kernel's lexer of the family of that name."""
    return kernel.Lexer(*tables(FAMILIES[name]))  # type: ignore[arg-type]


def lex(text: bytes, family: Family, inside: int = -1) -> list[Token]:
    """Return the tokens of ``text`` in order; ``inside`` as `opening` gives it."""
    kinds, packed = lexer(family.name).lex(text, inside)
    bounds = array("I", packed)
    if sys.byteorder == "big":
        bounds.byteswap()
    return [Token(kind, bounds[2 * i], bounds[2 * i + 1]) for i, kind in enumerate(kinds)]


def opening(text: bytes, family: Family) -> int:
    """Return the block that a snippet begins inside of, as its position in ``family.blocks``; -1 for none.

    It begins inside of a comment when the comment's closer comes before any opener, and inside of a string of
    several lines with equal markers (``\"\"\"``) when the markers are odd in number and the first stands like a
    closer: only what can follow a string (a blank, a closing bracket, a comma, a dot, a semicolon) stands behind it,
    and something stands before it on its line that is no operator, opening bracket or blank alone, or nothing but
    blanks while the text before has no sign of code.
    """
    for index, block in enumerate(family.blocks):
        if not block.lines or block.fence or block.one:
            continue
        opener, closer = block.opener.encode(), block.closer.encode()
        if opener != closer:
            first = text.find(closer)
            if block.comment and first >= 0 and not 0 <= text.find(opener) < first:
                return index
        elif len(opener) > 1 and text.count(opener) % 2 and _closes(text, text.find(opener), len(opener)):
            return index
    return -1


_CODE_SIGNS = frozenset(b"=(){};[]")


def _closes(text: bytes, at: int, size: int) -> bool:
    """Tell whether the marker at ``at`` ends a string rather than begins one."""
    if text[at + size : at + size + 1] not in (b"", b" ", b"\t", b"\n", b"\r", b")", b"]", b"}", b",", b".", b";"):
        return False
    line = text[text.rfind(b"\n", 0, at) + 1 : at].strip()
    if line:
        return line[-1] not in b"=([{,:+%" and not line.endswith((b"return", b"r", b"f", b"b", b"u"))
    return not _CODE_SIGNS.intersection(text[:at])


def _encoded(words: frozenset[str]) -> list[bytes]:
    return sorted(word.encode() for word in words)
