"""The parts of a search: filters and keywords, snippets, ranking, what is done with damage."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from provenance.errors import CorruptFile, IndexMissing, ParameterError, ProvenanceError, StorageError
from provenance.index import Index
from provenance.records import ContentRef, Document, Source
from provenance.search import open_engine, open_writer
from provenance.search.base import Filters
from provenance.search.collecting import Reach
from provenance.search.filtering import KEYWORD_LIMIT, Keywords, fold_keyword, keywords, license_members, owners_of
from provenance.search.literal import search_literal
from provenance.search.ranked import search_words
from provenance.search.regex import search_regex
from provenance.search.snippets import snippets_of
from provenance.search.words import word_pattern, words_of
from provenance.text import Offsets

ENGINE = {"engine": "tantivy"}


@pytest.mark.parametrize(
    ("expression", "members"),
    [
        ("MIT", {"mit"}),
        ("(MIT OR Apache-2.0) AND ISC WITH a-note", {"mit", "apache-2.0", "isc", "a-note"}),
        ("NOASSERTION", {"noassertion"}),
        ("LicenseRef-x OR(mit)", {"licenseref-x", "mit"}),
    ],
)  # fmt: skip
def test_members_of_a_licence_expression(expression: str, members: set[str]) -> None:
    assert license_members(expression) == members


@pytest.mark.parametrize(
    ("repository", "owners"),
    [
        ("alone", set()),
        ("Owner/name", {"owner"}),
        ("https://github.com/Owner/name", {"github.com", "owner"}),
        ("gitlab.com/group/sub/name", {"gitlab.com", "group", "sub"}),
        ("", set()),
        ("/", set()),
    ],
)
def test_owners_of_a_repository(repository: str, owners: set[str]) -> None:
    assert owners_of(repository) == owners


def test_keywords_are_folded_distinct_and_not_too_long() -> None:
    sources = [
        Source("A/b", "x", license="MIT", language="C"),
        Source("a/B", "y", license="mit", language=None),
        Source("z" * (KEYWORD_LIMIT + 1), "z", license="ÄPFEL", language="Ä"),
    ]
    assert keywords(sources) == Keywords(("c", "Ä"), ("a/b",), ("a",), ("mit", "ÄpfeL".lower().replace("ä", "Ä")))
    assert fold_keyword("AÄ\ud800") == "aÄ?"


def snippet_texts(text: str, places: list[tuple[int, int]], context: int = 0) -> list[tuple[int, str, list[str]]]:
    utf8 = text.encode()
    return [
        (snippet.first_line, snippet.text, [snippet.text[start:end] for start, end in snippet.marks])
        for snippet in snippets_of(utf8, Offsets(utf8), places, context)
    ]


def test_snippets_are_whole_lines_and_near_places_share_one() -> None:
    text = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"
    assert snippet_texts(text, [(4, 7)]) == [(2, "two", ["two"])]
    assert snippet_texts(text, [(4, 7)], 1) == [(1, "one\ntwo\nthree", ["two"])]
    assert snippet_texts(text, [(4, 7), (8, 13)], 1) == [(1, "one\ntwo\nthree\nfour", ["two", "three"])]
    assert snippet_texts(text, [(0, 3), (28, 33)]) == [(1, "one", ["one"]), (7, "seven", ["seven"])]
    assert snippet_texts(text, [(5, 16)]) == [(2, "two\nthree\nfour", ["wo\nthree\nfo"])]
    assert snippet_texts("", []) == []
    assert snippet_texts("x", [(0, 1)], 5) == [(1, "x", ["x"])]


def test_long_lines_are_cut_at_characters_around_the_match() -> None:
    text = "é" * 5000 + "needle" + "日" * 5000
    ((line, shown, marked),) = snippet_texts(text, [(10_000, 10_006)])
    assert line == 1
    assert marked == ["needle"]
    assert len(shown.encode()) < 2000
    assert "\ufffd" not in shown


def test_no_line_is_shown_twice() -> None:
    text = "".join(f"{number}\n" for number in range(10, 99))

    def places(*numbers: int) -> list[tuple[int, int]]:
        return [(text.index(str(number)), text.index(str(number)) + 2) for number in numbers]

    assert snippet_texts(text, places(20, 22, 24), 1) == [(10, "19\n20\n21\n22\n23\n24\n25", ["20", "22", "24"])]
    assert snippet_texts(text, places(20, 23), 1) == [(10, "19\n20\n21\n22\n23\n24", ["20", "23"])]
    assert [line for line, _, _ in snippet_texts(text, places(20, 24), 1)] == [10, 14]


@hypothesis.given(
    st.lists(st.integers(0, 3) | st.integers(0, 1500), min_size=1, max_size=60),
    st.lists(st.integers(0, 10_000), min_size=1, max_size=30, unique=True),
    st.integers(0, 3),
)
@hypothesis.example([0, 379, 100], [0, 243], 2)  # a line that goes on in the next snippet, though it is not long
def test_snippets_ascend_and_mark_what_matches(lengths: list[int], at: list[int], context: int) -> None:
    # No part of a line stands twice in it, so that what is shown of one tells which part it is.
    whole = [f"{number:02}{''.join(map(chr, range(0x100, 0x100 + length)))}" for number, length in enumerate(lengths)]
    text = "".join(f"{line}\n" for line in whole)
    starts = sorted({2 * (each % (len(text) // 2)) for each in at})
    places = [(start, start + 2) for start in starts if text[start] != "\n"] or [(0, 2)]
    wanted = [text[start:end] for start, end in places]
    in_bytes = [(len(text[:start].encode()), len(text[:end].encode())) for start, end in places]
    marked, last = [], (0, False)
    for line, shown, marks in snippet_texts(text, in_bytes, context):
        assert line > last[0] or line == last[0] and last[1]
        lines = shown.split("\n")
        assert lines[1:-1] == whole[line : line + len(lines) - 2]
        last = line + len(lines) - 1, not (*whole, "")[line + len(lines) - 2].endswith(lines[-1])
        assert marks
        marked += marks
    assert marked and all(one.startswith(mark) for one, mark in zip(wanted, marked, strict=False))


def test_at_most_three_snippets_of_one_text() -> None:
    text = "x\n\n\n\n" * 10
    places = [(match.start(), match.end()) for match in re.finditer("x", text)]
    assert len(snippet_texts(text, places)) == 3


def test_words_are_what_the_engine_sees() -> None:
    from provenance.search.tantivy import analyser

    for text in ("snake_case camelCase x1y2 größe_ß", "日本語 ①Ⓐ काम naïve", "e\u0301 a·b l'été", "a\x00b\tc"):
        assert words_of(text) == analyser().analyze(text)
    every = [chr(code) for code in range(0x20, 0x30000) if not 0xD800 <= code <= 0xDFFF]
    seen = set(analyser().analyze(" ".join(every)))
    assert seen == {character for character in every if word_pattern().fullmatch(character)}


def bm25(texts: dict[bytes, str], words: list[str]) -> dict[bytes, float]:
    """Rank as ranked.py says, by counting."""
    average = sum(len(text.encode()) for text in texts.values()) / len(texts)
    counts = {identity: [words_of(text).count(word) for word in words] for identity, text in texts.items()}
    scores = {}
    for identity, text in texts.items():
        norm = 1.2 * (0.25 + 0.75 * len(text.encode()) / average)
        total = 0.0
        for number, count in enumerate(counts[identity]):
            holding = sum(each[number] > 0 for each in counts.values())
            total += math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5)) * count * 2.2 / (count + norm)
        if total:
            scores[identity] = total
    return scores


def test_ranking_does_not_depend_on_how_the_corpus_was_cut(
    built: Callable[..., None], given: Callable[..., Document], tmp_path: Path
) -> None:
    words = ["alpha", "beta", "gamma", "delta", "omega"]
    documents = [
        given(
            " ".join(words[(n * k) % 5] for k in range(1, 3 + n % 7)) + f" {'pad ' * (n % 11)}n{n}",
            "o/r",
            f"{n:02}.txt",
        )
        for n in range(60)
    ]
    expected = bm25({d.content_id: d.utf8.decode() for d in documents}, ["beta", "omega"])
    answers = []
    for name, segment_bytes in (("one", 1 << 20), ("many", 1 << 10)):
        built(tmp_path / name, [documents], segment_bytes=segment_bytes)
        with Index.open(tmp_path / name) as index:
            hits = search_words(index, "beta omega", limit=100).hits
            answers.append([(hit.content_id, hit.score) for hit in hits])
            assert (len(index.segments) > 1) == (name == "many")
    assert answers[0] == answers[1]
    assert {identity: pytest.approx(score) for identity, score in answers[0]} == expected
    assert [score for _, score in answers[0]] == pytest.approx(sorted(expected.values(), reverse=True))


def test_an_engine_of_another_name_is_refused(tmp_path: Path) -> None:
    for opener in (open_engine, open_writer):
        with pytest.raises(ParameterError, match="engine 'lucene' is not known"):
            opener({"engine": "lucene"}, [] if opener is open_engine else tmp_path)  # type: ignore[arg-type]


def part(folder: Path, texts: list[str]) -> Path:
    folder.mkdir(parents=True)
    writer = open_writer(ENGINE, folder)
    for number, text in enumerate(texts):
        writer.read(text.encode())
        writer.add(number, [Source("o/r", f"{number}.py", license="MIT", language="Python")])
    names = writer.finish()
    assert sorted(names) == sorted(f"search/{name}" for name in os.listdir(folder / "search"))
    return folder


def test_an_abandoned_writer_lets_go_of_its_files(tmp_path: Path) -> None:
    writer = open_writer(ENGINE, tmp_path)
    writer.read(b"text")
    writer.add(0, [Source("o/r", "a.py")])
    writer.abandon()
    writer.abandon()
    with pytest.raises(StorageError):
        open_writer(ENGINE, tmp_path)


def test_a_part_without_contents_answers_nothing(tmp_path: Path) -> None:
    engine = open_engine(ENGINE, [part(tmp_path / "none", []), part(tmp_path / "one", ["static int x;"])])
    assert engine.holding(b"int", Filters(), 5).refs == (ContentRef(1, 0),)
    assert engine.holding(b"int", Filters(languages=("python",)), 5).refs == (ContentRef(1, 0),)
    assert engine.ranked(["int"], Filters(), 5).refs == (ContentRef(1, 0),)
    assert engine.ranked(["int"], Filters(), 0).refs == ()
    assert engine.frequencies("words", ["int"]) == [1]
    engine.close()


def test_a_segment_is_only_read(tmp_path: Path) -> None:
    folder = part(tmp_path / "one", ["static int x;"])
    before = sorted(os.listdir(folder / "search"))
    engine = open_engine(ENGINE, [folder])
    assert engine.holding(b"static", Filters(), 5).refs == (ContentRef(0, 0),)
    assert sorted(os.listdir(folder / "search")) == before
    engine.close()


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "seteuid"), reason="needs another user")
def test_a_folder_without_write_permission_is_searched(tmp_path: Path) -> None:
    folder = part(tmp_path / "one", ["static int x;"])
    for path in (folder / "search", *(folder / "search").iterdir()):
        path.chmod(stat.S_IRUSR | stat.S_IROTH | stat.S_IXUSR | stat.S_IXOTH)
    engine = open_engine(ENGINE, [folder])
    assert engine.ranked(["static"], Filters(), 5).refs == (ContentRef(0, 0),)
    engine.close()
    (folder / "search").chmod(0o755)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    folder = part(tmp_path / "one", ["static int x;"])
    (folder / "search" / "grams.bin").rename(tmp_path / "grams.bin")
    with pytest.raises(IndexMissing, match="grams.bin"):
        open_engine(ENGINE, [folder])
    with pytest.raises(IndexMissing, match="build the index again"):
        open_engine(ENGINE, [tmp_path / "two"])


def test_every_damage_is_an_error_or_without_effect(tmp_path: Path) -> None:
    folder = part(tmp_path / "one", [f"static int variable_{number} = {number};" for number in range(300)])
    files = sorted((folder / "search").iterdir())
    for file in files:
        whole = file.read_bytes()
        damages: list[bytes] = [whole[: len(whole) // 2], b""]
        for at in range(0, len(whole), max(1, len(whole) // 12)):
            damages.append(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        for damaged in damages:
            file.write_bytes(damaged)
            try:
                engine = open_engine(ENGINE, [folder])
                engine.holding(b"variable_7", Filters(languages=("python",)), 10)
                engine.ranked(["static", "int"], Filters(licenses=("mit",)), 10)
                engine.close()
            except ProvenanceError as error:
                assert isinstance(error, CorruptFile)
                assert str(folder) in str(error)
                assert "\n" not in str(error)
            finally:
                file.write_bytes(whole)


def test_the_same_answers_after_compaction_and_none_of_what_was_withdrawn(
    built: Callable[..., None], documents: tuple[Document, ...], tmp_path: Path
) -> None:
    from indexer.compact import compact
    from indexer.withdrawal import withdraw

    folder = tmp_path / "index"
    built(folder, [documents[:90], documents[90:]])

    def answers() -> list[tuple[int, list[str]]]:
        with Index.open(folder) as index:
            reach = Reach(count=None)
            found = [
                search_literal(index, "shared_helper", limit=200, reach=reach),
                search_literal(index, "COMMON_line", fold_case=True, limit=200, reach=reach),
                search_regex(index, r"number_\d+0 ", limit=200, reach=reach),
                search_words(index, "common_line value", limit=200, reach=reach),
            ]
        return [
            (each.total.value, sorted(f"{s.repository}/{s.path}" for hit in each.hits for _, s in hit.documents))
            for each in found
        ]

    whole = answers()
    numbered = [document for document in documents if b"common_line" in document.utf8]
    assert [total for total, _ in whole[:3]] == [3, 150, sum(b"0 = " in document.utf8 for document in numbered) - 1]
    withdraw(folder, repositories=["many/repo-3"], owners=["bob"])
    left = answers()
    assert [total for total, _ in left[:2]] == [2, 129]
    assert all(total < before for (total, _), (before, _) in zip(left, whole, strict=True))
    assert not any(name.startswith(("many/repo-3/", "bob/")) for _, names in left for name in names)
    compact(folder)
    assert answers() == left


def test_a_real_corpus_is_searched_as_by_a_scan(demo_index: Path) -> None:
    import random

    generator = random.Random(3)
    with Index.open(demo_index) as index:
        texts = {ref: index.text(ref) for ref in index.refs()}
        documents = {ref: [identity for identity, _ in index.sources(ref)] for ref in texts}
        pool = [text.decode() for text in texts.values() if len(text) > 40]
        for _ in range(1000):
            text = generator.choice(pool)
            length = generator.randint(5, 40)
            start = generator.randrange(len(text) - length + 1)
            literal = text[start : start + length]
            needle = literal.encode()
            expected = {identity for ref, whole in texts.items() if needle in whole for identity in documents[ref]}
            results = search_literal(index, literal, limit=5)
            assert 0 < results.total.value <= len(expected)
            assert results.total.value == len(expected) or not results.total.exact
            counted: Any = search_literal(index, literal, limit=0, reach=Reach(count=None)).total
            assert (counted.value, counted.exact) == (len(expected), True)
