"""The compiled kernel against the numpy one, function by function, with every instruction set of the machine."""

from __future__ import annotations

import mmap
import tempfile
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.sampled_from([0, 1, 0x70726F76656E616E, (1 << 64) - 1])
PIECES = [b" ", b"\t", b"\n", b"\r\n", b"\v", b"\f", b"if", b"x=1;", b"\x00", "é漢😀".encode()]
some_bytes = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from(PIECES)).map(b"".join),
    st.text(max_size=120).map(lambda text: text.encode("utf-8", "replace")),
)
texts = st.builds(lambda part, times, rest: part * times + rest, some_bytes, st.integers(1, 12), some_bytes)
valid_texts = texts.map(lambda text: text.decode("utf-8", "replace").encode())
keys = st.lists(st.integers(0, (1 << 64) - 1), max_size=60).map(lambda values: np.array(values, "<u8").tobytes())


@given(text=texts)
def test_normalising(native: ModuleType, reference: ModuleType, text: bytes) -> None:
    assert native.normalise(text) == reference.normalise(text)
    assert native.normalise_map(text) == reference.normalise_map(text)


@given(
    text=valid_texts, width=st.integers(1, 300), stride=st.integers(1, 70), seed=SEEDS, codepoints=st.booleans()
)
def test_window_keys(
    native: ModuleType, reference: ModuleType, text: bytes, width: int, stride: int, seed: int, codepoints: bool
) -> None:
    expected = reference.window_keys(text, width, stride, seed, codepoints=codepoints)
    assert native.window_keys(text, width, stride, seed, codepoints=codepoints) == expected


@pytest.mark.parametrize("width", range(1, 140))
def test_keys_of_every_width_at_every_offset(native: ModuleType, reference: ModuleType, width: int) -> None:
    text = np.random.default_rng(width).bytes(width + 37)
    for seed in (0, 0x70726F76656E616E):
        assert native.window_keys(text, width, 1, seed) == reference.window_keys(text, width, 1, seed)


@given(text=texts, width=st.integers(1, 40), group=st.integers(1, 80))
def test_sample_positions(native: ModuleType, reference: ModuleType, text: bytes, width: int, group: int) -> None:
    assert native.sample_positions(text, width, group) == reference.sample_positions(text, width, group)


@pytest.mark.parametrize("group", [1, 2, 33, 64, 2047, 2048, 2049, 5000])
def test_sample_positions_across_the_pieces_in_which_they_are_computed(
    native: ModuleType, reference: ModuleType, group: int
) -> None:
    text = np.random.default_rng(group).integers(97, 100, 9000, np.uint8).tobytes() + b"=" * 5000
    assert native.sample_positions(text, 32, group) == reference.sample_positions(text, 32, group)


@given(values=keys)
def test_sorting(native: ModuleType, reference: ModuleType, values: bytes) -> None:
    assert native.sort_unique(values + values) == reference.sort_unique(values)


@given(
    documents=st.lists(st.tuples(texts, st.integers(0, 3), st.booleans()), max_size=5),
    group=st.sampled_from([0, 1, 33]),
    words=st.booleans(),
    codepoints=st.booleans(),
)
def test_collectors(
    native: ModuleType,
    reference: ModuleType,
    documents: list[tuple[bytes, int, bool]],
    group: int,
    words: bool,
    codepoints: bool,
) -> None:
    ours, theirs = (
        each.KeyCollector(12, 7, 5, group, words=words, codepoints=codepoints) for each in (native, reference)
    )
    for text, repository, again in documents:
        for collector in (ours, theirs):
            collector.add(text if not codepoints else text.decode("utf-8", "replace").encode(), repository)
            if again:
                collector.add_samples(text, repository + 1)
    for _ in range(2):  # asking changes nothing
        assert ours.tiles() == theirs.tiles()
        assert ours.samples() == theirs.samples()
        assert ours.words() == theirs.words()


@settings(max_examples=60)
@given(
    values=keys, regions=st.integers(1, 9), halves=st.integers(1, 2), strangers=keys, first=st.integers(0, 8)
)
def test_inserting_and_testing(
    native: ModuleType, reference: ModuleType, values: bytes, regions: int, halves: int, strangers: bytes, first: int
) -> None:
    ours, theirs = bytearray(halves * regions * 4096), bytearray(halves * regions * 4096)
    native.insert_sorted(ours, regions, halves, 0, regions, values)
    reference.insert_sorted(theirs, regions, halves, 0, regions, values)
    assert ours == theirs
    asked = values + strangers
    assert native.contains(ours, regions, halves, asked) == reference.contains(theirs, regions, halves, asked)


