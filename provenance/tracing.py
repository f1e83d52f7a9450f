"""Where a text stands in the corpus: filter hits, verified on the stored texts, with their sources; and edited copies.

`provenance.verification` finds the maximal common runs; here they become spans of the text that was asked about,
with everybody who has them. A run is shown only when it stands in a stored text, byte for byte after
normalisation; its ends are exact on both sides, trimmed of white space and of cut characters. `provenance.edited`
adds what stands in the corpus with other comments, other names or other statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from provenance.checking import CheckResult, check
from provenance.errors import MismatchError, ParameterError
from provenance.imports import holds_imports_alone
from provenance.index import Index
from provenance.intervals import joined_ranges
from provenance.membership.commonness import Commonness
from provenance.records import ContentRef, Source, Verdict
from provenance.search.base import Filters
from provenance.text import NormalisedText
from provenance.traced import (
    BY_FILTER,
    LEVELS,
    ORDER,
    Catalogue,
    Level,
    SourceMatch,
    TracedSpan,
    check_levels,
    place_in_order,
)
from provenance.usual import (
    SHORT_CHARS,
    SHORT_SHARE,
    Reason,
    has_usual_words_alone,
    is_in_licence_header,
    is_in_many_repositories,
    is_supported,
)
from provenance.verdict import DEFAULT_MIN_CHARS
from provenance.verification import Findings, Holders, Limits, RunFinder
from provenance.windows import trace_floor

if TYPE_CHECKING:
    from provenance.edited import EditedFindings

__all__ = ["LEVELS", "ORDER", "Level", "SourceMatch", "TraceResult", "TracedSpan", "trace"]

_KEPT_TEXTS = 64
"""Stored texts with their maps kept while the spans of one text are described."""


@dataclass(frozen=True, slots=True)
class TraceResult:
    """The answer to one text; ``checked`` is what the filters alone say.

    ``floor``: the shortest copy, in normalised bytes, that is certain to be found as it is. ``levels`` are those that
    were looked for: an index without fingerprints knows no edited copies. ``coverage`` is the share of the
    normalised text inside spans. ``complete`` is false where a bound on work was met and spans may be missing.
    """

    verdict: Verdict
    floor: int
    coverage: float
    spans: tuple[TracedSpan, ...]
    complete: bool
    checked: CheckResult = field(repr=False)
    levels: tuple[Level, ...] = LEVELS
    order: str = ORDER


def trace(
    index: Index,
    text: str | bytes,
    *,
    min_chars: int = DEFAULT_MIN_CHARS,
    sources_limit: int = 10,
    exclude_repositories: Sequence[str] = (),
    path: str | None = None,
    levels: Sequence[str] = LEVELS,
    limits: Limits | None = None,
) -> TraceResult:
    """Return the parts of ``text`` of at least ``min_chars`` normalised bytes that stand in the corpus.

    All parts that stand there as they are, but for white space, are returned, exact on both sides; then edited copies
    (comments, renamed, edited) where the evidence makes a match and they hold more than such parts. Spans ascend;
    none holds another of its kind. At most ``sources_limit`` sources are listed a span.
    ``exclude_repositories`` are shell patterns, ignoring case: what stands only there does not count.
    ``path`` tells the language where its extension is known. ``levels`` limits what is looked for and shown; edited
    copies are looked for where any of their levels is asked for, and the index has fingerprints.

    Raises:
        ParameterError: a number is below zero, a level unknown. MismatchError: the index holds no texts.
        SearchError, CorruptFile, StorageError: a part of the index does not answer.
    """
    for name, value in (("min_chars", min_chars), ("sources_limit", sources_limit)):
        if value < 0:
            raise ParameterError(f"{name} is {value}: it must be 0 or more")
    if not index.segments:
        raise MismatchError(
            "this index holds filters alone, no stored texts: check can be asked, trace needs an index of sources"
        )
    wanted = check_levels(levels)
    if index.parameters.fingerprints == "none":
        wanted &= BY_FILTER
    limits = limits or Limits()
    checked = check(index, text, min_chars=min_chars)
    catalogue = Catalogue(index, Filters(exclude_repositories=tuple(exclude_repositories)))
    findings = Findings((), True)
    if checked.chains:
        finder = RunFinder(
            index,
            checked.text.normalised,
            min_chars,
            filters=catalogue.filters,
            visible=catalogue.has_documents,
            limits=limits,
        )
        findings = finder.find(checked.chains)
    commonness = Commonness.of(index, min_chars)
    describe = _Describer(checked, catalogue, commonness, sources_limit)
    described = [(run, describe(*run)) for run in findings.runs]
    complete = findings.complete
    edited: EditedFindings | None = None
    if wanted - BY_FILTER:
        from provenance.edited import EditedCopies

        copies = EditedCopies(
            catalogue,
            checked.text,
            min_chars=min_chars,
            levels=wanted,
            commonness=commonness,
            sources_limit=sources_limit,
        )
        long = [checked.text.source_bytes(low, high) for low, high, _ in findings.runs if high - low >= SHORT_CHARS]
        telling = [(span.span.start_byte, span.span.end_byte) for _, span in described if not span.span.common]
        edited = copies.find(long, telling, path, limits.units)
        complete = complete and edited.complete
        # Where a bound on work was met, a short run counts.
        if edited.complete:
            described = [(run, _judged(run, span, checked.characters, edited.support)) for run, span in described]
    spans = [span for _, span in described if span.kind in wanted]
    if edited is not None:
        spans = sorted([*spans, *edited.spans], key=lambda traced: (traced.span.start, -traced.span.end))
    floor = trace_floor(index.geometry, min_chars)
    return TraceResult(
        verdict="match" if spans else "too_short" if checked.characters < floor else "no_match",
        floor=floor,
        coverage=_covered(spans, checked.text) / checked.characters if checked.characters else 0.0,
        spans=tuple(spans),
        complete=complete,
        checked=checked,
        levels=tuple(level for level in LEVELS if level in wanted),
    )


def _judged(
    run: tuple[int, int, Holders], span: TracedSpan, characters: int, support: Sequence[tuple[int, int]]
) -> TracedSpan:
    """Return a span, as common where it is a short run of a longer text that nothing else supports."""
    length = run[1] - run[0]
    if span.span.common or length >= min(SHORT_CHARS, SHORT_SHARE * characters):
        return span
    if is_supported((span.span.start_byte, span.span.end_byte), support):
        return span
    return replace(span, span=replace(span.span, common=True), common_by="short")


def _covered(spans: Sequence[TracedSpan], text: NormalisedText) -> int:
    """Return how many normalised bytes lie in some span; spans ascend, and may overlap."""
    ranges = ((each.span.start_byte, each.span.end_byte) for each in spans)
    return sum(
        text.normalised_offset(end - 1) + 1 - text.normalised_offset(start) for start, end in joined_ranges(ranges)
    )


class _Describer:
    """Makes spans of runs."""

    def __init__(self, checked: CheckResult, catalogue: Catalogue, commonness: Commonness | None, limit: int) -> None:
        self._checked = checked
        self._catalogue = catalogue
        self._commonness = commonness
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
        ordered = sorted(
            places.items(), key=lambda entry: place_in_order(_level(entry[1][0]), 1.0, entry[1][1], entry[0])
        )
        repositories = {source.repository for _, source, _, _ in places.values()}
        # The first is looked at even where none is listed.
        shown = ordered[: max(1, self._limit)]
        sources = tuple(self._match(document, found, len(written), end - start) for document, found in shown)
        first = sources[0]
        index = self._catalogue.index
        reason: Reason | None = None
        if is_in_many_repositories(index, self._commonness, len(repositories), query.normalised, start, end):
            reason = "repositories"
        elif holds_imports_alone(query.source, low, high):
            reason = "imports"
        elif is_in_licence_header(
            first.source, self._text(ordered[0][1][2]), first.span.start_byte, first.span.end_byte
        ):
            reason = "notice"
        # The engine is asked last.
        elif end - start < SHORT_CHARS and has_usual_words_alone(index, query.normalised, start, end):
            reason = "words"
        return TracedSpan(
            span=query.span(start, end, common=reason is not None),
            kind=_level(any(exact for exact, _, _, _ in places.values())),
            documents=len(places),
            repositories=len(repositories),
            counts_exact=holders.exact,
            licenses=tuple(sorted({source.license for _, source, _, _ in places.values()})),
            sources=sources[: self._limit],
            common_by=reason,
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
            level=_level(exact),
        )

    def _read(self, ref: ContentRef) -> NormalisedText:
        return NormalisedText(self._text(ref))


def _level(exact: bool) -> Level:
    return "exact" if exact else "layout"
