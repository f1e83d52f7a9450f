"""Literal search: a string as it stands in stored texts, cut anywhere, white space and all."""

from __future__ import annotations

import re
import sys
from array import array
from collections import defaultdict
from functools import cache

from provenance import kernel
from provenance.errors import QueryRejected
from provenance.index import Index
from provenance.search.base import Filters
from provenance.search.collecting import Reach, collect
from provenance.search.results import SearchResults
from provenance.search.streams import CandidateStream, Fetch
from provenance.text import clean


def search_literal(
    index: Index,
    literal: str,
    *,
    fold_case: bool = False,
    filters: Filters | None = None,
    limit: int = 10,
    offset: int = 0,
    reach: Reach | None = None,
) -> SearchResults:
    """Return the texts that hold a literal, by address of the content: in the order of the corpus.

    ``fold_case``: ASCII letters match in either case, and any other character matches those with the same
    simple case folding (Unicode's C and S), except that no ASCII letter matches one outside of ASCII.
    ``limit`` and ``offset`` count texts. Raises `QueryRejected` for an empty literal, `ParameterError`
    for a negative limit or offset, and what reading the index raises.
    """
    literal = clean(literal)
    if not literal:
        raise QueryRejected("the literal is empty; give at least one character")
    matcher = FoldedMatcher(literal) if fold_case and not literal.isascii() else LiteralMatcher(literal, fold_case)
    filters = filters or Filters()
    stream = CandidateStream([literal_candidates(index, literal, filters, fold_case=fold_case)])
    return collect(index, stream, matcher, filters, limit, offset, reach or Reach())


def literal_candidates(index: Index, literal: str, filters: Filters, *, fold_case: bool = False) -> Fetch:
    """Return where to fetch the contents that may hold a literal."""
    part = literal.encode()
    return lambda limit, after: index.engine.holding(part, filters, limit, after, fold_case=fold_case, verbatim=True)


class LiteralMatcher:
    """Finds one string of bytes."""

    def __init__(self, literal: str, fold_case: bool = False) -> None:
        """``fold_case`` folds ASCII letters, so the literal is ASCII then."""
        self._needle = literal.encode()
        self._fold_case = fold_case
        self.longest: int | None = len(self._needle)

    def find(self, text: bytes, limit: int) -> list[tuple[int, int]]:
        """Return the first places, as half-open ranges of bytes, not overlapping."""
        offsets = array("Q")
        offsets.frombytes(kernel.find_all(text, self._needle, fold_case=self._fold_case, limit=limit))
        if sys.byteorder == "big":
            offsets.byteswap()
        size = len(self._needle)
        return [(offset, offset + size) for offset in offsets]


class FoldedMatcher:
    """Finds one string whatever its case, where it holds more than ASCII."""

    def __init__(self, literal: str) -> None:
        """Build a pattern of alternatives; it has no repetition, so it takes linear time."""
        classes = _case_classes()
        parts = []
        for character in literal:
            if character.isascii():
                alternatives = sorted({character.lower(), character.upper()})
            else:
                alternatives = classes.get(_simple_fold(character), [character])
            parts.append(b"(?:" + b"|".join(re.escape(each.encode()) for each in alternatives) + b")")
        self._pattern = re.compile(b"".join(parts))
        self.longest: int | None = 4 * len(literal)

    def find(self, text: bytes, limit: int) -> list[tuple[int, int]]:
        """Return the first places, as half-open ranges of bytes, not overlapping."""
        found = []
        for match in self._pattern.finditer(text):
            found.append(match.span())
            if len(found) == limit:
                break
        return found


def _simple_fold(character: str) -> str:
    """Return the simple case folding of a character, or itself where that is ASCII."""
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return character if folded.isascii() else folded
    return character


@cache
def _case_classes() -> dict[str, list[str]]:
    """Return the characters outside of ASCII that share a simple folding with another, by that folding."""
    classes = defaultdict(list)
    for code in range(0x80, sys.maxunicode + 1):
        character = chr(code)
        if character.isalpha() or character.lower() != character or character.casefold() != character:
            classes[_simple_fold(character)].append(character)
    return {folded: members for folded, members in classes.items() if len(members) > 1}
