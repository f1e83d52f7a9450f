"""Traced spans against an independent scan: own normaliser, no filter, no engine, no kernel."""

from __future__ import annotations

import inspect
import random
import re
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance import stored
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.tracing import TraceResult, trace
from provenance.verification import Limits
from provenance.windows import trace_floor

Runs = set[tuple[int, int]]


def normalise(text: bytes) -> bytes:
    """`layout-1` once more, as ARCHITECTURE.md has it."""
    text = re.sub(rb"[\t\n\v\f\r ]+", lambda run: b"\n" if re.search(rb"[\n\r]", run[0]) else b" ", text)
    return text.strip(b" \n")


def trimmed(query: bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and (query[start] & 0xC0 == 0x80 or query[start] in b" \n"):
        start += 1
    while start < end < len(query) and query[end] & 0xC0 == 0x80:
        end -= 1
    while start < end and query[end - 1] in b" \n":
        end -= 1
    return start, end


def scanned(query: bytes, corpus: list[bytes], floor: int) -> Runs:
    """Return the maximal common runs of at least ``floor`` bytes: for every start the longest match in any text."""
    found: Runs = set()
    for text in corpus:
        start = end = 0
        while start + floor <= len(query):
            # Two pointers: a match from start + 1 reaches at least as far as one from start.
            end = max(end, start + floor)
            if query[start:end] not in text:
                start, end = start + 1, 0
                continue
            step = 1
            while step:
                if end + step <= len(query) and query[start : end + step] in text:
                    end += step
                    step *= 2
                else:
                    step //= 2
            found.add(trimmed(query, start, end))
            start += 1
    found = {run for run in found if run[1] - run[0] >= floor}
    return {
        run for run in found if not any(other != run and other[0] <= run[0] and run[1] <= other[1] for other in found)
    }


def normal_runs(result: TraceResult) -> Runs:
    """Return the spans as ranges of normalised bytes, found through their source ranges alone."""
    utf8 = result.checked.text.source
    runs = set()
    for traced in result.spans:
        part = normalise(utf8[traced.span.start_byte : traced.span.end_byte])
        before = normalise(utf8[: traced.span.end_byte])
        assert before.endswith(part)
        runs.add((len(before) - len(part), len(before)))
    return runs


def assert_verified(index: Index, result: TraceResult) -> None:
    """Every source of every span holds the text, at the place that is given, in every unit."""
    query = result.checked.text.source
    for traced in result.spans:
        asked = query[traced.span.start_byte : traced.span.end_byte]
        assert traced.documents >= len(traced.sources)
        for match in traced.sources:
            ((ref, source), *_) = index.find(match.document)
            stored = index.text(ref)
            held = stored[match.span.start_byte : match.span.end_byte]
            assert source == match.source
            assert normalise(held) == normalise(asked)
            assert (held == asked) == match.exact
            text = stored.decode()
            assert text[match.span.start : match.span.end].encode() == held
            units = text.encode("utf-16-le")[2 * match.span.start_utf16 : 2 * match.span.end_utf16]
            assert units.decode("utf-16-le").encode() == held
            lines = text.splitlines(keepends=True) if "\x0b" not in text and "\x0c" not in text else None
            if lines and "\x85" not in text and "\u2028" not in text and "\x1c" not in text:
                first = sum(map(len, lines[: match.span.start_line - 1]))
                last = sum(map(len, lines[: match.span.end_line]))
                assert first <= match.span.start < match.span.end <= last
        exact = [match.exact for match in traced.sources]
        assert exact == sorted(exact, reverse=True)
        assert traced.kind == ("exact" if any(exact) else "layout") or len(traced.sources) < traced.documents


@pytest.fixture(scope="module")
def demo(demo_index: Path) -> Iterator[Index]:
    with Index.open(demo_index) as index:
        yield index


@pytest.fixture(scope="module")
def corpus(demo: Index) -> list[bytes]:
    return [normalise(demo.text(ref)) for ref in demo.refs()]


class Scan:
    """`scanned` for many queries: texts that share no run of 31 bytes with a query are left out beforehand.

    A run that long holds 16 bytes that begin at a multiple of 16 in the text.
    """

    def __init__(self, corpus: list[bytes]) -> None:
        self._pieces = [(text, {text[at : at + 16] for at in range(0, len(text) - 15, 16)}) for text in corpus]

    def __call__(self, query: bytes, floor: int) -> Runs:
        assert floor >= 31
        asked = {query[at : at + 16] for at in range(len(query) - 15)}
        return scanned(query, [text for text, pieces in self._pieces if not pieces.isdisjoint(asked)], floor)


@pytest.fixture(scope="module")
def scan(corpus: list[bytes]) -> Scan:
    return Scan(corpus)


def foreign(rng: random.Random, length: int) -> str:
    """Return text that nobody wrote: words of letters that no corpus of English-named code holds."""
    words = ("".join(rng.choice("jqxzvkwäß日😀") for _ in range(rng.randrange(4, 12))) for _ in range(99))
    return " = ".join(words)[:length]


@lru_cache(maxsize=1)
def wrap_chunks() -> list[str]:
    lines = inspect.getsource(textwrap.TextWrapper._wrap_chunks).splitlines()
    while not lines[-1].strip():
        lines.pop()
    return lines


def test_a_long_function_re_indented_is_traced_to_its_exact_lines(demo: Index, demo_sources: Path) -> None:
    lines = wrap_chunks()
    assert len(lines) >= 60
    copied = "\n".join("\t\t" + line.strip() + "  " if line.strip() else line for line in lines)
    result = trace(demo, f"class Layout:\n\t# mine\n\n{copied}\n\nclass Q:\n\tpass\n")
    (span,) = result.spans
    (match,) = span.sources
    stored = (demo_sources / "cpython" / "textwrap.py").read_text("utf-8").splitlines()
    first = stored.index(lines[0]) + 1
    assert result.verdict == "match" and span.kind == "layout" and not match.exact
    assert (match.source.repository, match.source.path) == ("cpython", "textwrap.py")
    assert (match.span.start_line, match.span.end_line) == (first, first + len(lines) - 1)
    assert (span.span.start_line, span.span.end_line) == (4, 3 + len(lines))
    assert (span.documents, span.repositories, span.counts_exact) == (1, 1, True)
    assert_verified(demo, result)


def test_a_whole_file_is_one_exact_span(demo: Index, demo_sources: Path) -> None:
    raw = (demo_sources / "cpython" / "textwrap.py").read_bytes()
    result = trace(demo, raw)
    (span,) = result.spans
    assert span.kind == "exact" and result.coverage == 1.0
    assert raw[span.span.start_byte : span.span.end_byte] == raw.strip()
    assert span.sources[0].swhid.startswith("swh:1:cnt:")


def test_random_cuts_between_foreign_text_are_found_with_the_runs_of_a_scan(demo: Index, scan: Scan) -> None:
    rng = random.Random(7)
    texts = [demo.text(ref).decode() for ref in demo.refs()]
    floor = trace_floor(demo.geometry, 0)
    for _ in range(150):
        text = rng.choice([each for each in texts if len(each) > 400])
        start = rng.randrange(len(text) - 300)
        cut = text[start : start + rng.randrange(floor, 300)]
        if len(normalise(cut.encode())) < floor:
            continue
        if rng.random() < 0.3:
            cut = cut.replace("\n", "\r\n   ").replace("    ", "\t")
        asked = foreign(rng, rng.randrange(60)) + " " + cut + "\n" + foreign(rng, rng.randrange(60))
        result = trace(demo, asked, min_chars=0)
        assert result.complete and result.verdict == "match" and result.floor == floor
        query = result.checked.text.normalised
        assert query == normalise(asked.encode())
        runs = {run for run in normal_runs(result) if run[1] - run[0] >= floor}
        assert runs == scan(query, floor)
        wanted = normalise(cut.encode())
        at = query.find(wanted)
        assert any(low <= at and at + len(wanted) <= high for low, high in runs)
        assert_verified(demo, result)


def test_counts_and_licences_are_those_of_all_holders(demo: Index, corpus: list[bytes]) -> None:
    rng = random.Random(11)
    refs = list(demo.refs())
    texts = [demo.text(ref).decode() for ref in refs]
    for _ in range(60):
        text = rng.choice([each for each in texts if len(each) > 400])
        start = rng.randrange(len(text) - 120)
        result = trace(demo, text[start : start + 120], min_chars=64, sources_limit=100)
        for traced in result.spans:
            part = normalise(result.checked.text.source[traced.span.start_byte : traced.span.end_byte])
            held = [ref for ref, text in zip(refs, corpus, strict=True) if part in text]
            holders = [entry for ref in held for entry in demo.sources(ref)]
            assert traced.counts_exact
            assert traced.documents == len(holders) == len(traced.sources)
            assert {match.document for match in traced.sources} == {document for document, _ in holders}
            assert traced.repositories == len({source.repository for _, source in holders})
            assert list(traced.licenses) == sorted({source.license for _, source in holders})


def test_absent_snippets_never_match(demo: Index, corpus: list[bytes], scan: Scan) -> None:
    rng = random.Random(3)
    words = sorted({word for text in corpus for word in re.findall(rb"[A-Za-z_]{3,}", text)})
    asked = matched = 0
    for _ in range(300):
        text = b" ".join(rng.choice(words) for _ in range(40))
        if scan(normalise(text), 32):
            continue
        asked += 1
        matched += trace(demo, text, min_chars=0).verdict == "match"
    assert asked > 250 and matched == 0


def test_too_short_and_empty_texts_are_said_to_be(demo: Index) -> None:
    for text in ("", " \r\n\t ", "def f(): pass"):
        result = trace(demo, text)
        assert (result.verdict, result.spans, result.coverage) == ("too_short", (), 0.0)
    assert trace(demo, "zqj " * 100).verdict == "no_match"


def test_excluded_repositories_are_hidden_and_do_not_count(demo: Index, demo_sources: Path) -> None:
    text = (demo_sources / "sortedcontainers" / "sortedcontainers" / "sortedlist.py").read_bytes()[:2000]
    assert trace(demo, text).verdict == "match"
    for pattern in ("sortedcontainers", "SORTED*"):
        result = trace(demo, text, exclude_repositories=[pattern])
        assert all(match.source.repository != "sortedcontainers" for span in result.spans for match in span.sources)
        assert result.verdict == "no_match"


def test_sources_are_limited_but_counted(demo: Index, demo_sources: Path) -> None:
    header = (demo_sources / "cpython" / "textwrap.py").read_bytes()[:500]
    none = trace(demo, header, sources_limit=0)
    assert none.spans and none.spans[0].sources == () and none.spans[0].documents >= 1


# -- a corpus of scraps, in which everything repeats and overlaps ------------------------------------------------

ALPHABETS = ("ab ", "ab.\n", "aé. ", "ab(", "abcdefg  .", "a.", "aäé日😀 ")


def scrap(rng: random.Random, length: int, alphabet: str) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


@pytest.fixture(scope="module")
def scraps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Index, list[str]]]:
    """Small texts of few letters, and texts spliced from them, with windows of 8 bytes every 8."""
    rng = random.Random(5)
    root = tmp_path_factory.mktemp("scraps")
    texts: list[str] = []
    for alphabet in ALPHABETS:
        first = len(texts)
        texts += [scrap(rng, rng.randrange(20, 200), alphabet) for _ in range(6)]
        for _ in range(8):
            left, right = rng.choice(texts[first:]), rng.choice(texts[first:])
            texts.append(left[: rng.randrange(len(left) + 1)] + right[rng.randrange(len(right) + 1) :])
    texts += ["#" * 90 + "\n" + "-" * 120, "=" * 300, "x" * 700 + " end", "deadbeef" * 60, "q" + "deadbeef" * 40 + "r"]
    for number, text in enumerate(texts):
        folder = root / "sources" / f"r{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(text, "utf-8", newline="")
    parameters = Parameters(width=8, stride=8, segment_bytes=4096)
    sources = [open_source(str(root / "sources"), SourceOptions(each_folder=True))]
    build(sources, root / "index", parameters=parameters, workers=1)
    with Index.open(root / "index") as index:
        yield index, texts


