"""What an index consists of, counted: for the index page and for questions about an owner or a repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from provenance.index import Index
from provenance.search.base import Filters
from provenance.search.collecting import Gathering
from provenance.search.results import Facets
from provenance.search.streams import CandidateStream

MOST_CONTENTS = 200_000
"""Texts looked at; of a larger index evenly spaced ones."""
SIZE_CLASSES = (1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000)
"""Upper bounds of the classes of text sizes, in bytes; one class more is for larger texts."""
MOST_LISTED = 15


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of documents by language, licence and repository, most first; texts by size class; ``sampled``: 1 in n."""

    languages: tuple[tuple[str, int], ...]
    licenses: tuple[tuple[str, int], ...]
    repositories: tuple[tuple[str, int], ...]
    repository_count: int
    sizes: tuple[int, ...]
    sampled: int


def gather(index: Index) -> Statistics:
    """Return the statistics of an index. Raises `CorruptFile`, `StorageError`."""
    total = index.contents
    step = -(-total // MOST_CONTENTS) if total else 1
    languages, licenses, repositories = Counter[str](), Counter[str](), Counter[str]()
    sizes = [0] * (len(SIZE_CLASSES) + 1)
    for number, ref in enumerate(index.refs()):
        if number % step:
            continue
        documents = index.sources(ref)
        for _, source in documents:
            languages[source.language or ""] += 1
            licenses[source.license] += 1
            repositories[source.repository] += 1
        if documents:
            length = index.segments[ref.segment].text_length(ref.content)
            sizes[sum(length >= bound for bound in SIZE_CLASSES)] += 1
    return Statistics(_most(languages), _most(licenses), _most(repositories), len(repositories), tuple(sizes), step)


def _most(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_LISTED])


@dataclass(frozen=True, slots=True)
class Holdings:
    """What of an owner or a repository stands in an index; ``exact`` is false where the counting stopped early."""

    documents: int
    exact: bool
    facets: Facets


def holdings(index: Index, filters: Filters, *, most: int = 100_000) -> Holdings:
    """Return how many documents pass ``filters``, by language, licence and repository; stops after ``most`` texts."""
    gathering = Gathering(index, filters, 0, 0, facets=True)
    stream = CandidateStream([lambda limit, after: index.engine.holding(b"", filters, limit, after)])
    exact = True
    for number, ref in enumerate(stream):
        if number >= most:
            exact = False
            break
        gathering.add(ref, gathering.documents_of(ref))
    return Holdings(gathering.documents, exact, gathering.facets())