@settings(max_examples=60)
@given(
    stored=valid_texts,
    asked=valid_texts,
    width=st.integers(1, 40),
    stride=st.integers(1, 40),
    halves=st.lists(st.integers(1, 2), max_size=3),
    fill=st.booleans(),
    codepoints=st.booleans(),
)
def test_hits_and_chains(
    native: ModuleType,
    reference: ModuleType,
    stored: bytes,
    asked: bytes,
    width: int,
    stride: int,
    halves: list[int],
    fill: bool,
    codepoints: bool,
) -> None:
    filters = []
    for number, count in enumerate(halves):
        body = bytearray(np.random.default_rng(number).bytes(count * 3 * 4096) if fill else count * 3 * 4096)
        tiles = reference.window_keys(stored[number:], width, stride, 9, codepoints=codepoints)
        reference.insert_sorted(body, 3, count, 0, 3, tiles)
        filters.append((body, 3, count))
    text = asked + stored + asked
    assert native.hits(filters, text, width, 9, codepoints=codepoints) == reference.hits(
        filters, text, width, 9, codepoints=codepoints
    )
    assert native.chains(filters, text, width, stride, 9, codepoints=codepoints) == reference.chains(
        filters, text, width, stride, 9, codepoints=codepoints
    )


@pytest.mark.parametrize("length", [0, 31, 32, 33, 95, 1054, 1055, 1056, 5000])
def test_hits_across_the_rounds_in_which_they_are_computed(
    native: ModuleType, reference: ModuleType, length: int
) -> None:
    text = np.random.default_rng(length).integers(97, 101, length, np.uint8).tobytes()
    body = np.random.default_rng(1).integers(0, 256, 2 * 5 * 4096, np.uint8)
    body |= np.random.default_rng(2).integers(0, 256, len(body), np.uint8)  # three bits of four: both halves matter
    filters = [(body, 5, 2), (body[: 5 * 4096], 5, 1)]
    for each in (filters, filters[:1], []):
        assert native.hits(each, text, 32, 3) == reference.hits(each, text, 32, 3)


@given(count=st.integers(0, 300), seed=SEEDS, lines=st.integers(1, 200))
def test_random_reads(native: ModuleType, reference: ModuleType, count: int, seed: int, lines: int) -> None:
    body = np.random.default_rng(lines).bytes(lines * 64)
    limit = reference.random_read_limit(body, count, seed)
    assert native.random_read_limit(body, count, seed) == limit
    assert native.random_read_limit(body, count, seed, prefetched=False) == limit


@settings(max_examples=60)
@given(
    values=keys,
    text=valid_texts,
    bit_count=st.integers(1, 5000),
    hash_seeds=st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=12),
    width=st.integers(1, 70),
    stride=st.integers(1, 40),
    seed=st.one_of(st.none(), SEEDS),
    codepoints=st.booleans(),
)
def test_pybloom(
    native: ModuleType,
    reference: ModuleType,
    values: bytes,
    text: bytes,
    bit_count: int,
    hash_seeds: list[int],
    width: int,
    stride: int,
    seed: int | None,
    codepoints: bool,
) -> None:
    size = (bit_count + 7) // 8
    ours, theirs = bytearray(size), bytearray(size)
    native.pybloom_insert(ours, bit_count, hash_seeds, values)
    reference.pybloom_insert(theirs, bit_count, hash_seeds, values)
    assert ours == theirs
    dense = bytearray(np.random.default_rng(bit_count).bytes(size))
    for bits in (ours, dense):
        assert native.pybloom_contains(bits, bit_count, hash_seeds, values) == reference.pybloom_contains(
            bits, bit_count, hash_seeds, values
        )
        arguments = (bits, bit_count, hash_seeds, text, width)
        assert native.pybloom_hits(*arguments, seed, codepoints=codepoints) == reference.pybloom_hits(
            *arguments, seed, codepoints=codepoints
        )
        assert native.pybloom_chains(*arguments, stride, seed, codepoints=codepoints) == reference.pybloom_chains(
            *arguments, stride, seed, codepoints=codepoints
        )


@given(query=texts, document=texts, minimum=st.integers(1, 40))
def test_common_runs(
    native: ModuleType, reference: ModuleType, query: bytes, document: bytes, minimum: int
) -> None:
    for left, right in ((query, document), (query + document, document), (query, document + query)):
        assert native.common_runs(left, right, minimum) == reference.common_runs(left, right, minimum)


@given(
    haystack=texts, needle=st.binary(min_size=1, max_size=6), fold=st.booleans(), limit=st.integers(0, 3)
)
def test_finding(
    native: ModuleType, reference: ModuleType, haystack: bytes, needle: bytes, fold: bool, limit: int
) -> None:
    text = haystack + needle.upper() + haystack + needle
    assert native.find_all(text, needle, fold_case=fold, limit=limit) == reference.find_all(
        text, needle, fold_case=fold, limit=limit
    )


def test_any_contiguous_buffer_is_read_in_place(kernel: ModuleType) -> None:
    text = b"  some text,\n\t of which a window\n" * 9
    expected = kernel.normalise(text)
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert kernel.normalise(mapped) == expected
    views = (bytearray(text), memoryview(text), np.frombuffer(text, np.uint8), memoryview(b"\xff" + text)[1:])
    for view in views:
        assert kernel.normalise(view) == expected
        assert kernel.find_all(view, b"window") == kernel.find_all(text, b"window")


def test_words_of_arrays_are_accepted_as_keys(kernel: ModuleType) -> None:
    values = np.array([5, 3, 5], "<u8")
    assert kernel.sort_unique(values) == np.array([3, 5], "<u8").tobytes()


