"""The lexer, symbols and fingerprints of the reference kernel; rules: `provenance.lexing`.

A block is scanned by one regular expression of all that matters inside of it: escapes, closers, openers, line ends.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xxhash

from provenance.kernel.reference_arrays import HALF, U64, require_at_least, to_bytes

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

COMMENT, STRING, NUMBER, IDENTIFIER, KEYWORD, PUNCTUATION = range(6)
IDENTIFIERS, STRINGS, NUMBERS = 1, 2, 3
"""Classes of symbols; every other class is the hash of the token."""
FIRST_NAME = 16
"""Class of the first identifier of a gram; the next different one is one more."""
SYMBOL = np.dtype([("class", "<u8"), ("value", "<u8"), ("start", "<u4"), ("end", "<u4")])

_LIMIT = (1 << 32) - 1
_START = np.uint64(0x9E3779B97F4A7C15)
_FACTOR = np.uint64(0xFF51AFD7ED558CCD)
_BASE32 = b"0123456789abcdefghijklmnopqrstuv"

_WORD = re.compile(rb"[A-Za-z_$\x80-\xff][A-Za-z0-9_$\x80-\xff]*")
_BLANKS = re.compile(rb"[\x00-\x20\x7f]*")
_LINE_END = re.compile(rb"[\n\r]")
_LINE_REST = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x20\x7f]*(?:[\n\r]|\Z)")
_REGEX_BODY = re.compile(rb"/(?:[^\n\r\\/\[]|\\[^\n\r]|\[(?:[^\n\r\\\]]|\\[^\n\r])*\])+/[A-Za-z]*")
_DIGITS = frozenset(b"0123456789")
_ALPHANUMERIC = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_BLANK_BYTES = frozenset(range(0x21)) | {0x7F}
_NOT_BEFORE_DOCSTRING = frozenset(b"([{,=+-*/%\\|&<>!~^@.")
_CHARACTER_ESCAPE_BYTES = 12  # '\u{10FFFF}'


@dataclass(frozen=True, slots=True)
class _Block:
    """What opens and closes a comment or string, as `provenance.lexing.languages.Block` has it."""

    opener: bytes
    closer: bytes
    fence: bytes
    comment: bool
    escape: bool
    doubled: bool
    lines: bool
    nested: bool
    to_end: bool
    one: bool
    events: re.Pattern[bytes]

    @classmethod
    def of(cls, opener: bytes, closer: bytes, fence: bytes, flags: Sequence[bool]) -> _Block:
        comment, escape, doubled, lines, nested, to_end, one = flags
        events = [rb"(?P<escape>\\(?:\r\n|[\x00-\xff]))"] if escape else []
        events += [b"(?P<doubled>%s)" % re.escape(closer * 2)] if doubled else []
        events += [b"(?P<closer>%s)" % re.escape(closer)]
        events += [b"(?P<opener>%s)" % re.escape(opener)] if nested else []
        events += [] if lines else [rb"(?P<line>[\n\r])"]
        pattern = re.compile(b"|".join(events))
        return cls(opener, closer, fence, comment, escape, doubled, lines, nested, to_end, one, pattern)

    def end(self, text: bytes, start: int) -> tuple[int, int]:
        """Return (end, limit) for an opener at ``start``: end is -1 if there is no closer before ``limit``.

        An end of -2 says that no such block starts here at all.
        """
        if self.one:
            literal = _CHARACTER.match(text, start)
            return (literal.end(), 0) if literal else (-2, 0)
        inside = start + len(self.opener)
        if not self.fence:
            return self.close(text, inside)
        fence = _FENCES[self.fence].match(text, inside)
        if not fence:
            return -2, 0
        closer = b'"' + fence[1] if self.fence == b"#" else b")" + fence[1] + b'"'
        found = text.find(closer, fence.end())
        return (-1, len(text)) if found < 0 else (found + len(closer), 0)

    def close(self, text: bytes, position: int) -> tuple[int, int]:
        """Return (end, limit) from a position inside of the block."""
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
_FENCES = {b"#": re.compile(rb'(#*)"'), b"(": re.compile(rb"([^\x00-\x20\x7f()\\\"]{0,16})\(")}


class Lexer:
    """The lexer of one family of languages, from its tables."""

    def __init__(
        self,
        lines: Sequence[tuple[bytes, bool, bool, bytes]],
        blocks: Sequence[tuple[bytes, bytes, bytes, Sequence[bool]]],
        prefixes: bytes,
        flags: Sequence[bool],
        keywords: Sequence[bytes],
        regex_after: Sequence[bytes],
        operators: Sequence[bytes],
        core: Sequence[bytes],
    ) -> None:
        """Take the tables of `provenance.lexing.languages.Family`."""
        self._lines = tuple(lines)
        self._blocks = tuple(_Block.of(*block) for block in blocks)
        self._prefixes = frozenset(prefixes)
        self._regexes, self._docstrings, self._separator = flags
        self._keywords = frozenset(keywords)
        self._regex_after = frozenset(regex_after)
        longest_first = sorted(operators, key=len, reverse=True)
        self._operator_pattern = re.compile(b"|".join(map(re.escape, longest_first)))
        self._core = frozenset(core)

    def lex(self, text: Buffer, inside: int = -1) -> tuple[bytes, bytes]:
        """Return one kind a token, and the tokens' (start, end) as little-endian u32 pairs."""
        kinds, bounds = self._tokens(bytes(text), inside)
        return bytes(kinds), np.array(bounds, dtype="<u4").tobytes()

    def symbols(self, text: Buffer, inside: int = -1) -> bytes:
        """Return one 24-byte record a symbol: class u64, value u64, start u32, end u32."""
        text = bytes(text)
        kinds, bounds = self._tokens(text, inside)
        found: list[tuple[int, int, int, int]] = []
        comma, previous = False, PUNCTUATION
        for kind, start, end in zip(kinds, bounds[::2], bounds[1::2], strict=True):
            if kind == COMMENT:
                continue
            token = text[start:end]
            in_a_row = kind == STRING and previous == STRING
            previous = kind
            if in_a_row:
                found[-1] = (*found[-1][:3], end)
                continue
            if kind == PUNCTUATION and token in (b";", b"\\"):
                continue
            if comma and kind == PUNCTUATION and token in (b")", b"]", b"}"):
                found.pop()
            comma = kind == PUNCTUATION and token == b","
            value = xxhash.xxh3_64_intdigest(token)
            if kind == STRING:
                symbol = STRINGS
            elif kind == NUMBER and len(token) > 1:
                symbol = NUMBERS
            elif kind in (NUMBER, PUNCTUATION) or token in self._core:
                symbol = value
            else:
                symbol = IDENTIFIERS
            found.append((symbol, value, start, end))
        return np.array(found, dtype=SYMBOL).tobytes()

    def fingerprint_text(self, text: Buffer, length: int, part: int) -> bytes:
        """Return the distinct fingerprints as words of eight base-32 digits, ascending, joined by blanks."""
        hashes, _ = fingerprints(self.symbols(text), length, part)
        low = np.unique(np.frombuffer(hashes, "<u8") & np.uint64((1 << 40) - 1))
        return b" ".join(bytes(_BASE32[hash >> 5 * place & 31] for place in range(7, -1, -1)) for hash in low.tolist())

    def _tokens(self, text: bytes, inside: int) -> tuple[bytearray, array[int]]:
        if len(text) >= _LIMIT:
            raise ValueError(f"text is {len(text)} bytes, at most {_LIMIT - 1} can be lexed")
        if inside >= 0 and (inside >= len(self._blocks) or self._blocks[inside].fence or self._blocks[inside].one):
            raise ValueError(f"inside is {inside}, which is no block that a text can begin in")
        kinds = bytearray()
        bounds = array("I")
        open_until = [0] * len(self._blocks)  # up to here a block's opener is known to have no closer
        regex_until = 0
        position, size = 0, len(text)
        previous = -1  # index of the last token that is no comment

        def emit(kind: int, start: int, end: int) -> None:
            nonlocal previous, position
            if kind == STRING and self._docstrings and _is_docstring(text, start, end, kinds, bounds, previous):
                kind = COMMENT
            if kind != COMMENT:
                previous = len(kinds)
            kinds.append(kind)
            bounds.extend((start, end))
            position = end

        if inside >= 0 and size:
            block = self._blocks[inside]
            end, _ = block.close(text, 0)
            emit(COMMENT if block.comment else STRING, 0, size if end < 0 else end)
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
                and self._regexes
                and position >= regex_until
                and self._operand_due(text, kinds, bounds, previous)
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
        return kinds, bounds

    def _line_comment(self, text: bytes, position: int) -> int:
        """Return the end of the line comment at ``position``, -1 if none starts there."""
        for opener, blank_before, blank_after, not_after in self._lines:
            if not text.startswith(opener, position):
                continue
            if position and blank_before and text[position - 1] not in _BLANK_BYTES:
                continue
            if position and text[position - 1] in not_after:
                continue
            after = position + len(opener)
            if blank_after and after < len(text) and text[after] not in _BLANK_BYTES:
                continue
            return _line_end(text, after)
        return -1

    def _block(
        self, text: bytes, position: int, open_until: list[int], strings_only: bool = False
    ) -> tuple[_Block | None, int]:
        """Return the block that starts at ``position`` and its end, or (None, -1)."""
        for index, block in enumerate(self._blocks):
            if not text.startswith(block.opener, position) or (strings_only and block.comment):
                continue
            if position < open_until[index]:
                continue
            end, limit = block.end(text, position)
            if end >= 0:
                return block, end
            if end == -1:
                if block.to_end:
                    return block, len(text)
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
            elif byte == 0x27 and self._separator and following in _ALPHANUMERIC:
                end += 1
            else:
                break
        return end

    def _operator(self, text: bytes, position: int, emit: Callable[[int, int, int], None]) -> None:
        operator = self._operator_pattern.match(text, position)
        emit(PUNCTUATION, position, operator.end() if operator else position + 1)

    def _operand_due(self, text: bytes, kinds: bytearray, bounds: array[int], previous: int) -> bool:
        """Tell whether an operand is due after the last token, so that ``/`` is no division."""
        if previous < 0:
            return True
        if kinds[previous] == PUNCTUATION:
            return text[bounds[2 * previous + 1] - 1] not in b")]}"
        return text[bounds[2 * previous] : bounds[2 * previous + 1]] in self._regex_after