@pytest.mark.parametrize("seed", range(40))
def test_every_run_of_a_tangled_corpus_is_found(scraps: tuple[Index, list[str]], seed: int) -> None:
    index, texts = scraps
    rng = random.Random(seed)
    corpus = [normalise(index.text(ref)) for ref in index.refs()]
    for _ in range(5):
        parts = []
        for _ in range(rng.randrange(1, 5)):
            parts.append(scrap(rng, rng.randrange(9), rng.choice(ALPHABETS)))
            text = rng.choice(texts)
            start = rng.randrange(len(text) + 1)
            parts.append(text[start : start + rng.randrange(80)])
        asked = "".join(parts)
        minimum = rng.choice((0, 15, 15, 20, 24, 31, 40))
        floor = trace_floor(index.geometry, minimum)
        result = trace(index, asked, min_chars=minimum, limits=Limits(contents=200), levels=("exact", "layout"))
        query = result.checked.text.normalised
        assert query == normalise(asked.encode())
        runs = normal_runs(result)
        assert all(high - low >= max(minimum, 8) for low, high in runs)
        assert {run for run in runs if run[1] - run[0] >= floor} == scanned(query, corpus, floor)
        assert result.complete
        assert_verified(index, result)


@pytest.fixture(scope="module")
def pieces() -> list[str]:
    rng = random.Random(13)
    made = [scrap(rng, rng.randrange(60, 900), alphabet) for alphabet in ALPHABETS for _ in range(6)]
    made += [first[: len(first) // 2] + second for first, second in pairwise(made[::5])]
    return [piece for piece in made if len(normalise(piece.encode())) > 60]


@pytest.fixture(scope="module")
def long_texts(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> Iterator[Index]:
    """Texts of 100 to 500 KB, many times what is read whole: pieces they share, in layouts of their own, in noise."""
    rng = random.Random(12)
    root = tmp_path_factory.mktemp("long")
    layouts = (" ", " " * 40, " " * 300, "\t\t", " \f")
    noise = foreign(rng, 900).replace(" = ", "\n")
    for number in range(16):
        parts: list[str] = []
        while sum(map(len, parts)) < 100_000 * (1 + number % 5):
            piece, layout = rng.choice(pieces), rng.choice(layouts)
            line = rng.choice(("\n", "\r\n  ", "\n" * 300))
            start = rng.randrange(900)
            parts += [noise[start:], rng.choice(("", layout, line)), piece.replace(" ", layout).replace("\n", line)]
            parts += ["=" * rng.randrange(9), noise[:start] * 9]
        (root / "sources" / f"r{number % 7}").mkdir(parents=True, exist_ok=True)
        (root / "sources" / f"r{number % 7}" / f"{number}.txt").write_text("".join(parts), "utf-8", newline="")
    sources = [open_source(str(root / "sources"), SourceOptions(each_folder=True))]
    build(sources, root / "index", parameters=Parameters(width=16, stride=16, segment_bytes=1 << 20), workers=1)
    with Index.open(root / "index") as index:
        assert len(index.segments) > 2 and index.contents == 16
        yield index


@pytest.mark.parametrize("seed", range(4))
def test_what_is_read_in_stretches_answers_as_whole_texts_do(
    long_texts: Index, pieces: list[str], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    corpus = [normalise(long_texts.text(ref)) for ref in long_texts.refs()]
    for number in range(3):
        asked = "".join(
            rng.choice(pieces)[rng.randrange(40) :] + "=" * rng.randrange(9) for _ in range(12 if number == 2 else 3)
        )
        minimum = rng.choice((31, 48, 96))
        monkeypatch.setattr(stored, "WHOLE_BYTES", 1 << 13)
        bounded = trace(long_texts, asked, min_chars=minimum, limits=Limits(contents=2), sources_limit=2)
        assert_verified(long_texts, bounded)
        in_stretches = trace(long_texts, asked, min_chars=minimum)
        monkeypatch.setattr(stored, "WHOLE_BYTES", 1 << 40)
        whole = trace(long_texts, asked, min_chars=minimum)
        assert in_stretches.complete and in_stretches.spans and in_stretches.spans == whole.spans
        if number < 1:
            floor = trace_floor(long_texts.geometry, minimum)
            query = normalise(asked.encode())
            runs = {run for run in normal_runs(in_stretches) if run[1] - run[0] >= floor}
            assert runs == scanned(query, corpus, floor)


def test_what_holds_no_word_and_what_is_inside_a_word_too_long_to_index_is_found(
    scraps: tuple[Index, list[str]],
) -> None:
    index, _ = scraps
    for text in ("#" * 40, "-" * 100, "=" * 99, "x" * 60, "x" * 300, "beefdeadbeefdeadbeef", "é! " + "#" * 30 + " ?"):
        result = trace(index, text, min_chars=16)
        assert result.verdict == "match", text
        assert_verified(index, result)


def test_a_bound_on_contents_makes_counts_lower_bounds(scraps: tuple[Index, list[str]]) -> None:
    index, _ = scraps
    result = trace(index, "a.a.aa.a..a.a.a.aaa.a" * 3, min_chars=8, limits=Limits(contents=1, scan_bytes=0))
    full = trace(index, "a.a.aa.a..a.a.a.aaa.a" * 3, min_chars=8, limits=Limits(contents=500))
    assert full.complete and all(span.counts_exact for span in full.spans)
    assert not result.complete or any(not span.counts_exact for span in result.spans)
    assert normal_runs(result) <= {
        (low, high)
        for low in range(len(result.checked.text.normalised))
        for high in range(low, len(result.checked.text.normalised) + 1)
        if any(outer_low <= low and high <= outer_high for outer_low, outer_high in normal_runs(full))
    }


def test_a_text_that_repeats_itself_is_bounded_in_work_and_in_runs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "table.py").write_text("zeros = [" + "0, " * 100 + "]\n" + "one = 1\n" * 9)
    build([open_source(str(source))], tmp_path / "index", workers=1)
    with Index.open(tmp_path / "index") as index:
        for limits in (Limits(runs=50), Limits(work=50 << 12)):
            result = trace(index, "0, " * 5_000, limits=limits)
            assert result.verdict == "match" and not result.complete
            assert 0 < len(result.spans) <= 200
            assert result.spans == trace(index, "0, " * 5_000, limits=limits).spans
        asked = "0, " * 20 + "1, " + "0, " * 40
        longest = trace(index, asked, min_chars=30, levels=("exact", "layout"), limits=Limits(runs=1))
        assert not longest.complete and [each.span.end - each.span.start for each in longest.spans] == [121]


@pytest.mark.parametrize("piece", ["//", "-", "0, ", "a - "])
def test_a_text_that_repeats_itself_asks_for_nothing_twice(
    tmp_path: Path, piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number, count in enumerate((40, 60, 80)):
        (source / f"{number}.py").write_text(
            "".join(f"# {mark * count} {number}\n" for mark in ("/", "-", "0, ", "a - "))
        )
    build([open_source(str(source))], tmp_path / "index", workers=1)

    with Index.open(tmp_path / "index") as index:
        asked: list[bytes] = []
        holding = type(index.engine).holding

        def counted(engine: Any, literal: bytes, *more: Any) -> Any:
            asked.append(literal)
            return holding(engine, literal, *more)

        monkeypatch.setattr(type(index.engine), "holding", counted)
        result = trace(index, piece * (12_000 // len(piece)), levels=("exact", "layout"))
        assert_verified(index, result)
    assert 0 < len(asked) <= 60


def test_a_bound_on_queries_is_told(scraps: tuple[Index, list[str]]) -> None:
    index, texts = scraps
    result = trace(index, "\nZ\n".join(texts[:20]), min_chars=15, limits=Limits(queries=1))
    assert not result.complete


def test_short_runs_of_usual_words_are_common(tmp_path: Path) -> None:
    """An idiom of fewer than 150 characters says little; with a rare word in it, or longer, it is uncommon."""
    words = "alpha beta gamma delta epsilon zeta theta iota kappa lambda omega sigma or".split()
    for number in range(12):
        folder = tmp_path / "sources" / f"repository{number}"
        folder.mkdir(parents=True)
        turned = words[number:] + words[:number]
        folder.joinpath("usual.txt").write_text("\n".join(turned) + f"\nown{number}\n" + " ".join(reversed(turned)))
    short = "omega(alpha, beta); gamma[delta] = epsilon + zeta; theta.iota(kappa) or lambda(sigma); sigma.beta()"
    rare = short.replace("theta", "quibzorn")
    long = short + " and alpha.beta(gamma, delta, omega) if zeta else kappa"
    assert 96 <= len(short) < len(rare) < 150 <= len(long)
    folder = tmp_path / "sources" / "other"
    folder.mkdir()
    for name, text in (("short", short), ("rare", rare), ("long", long)):
        folder.joinpath(f"{name}.txt").write_text(f"{name}\n{text}\n{name}\n" if name != "long" else f"\n{text}\n")
    build([open_source(str(tmp_path / "sources"), SourceOptions(each_folder=True))], tmp_path / "index", workers=1)
    with Index.open(tmp_path / "index") as index:
        for text, common in ((short, True), (rare, False), (long, False)):
            found = [each.span for each in trace(index, f"zqj {text} zqj").spans if each.kind in ("exact", "layout")]
            assert [span.common for span in found if span.end - span.start >= len(text)] == [common], text
