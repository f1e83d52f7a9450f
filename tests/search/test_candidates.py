"""What attribution asks of an engine - frequencies and weighted sums - compared with a scan of the index."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.code_index import IndexedCode
from provenance.lexing.fingerprints import fingerprint_text
from provenance.lexing.languages import family_of_stored
from provenance.records import ContentRef
from provenance.search.base import Field, Filters
from provenance.search.filtering import fold_keyword
from provenance.search.words import words_of

Holders = dict[Field, dict[str, set[ContentRef]]]


@pytest.fixture(scope="module")
def holders(corpus: Any) -> Holders:
    """Return which contents hold each word and each fingerprint."""
    found: Holders = {"words": {}, "fingerprints": {}}
    for ref in corpus.index.refs():
        text = corpus.index.text(ref)
        family = family_of_stored(text, corpus.index.sources(ref)[0][1])
        for word in words_of(text.decode()):
            if len(word.encode()) <= 255:
                found["words"].setdefault(word, set()).add(ref)
        for word in fingerprint_text(text, family).split():
            found["fingerprints"].setdefault(word, set()).add(ref)
    return found


@pytest.mark.parametrize("limit", [0, 1, 7, 20_000])
@pytest.mark.parametrize("part", [b"common_line = True\nnumber_", b"e_", b"no such thing"])
def test_what_may_hold_a_string_and_passes_comes_in_pages(corpus: Any, limit: int, part: bytes) -> None:
    index = corpus.index
    filters = Filters(owners=("many", "frank"), repositories=("many/repo-3", "many/repo-5", "frank/fruit"))
    wanted = {"many/repo-3", "many/repo-5", "frank/fruit"}
    passing = [ref for ref in index.refs() if any(each.repository.lower() in wanted for _, each in index.sources(ref))]
    expected = [ref for ref in passing if len(part) < 3 or part in index.text(ref)]
    assert len(expected) != 0 or part == b"no such thing"
    found: list[ContentRef] = []
    while True:
        page = index.engine.holding(part, filters, limit, found[-1] if found else None)
        assert len(page.refs) <= limit
        found.extend(page.refs)
        if page.complete or limit == 0:
            break
    assert found == (expected if limit else [])
    assert page.complete == (limit > 0 or not expected)


@pytest.mark.parametrize("field", ["words", "fingerprints"])
def test_frequencies_are_counted_over_all_segments(corpus: Any, holders: Holders, field: Field) -> None:
    some = random.Random(1).sample(sorted(holders[field]), min(300, len(holders[field])))
    words = [*some, "common", "nosuchword", "A1b2" * 300, "größe"]
    counts = corpus.index.engine.frequencies(field, words)
    assert counts == [len(holders[field].get(word, ())) for word in words]
    assert max(counts) > (100 if field == "words" else 0)


def test_contents_in_a_language_are_counted_over_all_segments(corpus: Any) -> None:
    folded = {language: fold_keyword(language) for language in ("Python", "C", "JavaScript", "Nosuch")}
    counts = corpus.index.engine.frequencies("language", list(folded.values()))
    for language, count in zip(folded, counts, strict=True):
        texts = {document.utf8 for document in corpus.documents if document.source.language == language}
        # One text in several segments counts in each, and a cluster may keep a text in pieces.
        assert (count >= len(texts)) if texts else (count == 0)


@pytest.mark.parametrize("field", ["words", "fingerprints"])
def test_the_heaviest_contents_come_first_and_ties_by_address(corpus: Any, holders: Holders, field: Field) -> None:
    generator = random.Random(2)
    for limit in (1, 3, 12, 160, 300) * 3:
        some = generator.sample(sorted(holders[field]), min(20, len(holders[field])))
        words = [*some, "value", "common", "number", "nosuchword"]
        check_weighted(corpus, holders, field, {word: generator.randrange(1, 4) / 2 for word in words}, limit)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), limit=st.integers(1, 200))
def test_any_weights_give_the_sums_of_a_scan(corpus: Any, holders: Holders, data: st.DataObject, limit: int) -> None:
    word = st.sampled_from(["value", "True", "common", "line", "number", "compute", "apple", "banana", "if", "x", "7"])
    weights = data.draw(st.dictionaries(word, st.integers(1, 1 << 10).map(lambda number: number / 64)))
    check_weighted(corpus, holders, "words", weights, limit)


def check_weighted(corpus: Any, holders: Holders, field: Field, weights: dict[str, float], limit: int) -> None:
    sums: Counter[ContentRef] = Counter()
    for word, weight in weights.items():
        for ref in holders[field].get(word, ()):
            sums[ref] += weight  # type: ignore[assignment]
    expected = sorted(sums.items(), key=lambda entry: (-entry[1], entry[0]))
    found = corpus.index.engine.weighted(field, weights, limit)
    assert found[:limit] == expected[:limit]
    least = expected[min(limit, len(expected)) - 1][1] if expected else 0
    assert found == [entry for entry in expected if entry[1] >= least]


def test_one_text_in_two_segments_is_one_candidate(corpus: Any) -> None:
    index = corpus.index
    asked = {"shared_helper": 1.0}
    twice = [ref for ref, _ in index.engine.weighted("words", {"helper": 1.0}, 12)]
    assert len({index.content_id(ref) for ref in twice}) < len(twice)
    assert IndexedCode(index, lambda ref: True).weighted("words", {"helper": 1.0}, 12) == [min(twice)]
    others = IndexedCode(index, lambda ref: ref != min(twice)).weighted("words", {"helper": 1.0}, 12)
    assert others == [max(twice)]
    assert IndexedCode(index, lambda ref: False).weighted("words", {"common": 1.0}, 12) == []
    assert index.engine.weighted("words", asked, 12) == []  # a word is a run of letters and digits


def test_lexed_texts_are_kept_up_to_a_bound(corpus: Any) -> None:
    from provenance.code_index import StoredCode

    stored = StoredCode(corpus.index, cache_bytes=3000)
    refs = list(corpus.index.refs())
    for ref in (*refs, *reversed(refs)):
        code = stored(ref)
        assert code.text == corpus.index.text(ref)
        assert code.packed == corpus.index.code(ref).packed
    assert sum(len(code.text) + len(code.packed) for code in stored._kept.values()) <= 3000