def fingerprints(symbols: Buffer, length: int, part: int) -> tuple[bytes, bytes]:
    """Return the hashes of the selected grams and their first symbols, as words."""
    require_at_least(1, length=length, part=part)
    if part > length:
        raise ValueError(f"part is {part}, must be at most the length, {length}")
    records = symbols_of(symbols)
    grams = len(records) - length + 1
    if grams < 1:
        return b"", b""
    parts = gram(records["class"], part)
    span, middle = length - part + 1, (length - part) // 2
    least = np.lib.stride_tricks.sliding_window_view(parts, span).min(axis=1)
    firsts = np.flatnonzero(parts[middle : middle + grams] == least)
    names = np.lib.stride_tricks.sliding_window_view(records["value"], length)[firsts]
    classes = np.lib.stride_tricks.sliding_window_view(records["class"], length)[firsts].copy()
    for row, (named, abstract) in enumerate(zip(names, classes, strict=True)):
        order: dict[int, int] = {}
        for place in np.flatnonzero(abstract == IDENTIFIERS):
            classes[row, place] = FIRST_NAME + order.setdefault(int(named[place]), len(order))
    state = np.full(len(firsts), _START, dtype=np.uint64)
    for column in range(length):
        state = _step(state, classes[:, column])
    return to_bytes(state), to_bytes(firsts)


