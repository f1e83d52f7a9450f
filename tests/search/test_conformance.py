"""What every engine must answer, compared with a scan of the documents."""

from __future__ import annotations

import random
import re
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import ParameterError, QueryRejected
from provenance.records import Document
from provenance.search.base import Filters
from provenance.search.collecting import Reach
from provenance.search.filtering import license_members
from provenance.search.literal import search_literal
from provenance.search.ranked import search_words
from provenance.search.regex import search_regex
from provenance.search.results import SearchResults

ALL = {"limit": 1000, "reach": Reach(count=None)}

LITERALS = (
    *("FrobnicateWidgets", "robnicateWidget", "obnic", "ob", "F", "frobnicate", "Frob"),
    *("shared_helper(value):\n    return", "ed_hel", "_helper", "value * 42\n", "* 42", "42"),
    *("if (x)\n        return", "if (x)\n\treturn", "if (x) return", "(x)\n", "\n\t\treturn None\r\n", "\r\n\t"),
    *("größe", "öße = Ä", "ß", "日本語", "本", "😀 ok 😀", "'😀", "ï", "Ⱥⱥ ǅ"),
    *("\x00", "nul \x00 byte", "\x1b[0m", "\x7f"),
    *("aaaa", "a" * 40, "a" * 41, "A1b2A1b2", "1b2A" * 100, "A1b2" * 300, "A1b2" * 301, "'" + "A1b2" * 80),
    *("NEEDLE", "needle_in_hay_0 ", "needle_in_hay_150 = N", "    needle_in_hay_15", "hay_151 = NEEDLE\n    value"),
    *(" ", "\n", " \t ", "trailing \t \n\n", "x", "ab\n", "common_line = True\nnumber_7", "number_14", "= 149\n"),
    *("no such text anywhere", "Frobnicatewidgets", "zzz", "\t\t\t\t", "ab\nx"),
)


def ids_of(results: SearchResults) -> set[bytes]:
    return {identity for hit in results.hits for identity, _ in hit.documents}


def check_exact(results: SearchResults, expected: set[bytes]) -> None:
    assert ids_of(results) == expected
    assert results.total.exact
    assert results.complete
    assert results.total.value == len(expected)


@pytest.mark.parametrize("literal", LITERALS)
def test_a_literal_is_found_wherever_it_stands(corpus: Any, literal: str) -> None:
    needle = literal.encode()
    check_exact(search_literal(corpus.index, literal, **ALL), corpus.ids(lambda document: needle in document.utf8))


@cache
def folded(text: str) -> str:
    """Return a text with simple case folding of what is not ASCII, and ASCII in lower case."""
    result = []
    for character in text:
        for each in (character.casefold(), character.lower()):
            if len(each) == 1:
                result.append(character if each.isascii() != character.isascii() else each)
                break
        else:
            result.append(character)
    return "".join(result)


@pytest.mark.parametrize(
    "literal",
    [
        *("FROBNICATEWIDGETS", "frob", "CLASS frob:\r\n", "Needle", "A1B2a1b2", "value * 42"),
        *("GRÖẞE", "größe", "ÄRGER", "naïve CAFÉ", "ⱥȺ", "ǆ", "K", "k", "ſ", "İ", "日本語", "PRINT('😀"),
    ],
)
def test_case_folds_as_documented(corpus: Any, literal: str) -> None:
    expected = corpus.ids(lambda document: folded(literal) in folded(document.utf8.decode()))
    assert expected
    check_exact(search_literal(corpus.index, literal, fold_case=True, **ALL), expected)


def test_a_thousand_literals_cut_anywhere_are_found_and_counted(corpus: Any) -> None:
    generator = random.Random(1)
    texts = [document.utf8.decode() for document in corpus.documents if len(document.utf8) >= 5]
    for _ in range(1000):
        text = generator.choice(texts)
        length = min(len(text), generator.randint(5, 40))
        start = generator.randrange(len(text) - length + 1)
        literal = text[start : start + length]
        results = search_literal(corpus.index, literal, limit=3)
        needle = literal.encode()
        matching = {document.id for document in corpus.documents if needle in document.utf8}
        assert results.total.value <= len(matching)
        assert not results.total.exact or results.total.value == len(matching)
        assert results.total.value > 0
        assert ids_of(results) <= matching


