"""Normal form, samples and words against their definitions, for every kernel."""

from __future__ import annotations

import re
from types import ModuleType

import numpy as np
import tantivy
from hypothesis import given
from hypothesis import strategies as st

SPACE = b"\t\n\v\f\r "
PIECES = [*(bytes([byte]) for byte in SPACE), b"a", b"\x85", b"\xc2\xa0", b"xyz"]
spaced = st.lists(st.sampled_from(PIECES)).map(b"".join)
spaced = st.builds(lambda part, times: part * times, spaced, st.integers(1, 30))


def normal_form(text: bytes) -> bytes:
    """Return layout-1 by its definition."""

    def one(run: re.Match[bytes]) -> bytes:
        return b"\n" if re.search(rb"[\r\n]", run[0]) else b" "

    return re.sub(rb"[\t\n\v\f\r ]+", one, text.strip(SPACE))


@given(text=spaced)
def test_normal_form_is_what_its_definition_says(kernel: ModuleType, text: bytes) -> None:
    assert kernel.normalise(text) == normal_form(text)


@given(text=spaced)
def test_normalising_again_changes_nothing(kernel: ModuleType, text: bytes) -> None:
    once = kernel.normalise(text)
    assert kernel.normalise(once) == once


@given(text=spaced)
def test_breakpoints_begin_the_text_and_follow_every_run_of_two_or_more(kernel: ModuleType, text: bytes) -> None:
    normalised, at, source = kernel.normalise_map(text)
    assert normalised == kernel.normalise(text)
    expected = []
    position = 0
    for run in re.finditer(rb"([\t\n\v\f\r ]*)([^\t\n\v\f\r ]+)", text):
        if not expected or len(run[1]) > 1:
            expected.append((position + (1 if expected else 0), run.start(2)))
        position += len(run[2]) + (1 if position else 0)
    assert list(zip(np.frombuffer(at, "<u8").tolist(), np.frombuffer(source, "<u8").tolist(), strict=True)) == expected


@given(text=st.binary(max_size=150), width=st.integers(1, 20), group=st.integers(1, 30))
def test_each_group_samples_its_leftmost_window_of_smallest_rank(
    kernel: ModuleType, text: bytes, width: int, group: int
) -> None:
    def rank(start: int) -> int:
        first = int.from_bytes(text[start : start + min(8, width)], "little")
        return (first * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 32

    starts = list(range(len(text) - width + 1))
    groups = [starts[at : at + group] for at in range(max(1, len(starts) - group + 1))] if starts else []
    chosen = sorted({min(each, key=rank) for each in groups})
    assert np.frombuffer(kernel.sample_positions(text, width, group), "<u8").tolist() == chosen


def test_texts_that_share_as_much_as_a_group_covers_share_a_sample(kernel: ModuleType) -> None:
    random = np.random.default_rng(4)
    for _ in range(50):
        shared, before, after = (random.integers(97, 107, size, np.uint8).tobytes() for size in (64, 100, 90))
        samples = []
        for text in (before + shared + after, after[::-1] + shared + before[::-1], shared):
            starts = np.frombuffer(kernel.sample_positions(text, 32, 33), "<u8").tolist()
            samples.append({text[start : start + 32] for start in starts})
        inside = {shared[at : at + 32] for at in range(33)}
        assert samples[0] & samples[1] & samples[2] & inside


@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_words_are_maximal_runs_of_letters_and_digits(kernel: ModuleType, text: str) -> None:
    collector = kernel.KeyCollector(8, 8, 0, 0)
    collector.add(text.encode(), 0)
    # The categories of Alphabetic, Nd, Nl and No that a Python of any version agrees on.
    words = set(collector.words().decode().split("\n")) - {""}
    assert all(word in text for word in words)
    for letters in re.findall(r"[0-9A-Za-zäöü漢字]+", text):
        assert any(letters in word for word in words)
    assert not any(set(word) & set("_-+.,;:()[]{} \t\n\u3000\u2028\ufffd😀") for word in words)


def test_words_longer_than_the_limit_are_left_out(kernel: ModuleType) -> None:
    collector = kernel.KeyCollector(8, 8, 0, 0)
    collector.add(b"a" * 255 + b" " + b"b" * 256 + b" " + "é".encode() * 127 + b" " + "ü".encode() * 128, 0)
    assert collector.words() == b"a" * 255 + b"\n" + "é".encode() * 127


def test_bytes_that_are_no_utf8_separate_words(kernel: ModuleType) -> None:
    collector = kernel.KeyCollector(8, 8, 0, 0)
    collector.add(b"one\xfftwo \xe2\x82three \xed\xa0\x80four \xf0\x9f\x98", 0)
    assert collector.words() == b"four\none\nthree\ntwo"


def test_words_are_those_of_the_search_engine(kernel: ModuleType) -> None:
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).build()
    # Letters of many scripts, marks, digits, number forms, circled letters.
    text = " ".join(f"x{chr(code)}y" for code in range(0x80, 0x3400))
    collector = kernel.KeyCollector(8, 8, 0, 0)
    collector.add(text.encode(), 0)
    assert set(collector.words().decode().split("\n")) == set(analyzer.analyze(text))


def test_a_collector_counts_a_repeated_text_once_and_its_repositories_apart(kernel: ModuleType) -> None:
    text = bytes(range(33, 127)) * 3
    once, often = (kernel.KeyCollector(32, 32, 1, 33) for _ in range(2))
    once.add(text, 7)
    for _ in range(5):
        often.add(text, 7)
        often.add_samples(text, 7)
    assert once.tiles() == often.tiles() == kernel.sort_unique(kernel.window_keys(kernel.normalise(text), 32, 32, 1))
    assert once.samples() == often.samples()
    often.add_samples(text, 3)
    keys, repositories = (np.frombuffer(part, kind) for part, kind in zip(often.samples(), ("<u8", "<u4"), strict=True))
    assert keys.tolist() == sorted(keys.tolist())
    assert repositories.tolist() == [3, 7] * (len(keys) // 2)
    assert len(set(keys.tolist())) == len(keys) // 2


def test_a_collector_forgets_nothing_when_it_drops_duplicates(native: ModuleType) -> None:
    random = np.random.default_rng(5)
    collector = native.KeyCollector(32, 1, 1, 1)
    parts = [random.integers(33, 127, 70_000, np.uint8).tobytes() for _ in range(5)]
    for part in parts * 2:
        collector.add(part, 1)
    expected = np.unique(
        np.concatenate([np.frombuffer(native.window_keys(part, 32, 1, 1), "<u8") for part in parts])
    ).tobytes()
    assert collector.tiles() == expected
    assert collector.samples()[0] == expected
