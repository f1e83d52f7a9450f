"""Ranked search: the texts that hold some of the words, best first.

The engine proposes the best of every part of the index; they are ranked again by BM25 (k1 1.2, b 0.75, inverse
document frequency ln(1 + (N - n + 0.5) / (n + 0.5)); Robertson and Zaragoza, 2009) with the frequencies of the
whole index, counted on the stored texts, so that the answer depends neither on the engine nor on how the corpus
was cut into segments. A text's length is its bytes.
"""

from __future__ import annotations

import math

from provenance.errors import QueryRejected
from provenance.index import Index
from provenance.search.base import Filters
from provenance.search.collecting import Gathering, Reach, check_page, make_hit
from provenance.search.literal import LiteralMatcher
from provenance.search.results import SearchResults, Total
from provenance.search.streams import FIRST_PAGE
from provenance.search.words import is_word_character, words_of
from provenance.text import clean

_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_MOST_WORDS = 64
_UNLIMITED = 1 << 31


def search_words(
    index: Index,
    query: str,
    *,
    filters: Filters | None = None,
    limit: int = 10,
    offset: int = 0,
    reach: Reach | None = None,
) -> SearchResults:
    """Return the texts that hold any word of ``query``, best first; equal scores by address.

    Words are compared whole and with their case. Raises `QueryRejected` for a query without words or with more
    than 64, otherwise as `search_literal`.
    """
    check_page(limit, offset)
    words = list(dict.fromkeys(words_of(clean(query))))
    if not words or len(words) > _MOST_WORDS:
        raise QueryRejected(f"the query has {len(words)} different words; give 1 to {_MOST_WORDS}")
    filters, reach = filters or Filters(), reach or Reach()
    everything = reach.count is None
    wanted = _UNLIMITED if everything else max(2 * (offset + limit), reach.count or 0, FIRST_PAGE)
    candidates = index.engine.ranked(words, filters, wanted)
    matcher = WordsMatcher(words)
    scorer = _Scorer(index, words)
    gathering = Gathering(index, filters, offset, limit, facets=reach.facets)
    scored = []
    for ref in candidates.refs:
        documents = gathering.documents_of(ref)
        score = scorer.score(index.text(ref)) if documents else 0.0
        if score > 0.0:
            scored.append((-score, ref, documents))
    scored.sort(key=lambda entry: entry[:2])
    for score, ref, documents in scored:
        gathering.add(ref, documents, -score)
    hits = tuple(make_hit(index, matcher, entry, reach.context) for entry in gathering.page())
    return SearchResults(
        Total(gathering.documents, candidates.complete),
        hits,
        True,
        gathering.facets() if reach.facets else None,
    )


class WordsMatcher:
    """Finds whole words."""

    def __init__(self, words: list[str]) -> None:
        """Prepare for words without repetition."""
        self._words = [LiteralMatcher(word) for word in words]
        self.longest: int | None = None

    def find(self, text: bytes, limit: int) -> list[tuple[int, int]]:
        """Return the first places of any of the words, as half-open ranges of bytes."""
        places = [place for word in self._words for place in whole_words(text, word.find(text, 0))]
        return sorted(places)[:limit]


def whole_words(text: bytes, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those of the places where neither side goes on with a letter or digit."""
    return [
        (start, end)
        for start, end in places
        if not is_word_character(text, start, before=True) and not is_word_character(text, end, before=False)
    ]


class _Scorer:
    def __init__(self, index: Index, words: list[str]) -> None:
        contents = max(1, index.contents)
        self._average = max(1.0, sum(segment.text_bytes for segment in index.segments) / contents)
        self._weights = []
        for word in words:
            holding = min(index.engine.document_frequency(word), contents)
            weight = math.log(1.0 + (contents - holding + 0.5) / (holding + 0.5))
            self._weights.append((LiteralMatcher(word), weight))

    def score(self, text: bytes) -> float:
        """Return BM25 of a text; 0 where it holds none of the words."""
        norm = _SATURATION * (1.0 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(text) / self._average)
        total = 0.0
        for matcher, weight in self._weights:
            count = len(whole_words(text, matcher.find(text, 0)))
            total += weight * count * (_SATURATION + 1.0) / (count + norm)
        return total
