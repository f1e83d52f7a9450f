from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybloomfilter import BloomFilter

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance import kernel
from provenance.checking import CheckResult, FilterSpan, check, filter_spans, judge
from provenance.errors import InputError, ParameterError
from provenance.index import Index
from provenance.membership import describe_attached
from provenance.membership.base import Geometry
from provenance.parameters import Parameters

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike été 数据 oscar 😀".split()
FLOOR = 127


def prose(count: int, seed: int) -> str:
    """Return lines of words that no two seeds share runs of."""
    rng = random.Random(seed)
    lines = []
    while sum(map(len, lines)) < count:
        words = [f"{rng.choice(WORDS)}{rng.randrange(10**6)}" for _ in range(rng.randrange(3, 9))]
        lines.append("    " * rng.randrange(3) + " ".join(words))
    return "\n".join(lines)


DOCUMENTS = [prose(3000, seed) for seed in range(12)]
SHARED = prose(1200, 900)


def make_index(folder: Path, documents: list[str], **changes: object) -> Path:
    for number, text in enumerate(documents):
        path = folder / "sources" / f"repository{number}" / "file.txt"
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
    sources = [open_source(str(folder / "sources"), SourceOptions(each_folder=True))]
    build(sources, folder / "index", parameters=Parameters(**changes), workers=1)
    return folder / "index"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Twelve repositories; three more share a text besides their own."""
    shared = [prose(300, 100 + number) + "\n" + SHARED + "\n" + prose(300, 200 + number) for number in range(3)]
    folder = make_index(
        tmp_path_factory.mktemp("checking"), DOCUMENTS + shared, common_repositories=3, false_positive_rate=1e-9
    )
    with Index.open(folder) as opened:
        yield opened


def normalised(text: str) -> bytes:
    return kernel.normalise(text.encode())


def texts(result: CheckResult, text: str) -> list[str]:
    return [text[span.start : span.end] for span in result.spans]


def assert_consistent(result: CheckResult, text: str) -> None:
    """Assert what holds for every answer: order, no overlap, and that all units name the same place."""
    previous = -1
    for span in result.spans:
        assert previous <= span.start < span.end
        previous = span.end
        here = text[span.start : span.end]
        assert text.encode()[span.start_byte : span.end_byte] == here.encode()
        assert text.encode("utf-16-le")[2 * span.start_utf16 : 2 * span.end_utf16] == here.encode("utf-16-le")
        assert here == here.strip()
        assert span.start_line == 1 + text[: span.start].count("\n")
        assert span.end_line == 1 + text[: span.end].count("\n")


# What the predecessor did wrong: a span reached over windows that missed, and the longest came first.


def test_a_span_never_bridges_a_gap(index: Index) -> None:
    first, second = DOCUMENTS[0][:700], DOCUMENTS[0][1500:2200]
    for gap in ("\n" + prose(40, 77) + "\n", "\n" + prose(600, 78) + "\n", "\n@@\n"):
        text = first + gap + second
        result = check(index, text)
        assert result.verdict == "possible_match" and len(result.spans) == 2
        left, right = result.spans
        assert left.end <= len(first) and right.start >= len(first) + len(gap.rstrip("\n"))
        assert_consistent(result, text)


def test_one_window_that_misses_ends_a_chain_and_with_it_the_run(index: Index) -> None:
    """Two hits apart with misses between them are no run, whatever the distance."""
    stored = normalised(DOCUMENTS[0])
    one = stored[:32]
    far = stored[32 * 8 : 32 * 9]
    filler = normalised(prose(32 * 7, 79))[: 32 * 7]
    filler = filler.decode("utf-8", "ignore").encode().ljust(32 * 7, b"#")
    result = check(index, one + filler + far)
    assert result.chains == ((0, 32), (256, 288))
    assert [each.longest for each in result.filter_spans] == [32, 32]
    assert result.verdict == "candidate"


def test_spans_ascend_though_the_longest_stands_last(index: Index) -> None:
    text = "\n".join([DOCUMENTS[3][:300], prose(200, 81), DOCUMENTS[2][:600], prose(200, 82), DOCUMENTS[1]])
    result = check(index, text)
    assert len(result.spans) == 3
    lengths = [span.end - span.start for span in result.spans]
    assert lengths == sorted(lengths)
    assert_consistent(result, text)


# Chains to spans.


@given(chains=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), max_size=12))
def test_filter_spans_are_the_groups_of_overlapping_chains(chains: list[tuple[int, int]]) -> None:
    ascending = sorted((start, start + length) for start, length in chains)
    groups: list[list[tuple[int, int]]] = []
    for chain in ascending:
        joined = [group for group in groups if any(a < chain[1] and chain[0] < b for a, b in group)]
        groups = [group for group in groups if group not in joined] + [[chain, *sum(joined, [])]]
    expected = sorted(
        FilterSpan(min(a for a, _ in group), max(b for _, b in group), max(b - a for a, b in group)) for group in groups
    )
    assert list(filter_spans(ascending)) == expected


def test_a_span_is_given_out_as_soon_as_it_is_finished() -> None:
    consumed = []

    def chains() -> Iterator[tuple[int, int]]:
        for chain in ((0, 32), (16, 80), (80, 112)):
            consumed.append(chain)
            yield chain

    assert next(iter(filter_spans(chains()))) == FilterSpan(0, 80, 64)
    assert len(consumed) == 3


def test_the_longest_chain_decides_not_the_length_of_the_span() -> None:
    many_short = list(filter_spans([(0, 32), (20, 52), (40, 72), (60, 92), (80, 112)]))
    assert many_short == [FilterSpan(0, 112, 32)]
    assert judge(many_short, 500, floor=FLOOR, min_chars=96) == "candidate"
    assert judge([FilterSpan(0, 96, 96)], 500, floor=FLOOR, min_chars=96) == "possible_match"
    assert judge([FilterSpan(0, 96, 96)], 100, floor=FLOOR, min_chars=96) == "possible_match"
    assert judge([], FLOOR - 1, floor=FLOOR, min_chars=96) == "too_short"
    assert judge([], FLOOR, floor=FLOOR, min_chars=96) == "no_match"


# No copy is missed.


@given(data=st.data(), document=st.sampled_from(DOCUMENTS), min_chars=st.sampled_from([0, 32, 64, 96, 128]))
@settings(max_examples=150)
def test_every_copy_of_at_least_the_floor_is_found_wherever_it_was_cut(
    data: st.DataObject, document: str, min_chars: int, index: Index
) -> None:
    floor = check(index, "", min_chars=min_chars).floor
    start = data.draw(st.integers(0, len(document) - 2 * floor))
    end = start + 1
    while len(normalised(document[start:end])) < floor:
        end += 1
    before, after = data.draw(st.sampled_from([("", ""), ("x ", ""), ("", "\n# end"), (prose(90, 805) + "\n", " y")]))
    text = before + document[start:end] + after
    result = check(index, text, min_chars=min_chars)
    assert result.verdict == "possible_match"
    inside = [s for s in result.spans if s.start < len(before) + end - start and s.end > len(before)]
    assert inside
    # Spans are within the copy, but for false hits and for a word that both happen to have at the edge.
    assert sum(s.end - s.start for s in inside) >= min_chars // 3
    assert_consistent(result, text)


@given(
    pieces=st.lists(
        st.tuples(st.sampled_from(DOCUMENTS), st.integers(0, 2500), st.integers(0, 400), st.integers(0, 99)), max_size=5
    ),
    min_chars=st.sampled_from([0, 64, 96]),
)
@settings(max_examples=60)
def test_answers_are_those_of_an_exact_set_of_windows(
    pieces: list[tuple[str, int, int, int]], min_chars: int, index: Index
) -> None:
    text = "".join(document[at : at + length] + prose(gap, 1000 + gap) for document, at, length, gap in pieces)
    query = normalised(text)
    stored = exact_tiles(index)
    hits = {at for at in range(len(query) - 31) if query[at : at + 32] in stored}
    result = check(index, text, min_chars=min_chars)
    assert result.hits == len(hits)
    assert result.windows == max(0, len(query) - 31)
    assert result.characters == len(query)
    covered = {unit for at in hits for unit in range(at, at + 32)}
    assert {unit for span in result.filter_spans for unit in range(span.start, span.end)} == covered
    longest = 0
    for at in hits:
        run = 0
        while at + 32 * run in hits:
            run += 1
        longest = max(longest, 32 * run)
    assert max((span.longest for span in result.filter_spans), default=0) == longest
    long_enough = longest > 0 and longest >= min_chars
    assert (result.verdict == "possible_match") == long_enough
    assert_consistent(result, text)


def exact_tiles(index: Index) -> set[bytes]:
    found: set[bytes] = set()
    for ref in index.refs():
        text = kernel.normalise(index.text(ref))
        found.update(text[at : at + 32] for at in range(0, len(text) - 31, 32))
    return found


def test_layout_does_not_matter_and_spans_lie_in_the_text_as_it_was_given(index: Index) -> None:
    copied = DOCUMENTS[4][:900]
    for changed in (
        copied.replace("\n", "\r\n"),
        "\n".join("\t\t" + line.strip() + "  " for line in copied.split("\n")),
        copied.replace(" ", "   "),
        "\n\n\n" + copied.replace("\n", "\n\n\n") + "\n\n",
    ):
        result = check(index, changed)
        assert result.verdict == "possible_match"
        assert len(result.spans) == 1
        (span,) = result.spans
        assert normalised(changed[span.start : span.end]) in normalised(copied)
        assert span.end - span.start > 0.8 * len(changed.strip()) - 100
        assert changed.encode()[span.start_byte : span.end_byte].decode() == changed[span.start : span.end]


# What is said.


def test_the_fields_say_what_they_are_documented_to_say(index: Index) -> None:
    text = prose(500, 300) + "\n" + DOCUMENTS[5] + "\n" + prose(500, 301)
    result = check(index, text, path="a.py")
    assert result.path == "a.py" and result.floor == FLOOR
    assert result.characters == len(normalised(text)) == result.windows + 31
    assert result.coincidence_rate == 0.015
    rate = index.filters[0].expected_false_positive_rate
    assert 0 < rate <= 1e-9
    assert result.expected_false_hits == pytest.approx(result.windows * rate)
    (span,) = result.filter_spans
    assert result.coverage == pytest.approx((span.end - span.start) / result.characters)
    assert result.text.normalised == normalised(text)


def test_candidates_list_every_span_and_matches_only_those_long_enough(index: Index) -> None:
    stored = normalised(DOCUMENTS[6])
    short, run = stored[32:64], stored[320:640]
    candidate = check(index, short + b"\n" + prose(200, 809).encode())
    assert candidate.verdict == "candidate" and len(candidate.spans) == 1
    both = check(index, short + b"\n" + prose(200, 809).encode() + b"\n" + run)
    assert both.verdict == "possible_match"
    assert len(both.spans) == 1 and len(both.filter_spans) == 2
    assert [span.longest for span in both.filter_spans] == [32, 320]


def test_verdicts_below_the_floor(index: Index) -> None:
    stored = normalised(DOCUMENTS[6])
    start = next(at for at in range(0, 2000, 32) if re.fullmatch(rb"\w[\w \n]{93}\w\w", stored[at : at + 96]))
    run = stored[start : start + 96]
    assert check(index, "x = 1").verdict == "too_short"
    assert check(index, "").verdict == "too_short"
    assert check(index, " \n\t ").verdict == "too_short"
    # Shorter than the floor, and yet a run long enough stands in it, or a window.
    assert check(index, run).verdict == "possible_match"
    assert check(index, run[:95]).verdict == "candidate"
    assert check(index, prose(150, 400)).verdict == "no_match"
    assert check(index, prose(150, 400)[:120], min_chars=96).verdict == "too_short"
    assert check(index, prose(150, 400)[:100], min_chars=32).verdict == "no_match"


def test_a_copy_that_many_repositories_hold_is_common_and_a_copy_from_one_is_not(index: Index) -> None:
    text = SHARED + "\n" + prose(300, 500) + "\n" + DOCUMENTS[7]
    result = check(index, text)
    assert [span.common for span in result.spans] == [True, False]
    mixed = check(index, prose(300, 100) + "\n" + SHARED)
    assert [span.common for span in mixed.spans] == [False]


# Odd input.


def test_bytes_that_are_not_utf8_are_refused_without_showing_them(index: Index) -> None:
    with pytest.raises(InputError, match="byte 6 of 8") as caught:
        check(index, b"secret\xff\xfe")
    assert "secret" not in str(caught.value)
    for data in (b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"caf\xc3"):
        with pytest.raises(InputError):
            check(index, data)


def test_nul_bytes_and_lone_surrogates_are_text_like_any_other(index: Index) -> None:
    copied = DOCUMENTS[8][:900]
    clean = check(index, copied)
    for around in ("\0\0", "\ud800", "\udfff\ud800x"):
        result = check(index, around + copied + around)
        assert [span.end - span.start for span in result.spans] == [span.end - span.start for span in clean.spans]
        assert result.spans[0].start == clean.spans[0].start + len(around)


def test_text_and_its_utf8_are_the_same_question(index: Index) -> None:
    text = prose(200, 600) + DOCUMENTS[9][:800]
    assert check(index, text).spans == check(index, text.encode()).spans


def test_a_negative_minimum_is_refused(index: Index) -> None:
    with pytest.raises(ParameterError, match="min_chars"):
        check(index, "x", min_chars=-1)


def test_a_single_line_of_megabytes_is_judged(index: Index) -> None:
    line = ("0123456789abcdef" * 64 + ";") * 2000
    copied = " ".join(DOCUMENTS[10].split("\n")[0:1]) + "\n" + "\n".join(DOCUMENTS[10].split("\n")[1:])
    text = line + copied + line
    result = check(index, text)
    assert result.verdict == "possible_match"
    assert len(text) > 4_000_000
    assert result.spans[0].start >= len(line)
    assert result.spans[-1].end <= len(line) + len(copied)


# Filters of other kinds.


def test_an_index_with_pybloom_filters_gives_the_same_spans(tmp_path: Path, index: Index) -> None:
    folder = make_index(tmp_path, DOCUMENTS, filter="pybloom", false_positive_rate=1e-9)
    with Index.open(folder) as other:
        assert [each.kind for each in other.filters] == ["pybloom"]
        for seed in range(4):
            text = prose(300, seed) + DOCUMENTS[seed][400:1500] + prose(200, seed + 50)
            assert check(other, text).spans == check(index, text).spans


def test_a_filter_made_elsewhere_is_asked_in_its_own_windows(tmp_path: Path) -> None:
    folder = make_index(tmp_path, DOCUMENTS[:1])
    foreign = prose(2000, 700)
    shown = normalised(foreign).decode()
    library = BloomFilter(2000, 1e-6, str(folder / "foreign.bloom"))
    library.update(shown[at : at + 50] for at in range(0, len(shown) - 49, 50))
    library.close()
    geometry = Geometry(50, 50, "codepoint", 0, "layout-1")
    entry = describe_attached(folder, "foreign.bloom", geometry, keys="strings")
    with Index.open(folder) as opened:
        assert check(opened, foreign).verdict == "no_match"
    with Index.open(folder) as opened:
        opened.manifest = replace(opened.manifest, attached=(entry,))
        text = prose(100, 701) + "\n" + foreign + "\n" + DOCUMENTS[0]
        result = check(opened, text)
        assert result.verdict == "possible_match" and len(result.spans) == 2
        first, second = result.spans
        assert normalised(text[first.start : first.end]) in normalised(foreign)
        assert first.end - first.start > 0.9 * len(foreign) - 60
        assert text[second.start : second.end] in DOCUMENTS[0]
        assert result.windows == 2 * len(normalised(text)) - 31 - 49 - (
            len(normalised(text)) - len(normalised(text).decode())
        )
        assert_consistent(result, text)


@pytest.mark.skipif(kernel.name == "reference", reason="the reference kernel is numpy")
def test_checking_imports_nothing_heavy(index: Index) -> None:
    script = (
        "import sys\n"
        "from provenance.index import Index\n"
        "from provenance.checking import check\n"
        "with Index.open(sys.argv[1]) as index:\n"
        "    print(check(index, sys.stdin.read()).verdict)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(index.path)],
        input=DOCUMENTS[0],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=Path(__file__).parents[1],
    )
    verdict, modules = found.stdout.splitlines()
    assert verdict == "possible_match"
    heavy = {"numpy", "xxhash", "typer", "rich", "pyarrow", "tantivy", "pybloomfilter", "zstandard", "elasticsearch"}
    assert not heavy & set(modules.split())
