"""Where a text stands in the corpus: filter hits, verified on the stored texts, with their sources.

`provenance.verification` finds the maximal common runs; here they become spans of the text that was asked about,
with everybody who has them. A span is shown only when it stands in a stored text, byte for byte after
normalisation; its ends are exact on both sides, trimmed of white space and of cut characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from provenance.checking import CheckResult, check
from provenance.errors import MismatchError, ParameterError
from provenance.index import Index
from provenance.membership.commonness import Commonness
from provenance.records import ContentRef, Source, Span, Verdict
from provenance.search.base import Filters
from provenance.search.filtering import DocumentFilter
from provenance.text import NormalisedText
from provenance.verdict import DEFAULT_MIN_CHARS
from provenance.verification import Findings, Holders, Limits, RunFinder
from provenance.windows import trace_floor

ORDER = (
    "texts equal byte for byte first, then those that differ in white space; then what the corpus does not call a "
    "fork, nor a vendored copy; then the earliest date, the most stars, repository, path, document id"
)
"""How sources are listed; what a corpus does not say about a source counts as least."""
_KEPT_TEXTS = 64
"""Stored texts with their maps kept while the spans of one text are described."""


@dataclass(frozen=True, slots=True)
class SourceMatch:
    """One document in which a span stands.

    ``span`` counts in the stored text of the document (as decoded, CR kept). ``exact``: the two texts are equal
    byte for byte; otherwise they differ in white space. ``content_id`` is the git blob SHA-1.
    """

    document: bytes
    source: Source
    content_id: bytes
    span: Span
    exact: bool

    @property
    def swhid(self) -> str:
        """Return the persistent identifier of the content in the Software Heritage archive's scheme."""
        return f"swh:1:cnt:{self.content_id.hex()}"


@dataclass(frozen=True, slots=True)
class TracedSpan:
    """A part of the text that stands in the corpus, as long as it goes.

    ``documents`` and ``repositories`` count where exactly this stands; lower bounds unless ``counts_exact``.
    ``licenses`` are all distinct expressions of those, ascending. ``sources`` are the first of them, in `ORDER`.
    ``kind`` is ``exact`` where some source is equal byte for byte, else ``layout``.
    """

    span: Span
    kind: Literal["exact", "layout"]
    documents: int
    repositories: int
    counts_exact: bool
    licenses: tuple[str, ...]
    sources: tuple[SourceMatch, ...]


@dataclass(frozen=True, slots=True)
class TraceResult:
    """The answer to one text; ``checked`` is what the filters alone say.

    ``floor``: the shortest copy, in normalised bytes, that is certain to be found. ``coverage`` is the share of the
    normalised text inside spans. ``complete`` is false where a bound on work was met and spans may be missing.
    """

    verdict: Verdict
    floor: int
    coverage: float
    spans: tuple[TracedSpan, ...]
    complete: bool
    checked: CheckResult = field(repr=False)
    order: str = ORDER


def trace(
    index: Index,
    text: str | bytes,
    *,
    min_chars: int = DEFAULT_MIN_CHARS,
    sources_limit: int = 10,
    exclude_repositories: Sequence[str] = (),
    limits: Limits | None = None,
) -> TraceResult:
    """Return every part of ``text`` of at least ``min_chars`` normalised bytes that stands in the corpus.

    Spans ascend; none holds another. At most ``sources_limit`` sources are listed a span.
    ``exclude_repositories`` are shell patterns, ignoring case: what stands only there does not count.

    Raises:
        ParameterError: a number is below zero. MismatchError: the index holds no texts.
        SearchError, CorruptFile, StorageError: a part of the index does not answer.
    """
    for name, value in (("min_chars", min_chars), ("sources_limit", sources_limit)):
        if value < 0:
            raise ParameterError(f"{name} is {value}: it must be 0 or more")
    if not index.segments:
        raise MismatchError(
            "this index holds filters alone, no stored texts: check can be asked, trace needs an index of sources"
        )
    checked = check(index, text, min_chars=min_chars)
    catalogue = _Catalogue(index, Filters(exclude_repositories=tuple(exclude_repositories)))
    findings = Findings((), True)
    if checked.chains:
        finder = RunFinder(
            index,
            checked.text.normalised,
            min_chars,
            filters=catalogue.filters,
            visible=catalogue.has_documents,
            limits=limits or Limits(),
        )
        findings = finder.find(checked.chains)
    describe = _Describer(checked, catalogue, Commonness.of(index, min_chars), sources_limit)
    spans = tuple(describe(start, end, holders) for start, end, holders in findings.runs)
    floor = trace_floor(index.geometry, min_chars)
    return TraceResult(
        verdict="match" if spans else "too_short" if checked.characters < floor else "no_match",
        floor=floor,
        coverage=_union(findings) / checked.characters if checked.characters else 0.0,
        spans=spans,
        complete=findings.complete,
        checked=checked,
    )


