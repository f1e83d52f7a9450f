"""From candidates to an answer: verify each on the stored text, take the documents that pass, count them.

The order is that of addresses, so a page is the same however far the counting went. An answer ends early
when its page is full and the candidates are many: then the count is a stated lower bound. What is said
depends on texts and settings alone, never on time or threads.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import NamedTuple, Protocol

from provenance.errors import ParameterError
from provenance.index import Index
from provenance.records import ContentRef, Source
from provenance.search.base import Filters
from provenance.search.filtering import DocumentFilter
from provenance.search.results import HIGHLIGHTS, Facets, Hit, SearchResults, Total
from provenance.search.snippets import snippets_of
from provenance.search.streams import FIRST_PAGE, CandidateStream, Places
from provenance.text import Offsets

_BATCH = 16
"""Candidates of the first page that are fetched together."""
_USUAL_BYTES = 128 << 10
"""A larger text is not fetched whole for a page that may not show it."""
_THREAD_BATCH = 32
_BATCHES = 4
"""Candidates behind the first page are verified by several threads, so many batches of so many at a time."""


class Matcher(Protocol):
    """Decides on one stored text; usable from many threads."""

    longest: int | None
    """How many bytes a match has at most; None where there is no bound."""

    def find(self, text: bytes, limit: int) -> list[tuple[int, int]]:
        """Return the first ``limit`` places, as half-open ranges of bytes, ascending and not overlapping."""
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a search goes.

    ``count``: documents to count before it may stop with a full page; None counts all. ``facets``: count them by
    language, licence and repository, too. ``scan_bytes``: stored text to read at most. ``context``: lines shown
    around a place that matches.
    """

    count: int | None = 0
    facets: bool = False
    scan_bytes: int = 16 << 30
    context: int = 2


def collect(
    index: Index,
    stream: CandidateStream,
    matcher: Matcher,
    filters: Filters,
    limit: int,
    offset: int,
    reach: Reach,
) -> SearchResults:
    """Return one page of the candidates that match, ascending by address, and the count."""
    check_page(limit, offset)
    gathering = Gathering(index, filters, offset, limit, facets=reach.facets)
    read = 0
    exact = complete = True
    verifier = Verifier(index, matcher, gathering if filters else None, range(offset, offset + limit))
    for checked in verifier.verified(stream):
        enough = reach.count is not None and gathering.documents >= reach.count
        if enough and gathering.full and not stream.few:
            exact = False
            break
        if read >= reach.scan_bytes:
            exact = False
            complete = gathering.full
            break
        read += checked.bytes_read
        if checked.matches:
            gathering.add(checked.ref, gathering.documents_of(checked.ref))
    page = gathering.page()
    index.expect((entry.ref, 0, None) for entry in page)
    hits = tuple(make_hit(index, matcher, entry, reach.context) for entry in page)
    facets = gathering.facets() if reach.facets else None
    return SearchResults(Total(gathering.documents, exact), hits, complete, facets)


class Checked(NamedTuple):
    """A candidate that was looked at."""

    ref: ContentRef
    matches: bool
    bytes_read: int


class Verifier:
    """Looks at candidates on the stored text."""

    def __init__(self, index: Index, matcher: Matcher, sieve: Gathering | None, shown: range) -> None:
        """``sieve`` tells which contents have documents that pass; None where most have.

        ``shown`` are the positions of the matches that go on a page.
        """
        self._index = index
        self._matcher = matcher
        self._sieve = sieve
        self._shown = shown

    def verified(self, stream: CandidateStream) -> Iterator[Checked]:
        """Yield the candidates in order."""
        located = stream.with_places()
        position = 0
        while position < FIRST_PAGE:
            batch = list(islice(located, _BATCH))
            if stream.few:
                batch.extend(islice(located, FIRST_PAGE))  # all of them will be looked at
            self._expect(batch, position)
            for ref, places in batch:
                yield self._check(ref, places)
            if not batch:
                return
            position += len(batch)
        while True:
            batches = [batch for _ in range(_BATCHES) if (batch := list(islice(located, _THREAD_BATCH)))]
            if not batches:
                return
            for checked in _threads().map(self._check_all, batches):
                yield from checked

    def _expect(self, batch: list[tuple[ContentRef, Places]], position: int) -> None:
        """Fetch what will be read of candidates, the first of which would be the match at ``position``.

        What a page shows is read whole, so of a text of usual size all comes at once.
        """
        if not self._index.texts_elsewhere:
            return
        longest = self._matcher.longest
        pieces: list[tuple[ContentRef, int, int | None]] = []
        for number, (ref, places) in enumerate(batch, position):
            whole = number in self._shown and self._index.text_length(ref) <= _USUAL_BYTES
            if whole or longest is None or not places:
                pieces.append((ref, 0, None))
            else:
                pieces.extend((ref, start, end) for start, end in _joined(places, longest))
        self._index.expect(pieces)

    def _check_all(self, batch: list[tuple[ContentRef, Places]]) -> list[Checked]:
        self._expect(batch, FIRST_PAGE)
        return [self._check(ref, places) for ref, places in batch]

    def _check(self, ref: ContentRef, places: Places) -> Checked:
        # Sources are read first only where many may fail: they cost as much as a text.
        if self._sieve is not None and not self._sieve.documents_of(ref):
            return Checked(ref, False, 0)
        longest = self._matcher.longest
        if longest is None or not places:
            text = self._index.text(ref)
            return Checked(ref, bool(self._matcher.find(text, 1)), len(text))
        read = 0
        segment = self._index.segments[ref.segment]
        for start, end in _joined(places, longest):
            part = segment.text_slice(ref.content, start, end)
            read += len(part)
            if self._matcher.find(part, 1):
                return Checked(ref, True, read)
        return Checked(ref, False, read)


