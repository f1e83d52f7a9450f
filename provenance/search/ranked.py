"""Ranked search: the texts that hold some of the words, best first.

The engine proposes the best of every part of the index; they are ranked again by BM25 (k1 1.2, b 0.75, inverse
document frequency ln(1 + (N - n + 0.5) / (n + 0.5)); Robertson and Zaragoza, 2009) on the stored texts, so that the
answer depends neither on the engine nor on how the corpus was cut into segments. A text's length is its bytes. How
many texts hold a word is counted where all that may hold any are proposed, and is the engine's to say elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from provenance.errors import QueryRejected
from provenance.index import Index
from provenance.records import ContentRef, Source
from provenance.search.base import Filters
from provenance.search.collecting import Gathering, Reach, check_page, make_hit
from provenance.search.literal import LiteralMatcher
from provenance.search.results import SearchResults, Total
from provenance.search.words import is_word_character, words_of
from provenance.text import clean

_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_MOST_WORDS = 64
_UNLIMITED = 1 << 31
_GROWTH = 4
_TOGETHER = 64
_LEAST = 32
"""Contents that every part proposes at least, since its own scores are not the whole index's -"""
_ENOUGH = 2048
"""- unless all parts together propose so many. Of 150 pages from 101 parts 149 were as where all is proposed."""


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
    least = max(1, min(_LEAST, _ENOUGH // max(1, len(index.segments))))
    wanted = _UNLIMITED if reach.count is None else max(offset + limit, reach.count, least)
    matcher = WordsMatcher(words)
    gathering = Gathering(index, filters, offset, limit, facets=reach.facets)
    found: list[tuple[ContentRef, list[tuple[bytes, Source]], int, list[int]]] = []
    seen: set[ContentRef] = set()
    texts: set[bytes] = set()
    read = 0
    spent = False
    while True:
        candidates = index.engine.ranked(words, filters, wanted)
        new = [ref for ref in candidates.refs if ref not in seen]
        seen.update(new)
        for first in range(0, len(new), _TOGETHER):
            spent = read >= reach.scan_bytes
            if spent:
                break
            passing = [(ref, gathering.documents_of(ref)) for ref in new[first : first + _TOGETHER]]
            index.expect((ref, 0, None) for ref, documents in passing if documents)
            for ref, documents in passing:
                if documents:
                    text = index.text(ref)
                    read += len(text)
                    counts = matcher.counts(text)
                    if any(counts):
                        found.append((ref, documents, len(text), counts))
                        texts.add(index.content_id(ref))
        if candidates.complete or spent or len(texts) >= offset + limit:
            break
        # An engine does not know all that filters ask for, nor what was withdrawn: further down there may be more.
        wanted *= _GROWTH
    exact = candidates.complete and not spent
    if exact:
        holding = [sum(counts[number] > 0 for *_, counts in found) for number in range(len(words))]
    else:
        holding = index.engine.frequencies("words", words)
    score = _scorer(index, holding)
    scored = sorted((-score(size, counts), ref, documents) for ref, documents, size, counts in found)
    for negative, ref, documents in scored:
        gathering.add(ref, documents, -negative)
    hits = tuple(make_hit(index, matcher, entry, reach.context) for entry in gathering.page())
    return SearchResults(
        Total(gathering.documents, exact),
        hits,
        not spent or gathering.full,
        gathering.facets() if reach.facets else None,
    )


class WordsMatcher:
    """Finds whole words."""

    def __init__(self, words: list[str]) -> None:
        """Prepare for words without repetition."""
        self._words = [LiteralMatcher(word) for word in words]
        self.longest: int | None = None

    def counts(self, text: bytes) -> list[int]:
        """Return how often a text has each word."""
        return [len(whole_words(text, word.find(text, 0))) for word in self._words]

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


def _scorer(index: Index, holding: list[int]) -> Callable[[int, list[int]], float]:
    """Return BM25 of a text by its bytes and how often it has each word, ``holding`` being how many texts have it."""
    contents = max(1, index.contents)
    average = max(1.0, sum(segment.text_bytes for segment in index.segments) / contents)
    weights = [math.log(1.0 + (contents - min(n, contents) + 0.5) / (min(n, contents) + 0.5)) for n in holding]

    def score(size: int, counts: list[int]) -> float:
        norm = _SATURATION * (1.0 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * size / average)
        return sum(
            weight * count * (_SATURATION + 1.0) / (count + norm) for weight, count in zip(weights, counts, strict=True)
        )

    return score
