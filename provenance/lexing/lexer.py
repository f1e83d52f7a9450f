"""One lexer for all languages: source bytes to tokens with their exact ranges, in linear time, never failing.

At every position, in this order: blanks (all bytes up to 0x20 and 0x7F) are skipped; line comments; comments and
strings between markers; string prefixes; regular expressions; numbers; words (ASCII letters, ``_``, ``$`` and all bytes
from 0x80, then digits too); operators; any other byte stands alone.

A string that must end on its line and does not makes its quote punctuation, and so every further quote of that kind
up to where the search ended; a marker whose closer is nowhere below is punctuation (or takes the rest, where
`Block.to_end`) and is not looked for again. So every byte is looked at a bounded number of times, and
lexing is in step again at the next line, whatever came before.

This is the readable reference; the compiled kernel's ``Lexer`` gives identical results from the same tables.
"""

from __future__ import annotations

import re
import sys
from array import array
from dataclasses import dataclass
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from provenance.lexing.languages import FAMILIES, OPERATORS, REGEX_AFTER, Block, Family

COMMENT, STRING, NUMBER, IDENTIFIER, KEYWORD, PUNCTUATION = range(6)
"""Kinds of tokens."""

KIND_NAMES = ("comment", "string", "number", "identifier", "keyword", "punctuation")

_WORD = re.compile(rb"[A-Za-z_$\x80-\xff][A-Za-z0-9_$\x80-\xff]*")
_BLANKS = re.compile(rb"[\x00-\x20\x7f]*")
_LINE_END = re.compile(rb"[\n\r]")
_LINE_REST = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x20\x7f]*(?:[\n\r]|\Z)")
_OPERATOR = re.compile(b"|".join(re.escape(operator.encode()) for operator in OPERATORS))
_REGEX_BODY = re.compile(rb"/(?:[^\n\r\\/\[]|\\[^\n\r]|\[(?:[^\n\r\\\]]|\\[^\n\r])*\])+/[A-Za-z]*")
_REGEX_AFTER = frozenset(word.encode() for word in REGEX_AFTER)
_DIGITS = frozenset(b"0123456789")
_ALPHANUMERIC = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_BLANK_BYTES = frozenset(range(0x21)) | {0x7F}
_NOT_BEFORE_DOCSTRING = frozenset(b"([{,=+-*/%\\|&<>!~^@.")
_CHARACTER_ESCAPE_BYTES = 12  # '\u{10FFFF}'


class Token(NamedTuple):
    """One token: its kind and its half-open byte range in the source."""

    kind: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _BlockScanner:
    """A `Block` with its patterns."""

    rule: Block
    opener: bytes
    closer: bytes
    events: re.Pattern[bytes] | None

    def end(self, text: bytes, start: int) -> tuple[int, int]:
        """Return (end, limit) for an opener at ``start``: end is -1 if there is no closer before ``limit``.

        An end of -2 says that no such block starts here at all.
        """
        if self.rule.one:
            literal = _CHARACTER.match(text, start)
            return (literal.end(), 0) if literal else (-2, 0)
        inside = start + len(self.opener)
        if self.rule.fence:
            fence = _FENCES[self.rule.fence].match(text, inside)
            if not fence:
                return -2, 0
            closer = fence[1] + b'"' if self.rule.fence == "(" else b'"' + fence[1]
            closer = b")" + closer if self.rule.fence == "(" else closer
            found = text.find(closer, fence.end())
            return (-1, len(text)) if found < 0 else (found + len(closer), 0)
        return self.close(text, inside)

    def close(self, text: bytes, position: int) -> tuple[int, int]:
        """Return (end, limit) from a position inside of the block."""
        assert self.events is not None
        depth = 1
        while event := self.events.search(text, position):
            position = event.end()
            if event.lastgroup == "closer":
                depth -= 1
                if not depth:
                    return position, 0
            elif event.lastgroup == "opener":
                depth += 1
            elif event.lastgroup == "line":
                return -1, event.start()
        return -1, len(text)