def _union(findings: Findings) -> int:
    """Return how many normalised bytes lie in some run; runs ascend, and may overlap."""
    total = reached = 0
    for start, end, _ in findings.runs:
        total += end - max(start, reached)
        reached = end
    return total


class _Catalogue:
    """Documents of stored contents, as far as they count for this query."""

    def __init__(self, index: Index, filters: Filters) -> None:
        self.index = index
        self.filters = filters
        self._passes = DocumentFilter(filters).passes
        self._all_count = not filters and not index.removed_documents
        self._known: dict[ContentRef, list[tuple[bytes, Source]]] = {}

    def documents(self, ref: ContentRef) -> list[tuple[bytes, Source]]:
        found = self._known.get(ref)
        if found is None:
            found = [entry for entry in self.index.sources(ref) if self._passes(entry[1])]
            self._known[ref] = found
        return found

    def has_documents(self, ref: ContentRef) -> bool:
        return self._all_count or bool(self.documents(ref))


class _Describer:
    """Makes spans of runs."""

    def __init__(self, checked: CheckResult, catalogue: _Catalogue, commonness: Commonness | None, limit: int) -> None:
        self._checked = checked
        self._catalogue = catalogue
        self._commonness = commonness
        self._common_repositories = catalogue.index.parameters.common_repositories
        self._limit = limit
        self._text = lru_cache(maxsize=_KEPT_TEXTS)(catalogue.index.text)
        self._stored = lru_cache(maxsize=_KEPT_TEXTS)(self._read)

    def __call__(self, start: int, end: int, holders: Holders) -> TracedSpan:
        query = self._checked.text
        low, high = query.source_bytes(start, end)
        written = query.source[low:high]
        places: dict[bytes, tuple[bool, Source, ContentRef, int]] = {}
        for ref, place in holders.places:
            # Where the very bytes stand, they are shown there, even if other white space comes earlier.
            at = self._text(ref).find(written)
            for document, source in self._catalogue.documents(ref):
                places.setdefault(document, (at >= 0, source, ref, at if at >= 0 else place))
        ordered = sorted(places.items(), key=_order)
        repositories = {source.repository for _, source, _, _ in places.values()}
        common = len(repositories) >= self._common_repositories or (
            self._commonness is not None and self._commonness.is_common(query.normalised, start, end)
        )
        return TracedSpan(
            span=query.span(start, end, common=common),
            kind="exact" if any(exact for exact, _, _, _ in places.values()) else "layout",
            documents=len(places),
            repositories=len(repositories),
            counts_exact=holders.exact,
            licenses=tuple(sorted({source.license for _, source, _, _ in places.values()})),
            sources=tuple(
                self._match(document, found, len(written), end - start) for document, found in ordered[: self._limit]
            ),
        )

    def _match(
        self, document: bytes, found: tuple[bool, Source, ContentRef, int], written: int, normalised: int
    ) -> SourceMatch:
        exact, source, ref, at = found
        stored = self._stored(ref)
        return SourceMatch(
            document=document,
            source=source,
            content_id=self._catalogue.index.content_id(ref),
            span=stored.source_span(at, at + written) if exact else stored.span(at, at + normalised),
            exact=exact,
        )

    def _read(self, ref: ContentRef) -> NormalisedText:
        return NormalisedText(self._text(ref))


def _order(entry: tuple[bytes, tuple[bool, Source, ContentRef, int]]) -> tuple[Any, ...]:
    document, (exact, source, _, _) = entry
    return (
        not exact,
        source.fork is True,
        source.vendored is True,
        source.date or "9",
        -(source.stars or 0),
        source.repository,
        source.path,
        document,
    )
