"""What a trace shows: spans of a text with the documents of the corpus that match them, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from provenance.errors import ParameterError
from provenance.index import Index
from provenance.lexing.alignment import Renaming
from provenance.records import ContentRef, Source, Span
from provenance.search.base import Filters
from provenance.search.filtering import DocumentFilter
from provenance.usual import Reason

Level = Literal["exact", "layout", "comments", "renamed", "edited"]
"""What was done to a copy, each level including those before it: nothing; white space; comments and docstrings; names;
anything else. An open enumeration."""
LEVELS: tuple[Level, ...] = get_args(Level)
BY_FILTER: frozenset[Level] = frozenset(("exact", "layout"))
"""Levels found as verified runs of what the filters know; the others need fingerprints in the index."""

ORDER = (
    "least changed first (exact, layout, comments, renamed, edited; of these the most similar, in whole percent); then "
    "what the corpus does not call a fork, nor a vendored copy; then the earliest date, the most stars, repository, "
    "path, document id"
)
"""How sources are listed; what a corpus does not say about a source counts as least."""


def check_levels(levels: Sequence[str]) -> frozenset[str]:
    """Return levels as a set. Raises `ParameterError` for one that there is not, or none at all."""
    unknown = [level for level in levels if level not in LEVELS]
    if unknown or not levels:
        raise ParameterError(f"levels are {', '.join(map(repr, unknown)) or 'none'}: give some of {', '.join(LEVELS)}")
    return frozenset(levels)


@dataclass(frozen=True, slots=True)
class SourceMatch:
    """One document that matches a span.

    ``span`` counts in the stored text of the document (as decoded, CR kept). ``content_id`` is the git blob SHA-1.
    ``level`` tells how the two texts differ. ``similarity`` is the share of tokens, of the longer side, that
    correspond and are equal or renamed alike; 1.0 up to comments. ``renamings`` are the names of the document and
    what stands for them in the text, in order of occurrence. ``aligned`` are the pairs of ranges (of the text, of the
    document) that correspond token by token; empty where the whole ranges do as they stand.
    """

    document: bytes
    source: Source
    content_id: bytes
    span: Span
    level: Level
    similarity: float = 1.0
    renamings: tuple[Renaming, ...] = ()
    aligned: tuple[tuple[Span, Span], ...] = ()

    @property
    def exact(self) -> bool:
        """Tell whether the two texts are equal byte for byte."""
        return self.level == "exact"

    @property
    def swhid(self) -> str:
        """Return the persistent identifier of the content in the Software Heritage archive's scheme."""
        return f"swh:1:cnt:{self.content_id.hex()}"


@dataclass(frozen=True, slots=True)
class TracedSpan:
    """A part of the text that stands in the corpus, as it is or edited.

    ``documents`` and ``repositories`` count where exactly this stands - of edited copies, where the sources listed
    here stand, which are near-duplicates of each other; lower bounds unless ``counts_exact``. ``contents`` bounds from
    above in how many texts of the corpus an edited copy can stand; None for others. ``common_by`` is why the span is
    common, None where it is not. ``licenses`` are all distinct
    expressions of the documents, ascending. ``sources`` are the first of the documents, in `ORDER`. ``kind`` and
    ``similarity`` are those of the first.
    """

    span: Span
    kind: Level
    documents: int
    repositories: int
    counts_exact: bool
    licenses: tuple[str, ...]
    sources: tuple[SourceMatch, ...]
    similarity: float = 1.0
    contents: int | None = None
    common_by: Reason | None = None


class Catalogue:
    """Documents of stored contents, as far as they count for one query."""

    def __init__(self, index: Index, filters: Filters) -> None:
        """Count what passes ``filters`` and is not withdrawn."""
        self.index = index
        self.filters = filters
        self._passes = DocumentFilter(filters).passes
        self._all_count = not filters and not index.removed_documents
        self._known: dict[ContentRef, list[tuple[bytes, Source]]] = {}

    def documents(self, ref: ContentRef) -> list[tuple[bytes, Source]]:
        """Return the documents of a content."""
        found = self._known.get(ref)
        if found is None:
            found = [entry for entry in self.index.sources(ref) if self._passes(entry[1])]
            self._known[ref] = found
        return found

    def has_documents(self, ref: ContentRef) -> bool:
        """Tell whether a content counts."""
        return self._all_count or bool(self.documents(ref))


def place_in_order(level: Level, similarity: float, source: Source, document: bytes) -> tuple[Any, ...]:
    """Return what sources are sorted by: see `ORDER`."""
    return (
        LEVELS.index(level),
        -round(100 * similarity),
        source.fork is True,
        source.vendored is True,
        source.date or "9",
        -(source.stars or 0),
        source.repository,
        source.path,
        document,
    )
