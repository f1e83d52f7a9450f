"""The gram file: the compiled kernel and the reference agree, and no text that holds a string is ever missing."""

from __future__ import annotations

import struct
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance import kernel
from provenance.kernel import reference

CELL, REACH = 8192, 256

texts = st.lists(st.text(alphabet="abAB \n\té→", max_size=40).map(str.encode), max_size=12)
parts = st.text(alphabet="abAB \n\té→", max_size=8).map(str.encode)


def gram_file(contents: list[bytes], made_by: ModuleType = kernel) -> bytes:
    collector = made_by.GramCollector()
    for content in contents:
        collector.add(content)
    file: bytes = collector.finish()
    return file


def found(file: bytes, part: bytes, after: int = -1, limit: int = 1 << 31, *, fold_case: bool = False) -> list[int]:
    contents, complete = kernel.holding(file, part, after, limit, fold_case=fold_case)
    numbers = list(struct.unpack(f"<{len(contents) // 4}I", contents))
    assert complete or len(numbers) == limit
    return numbers


@given(texts, parts, st.booleans(), st.integers(-1, 12), st.integers(0, 5))
@settings(max_examples=60)
def test_both_kernels_write_the_same_file_and_give_the_same_answer(
    contents: list[bytes], part: bytes, fold_case: bool, after: int, limit: int
) -> None:
    file = gram_file(contents)
    assert file == gram_file(contents, reference)
    part = kernel.normalise(part)
    assert kernel.holding(file, part, after, limit, fold_case=fold_case) == reference.holding(
        file, part, after, limit, fold_case=fold_case
    )


@given(texts, st.data())
@settings(max_examples=60)
def test_a_text_is_found_by_every_part_of_its_normalised_form(contents: list[bytes], data: st.DataObject) -> None:
    file = gram_file(contents)
    for number, content in enumerate(contents):
        normalised = kernel.normalise(content)
        start = data.draw(st.integers(0, len(normalised)))
        part = normalised[start : data.draw(st.integers(start, len(normalised)))]
        assert number in found(file, part)
        assert number in found(file, part.swapcase(), fold_case=True)


@given(texts, parts)
@settings(max_examples=50)
def test_pages_join_to_the_whole_answer(contents: list[bytes], part: bytes) -> None:
    file = gram_file(contents)
    part = kernel.normalise(part)
    paged: list[int] = []
    while True:
        page = found(file, part, paged[-1] if paged else -1, 2)
        paged.extend(page)
        if len(page) < 2:
            break
    assert paged == found(file, part)


@pytest.mark.parametrize("length", [2, 3, CELL, CELL + REACH, CELL + REACH + 1, 2 * CELL + REACH + 1, 5 * CELL])
def test_a_part_of_a_long_text_is_found_wherever_cells_meet(length: int) -> None:
    text = b"".join(b"%06d." % number for number in range(length // 7 + 1))[:length]
    file = gram_file([b"", text, b"zz"])
    assert file == gram_file([b"", text, b"zz"], reference)
    for edge in range(0, length + 1, CELL):
        for start in (edge - 256, edge - 1, edge, edge + 255, edge + 256):
            for size in (3, 256, 257, 2000):
                part = text[max(0, start) : max(0, start) + size]
                if len(part) > 2:
                    assert found(file, part) == [1]


def test_what_no_text_holds_is_not_proposed() -> None:
    file = gram_file([b"static int alpha;", b"static int beta;", b""])
    assert found(file, b"int gamma") == []
    assert found(file, b"int beta") == [1]
    assert found(file, b"INT BETA") == []
    assert found(file, b"INT BETA", fold_case=True) == [1]


def test_what_is_shorter_than_a_gram_may_stand_anywhere() -> None:
    file = gram_file([b"alpha", b"", b"b"])
    assert found(file, b"al") == [0, 1, 2]
    assert found(file, b"") == [0, 1, 2]
    assert found(file, "é→".encode(), fold_case=True) == [0, 1, 2]


def test_a_dense_gram_takes_one_bit_a_cell() -> None:
    every, lone = gram_file([b"abc"] * 4096), gram_file([b"abc", *[b""] * 4095])
    assert len(every) - len(lone) == 4096 // 8 - 1
    assert found(every, b"abc") == list(range(4096))


@pytest.mark.parametrize("made_by", [kernel, reference])
def test_a_damaged_file_is_refused_and_never_crashes(made_by: ModuleType) -> None:
    file = gram_file([b"static int alpha;", b"static int beta;"])
    for size in range(0, len(file) - 1, 23):
        try:
            made_by.holding(file[:size], b"int", -1, 10)
        except ValueError:
            pass
    with pytest.raises(ValueError, match="not a file of grams"):
        made_by.holding(file[:63], b"int", -1, 10)
    with pytest.raises(ValueError, match="not a file of grams"):
        made_by.holding(b"X" + file[1:], b"int", -1, 10)
    for at in range(8, len(file), 3):
        damaged = bytearray(file)
        damaged[at] ^= 0xFF
        try:
            contents, _ = made_by.holding(damaged, b"int", -1, 10)
        except ValueError:
            continue
        assert len(contents) % 4 == 0


def test_limits_are_checked() -> None:
    file = gram_file([b"abc"])
    with pytest.raises(ValueError, match="limit"):
        kernel.holding(file, b"abc", -1, -1)
    with pytest.raises(ValueError, match="after"):
        kernel.holding(file, b"abc", -2, 1)