def symbols_of(symbols: Buffer) -> npt.NDArray[np.void]:
    """Return a view of records of symbols; ValueError if the buffer holds a part of one."""
    view = np.frombuffer(symbols, dtype=np.uint8)
    if len(view) % SYMBOL.itemsize:
        raise ValueError(f"a buffer of symbols has {len(view)} bytes, which is no multiple of {SYMBOL.itemsize}")
    return view.view(SYMBOL)


def gram(values: U64, length: int) -> U64:
    """Return the hash of every run of ``length`` values."""
    count = max(0, len(values) - length + 1)
    state = np.full(count, _START, dtype=np.uint64)
    for place in range(length):
        state = _step(state, values[place : place + count])
    return state


def _step(state: U64, values: U64) -> U64:
    state = (state ^ values) * _FACTOR
    return state ^ (state >> HALF)


def _is_docstring(text: bytes, start: int, end: int, kinds: bytearray, bounds: array[int], previous: int) -> bool:
    """Tell whether a string stands alone on its line(s) where a statement may begin."""
    if bounds and not _LINE_END.search(text, bounds[-1], start) or not _LINE_REST.match(text, end):
        return False
    if previous < 0:
        return True
    return kinds[previous] != STRING and text[bounds[2 * previous + 1] - 1] not in _NOT_BEFORE_DOCSTRING


def _line_end(text: bytes, position: int) -> int:
    end = _LINE_END.search(text, position)
    return end.start() if end else len(text)