_CHARACTER = re.compile(
    rb"'(?:\\[\x00-\xff][^'\n\r]{0,%d}|[\x20-\x26\x28-\x5b\x5d-\x7e]|[\xc0-\xff][\x80-\xbf]{1,3})'"
    % (_CHARACTER_ESCAPE_BYTES - 4)
)
_FENCES = {"#": re.compile(rb'(#*)"'), "(": re.compile(rb"([^\x00-\x20\x7f()\\\"]{0,16})\(")}


def _scanner(rule: Block) -> _BlockScanner:
    opener, closer = rule.opener.encode(), rule.closer.encode()
    if rule.fence or rule.one:
        return _BlockScanner(rule, opener, closer, None)
    events = [rb"(?P<escape>\\(?:\r\n|[\x00-\xff]))"] if rule.escape else []
    events += [b"(?P<doubled>%s)" % re.escape(closer * 2)] if rule.doubled else []
    events += [b"(?P<closer>%s)" % re.escape(closer)]
    events += [b"(?P<opener>%s)" % re.escape(opener)] if rule.nested else []
    events += [] if rule.lines else [rb"(?P<line>[\n\r])"]
    return _BlockScanner(rule, opener, closer, re.compile(b"|".join(events)))


class ReferenceLexer:
    """The lexer of one family."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._keywords = frozenset(word.encode() for word in family.keywords)
        self._blocks = tuple(_scanner(rule) for rule in family.blocks)
        self._lines = tuple((rule.opener.encode(), rule, rule.not_after.encode()) for rule in family.line_comments)
        self._prefixes = frozenset(family.prefixes.encode())

    def lex(self, text: bytes, inside: int = -1) -> tuple[bytes, bytes]:
        """Return one kind a token (bytes) and the tokens' (start, end) as little-endian u32 pairs.

        ``inside`` >= 0 says that the text begins inside of that block of the family (not of one with a fence).
        """
        kinds = bytearray()
        bounds = array("I")
        open_until = [0] * len(self._blocks)  # up to here a block's opener is known to have no closer
        regex_until = 0
        position, size = 0, len(text)
        previous = -1  # index of the last token that is no comment

        def emit(kind: int, start: int, end: int) -> None:
            nonlocal previous, position
            if kind == STRING and self._family.docstrings and self._is_docstring(text, start, end, kinds, bounds, previous):
                kind = COMMENT
            if kind != COMMENT:
                previous = len(kinds)
            kinds.append(kind)
            bounds.extend((start, end))
            position = end

        if inside >= 0 and size:
            scanner = self._blocks[inside]
            end, _ = scanner.close(text, 0)
            emit(COMMENT if scanner.rule.comment else STRING, 0, size if end < 0 else end)
        while True:
            blanks = _BLANKS.match(text, position)
            assert blanks is not None
            position = blanks.end()
            if position == size:
                break
            if (end := self._line_comment(text, position)) >= 0:
                emit(COMMENT, position, end)
                continue
            opened, end = self._block(text, position, open_until)
            if opened is not None:
                emit(COMMENT if opened.comment else STRING, position, end)
                continue
            byte = text[position]
            if byte in self._prefixes and (end := self._prefixed(text, position, open_until)) >= 0:
                emit(STRING, position, end)
            elif (
                byte == 0x2F
                and self._family.regexes
                and position >= regex_until
                and _operand_due(text, kinds, bounds, previous)
            ):
                literal = _REGEX_BODY.match(text, position)
                if literal:
                    emit(STRING, position, literal.end())
                else:
                    regex_until = _line_end(text, position)
                    self._operator(text, position, emit)
            elif byte in _DIGITS:
                emit(NUMBER, position, self._number(text, position))
            elif word := _WORD.match(text, position):
                emit(KEYWORD if word[0] in self._keywords else IDENTIFIER, position, word.end())
            else:
                self._operator(text, position, emit)
        return bytes(kinds), _little_endian(bounds)

    def _line_comment(self, text: bytes, position: int) -> int:
        """Return the end of the line comment at ``position``, -1 if none starts there."""
        for opener, rule, not_after in self._lines:
            if not text.startswith(opener, position):
                continue
            if position and rule.blank_before and text[position - 1] not in _BLANK_BYTES:
                continue
            if position and text[position - 1] in not_after:
                continue
            after = position + len(opener)
            if rule.blank_after and after < len(text) and text[after] not in _BLANK_BYTES:
                continue
            return _line_end(text, after)
        return -1

    def _block(self, text: bytes, position: int, open_until: list[int], strings_only: bool = False) -> tuple[Block | None, int]:
        """Return the block that starts at ``position`` and its end, or (None, -1)."""
        for index, scanner in enumerate(self._blocks):
            if not text.startswith(scanner.opener, position) or strings_only and scanner.rule.comment:
                continue
            if position < open_until[index]:
                continue
            end, limit = scanner.end(text, position)
            if end >= 0:
                return scanner.rule, end
            if end == -1:
                if scanner.rule.to_end:
                    return scanner.rule, len(text)
                open_until[index] = limit
        return None, -1

    def _prefixed(self, text: bytes, position: int, open_until: list[int]) -> int:
        """Return the end of the string whose prefix starts at ``position``, -1 if none does."""
        quote = position + 1
        while quote < len(text) and quote - position < 3 and text[quote] in self._prefixes:
            quote += 1
        if quote >= len(text) or text[quote] not in b"\"'":
            return -1
        return self._block(text, quote, open_until, strings_only=True)[1]

    def _number(self, text: bytes, position: int) -> int:
        hexadecimal = text[position + 1 : position + 2] in (b"x", b"X") and text[position] == 0x30
        end = position + 1
        while end < len(text):
            byte = text[end]
            following = text[end + 1] if end + 1 < len(text) else 0
            if byte in _ALPHANUMERIC or byte == 0x2E and following in _DIGITS:
                end += 1
            elif byte in b"+-" and following in _DIGITS and text[end - 1] in (b"pP" if hexadecimal else b"eE"):
                end += 1
            elif byte == 0x27 and self._family.separator and following in _ALPHANUMERIC:
                end += 1
            else:
                break
        return end

    @staticmethod
    def _operator(text: bytes, position: int, emit: Callable[[int, int, int], None]) -> None:
        operator = _OPERATOR.match(text, position)
        emit(PUNCTUATION, position, operator.end() if operator else position + 1)

    @staticmethod
    def _is_docstring(text: bytes, start: int, end: int, kinds: bytes | bytearray, bounds: array[int], previous: int) -> bool:
        """Tell whether a string stands alone on its line(s) where a statement may begin."""
        if bounds and not _LINE_END.search(text, bounds[-1], start) or not _LINE_REST.match(text, end):
            return False
        return previous < 0 or kinds[previous] != STRING and text[bounds[2 * previous + 1] - 1] not in _NOT_BEFORE_DOCSTRING


def _operand_due(text: bytes, kinds: bytes | bytearray, bounds: array[int], previous: int) -> bool:
    """Tell whether an operand is due after the last token, so that ``/`` is no division."""
    if previous < 0:
        return True
    if kinds[previous] == PUNCTUATION:
        return text[bounds[2 * previous + 1] - 1] not in b")]}"
    return text[bounds[2 * previous] : bounds[2 * previous + 1]] in _REGEX_AFTER


def _line_end(text: bytes, position: int) -> int:
    end = _LINE_END.search(text, position)
    return end.start() if end else len(text)


def _little_endian(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


@cache
def reference_lexer(name: str) -> ReferenceLexer:
    """Return the reference lexer of the family of that name."""
    return ReferenceLexer(FAMILIES[name])
