"""Search by regular expression: RE2's syntax, in time linear in the text that is read.

``^`` and ``$`` match at the ends of lines, ``.`` matches anything but a newline. Literals that every match must
hold (`requirements`) choose the texts to look at; an expression without any looks at all of them.
"""

from __future__ import annotations

import re2

from provenance.errors import QueryRejected
from provenance.index import Index
from provenance.search.base import Filters
from provenance.search.collecting import Reach, collect
from provenance.search.literal import literal_candidates
from provenance.search.requirements import required_literals
from provenance.search.results import SearchResults
from provenance.search.streams import CandidateStream, Fetch

_LONGEST = 4096
"""Longer expressions are refused."""


def search_regex(
    index: Index,
    pattern: str,
    *,
    fold_case: bool = False,
    filters: Filters | None = None,
    limit: int = 10,
    offset: int = 0,
    reach: Reach | None = None,
) -> SearchResults:
    """Return the texts that a regular expression matches somewhere, by address of the content.

    ``fold_case`` is RE2's ``(?i)``. Raises `QueryRejected` for an expression that cannot be read (with the
    place), that is too large, or that matches the empty text; otherwise as `search_literal`.
    """
    matcher = RegexMatcher(pattern, fold_case=fold_case)
    filters = filters or Filters()
    required = required_literals(f"(?i){pattern}" if fold_case else pattern)
    alternatives: list[Fetch] = []
    for literal in required.literals if required else ():
        alternatives.append(
            literal_candidates(index, literal, filters, fold_case=bool(required and required.fold_case))
        )
    stream = CandidateStream(alternatives or [literal_candidates(index, "", filters)])
    return collect(index, stream, matcher, filters, limit, offset, reach or Reach())


class RegexMatcher:
    """Finds what one expression matches."""

    def __init__(self, pattern: str, *, fold_case: bool = False) -> None:
        """Compile the expression."""
        if len(pattern) > _LONGEST:
            raise QueryRejected(f"the regular expression has {len(pattern)} characters; {_LONGEST} are the most")
        try:
            pattern.encode()
        except UnicodeEncodeError as error:
            raise QueryRejected(f"the regular expression has a lone surrogate at character {error.start + 1}") from None
        self.longest: int | None = None
        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        try:
            re2.compile(pattern, options)
            self._regex = re2.compile(f"(?m{'i' if fold_case else ''}){pattern}".encode(), options)
        except re2.error as error:
            raise QueryRejected(_explained(pattern, error)) from None
        if self._regex.search(b"") is not None:
            raise QueryRejected("the regular expression matches the empty text, so it would find everything")

    def find(self, text: bytes, limit: int) -> list[tuple[int, int]]:
        """Return the first places, as half-open ranges of bytes, not overlapping."""
        found = []
        for match in self._regex.finditer(text):
            found.append(match.span())
            if len(found) == limit:
                break
        return found


def _explained(pattern: str, error: re2.error) -> str:
    """Return RE2's complaint and where in the expression it stands, without repeating the expression."""
    said = error.args[0] if error.args else b""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    cause, _, fragment = text.partition(": ")
    at = pattern.find(fragment) if fragment else -1
    place = f" at character {at + 1}" if at >= 0 else ""
    return (
        f"the regular expression cannot be read{place}: {cause}; the syntax is RE2's, without look-around or references"
    )