BODY = bytes(8192)
REFUSED = [
    (ValueError, "width is 0", "window_keys", (b"abc", 0, 1, 0)),
    (ValueError, "width is -3", "window_keys", (b"abc", -3, 1, 0)),
    (ValueError, "stride is 0", "window_keys", (b"abc", 1, 0, 0)),
    (OverflowError, None, "window_keys", (b"abc", 1, 1, 1 << 64)),
    (OverflowError, None, "window_keys", (b"abc", 1, 1, -1)),
    (ValueError, "width is 0", "sample_positions", (b"abc", 0, 1)),
    (ValueError, "group is 0", "sample_positions", (b"abc", 1, 0)),
    (ValueError, "group is 1048577", "sample_positions", (b"abc", 1, (1 << 20) + 1)),
    (ValueError, "7 bytes", "sort_unique", (b"1234567",)),
    (ValueError, "regions is 0", "contains", (BODY, 0, 2, b"")),
    (ValueError, "halves is 3", "contains", (BODY, 1, 3, b"")),
    (ValueError, "the body has 8192 bytes", "contains", (BODY, 2, 2, b"")),
    (ValueError, "the body has 8191 bytes", "contains", (BODY[1:], 1, 2, b"")),
    (ValueError, "the body has 8192 bytes", "contains", (BODY, 1 << 60, 2, b"")),
    (ValueError, "9 bytes", "contains", (BODY, 1, 2, b"123456789")),
    (ValueError, "the body has", "hits", ([(BODY, 1, 2), (BODY, 1, 1)], b"abc", 1, 0)),
    (ValueError, "width is 0", "hits", ([], b"abc", 0, 0)),
    (ValueError, "stride is 0", "chains", ([], b"abc", 1, 0, 0)),
    (ValueError, "multiple of 64", "random_read_limit", (b"", 1, 0)),
    (ValueError, "multiple of 64", "random_read_limit", (bytes(65), 1, 0)),
    (ValueError, "count is -1", "random_read_limit", (bytes(64), -1, 0)),
    (ValueError, "bit_count is 0", "pybloom_contains", (b"", 0, [1], b"")),
    (ValueError, "1 bytes hold fewer than 9 bits", "pybloom_contains", (b"x", 9, [1], b"")),
    (ValueError, "0 hash seeds", "pybloom_contains", (b"x", 8, [], b"")),
    (ValueError, "257 hash seeds", "pybloom_contains", (b"x", 8, [1] * 257, b"")),
    (OverflowError, None, "pybloom_contains", (b"x", 8, [1 << 32], b"")),
    (ValueError, "minimum is 0", "common_runs", (b"abc", b"abc", 0)),
    (ValueError, "needle is empty", "find_all", (b"abc", b"")),
]


@pytest.mark.parametrize(("kind", "message", "function", "arguments"), REFUSED)
def test_arguments_out_of_range_are_refused(
    kernel: ModuleType, kind: type[Exception], message: str | None, function: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(kind, match=message):
        getattr(kernel, function)(*arguments)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("region_count is 0", (bytearray(), 4, 1, 0, 0, b"")),
        ("first_region is -1", (bytearray(4096), 4, 1, -1, 1, b"")),
        ("regions up to 5 asked for, the filter has 4", (bytearray(8192), 4, 1, 3, 2, b"")),
        ("the body has 4096 bytes", (bytearray(4096), 4, 1, 0, 2, b"")),
        (r"outside of the regions \[0, 2\)", (bytearray(8192), 4, 1, 0, 2, (1 << 63).to_bytes(8, "little"))),
        (r"outside of the regions \[2, 4\)", (bytearray(8192), 4, 1, 2, 2, bytes(8))),
        ("is no multiple of 8", (bytearray(4096), 1, 1, 0, 1, b"123")),
    ],
)
def test_a_refused_insert_leaves_the_filter_as_it_was(
    kernel: ModuleType, message: str, arguments: tuple[object, ...]
) -> None:
    body = arguments[0]
    assert isinstance(body, bytearray)
    with pytest.raises(ValueError, match=message):
        kernel.insert_sorted(*arguments)
    assert not any(body)


def test_a_filter_that_cannot_be_written_to_is_refused(kernel: ModuleType) -> None:
    with pytest.raises((BufferError, ValueError)):
        kernel.insert_sorted(bytes(4096), 1, 1, 0, 1, bytes(8))
    with pytest.raises((BufferError, ValueError)):
        kernel.pybloom_insert(bytes(8), 64, [1], bytes(8))


def test_settings_of_a_collector_out_of_range_are_refused(kernel: ModuleType) -> None:
    for message, arguments in (
        ("width is 0", (0, 1, 0, 1)),
        ("stride is 0", (1, 0, 0, 1)),
        ("group is -1", (1, 1, 0, -1)),
        ("group is 1048577", (1, 1, 0, (1 << 20) + 1)),
    ):
        with pytest.raises(ValueError, match=message):
            kernel.KeyCollector(*arguments)
    with pytest.raises(OverflowError):
        kernel.KeyCollector(1, 1, 0, 1).add(b"text", 1 << 32)