def _joined(places: Places, margin: int) -> Iterator[tuple[int, int]]:
    """Yield the places with a margin on both sides, those that touch as one."""
    first, last = max(0, places[0][0] - margin), places[0][1] + margin
    for start, end in places[1:]:
        if start - margin > last:
            yield first, last
            first = start - margin
        last = end + margin
    yield first, last


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="search")


def check_page(limit: int, offset: int) -> None:
    """Raise `ParameterError` for a page that cannot be."""
    for name, value in (("limit", limit), ("offset", offset)):
        if value < 0:
            raise ParameterError(f"{name} is {value}; it must be 0 or more")


@dataclass(slots=True)
class Entry:
    """A text of the page: where it stands first, and its documents, from wherever it stands."""

    ref: ContentRef
    content_id: bytes
    documents: dict[bytes, Source]
    score: float | None = None


class Gathering:
    """Counts distinct documents, and keeps those of the texts on one page."""

    def __init__(self, index: Index, filters: Filters, offset: int, limit: int, *, facets: bool) -> None:
        """Prepare for texts number ``offset`` to ``offset + limit``."""
        self._index = index
        self._passes = DocumentFilter(filters).passes
        self._offset = offset
        self._limit = limit
        self._order: dict[bytes, Entry | None] = {}
        self._seen: set[bytes] = set()
        self._counters = (Counter[str](), Counter[str](), Counter[str]()) if facets else None

    @property
    def documents(self) -> int:
        """Return how many distinct documents have been counted."""
        return len(self._seen)

    @property
    def full(self) -> bool:
        """Tell whether the page holds all texts it can."""
        return len(self._order) >= self._offset + self._limit

    def documents_of(self, ref: ContentRef) -> list[tuple[bytes, Source]]:
        """Return the documents of a content that pass; none where all are withdrawn."""
        return [entry for entry in self._index.sources(ref) if self._passes(entry[1])]

    def add(self, ref: ContentRef, passing: Iterable[tuple[bytes, Source]], score: float | None = None) -> None:
        """Count a text that matches; one text in several segments is one."""
        documents = dict(passing)
        if not documents:
            return
        content_id = self._index.content_id(ref)
        if content_id not in self._order:
            on_page = self._offset <= len(self._order) < self._offset + self._limit
            self._order[content_id] = Entry(ref, content_id, documents, score) if on_page else None
        else:
            entry = self._order[content_id]
            if entry is not None:
                entry.documents.update(documents)
        if self._counters:
            languages, licenses, repositories = self._counters
            for identity, source in documents.items():
                if identity not in self._seen:
                    languages[source.language or ""] += 1
                    licenses[source.license] += 1
                    repositories[source.repository] += 1
        self._seen.update(documents)

    def page(self) -> list[Entry]:
        """Return the texts on the page."""
        return [entry for entry in self._order.values() if entry is not None]

    def facets(self) -> Facets:
        """Return the counts so far."""
        assert self._counters is not None
        languages, licenses, repositories = (
            tuple(sorted(counter.items(), key=lambda item: (-item[1], item[0]))) for counter in self._counters
        )
        return Facets(languages, licenses, repositories)


def make_hit(index: Index, matcher: Matcher, entry: Entry, context: int) -> Hit:
    """Return an entry with its places and the lines around them."""
    text = index.text(entry.ref)
    places = matcher.find(text, HIGHLIGHTS + 1)
    shown = places[:HIGHLIGHTS]
    offsets = Offsets(text)
    return Hit(
        ref=entry.ref,
        content_id=entry.content_id,
        documents=tuple(entry.documents.items()),
        highlights=tuple(offsets.span(start, end) for start, end in shown if start < end),
        all_highlighted=len(shown) == len(places),
        snippets=snippets_of(text, offsets, shown, context),
        score=entry.score,
    )
