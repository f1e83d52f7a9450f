"""What a search answers with, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from provenance.records import ContentRef, Source, Span


@dataclass(frozen=True, slots=True)
class Total:
    """How many distinct documents match; a lower bound unless ``exact``."""

    value: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some whole lines of a text, without the last line's end, cut at both sides where they are long.

    ``first_line`` is 1-based; ``marks`` are the parts of ``text`` that match, in code points, half-open, ascending.
    """

    first_line: int
    text: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One text that matches, with every document of it that passes the filters.

    ``highlights`` are the places that match, ascending, not overlapping, the first `HIGHLIGHTS` at most;
    ``all_highlighted`` tells whether these are all. ``score`` is set where results are ranked.
    """

    ref: ContentRef
    content_id: bytes
    documents: tuple[tuple[bytes, Source], ...]
    highlights: tuple[Span, ...]
    all_highlighted: bool
    snippets: tuple[Snippet, ...]
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Facets:
    """Distinct matching documents by language, licence expression and repository, most first, then by name.

    They count what `SearchResults.total` counts, and are exact where it is. A document without a language
    stands under the empty name.
    """

    languages: tuple[tuple[str, int], ...]
    licenses: tuple[tuple[str, int], ...]
    repositories: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """One page of an answer.

    ``complete`` is false when the search met its bound on text to read before the page was full: there may be
    more hits. ``facets`` are None unless they were asked for.
    """

    total: Total
    hits: tuple[Hit, ...]
    complete: bool
    facets: Facets | None = None


HIGHLIGHTS = 100
"""Places reported of one text."""
