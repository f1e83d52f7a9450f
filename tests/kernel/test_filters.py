"""Filters against their definitions and against statistics, for every kernel."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from pybloomfilter import BloomFilter

from provenance.membership.sizing import expected_rate

M64 = (1 << 64) - 1


def mixed(key: int, half: int) -> int:
    """Return the word that names line and bits of a key in a half, as ARCHITECTURE.md has it."""
    x = key ^ (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)[half]
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ x >> 33) * factor & M64
    return x ^ x >> 33


def bits_of(key: int, regions: int, halves: int) -> set[int]:
    """Return the numbers of a key's bits in the body."""
    bits = set()
    for half in range(halves):
        m = mixed(key, half)
        line = ((half * regions + (key * regions >> 64)) * 64 + (m >> 58)) * 512
        bits |= {line + 64 * word + (m >> 6 * word & 63) for word in range(8)}
    return bits


def random_keys(seed: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.default_rng(seed).integers(0, M64, count, np.uint64, endpoint=True)


def rate_of(body: np.ndarray[tuple[int], np.dtype[np.uint8]], regions: int, halves: int) -> float:
    """Return how likely a random key is to hit, counted from the bits that are set."""
    words = np.unpackbits(body).reshape(halves, regions, 64, 8, 64).sum(axis=-1) / 64
    lines = words.prod(axis=-1)
    return float(lines.mean(axis=-1).prod(axis=0).mean())


@given(values=st.lists(st.integers(0, M64), max_size=5), regions=st.integers(1, 5), halves=st.integers(1, 2))
def test_the_bits_set_are_those_of_the_format(
    kernel: ModuleType, values: list[int], regions: int, halves: int
) -> None:
    body = bytearray(halves * regions * 4096)
    kernel.insert_sorted(body, regions, halves, 0, regions, np.array(sorted(values), "<u8").tobytes())
    bits = np.flatnonzero(np.unpackbits(np.frombuffer(body, np.uint8), bitorder="little"))
    assert set(bits.tolist()) == set().union(*(bits_of(value, regions, halves) for value in values))


@pytest.mark.parametrize("halves", [1, 2])
@pytest.mark.parametrize("regions", [1, 2, 3, 4, 7, 8, 31, 32, 33, 64])
def test_every_key_is_found_and_strangers_as_often_as_the_bits_say(
    kernel: ModuleType, regions: int, halves: int
) -> None:
    keys = np.sort(random_keys(regions, regions * (2083 if halves == 1 else 3000)))
    body = np.zeros(halves * regions * 4096, np.uint8)
    kernel.insert_sorted(body, regions, halves, 0, regions, keys.tobytes())
    assert kernel.contains(body, regions, halves, keys.tobytes()) == b"\1" * len(keys)

    asked = 200_000
    strangers = random_keys(1000 + regions, asked)
    strangers = strangers[~np.isin(strangers, keys)]
    found = sum(kernel.contains(body, regions, halves, strangers.tobytes()))
    rate = rate_of(body, regions, halves)
    assert abs(found - rate * asked) <= 5 * math.sqrt(asked * rate * (1 - rate)) + 1
    if regions >= 31:
        # A filter of many lines is near the mean of all filters; the smaller it is, the more it may differ.
        assert rate == pytest.approx(expected_rate(len(keys), regions, halves), rel=0.15)


@pytest.mark.parametrize("regions", [1, 2, 16, 37])
def test_windows_of_text_err_no_more_often_than_random_keys(native: ModuleType, regions: int) -> None:
    random = np.random.default_rng(regions)
    text = b" ".join(random.choice([b"if", b"return", b"self", b"(x)", b"==", b"None:"], 60_000))
    stored, asked = text[: len(text) // 2], text[len(text) // 2 :]
    keys = np.frombuffer(native.sort_unique(native.window_keys(stored, 32, 3, 1)), "<u8")[: regions * 2083]
    body = np.zeros(regions * 4096, np.uint8)
    native.insert_sorted(body, regions, 1, 0, regions, keys.tobytes())
    strangers = np.setdiff1d(np.frombuffer(native.window_keys(asked, 32, 1, 1), "<u8"), keys)
    # All keys of the smaller filters lie in the lowest regions, as their text was cut off: ask each region apart.
    found = np.frombuffer(native.contains(body, regions, 1, strangers.tobytes()), np.uint8)
    region = np.array([int(key) * regions >> 64 for key in strangers])
    rates = [rate_of(body[at * 4096 : (at + 1) * 4096], 1, 1) for at in range(regions)]
    mean = sum(rates[at] for at in region)
    assert abs(int(found.sum()) - mean) <= 5 * math.sqrt(mean) + 5


@given(
    values=st.lists(st.integers(0, M64), max_size=40),
    regions=st.integers(2, 9),
    halves=st.integers(1, 2),
    cut=st.integers(1, 8),
)
def test_a_filter_made_in_parts_is_the_filter_made_whole(
    kernel: ModuleType, values: list[int], regions: int, halves: int, cut: int
) -> None:
    cut = min(cut, regions - 1)
    values = sorted(values)
    whole = bytearray(halves * regions * 4096)
    kernel.insert_sorted(whole, regions, halves, 0, regions, np.array(values, "<u8").tobytes())
    parts = []
    for first, count in ((0, cut), (cut, regions - cut)):
        part = bytearray(halves * count * 4096)
        mine = [value for value in values if first <= value * regions >> 64 < first + count]
        kernel.insert_sorted(part, regions, halves, first, count, np.array(mine, "<u8").tobytes())
        parts.append([part[half * count * 4096 : (half + 1) * count * 4096] for half in range(halves)])
    assert whole == b"".join(part[half] for half in range(halves) for part in parts)


def chains_by_walking(hits: list[bool], width: int, stride: int) -> list[tuple[int, int]]:
    """Return the chains by walking each phase."""
    chains = []
    for phase in range(stride):
        start = None
        for at in range(phase, len(hits) + stride, stride):
            hit = at < len(hits) and hits[at]
            if hit and start is None:
                start = at
            elif not hit and start is not None:
                chains.append((start, at - stride + width))
                start = None
    return sorted(chains)


@given(
    present=st.lists(st.booleans(), max_size=200), width=st.integers(1, 12), stride=st.integers(1, 12)
)
def test_chains_are_maximal_and_never_bridge_a_miss(
    kernel: ModuleType, present: list[bool], width: int, stride: int
) -> None:
    # Every window of this text is another one, so that the filter can hold any choice of them.
    text = np.random.default_rng(7).bytes(len(present) + width - 1) if present else b""
    keys = np.frombuffer(kernel.window_keys(text, width, 1, 2), "<u8")
    wanted = keys[np.array(present, bool)] if present else keys
    body = bytearray(2 * 16 * 4096)
    kernel.insert_sorted(body, 16, 2, 0, 16, np.sort(wanted).tobytes())
    hits = [bool(hit) for hit in kernel.contains(body, 16, 2, keys.tobytes())]
    assert all(hit for hit, stored in zip(hits, present, strict=True) if stored)
    count, ranges = kernel.chains([(body, 16, 2)], text, width, stride, 2)
    assert count == sum(hits)
    pairs = np.frombuffer(ranges, "<u8").reshape(-1, 2).tolist()
    assert [tuple(pair) for pair in pairs] == chains_by_walking(hits, width, stride)
    bits = np.unpackbits(np.frombuffer(kernel.hits([(body, 16, 2)], text, width, 2), np.uint8), bitorder="little")
    assert bits[: len(hits)].astype(bool).tolist() == hits
    assert not bits[len(hits) :].any()


def test_a_copy_with_one_window_missing_makes_two_chains(kernel: ModuleType) -> None:
    text = np.random.default_rng(3).integers(97, 123, 320, np.uint8).tobytes()
    keys = np.frombuffer(kernel.window_keys(text, 32, 32, 5), "<u8")
    body = bytearray(2 * 4096)
    kernel.insert_sorted(body, 1, 2, 0, 1, np.sort(np.delete(keys, 4)).tobytes())
    _, ranges = kernel.chains([(body, 1, 2)], b"xyz" + text, 32, 32, 5)
    assert np.frombuffer(ranges, "<u8").tolist() == [3, 131, 163, 323]


def test_windows_of_code_points_start_at_characters(kernel: ModuleType) -> None:
    text = "naïve 漢字 and 😀 emoji" * 4
    keys = np.frombuffer(kernel.window_keys(text.encode(), 7, 3, 11, codepoints=True), "<u8").tolist()
    windows = [text[at : at + 7] for at in range(0, len(text) - 6, 3)]
    assert keys == [xxhash.xxh3_64_intdigest(window.encode(), 11) for window in windows]
    body = bytearray(2 * 4096)
    kernel.insert_sorted(body, 1, 2, 0, 1, np.sort(np.array(keys, "<u8")).tobytes())
    count, ranges = kernel.chains([(body, 1, 2)], text.encode(), 7, 3, 11, codepoints=True)
    assert count >= len(windows)
    assert [0, (len(windows) - 1) * 3 + 7] in np.frombuffer(ranges, "<u8").reshape(-1, 2).tolist()


@pytest.mark.parametrize("width", [5, 16, 32, 50])
@pytest.mark.parametrize("codepoints", [False, True])
def test_pybloom_windows_are_answered_as_by_the_library(kernel: ModuleType, width: int, codepoints: bool) -> None:
    text = "def größe(x): return 漢字[x] or 😀 if x else None  # straße\n" * 9
    windows: list[str] | list[bytes] = (
        [text[at : at + width] for at in range(len(text) - width + 1)]
        if codepoints
        else [text.encode()[at : at + width] for at in range(len(text.encode()) - width + 1)]
    )
    library = BloomFilter(40, 0.1)
    for window in windows[::width]:
        library.add(window)
    arguments = (library.data_array, library.num_bits, list(library.hash_seeds), text.encode(), width)
    answers = kernel.pybloom_hits(*arguments, None, codepoints=codepoints)
    bits = np.unpackbits(np.frombuffer(answers, np.uint8), bitorder="little")[: len(windows)].tolist()
    expected = [window in library for window in windows]
    assert bits == expected
    count, ranges = kernel.pybloom_chains(*arguments, 5, None, codepoints=codepoints)
    assert count == sum(expected)
    pairs = np.frombuffer(ranges, "<u8").reshape(-1, 2).tolist()
    assert [tuple(pair) for pair in pairs] == chains_by_walking(expected, width, 5)


def test_pybloom_integers_are_answered_and_inserted_as_by_the_library(kernel: ModuleType) -> None:
    values = [*random_keys(1, 500).tolist(), 0, 1, (1 << 61) - 1, (1 << 61) - 2, 1 << 61, M64]
    library = BloomFilter(600, 0.05, hash_seeds=[0, 1, 77, (1 << 32) - 1])
    for value in values[::2]:
        library.add(value)
    asked = np.array(values, "<u8").tobytes()
    arguments = (library.num_bits, list(library.hash_seeds))
    answers = kernel.pybloom_contains(library.data_array, *arguments, asked)
    assert list(answers) == [value in library for value in values]
    bits = bytearray(len(library.data_array))
    kernel.pybloom_insert(bits, *arguments, np.array(values[::2], "<u8").tobytes())
    assert bytes(bits) == library.data_array


def test_pybloom_asks_for_keys_of_windows_where_a_seed_is_given(kernel: ModuleType) -> None:
    text = np.random.default_rng(8).integers(97, 123, 900, np.uint8).tobytes()
    library = BloomFilter(30, 0.1)
    windows = [text[at : at + 32] for at in range(len(text) - 31)]
    for window in windows[::32]:
        library.add(xxhash.xxh3_64_intdigest(window, 99))
    answers = kernel.pybloom_hits(library.data_array, library.num_bits, list(library.hash_seeds), text, 32, 99)
    bits = np.unpackbits(np.frombuffer(answers, np.uint8), bitorder="little")[: len(windows)].astype(bool).tolist()
    assert bits == [xxhash.xxh3_64_intdigest(window, 99) in library for window in windows]


def test_random_reads_reach_every_line_alike(native: ModuleType) -> None:
    lines, count = 512, 1 << 18
    seen = np.zeros(lines)
    body = np.zeros(lines * 8, "<u8")
    for line in range(0, lines, 16):
        body[:] = 0
        body[line * 8] = 1
        seen[line] = native.random_read_limit(body, count, 12345)
    mean = count / lines
    assert np.abs(seen[::16] - mean).max() <= 5 * math.sqrt(mean)
