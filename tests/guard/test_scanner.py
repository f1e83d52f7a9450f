"""The scanner: whatever the cuts, what a check of the whole says; nothing settles too early; memory is flat."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.checking import check, filter_spans
from provenance.errors import MismatchError
from provenance.guard.scanner import OpenSpan, Scan, Scanner
from provenance.index import Index
from provenance.text import NormalisedText

FOREIGN = (
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ",
    "\r\n\r\n \t",
    "🦆 pack my box with five dozen liquor jugs; ",
    "\r",
    "x\ud800y",
)


@pytest.fixture(scope="module")
def index(demo_index: Path) -> Iterator[Index]:
    with Index.open(demo_index) as opened:
        yield opened


@pytest.fixture(scope="module")
def texts(demo_sources: Path) -> list[str]:
    return [
        (demo_sources / "cpython" / name).read_text("utf-8")
        for name in ("argparse.py", "textwrap.py", "json/decoder.py")
    ]


def scanned(scanner: Scanner, pieces: list[str]) -> tuple[list[OpenSpan], list[Scan]]:
    scans = [scanner.feed(piece) for piece in pieces]
    scans.append(scanner.finish())
    return [span for scan in scans for span in scan.finished], scans


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[low:high] for low, high in zip(ends, ends[1:], strict=False)]


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], list[int]]:
    parts = draw(st.lists(st.tuples(st.integers(-5, 2), st.integers(0, 5000), st.integers(1, 300)), max_size=8))
    return parts, draw(st.lists(st.integers(0, 10_000), max_size=60))


def written(parts: list[tuple[int, int, int]], texts: list[str]) -> str:
    return "".join(FOREIGN[-kind - 1] if kind < 0 else texts[kind][at : at + length] for kind, at, length in parts)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mixtures())
def test_however_a_text_is_cut_the_spans_are_those_of_the_whole(
    index: Index, texts: list[str], drawn: tuple[list[tuple[int, int, int]], list[int]]
) -> None:
    text = written(drawn[0], texts)
    whole = check(index, text, min_chars=0)
    found, scans = scanned(Scanner(index, min_chars=0), cut(text, drawn[1]))
    assert [(each.start, each.end, each.longest) for each in found] == [tuple(each) for each in whole.filter_spans]
    assert [each.span for each in found] == [whole.text.span(each.start, each.end) for each in whole.filter_spans]
    assert [scan.settled for scan in scans] == sorted(scan.settled for scan in scans)
    assert scans[-1].settled.code_point == len(text)


def test_one_character_at_a_time_is_the_same_as_all_at_once(index: Index, texts: list[str]) -> None:
    text = FOREIGN[0] + texts[0][3000:4500] + FOREIGN[2] + texts[1][500:1500].replace("\n", "\r\n    ")
    whole = check(index, text, min_chars=0)
    assert whole.filter_spans
    found, _ = scanned(Scanner(index), list(text))
    assert [each.span for each in found] == [whole.text.span(each.start, each.end) for each in whole.filter_spans]


def test_what_is_settled_is_never_part_of_a_later_span(index: Index, texts: list[str]) -> None:
    text = (FOREIGN[0] * 3 + texts[0][1000:1400]) * 4
    settled = 0
    scanner = Scanner(index)
    spans = 0
    for piece in (text[at : at + 7] for at in range(0, len(text), 7)):
        scan = scanner.feed(piece)
        for each in (*scan.finished, *scan.growing):
            assert each.first.code_point >= settled
        spans += len(scan.finished)
        settled = scan.settled.code_point
    assert spans


def test_harmless_text_waits_for_one_window_only(index: Index) -> None:
    scanner = Scanner(index)
    text = "".join(random.Random(4).choices("qzxjkvwy ", k=4000))
    for at in range(0, len(text), 5):
        scan = scanner.feed(text[at : at + 5])
        waiting = NormalisedText(text[scan.settled.code_point : at + 5]).normalised
        assert not scan.growing and len(waiting) <= index.geometry.width


def test_a_copy_is_noticed_within_the_floor_wherever_it_begins(index: Index, texts: list[str]) -> None:
    rng = random.Random(11)
    for _ in range(200):
        source = NormalisedText(rng.choice(texts)).normalised.decode("utf-8", "replace")
        at = rng.randrange(len(source) - 400)
        scanner = Scanner(index)
        scanner.feed(FOREIGN[0] + "\n")
        start = scanner.normalised
        for character in source[at : at + 400]:
            if any(each.longest >= scanner.min_chars for each in scanner.feed(character).growing):
                break
        assert scanner.normalised - start <= scanner.floor + 4


def test_text_that_the_prompt_holds_is_not_flagged(index: Index, texts: list[str]) -> None:
    quoted = texts[0][2000:3000]
    assert scanned(Scanner(index, prompt=f"Explain:\n{quoted}"), [quoted])[0] == []
    assert scanned(Scanner(index, prompt=f"Explain:\n{quoted}", rule="ignored"), [quoted])[0]
    longer = texts[0][2000:3600]
    (span,) = [each for each in scanned(Scanner(index, prompt=quoted), [longer])[0] if each.longest >= 96]
    assert 1000 - 32 <= span.first.code_point <= 1000 + 64


def test_a_continued_prompt_is_noticed_earlier(index: Index, texts: list[str]) -> None:
    prompt, answer = texts[0][2000:3000], texts[0][3000:3060]
    apart = [each for each in scanned(Scanner(index, prompt=prompt), [answer])[0] if each.longest >= 96]
    found, _ = scanned(Scanner(index, prompt=prompt, rule="continued"), list(answer))
    assert not apart
    (span,) = [each for each in found if each.longest >= 96]
    assert span.start == 0 and span.span.start == 0 and 20 <= span.span.end <= 60


def test_a_continued_prompt_changes_nothing_for_an_answer_of_its_own(index: Index, texts: list[str]) -> None:
    answer = "\n" + FOREIGN[0] + texts[1][800:1800] + "\r\n" + FOREIGN[2]
    for prompt in ("Write something.\r", texts[0][2000:3000] + FOREIGN[0] + "\n"):
        own, _ = scanned(Scanner(index, prompt=prompt), [answer])
        continued, _ = scanned(Scanner(index, prompt=prompt, rule="continued"), list(answer))
        assert [each.span for each in own] == [each.span for each in continued] and own


def test_memory_stays_flat_inside_and_outside_of_copies(index: Index, texts: list[str]) -> None:
    scanner = Scanner(index)
    large = (texts[0] + FOREIGN[0] * 50) * 20

    def feed(rounds: int) -> int:
        for round_number in range(rounds):
            for at in range(0, 8000, 9):
                scanner.feed(texts[0][at : at + 9] if round_number % 2 else f"{at * 7919 % 99991:x} ")
            scanner.feed(" \n" * 1000)
            scanner.feed(large)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "linux" else 1 / 1024)

    before = feed(4)
    # Ten million characters more; in KiB.
    assert len(large) > 1 << 20 and feed(10) - before < 4096
    assert len(scanner._spans) <= 2


def test_a_finished_span_is_not_open_any_more_and_no_two_overlap(index: Index, texts: list[str]) -> None:
    found, _ = scanned(Scanner(index), list(texts[0][:6000]))
    assert all(one.end <= other.start for one, other in zip(found, found[1:], strict=False))
    assert list(filter_spans((each.start, each.end) for each in found)) == [
        (each.start, each.end, each.end - each.start) for each in found
    ]


def test_an_index_of_another_normaliser_is_refused(tmp_path: Path, demo_index: Path) -> None:
    from indexer.portraits import export_portrait, import_portraits

    with Index.open(demo_index) as index:
        export_portrait(index, tmp_path / "demo.50-50.bf")
    import_portraits(tmp_path / "index", [tmp_path / "demo.50-50.bf"])
    with Index.open(tmp_path / "index") as index, pytest.raises(MismatchError, match="portrait-1"):
        Scanner(index)


@pytest.fixture(scope="module", params=["blocked", "pybloom"])
def odd_index(
    request: pytest.FixtureRequest, demo_sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Index]:
    from provenance.parameters import Parameters

    folder = tmp_path_factory.mktemp("odd")
    sources = [open_source(str(demo_sources / "cpython" / "json"), SourceOptions())]
    parameters = Parameters(width=24, stride=10, filter=request.param)
    build(sources, folder / "index", corpus_name="odd", workers=1, parameters=parameters)
    with Index.open(folder / "index") as opened:
        yield opened


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mixtures())
def test_windows_that_overlap_are_chained_the_same_way_with_either_filter(
    odd_index: Index, texts: list[str], drawn: tuple[list[tuple[int, int, int]], list[int]]
) -> None:
    text = written([(2 if kind >= 0 else kind, at, length) for kind, at, length in drawn[0]], texts)
    whole = check(odd_index, text, min_chars=0)
    found, _ = scanned(Scanner(odd_index), cut(text, drawn[1]))
    assert [(each.start, each.end, each.longest) for each in found] == [tuple(each) for each in whole.filter_spans]
