"""Where a text stands in the corpus: filter hits, verified on the stored texts, with their sources; and edited copies.

`provenance.verification` finds the maximal common runs; here they become spans of the text that was asked about,
with everybody who has them. A run is shown only when it stands in a stored text, byte for byte after
normalisation; its ends are exact on both sides, trimmed of white space and of cut characters. `provenance.edited`
adds what stands in the corpus with other comments, other names or other statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from provenance.accessors import holds_accessors_alone
from provenance.checking import CheckResult, check
from provenance.errors import MismatchError, ParameterError
from provenance.imports import holds_imports_alone
from provenance.index import Index
from provenance.intervals import joined_ranges
from provenance.lexing.languages import Family, family_of
from provenance.membership.commonness import Commonness
from provenance.records import ContentRef, Source, Verdict
from provenance.search.base import Filters
from provenance.stored import StoredTexts
from provenance.text import NormalisedText, Offsets
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
    texts = StoredTexts(index, limits.cache_bytes)
    if checked.chains:
        finder = RunFinder(
            index,
            texts,
            checked.text.normalised,
            min_chars,
            filters=catalogue.filters,
            visible=catalogue.has_documents,
            limits=limits,
        )
        findings = finder.find(checked.chains)
    commonness = Commonness.of(index, min_chars)
    describe = _Describer(checked, catalogue, texts, commonness, sources_limit, path)
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


_KEPT_BEGINNINGS = 64
"""Stored texts, up to the places shown, that are kept while the spans of one text are described."""


class _Place(NamedTuple):
    """A range of a stored text, in bytes, and whether it is what was asked about byte for byte."""

    ref: ContentRef
    start: int
    end: int
    exact: bool


class _Describer:
    """Makes spans of runs."""

    def __init__(
        self,
        checked: CheckResult,
        catalogue: Catalogue,
        texts: StoredTexts,
        commonness: Commonness | None,
        limit: int,
        path: str | None,
    ) -> None:
        self._checked = checked
        self._catalogue = catalogue
        self._texts = texts
        self._commonness = commonness
        self._limit = limit
        self._path = path
        self._beginnings: dict[ContentRef, tuple[int, Offsets]] = {}

    def __call__(self, start: int, end: int, holders: Holders) -> TracedSpan:
        query = self._checked.text
        low, high = query.source_bytes(start, end)
        written = query.source[low:high]
        part = query.normalised[start:end]
        places: dict[bytes, tuple[Source, _Place]] = {}
        for ref, at in holders.places:
            # Where the very bytes stand, they are shown there, even if other white space comes earlier.
            place = _Place(ref, *self._texts.locate(ref, at, part, written))
            for document, source in self._catalogue.documents(ref):
                places.setdefault(document, (source, place))
        ordered = sorted(
            places.items(),
            key=lambda entry: place_in_order(_level(entry[1][1].exact), 1.0, entry[1][0], entry[0]),
        )
        repositories = {source.repository for source, _ in places.values()}
        # The first is looked at even where none is listed.
        sources = tuple(self._match(document, *found) for document, found in ordered[: max(1, self._limit)])
        first, there = sources[0], ordered[0][1][1]
        index = self._catalogue.index
        reason: Reason | None = None
        if is_in_many_repositories(index, self._commonness, len(repositories), query.normalised, start, end):
            reason = "repositories"
        elif holds_imports_alone(query.source, low, high):
            reason = "imports"
        elif holds_accessors_alone(query.source, low, high, self._family):
            reason = "accessors"
        elif is_in_licence_header(index, there.ref, first.source, there.start, there.end):
            reason = "notice"
        # The engine is asked last.
        elif end - start < SHORT_CHARS and has_usual_words_alone(index, query.normalised, start, end):
            reason = "words"
        return TracedSpan(
            span=query.span(start, end, common=reason is not None),
            kind=_level(any(place.exact for _, place in places.values())),
            documents=len(places),
            repositories=len(repositories),
            counts_exact=holders.exact,
            licenses=tuple(sorted({source.license for source, _ in places.values()})),
            sources=sources[: self._limit],
            common_by=reason,
        )

    @cached_property
    def _family(self) -> Family:
        return family_of(self._checked.text.source.decode("utf-8", "replace"), self._path)

    def _match(self, document: bytes, source: Source, place: _Place) -> SourceMatch:
        return SourceMatch(
            document=document,
            source=source,
            content_id=self._catalogue.index.content_id(place.ref),
            span=self._offsets(place.ref, place.end).span(place.start, place.end),
            level=_level(place.exact),
        )

    def _offsets(self, ref: ContentRef, end: int) -> Offsets:
        """Return what counts up to ``end`` in a stored text, of which no more than twice that much is read."""
        covered, offsets = self._beginnings.pop(ref, (0, None))
        if offsets is None or end >= covered:
            # One byte more tells whether a CR is the end of a line.
            covered = max(end + 1, 2 * covered)
            offsets = Offsets(self._catalogue.index.text_slice(ref, 0, covered))
        self._beginnings[ref] = covered, offsets
        if len(self._beginnings) > _KEPT_BEGINNINGS:
            del self._beginnings[next(iter(self._beginnings))]
        return offsets


def _level(exact: bool) -> Level:
    return "exact" if exact else "layout"
