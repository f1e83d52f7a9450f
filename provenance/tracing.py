"""Where a text stands in the corpus: filter hits, verified on the stored texts, with their sources; and edited copies.

`provenance.verification` finds the maximal common runs; here they become spans of the text that was asked about,
with everybody who has them. A run is shown only when it stands in a stored text, byte for byte after
normalisation; its ends are exact on both sides, trimmed of white space and of cut characters. `provenance.edited`
adds what stands in the corpus with other comments, other names or other statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from provenance.checking import CheckResult, check
from provenance.errors import MismatchError, ParameterError
from provenance.imports import holds_imports_alone
from provenance.index import Index
from provenance.intervals import joined_ranges
from provenance.membership.commonness import Commonness
from provenance.records import ContentRef, Source, Verdict
from provenance.search.base import Filters
from provenance.search.words import is_word_character, words_of
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
from provenance.verdict import DEFAULT_MIN_CHARS
from provenance.verification import Findings, Holders, Limits, RunFinder
from provenance.windows import trace_floor

__all__ = ["LEVELS", "ORDER", "Level", "SourceMatch", "TraceResult", "TracedSpan", "trace"]

USUAL_CHARS = 150
"""A shorter run, normalised, is common where all its words are usual: signatures that an interface dictates, idioms."""
USUAL_CONTENTS = 10
"""In so many contents a word is usual. On the tuning half of benchmarks/quality every run of 96 to 149 characters that
unrelated code shares consists of such words, and a fifth of the copies of that length does."""
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
    spans = [span for _, span in described if span.kind in wanted]
    complete = findings.complete
    if wanted - BY_FILTER:
        from provenance.edited import EditedCopies

        edited = EditedCopies(
            catalogue,
            checked.text,
            min_chars=min_chars,
            levels=wanted,
            commonness=commonness,
            sources_limit=sources_limit,
        )
        # A short run of usual words says little, so what holds it is looked at as a whole.
        runs = [
            checked.text.source_bytes(start, end)
            for (start, end, _), span in described
            if end - start >= USUAL_CHARS or not span.span.common
        ]
        found, whole = edited.find(runs, path, limits.units)
        spans = sorted([*spans, *found], key=lambda traced: (traced.span.start, -traced.span.end))
        complete = complete and whole
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
        ordered = sorted(
            places.items(), key=lambda entry: place_in_order(_level(entry[1][0]), 1.0, entry[1][1], entry[0])
        )
        repositories = {source.repository for _, source, _, _ in places.values()}
        common = len(repositories) >= self._common_repositories or (
            self._commonness is not None and self._commonness.is_common(query.normalised, start, end)
        )
        # The engine is asked last.
        common = common or holds_imports_alone(query.source, low, high)
        common = common or (end - start < USUAL_CHARS and self._is_usual(query.normalised, start, end))
        return TracedSpan(
            span=query.span(start, end, common=common),
            kind=_level(any(exact for exact, _, _, _ in places.values())),
            documents=len(places),
            repositories=len(repositories),
            counts_exact=holders.exact,
            licenses=tuple(sorted({source.license for _, source, _, _ in places.values()})),
            sources=tuple(
                self._match(document, found, len(written), end - start) for document, found in ordered[: self._limit]
            ),
        )

    def _is_usual(self, text: bytes, start: int, end: int) -> bool:
        """Tell whether every whole word of a run, numbers of up to three digits aside, is usual in the corpus."""
        while (
            start < end and is_word_character(text, start, before=True) and is_word_character(text, start, before=False)
        ):
            start += 1
        while start < end and _cuts_word(text, start):
            start += 1
        while start < end and _cuts_word(text, end):
            end -= 1
        words = {word for word in words_of(text[start:end].decode("utf-8", "ignore")) if len(word) > 1}
        asked = sorted(word for word in words if not (word.isdigit() and len(word) < 4))
        counts = self._catalogue.index.engine.frequencies("words", asked)
        return all(count >= USUAL_CONTENTS for count in counts)

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


def _cuts_word(text: bytes, at: int) -> bool:
    return is_word_character(text, at, before=True) and is_word_character(text, at, before=False)
