"""Edited copies as spans of a trace: what attribution finds beyond the runs that stand in the corpus as they are.

A span is shown where the evidence makes a match (`provenance.lexing.evidence`), `min_chars` of it are there, and enough
of its tokens lie outside of the runs. Its sources are near-duplicates of each other. Long texts are attributed in
overlapping parts: spans that overlap and have a source in common are joined to one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from provenance.accessors import holds_accessors_alone
from provenance.attribution import Attribution, attributions
from provenance.code_index import IndexedCode
from provenance.imports import holds_imports_alone
from provenance.intervals import Intervals, joined_ranges
from provenance.lexing.alignment import Alignment, Renaming
from provenance.lexing.languages import Family
from provenance.membership.commonness import Commonness
from provenance.records import ContentRef, Source, Span
from provenance.text import NormalisedText, Offsets
from provenance.traced import LEVELS, Catalogue, Level, SourceMatch, TracedSpan, place_in_order
from provenance.usual import SUPPORT, Reason, is_in_many_repositories

ADDED = 30
"""Corresponding tokens outside of runs that make an edited copy worth showing; or half of all, if these are fewer."""
MOST_RENAMINGS = 200
"""Renamings listed of one source."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Copy:
    """A part of the text and of one stored text, in bytes, that correspond; ``pairs`` of symbols do.

    ``blocks`` are maximal ranges of both without a gap. ``names`` counts (name of the document, name of the text).
    ``family`` is the one that the text was read as.
    """

    ref: ContentRef
    query: Range
    document: Range
    blocks: tuple[tuple[Range, Range], ...]
    pairs: int
    level: Level
    similarity: float
    names: Counter[tuple[str, str]]
    family: Family

    @classmethod
    def of(cls, ref: ContentRef, alignment: Alignment) -> Copy:
        """Describe an alignment."""
        return cls(
            ref=ref,
            query=alignment.query_bytes,
            document=alignment.document_bytes,
            blocks=tuple(_blocks(alignment)),
            pairs=len(alignment.pairs),
            level=alignment.kind,
            similarity=alignment.similarity,
            names=Counter({(each.document, each.query): each.times for each in alignment.renamings}),
            family=alignment.query.family,
        )

    def joins(self, later: Copy) -> bool:
        """Tell whether a copy goes on where this one ends, on both sides."""
        (_, end), (low, high) = self.document, later.document
        return later.query[0] <= self.query[1] and self.document[0] <= low <= end <= high

    def joined(self, later: Copy) -> Copy:
        """Return both as one."""
        pairs = self.pairs + later.pairs
        # Where both have blocks, those of the first count.
        behind = (b for b in later.blocks if b[0][0] >= self.query[1] and b[1][0] >= self.document[1])
        return Copy(
            ref=self.ref,
            query=(self.query[0], max(self.query[1], later.query[1])),
            document=(self.document[0], later.document[1]),
            blocks=(*self.blocks, *behind),
            pairs=pairs,
            level=max(self.level, later.level, key=LEVELS.index),
            similarity=(self.similarity * self.pairs + later.similarity * later.pairs) / pairs,
            names=self.names + later.names,
            family=self.family,
        )

    @property
    def renamings(self) -> tuple[Renaming, ...]:
        """Return the names that differ, each with what stands for it most often."""
        usual: dict[str, Renaming] = {}
        for (old, new), times in self.names.items():
            if old not in usual or times > usual[old].times:
                usual[old] = Renaming(old, new, times)
        return tuple(usual.values())[:MOST_RENAMINGS]


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one part of the text from near-duplicates, the best first."""

    copies: tuple[Copy, ...]
    contents: int
    common: bool

    def joined(self, later: Group) -> Group | None:
        """Return both as one where a source goes through both, else None."""
        others = {copy.ref: copy for copy in later.copies}
        pairs = [(copy, others[copy.ref]) for copy in self.copies if copy.ref in others]
        copies = tuple(one.joined(other) for one, other in pairs if one.joins(other))
        if not copies:
            return None
        return Group(copies, min(self.contents, later.contents), self.common and later.common)

    @property
    def query(self) -> Range:
        """Return the part of the text: that of the best copy."""
        return self.copies[0].query


class EditedFindings(NamedTuple):
    """Spans, ascending; ranges for which there is evidence of `SUPPORT`; whether all of the text was looked at."""

    spans: list[TracedSpan]
    support: list[Range]
    complete: bool


class EditedCopies:
    """Finds edited copies of one text and describes them."""

    def __init__(
        self,
        catalogue: Catalogue,
        text: NormalisedText,
        *,
        min_chars: int,
        levels: frozenset[str],
        commonness: Commonness | None,
        sources_limit: int,
        least: float = 0.0,
    ) -> None:
        """Look in what ``catalogue`` counts; ``levels`` are those shown, ``least`` is the evidence asked for.

        With 0 a copy is a match; less finds more, and more coincidence.
        """
        self._catalogue = catalogue
        self._text = text
        self._min_chars = min_chars
        self._levels = levels
        self._commonness = commonness
        self._limit = sources_limit
        self._least = least
        index = catalogue.index
        self._code = IndexedCode(index, catalogue.has_documents)
        self._offsets: Callable[[ContentRef], Offsets] = lru_cache(maxsize=64)(lambda ref: Offsets(index.text(ref)))

    def find(
        self, long: Sequence[Range], telling: Sequence[Range], path: str | None, most_units: int
    ) -> EditedFindings:
        """Return what there is.

        Runs that stand in the corpus as they are, as ascending ranges of the text in bytes: where there is little but
        ``long`` ones nothing is looked for; what ``long`` and ``telling`` ones cover is not shown again.
        """
        known = joined_ranges(sorted((*long, *telling)))
        groups: list[Group] = []
        support: list[Range] = []
        complete = True
        for number, found in enumerate(attributions(self._code, self._text.source, path, covered=joined_ranges(long))):
            if number == most_units:
                complete = False
                break
            if found is None:
                continue
            if found.matches[0].evidence.log_odds >= SUPPORT:
                support.append((found.start, found.end))
            if self._suffices(found) and _adds(found, known):
                groups.append(_group(found))
        spans = [self._describe(group) for group in _joined(groups)]
        shown = [span for span in spans if span is not None and span.kind in self._levels]
        return EditedFindings(shown, support, complete)

    def _suffices(self, found: Attribution) -> bool:
        return found.matches[0].evidence.log_odds >= self._least

    def _describe(self, group: Group) -> TracedSpan | None:
        start, end = group.query
        low, high = self._text.normalised_offset(start), self._text.normalised_offset(end - 1) + 1
        if high - low < self._min_chars:
            return None
        found: dict[bytes, tuple[Source, Copy]] = {}
        for copy in group.copies:
            for document, source in self._catalogue.documents(copy.ref):
                found.setdefault(document, (source, copy))
        places = sorted(
            (place_in_order(copy.level, copy.similarity, source, document), document)
            for document, (source, copy) in found.items()
        )
        repositories = {source.repository for source, _ in found.values()}
        reason: Reason | None = None
        index, normalised = self._catalogue.index, self._text.normalised
        if is_in_many_repositories(index, self._commonness, len(repositories), normalised, low, high):
            reason = "repositories"
        elif group.common:
            reason = "contents"
        elif holds_imports_alone(self._text.source, start, end):
            reason = "imports"
        elif holds_accessors_alone(self._text.source, start, end, group.copies[0].family):
            reason = "accessors"
        first = found[places[0][1]][1]
        return TracedSpan(
            span=self._text.source_span(start, end, common=reason is not None),
            kind=first.level,
            documents=len(found),
            repositories=len(repositories),
            counts_exact=False,
            licenses=tuple(sorted({source.license for source, _ in found.values()})),
            sources=tuple(self._match(document, *found[document]) for _, document in places[: self._limit]),
            similarity=first.similarity,
            contents=max(group.contents, len(group.copies)),
            common_by=reason,
        )

    def _match(self, document: bytes, source: Source, copy: Copy) -> SourceMatch:
        there = self._offsets(copy.ref)
        aligned: tuple[tuple[Span, Span], ...] = ()
        if copy.level not in ("exact", "layout"):
            aligned = tuple((self._text.source_span(*ours), there.span(*theirs)) for ours, theirs in copy.blocks)
        return SourceMatch(
            document=document,
            source=source,
            content_id=self._catalogue.index.content_id(copy.ref),
            span=there.span(*copy.document),
            level=copy.level,
            similarity=copy.similarity,
            renamings=copy.renamings,
            aligned=aligned,
        )


def _group(found: Attribution) -> Group:
    copies = tuple(Copy.of(match.ref, match.alignment) for match in found.matches)
    return Group(copies, found.contents, found.common)


def _joined(groups: Iterable[Group]) -> list[Group]:
    """Return groups, ascending, where those that overlap and share a source are one; none lies inside another."""
    found: list[Group] = []
    for group in sorted(groups, key=lambda each: (each.query[0], -each.query[1])):
        if found and group.query[1] <= found[-1].query[1]:
            continue
        both = found[-1].joined(group) if found else None
        if both is not None:
            found[-1] = both
        else:
            found.append(group)
    return found


def _adds(found: Attribution, covered: Intervals) -> bool:
    """Tell whether enough symbols that correspond lie outside of the ranges."""
    query, pairs = found.matches[0].alignment.query, found.matches[0].alignment.pairs
    outside = sum(not covered.has_around(query[i].start, query[i].end) for i, _ in pairs)
    return outside >= min(ADDED, (len(pairs) + 1) // 2)


def _blocks(alignment: Alignment) -> Iterable[tuple[Range, Range]]:
    first = alignment.pairs[0]
    for (i, j), following in pairwise((*alignment.pairs, (-1, -1))):
        if following != (i + 1, j + 1):
            query, document = alignment.query, alignment.document
            yield (query[first[0]].start, query[i].end), (document[first[1]].start, document[j].end)
            first = following
