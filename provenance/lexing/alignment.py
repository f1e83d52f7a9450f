"""Two texts side by side: which symbols correspond, where that is in both sources, what was renamed.

**Region.** Seeds are runs of five symbols. The stretch of the document, up to one and a half times as long as the
query, that shares most seeds with it (a seed counts by its rarity in the document) is aligned; two such stretches by
the symbols' classes and one by the symbols themselves are tried, and the best kept.

**Path.** Smith-Waterman with affine gaps. A pair of symbols of one class scores 2 for keywords and operators, 4 for
equal identifiers, strings and numbers, 1 for different ones; other pairs -3; a gap -3 and -1 for each further symbol.
A second pass knows which name of the document each name of the query met most often, and then scores a pair
of usual partners 2 (4 if equal) and any other pair of names -1 (1 if equal).

Time is bounded by the query's length (at most `kernel` 1024 symbols) times the stretch's, plus one look at the
document.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from provenance import kernel
from provenance.lexing.languages import Family
from provenance.lexing.lexer import COMMENT, lex, lexer

IDENTIFIERS, STRINGS, NUMBERS = 1, 2, 3
"""Classes of symbols; every other class is the hash of a keyword, an operator or a digit."""

EditKind = Literal["exact", "layout", "comments", "renamed", "edited"]
"""What was done to a copy, each level including those before it."""

_SYMBOL = struct.Struct("<QQII")
_PAIR = struct.Struct("<II")


class Symbol(NamedTuple):
    """One symbol: class, hash of the token, byte range of the token (of strings in a row: from first to last)."""

    kind: int
    value: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Code:
    """A text with its symbols, ready to be aligned.

    A sequence of `Symbol`; ``packed`` is the kernel's form of it (symbols are unpacked when asked for).
    """

    text: bytes
    family: Family
    packed: bytes

    @classmethod
    def of(cls, text: bytes, family: Family, inside: int = -1) -> Code:
        """Lex a text; ``inside`` as `lexer.opening` gives it."""
        return cls(text, family, lexer(family.name).symbols(text, inside))

    def __len__(self) -> int:
        """Return the number of symbols."""
        return len(self.packed) // _SYMBOL.size

    def __getitem__(self, symbol: int) -> Symbol:
        """Return a symbol by number; there are no negative numbers."""
        return Symbol._make(_SYMBOL.unpack_from(self.packed, symbol * _SYMBOL.size))

    def __iter__(self) -> Iterator[Symbol]:
        """Yield the symbols."""
        return map(Symbol._make, _SYMBOL.iter_unpack(self.packed))

    def part(self, first: int, end: int) -> Code:
        """Return the code of the symbols [first, end); ranges still count in the whole text."""
        return Code(self.text, self.family, self.packed[_SYMBOL.size * first : _SYMBOL.size * end])

    def token(self, symbol: int) -> bytes:
        """Return the source of a symbol."""
        _, _, start, end = self[symbol]
        return self.text[start:end]


class Renaming(NamedTuple):
    """A name of the document, the name that stands for it in the query, and how often."""

    document: str
    query: str
    times: int


@dataclass(frozen=True)
class Alignment:
    """Corresponding symbols of two codes, ascending on both sides; at least one pair."""

    query: Code
    document: Code
    pairs: tuple[tuple[int, int], ...]

    @cached_property
    def symbols(self) -> tuple[tuple[Symbol, Symbol], ...]:
        """Return the pairs themselves: a symbol of the query, and one of the document."""
        (first, start), (last, end) = self.pairs[0], self.pairs[-1]
        query, document = list(self.query.part(first, last + 1)), list(self.document.part(start, end + 1))
        return tuple((query[i - first], document[j - start]) for i, j in self.pairs)

    @property
    def query_bytes(self) -> tuple[int, int]:
        """Return the byte range in the query's text."""
        return self.query[self.pairs[0][0]].start, self.query[self.pairs[-1][0]].end

    @property
    def document_bytes(self) -> tuple[int, int]:
        """Return the byte range in the document's text."""
        return self.document[self.pairs[0][1]].start, self.document[self.pairs[-1][1]].end

    @property
    def query_length(self) -> int:
        """Return how many symbols of the query lie between the first pair and the last."""
        return self.pairs[-1][0] - self.pairs[0][0] + 1

    @property
    def document_length(self) -> int:
        """Return how many symbols of the document lie between the first pair and the last."""
        return self.pairs[-1][1] - self.pairs[0][1] + 1

    @property
    def coverage(self) -> float:
        """Return the share of the query's symbols that have a partner."""
        return len(self.pairs) / len(self.query)

    @property
    def gaps(self) -> int:
        """Return at how many places symbols without a partner stand between two pairs."""
        return sum(1 for (i, j), (k, m) in _steps(self.pairs) if k - i > 1 or m - j > 1)

    @property
    def equal_tokens(self) -> set[bytes]:
        """Return the distinct names, strings and numbers that are the same on both sides."""
        return {
            self.query.text[one.start : one.end]
            for one, other in self.symbols
            if one.kind <= NUMBERS and one.value == other.value
        }

    @property
    def similarity(self) -> float:
        """Return the share of symbols, of the longer side's range, that correspond and are equal or renamed alike."""
        alike = sum(_are_alike(one, other) for one, other in self.symbols)
        return (alike - self.conflicts) / max(self.query_length, self.document_length)

    @property
    def conflicts(self) -> int:
        """Return in how many pairs a name that has met another partner before stands."""
        forth: dict[int, int] = {}
        back: dict[int, int] = {}
        count = 0
        for one, other in self.symbols:
            if one.kind == IDENTIFIERS:
                alike = forth.setdefault(one.value, other.value) == other.value
                count += not (back.setdefault(other.value, one.value) == one.value and alike)
        return count

    @property
    def renamings(self) -> tuple[Renaming, ...]:
        """Return the names that differ with the names that stand for them most often, in order of occurrence."""
        counts: Counter[tuple[bytes, bytes]] = Counter()
        ours, theirs = self.query.text, self.document.text
        for one, other in self.symbols:
            if one.kind == IDENTIFIERS:
                counts[theirs[other.start : other.end], ours[one.start : one.end]] += 1
        usual: dict[bytes, tuple[bytes, int]] = {}
        for (old, new), times in counts.items():
            if times > usual.get(old, (b"", 0))[1]:
                usual[old] = (new, times)
        return tuple(
            Renaming(old.decode("utf-8", "replace"), new.decode("utf-8", "replace"), times)
            for old, (new, times) in usual.items()
            if old != new
        )

    @property
    def kind(self) -> EditKind:
        """Return what was done between the two ranges."""
        query, document = self.query.text[slice(*self.query_bytes)], self.document.text[slice(*self.document_bytes)]
        if query == document:
            return "exact"
        if self.gaps or not all(_are_alike(one, other) for one, other in self.symbols):
            return "edited"
        if any(one.value != other.value for one, other in self.symbols):
            return "renamed"
        same = _comments(query, self.query.family) == _comments(document, self.document.family)
        return "layout" if same else "comments"


def align(query: Code, document: Code) -> Alignment | None:
    """Return the alignment of the best region, None where no seed is shared."""
    pairs = tuple(_PAIR.iter_unpack(kernel.align_symbols(query.packed, document.packed)))
    return Alignment(query, document, pairs) if pairs else None


def _are_alike(one: Symbol, other: Symbol) -> bool:
    return one.kind == IDENTIFIERS or one.value == other.value


def _steps(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    return zip(pairs, pairs[1:], strict=False)


def _comments(text: bytes, family: Family) -> list[bytes]:
    return [b" ".join(text[t.start : t.end].split()) for t in lex(text, family) if t.kind == COMMENT]