@given(st.text(alphabet="abF_ \n\t=1é", min_size=1, max_size=6), st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_short_text_is_answered_as_by_a_scan(corpus: Any, literal: str, fold_case: bool) -> None:
    def holds(document: Document) -> bool:
        text = document.utf8.decode()
        return folded(literal) in folded(text) if fold_case else literal in text

    check_exact(search_literal(corpus.index, literal, fold_case=fold_case, **ALL), corpus.ids(holds))


def test_hits_come_in_the_order_of_addresses_and_pages_join(corpus: Any) -> None:
    everything = search_literal(corpus.index, "common_line", **ALL)
    refs = [hit.ref for hit in everything.hits]
    assert refs == sorted(refs)
    assert len(refs) == 150
    paged = [
        hit.ref
        for offset in range(0, 160, 7)
        for hit in search_literal(corpus.index, "common_line", limit=7, offset=offset).hits
    ]
    assert paged == refs
    past = search_literal(corpus.index, "common_line", limit=5, offset=1000)
    assert past.hits == ()
    assert past.total == everything.total


def test_a_full_page_of_many_candidates_comes_with_a_lower_bound(corpus: Any) -> None:
    results = search_literal(corpus.index, "common_line", limit=3)
    assert len(results.hits) == 3
    assert not results.total.exact
    assert 3 <= results.total.value < 150
    at_least = search_literal(corpus.index, "common_line", limit=3, reach=Reach(count=100))
    assert 100 <= at_least.total.value <= 150
    none = search_literal(corpus.index, "common_line", limit=0, reach=Reach(count=None))
    assert none.hits == ()
    assert (none.total.value, none.total.exact) == (150, True)


def test_reading_stops_at_its_bound_and_says_so(corpus: Any) -> None:
    results = search_literal(corpus.index, "no", limit=500, reach=Reach(scan_bytes=2000))
    assert not results.complete
    assert not results.total.exact


@pytest.mark.parametrize(
    "filters",
    [
        Filters(languages=("c",)),
        Filters(languages=("C", "Text")),
        Filters(repositories=("alice/tools",)),
        Filters(repositories=("ALICE/TOOLS", "bob/copy")),
        Filters(owners=("many",)),
        Filters(owners=("FRANK",), languages=("TEXT",)),
        Filters(licenses=("mit",)),
        Filters(licenses=("Linux-syscall-note",)),
        Filters(licenses=("BSD-3-Clause", "NONE")),
        Filters(licenses=("or",)),
        Filters(paths=("src/*",)),
        Filters(paths=("*.py", "*/helper.c")),
        Filters(kinds=("file", "issue")),
        Filters(kinds=("issue",)),
        Filters(exclude_repositories=("many/*", "*/tools")),
        Filters(languages=("Python",), repositories=("carol/c-port",)),
        Filters(languages=("Python",), licenses=("Apache-2.0",), paths=("vendor/*",)),
        Filters(repositories=("x" * 10_000,)),
        Filters(languages=("nothing",)),
    ],
)
@pytest.mark.parametrize("literal", ["e", "return value", "= "])
def test_all_filters_must_hold_for_one_document(corpus: Any, filters: Filters, literal: str) -> None:
    def passes(document: Document) -> bool:
        source = document.source
        repository = source.repository.lower()
        return (
            literal.encode() in document.utf8
            and (not filters.languages or (source.language or "").lower() in [x.lower() for x in filters.languages])
            and (not filters.repositories or repository in [x.lower() for x in filters.repositories])
            and (not filters.owners or repository.split("/")[0] in [x.lower() for x in filters.owners])
            and (not filters.licenses or any(x.lower() in license_members(source.license) for x in filters.licenses))
            and (not filters.paths or any(fnmatchcase(source.path, x) for x in filters.paths))
            and (not filters.kinds or source.kind in filters.kinds)
            and not any(fnmatchcase(repository, x) for x in filters.exclude_repositories)
        )

    check_exact(search_literal(corpus.index, literal, filters=filters, **ALL), corpus.ids(passes))


def test_one_text_in_two_segments_is_one_hit_with_all_its_documents(corpus: Any) -> None:
    results = search_literal(corpus.index, "shared_helper", **ALL)
    (hit,) = results.hits
    assert results.total.value == 4
    assert {source.repository for _, source in hit.documents} == {"alice/tools", "bob/copy", "carol/c-port", "zoe/late"}


@pytest.mark.parametrize("literal", ["größe", "😀", "a" * 7, "needle_in_hay", "return None\r\n", "\n", "= "])
def test_highlights_are_the_places_in_every_unit(corpus: Any, literal: str) -> None:
    results = search_literal(corpus.index, literal, **ALL)
    assert results.hits
    for hit in results.hits:
        utf8 = corpus.index.text(hit.ref)
        text = utf8.decode()
        expected = [match.start() for match in re.finditer(re.escape(literal), text)]
        assert [span.start for span in hit.highlights] == expected[:100]
        assert hit.all_highlighted == (len(expected) <= 100)
        for span in hit.highlights:
            assert text[span.start : span.end] == literal
            assert utf8[span.start_byte : span.end_byte].decode() == literal
            assert text.encode("utf-16-le")[2 * span.start_utf16 : 2 * span.end_utf16].decode("utf-16-le") == literal
            ends = [match.end() for match in re.finditer("\r\n|\r|\n", text)]
            assert span.start_line == 1 + sum(end <= span.start for end in ends)
            assert span.end_line >= span.start_line


def test_snippets_show_whole_lines_around_a_match(corpus: Any) -> None:
    (hit,) = search_literal(corpus.index, "w->count", reach=Reach(count=None, context=1)).hits
    (snippet,) = hit.snippets
    assert snippet.first_line == 2
    assert snippet.text == "{\n\treturn w->count;\n}"
    assert [snippet.text[start:end] for start, end in snippet.marks] == ["w->count"]


@pytest.mark.parametrize(
    "pattern",
    [
        r"Frob\w+s",
        r"(?i)frob[a-z]+",
        r"^if \(x\)$",
        r"return (y|None)",
        r"number_1[0-4]\b",
        r"[äöü]",
        r"\x{65e5}",
        r"needle_in_hay_(0|151) ",
        r"\d{4,}\)\n.*compute",
        r"a{40}",
        r"(A1b2){300}",
        r"shared_helper|frobnicate",
        r"\p{Han}+",
        r"x*y;",
        r"nosuchthing+",
        r"(?i:K)",
        r"\Q(x)\E",
        r"[[:upper:]]{5,}",
    ],
)
def test_a_regular_expression_finds_what_a_scan_finds(corpus: Any, pattern: str) -> None:
    import re2

    scan = re2.compile(f"(?m){pattern}".encode())
    expected = corpus.ids(lambda document: scan.search(document.utf8) is not None)
    check_exact(search_regex(corpus.index, pattern, **ALL), expected)
    ignoring = re2.compile(f"(?mi){pattern}".encode())
    expected = corpus.ids(lambda document: ignoring.search(document.utf8) is not None)
    check_exact(search_regex(corpus.index, pattern, fold_case=True, **ALL), expected)


def test_regular_expressions_are_highlighted_paged_and_filtered(corpus: Any) -> None:
    results = search_regex(
        corpus.index,
        r"number_\d+ = (\d+)",
        limit=5,
        offset=5,
        filters=Filters(paths=("m*.py",)),
        reach=Reach(count=None),
    )
    assert results.total.value == 150
    assert len(results.hits) == 5
    for hit in results.hits:
        text = corpus.index.text(hit.ref).decode()
        (span,) = hit.highlights
        assert re.fullmatch(r"number_\d+ = \d+", text[span.start : span.end])


@pytest.mark.parametrize("pattern", ["(", "[a", "a**b(", r"\k", "(?=x)", r"(a)\1", "a{2000}", "x*", "", "|a", "\ud800"])
def test_a_bad_regular_expression_is_rejected_without_being_repeated(corpus: Any, pattern: str) -> None:
    with pytest.raises(QueryRejected) as caught:
        search_regex(corpus.index, pattern)
    assert "regular expression" in str(caught.value)
    assert len(pattern) < 4 or pattern not in str(caught.value)


def test_the_place_of_the_fault_is_told(corpus: Any) -> None:
    with pytest.raises(QueryRejected, match="at character 5"):
        search_regex(corpus.index, "abc [d")


def test_ranked_words_come_best_first_wherever_they_stand(corpus: Any) -> None:
    results = search_words(corpus.index, "banana apple", **ALL)
    paths = [source.path for hit in results.hits for _, source in hit.documents]
    assert set(paths) == {"one.txt", "two.txt", "three.txt"}
    assert paths[0] == "one.txt"
    scores = [hit.score for hit in results.hits]
    assert scores == sorted(scores, reverse=True)
    assert results.total.exact
    assert [source.path for hit in results.hits for _, source in hit.documents][:1] == ["one.txt"]
    second = search_words(corpus.index, "banana apple", limit=1, offset=1)
    assert [hit.ref for hit in second.hits] == [results.hits[1].ref]


def test_ranked_words_are_found_however_few_of_their_documents_pass(corpus: Any) -> None:
    for number in (0, 75, 149):
        (hit,) = search_words(corpus.index, "common", filters=Filters(paths=(f"m{number:03}.py",)), limit=5).hits
        assert [source.path for _, source in hit.documents] == [f"m{number:03}.py"]
    nothing = search_words(corpus.index, "common", filters=Filters(kinds=("commit",)), limit=5)
    assert (nothing.hits, nothing.total.value, nothing.total.exact, nothing.complete) == ((), 0, True, True)


def test_ranked_words_stop_reading_at_the_bound_and_say_so(corpus: Any) -> None:
    results = search_words(corpus.index, "common", limit=500, reach=Reach(scan_bytes=100))
    assert 0 < len(results.hits) < 150
    assert not results.complete and not results.total.exact


def test_ranked_words_are_whole_and_highlighted(corpus: Any) -> None:
    (hit,) = search_words(corpus.index, "Apple", **ALL).hits
    assert [(span.start, span.end) for span in hit.highlights] == [(0, 5)]
    assert search_words(corpus.index, "pine", **ALL).hits == ()
    results = search_words(corpus.index, "größe", **ALL)
    assert {source.path for hit in results.hits for _, source in hit.documents} == {"umlaut.txt", "upper.txt"}
    assert search_words(corpus.index, "A1b2" * 300, **ALL).hits == ()


def test_facets_count_what_the_total_counts(corpus: Any) -> None:
    results = search_literal(corpus.index, "shared_helper", reach=Reach(count=None, facets=True))
    assert results.facets is not None
    assert results.facets.languages == (("Python", 3), ("C", 1))
    assert dict(results.facets.licenses) == {
        "MIT": 2,
        "Apache-2.0 OR MIT": 1,
        "GPL-2.0-only WITH Linux-syscall-note": 1,
    }
    assert sum(count for _, count in results.facets.repositories) == results.total.value
    common = search_literal(corpus.index, "common_line", limit=0, reach=Reach(count=None, facets=True))
    assert common.facets is not None
    assert [count for _, count in common.facets.repositories] == [22, 22, 22, 21, 21, 21, 21]


def test_impossible_queries_are_refused(corpus: Any) -> None:
    with pytest.raises(QueryRejected, match="empty"):
        search_literal(corpus.index, "")
    with pytest.raises(QueryRejected, match="0 different words"):
        search_words(corpus.index, "... ;;")
    with pytest.raises(QueryRejected, match="65 different words"):
        search_words(corpus.index, " ".join(f"w{number}" for number in range(65)))
    for page in ({"limit": -1}, {"offset": -1}):
        for search in (search_literal, search_words, search_regex):
            with pytest.raises(ParameterError, match="must be 0 or more"):
                search(corpus.index, "apple", **page)


def test_a_lone_surrogate_is_the_replacement_character(corpus: Any) -> None:
    assert search_literal(corpus.index, "\ud800", **ALL).hits == ()
