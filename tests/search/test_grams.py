"""The gram file: the compiled kernel and the reference agree, and no text that holds a string is ever missing."""

from __future__ import annotations

import struct
from collections import Counter
from hashlib import sha256
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provenance import kernel
from provenance.kernel import reference
from provenance.search.grams import head_of
from provenance.search.words import words_of

CELL, REACH = 4096, 256
ALL = 1 << 31
ANYWHERE = (1 << 32) - 1

texts = st.lists(st.text(alphabet="abAB \n\té→", max_size=40).map(str.encode), max_size=12)
parts = st.text(alphabet="abAB \n\té→", max_size=8).map(str.encode)


def gram_file(contents: list[bytes], made_by: ModuleType = kernel) -> bytes:
    collector = made_by.GramCollector()
    for content in contents:
        collector.add(content)
    file: bytes = collector.finish()
    return file


def located(file: bytes, part: bytes, after: int = -1, limit: int = ALL, **how: Any) -> list[tuple[int, int, int]]:
    answer, complete = kernel.holding(file, part, after, limit, **how)
    places = list(struct.iter_unpack("<3I", answer))
    assert complete or len({content for content, _, _ in places}) == limit
    assert places == sorted(places)
    return places


def found(file: bytes, part: bytes, after: int = -1, limit: int = ALL, **how: Any) -> list[int]:
    return list(dict.fromkeys(content for content, _, _ in located(file, part, after, limit, **how)))


@given(texts, parts, st.booleans(), st.booleans(), st.integers(-1, 12), st.integers(0, 5))
@settings(max_examples=60)
def test_both_kernels_write_the_same_file_and_give_the_same_answer(
    contents: list[bytes], part: bytes, fold_case: bool, verbatim: bool, after: int, limit: int
) -> None:
    file = gram_file(contents)
    assert file == gram_file(contents, reference)
    how = {"fold_case": fold_case, "verbatim": verbatim}
    assert kernel.holding(file, part, after, limit, **how) == reference.holding(file, part, after, limit, **how)


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


@given(texts, st.data())
@settings(max_examples=60)
def test_a_text_is_found_by_every_part_of_it_as_it_stands(contents: list[bytes], data: st.DataObject) -> None:
    file = gram_file(contents)
    for number, content in enumerate(contents):
        start = data.draw(st.integers(0, len(content)))
        part = content[start : data.draw(st.integers(start, len(content)))]
        for how in ({"verbatim": True}, {"verbatim": True, "fold_case": True}):
            wanted = part.swapcase() if "fold_case" in how else part
            places = [(first, end) for text, first, end in located(file, wanted, **how) if text == number]
            # What is asked for lies around one of the places: nothing of it is further away than it is long.
            assert any(content.find(part, max(0, first - len(part)), end + len(part)) >= 0 for first, end in places)


def test_white_space_counts_as_it_stands_where_that_is_asked_for() -> None:
    file = gram_file([b"if (x)\n\t\treturn y;", b"if (x)\n    return y;", b"if (x) return y;"])
    assert found(file, b"(x)\nreturn y") == [0, 1]
    assert found(file, b"(x)\n\t\treturn y", verbatim=True) == [0]
    assert found(file, b"(X)\n    Return y", verbatim=True, fold_case=True) == [1]
    assert found(file, b"(x)\t\treturn y", verbatim=True) == []


def test_places_are_ranges_of_the_source_text() -> None:
    names = [sha256(b"%d" % number).hexdigest()[:24].encode() for number in range(4000)]
    text = b"".join(b"line %s \t\t end\n\n\n" % name for name in names)
    file = gram_file([b"other", text])
    for name in names[::399]:
        wanted = b"line %s \t\t end" % name
        (place,) = located(file, wanted, verbatim=True)
        assert place[0] == 1
        assert place[1] <= text.index(wanted) < place[2]
        assert place[2] - place[1] < 2 * CELL or place[2] == ANYWHERE


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


def test_runs_of_many_cells_and_of_many_grams_are_joined() -> None:
    # A run of the compiled kernel ends at 2^16 cells, and where it has 2^21 grams.
    long = bytes(Random(3).choices(range(128, 256), k=280 * CELL))
    file = gram_file([*([b"abc", b"bcd"] * 33_000), long, b"abc"])
    assert found(file, b"abc") == [*range(0, 66_000, 2), 66_001]
    for start in range(0, len(long), len(long) // 40):
        part = long[start : start + 3]
        cells = [at for at in range(0, len(long), CELL) if part in long[at : at + CELL + REACH]]
        assert located(file, part) == [(66_000, at, at + CELL if at + CELL < len(long) else ANYWHERE) for at in cells]


def test_a_dense_gram_takes_one_bit_a_cell() -> None:
    every, half = gram_file([b"abc"] * 4096), gram_file([b"abc"] * 2048 + [b""] * 2048)
    assert len(every) - len(half) == 2048 * 4 + 2048 // 8
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
        assert len(contents) % 12 == 0


def test_limits_are_checked() -> None:
    file = gram_file([b"abc"])
    with pytest.raises(ValueError, match="limit"):
        kernel.holding(file, b"abc", -1, -1)
    with pytest.raises(ValueError, match="after"):
        kernel.holding(file, b"abc", -2, 1)
    for made_by in (kernel, reference):
        for part in (b"abc", b""):
            assert made_by.holding(file, part, (1 << 63) - 1, 1) == (b"", True)


@given(texts, parts, st.booleans(), st.booleans(), st.integers(1, 6))
@example([b"AAAa"], b"AAa", True, False, 1)
@settings(max_examples=60)
def test_lists_that_lie_elsewhere_are_read_alone_and_give_the_same_answer(
    contents: list[bytes], part: bytes, fold_case: bool, verbatim: bool, most: int
) -> None:
    file = gram_file(contents)
    head, lists = file[: head_of(file)], file[head_of(file) :]
    how = {"fold_case": fold_case, "verbatim": verbatim, "most": most}
    ranges = kernel.wanted_lists(head, part, **how)
    assert ranges == reference.wanted_lists(head, part, **how)
    wanted = b"".join(lists[start:end] for start, end in struct.iter_unpack("<2I", ranges))
    expected = kernel.holding(file, part, -1, ALL, **how)
    for made_by in (kernel, reference):
        assert made_by.holding(head, part, -1, ALL, lists=wanted, **how) == expected
        if wanted:
            with pytest.raises(ValueError, match="lists of other grams"):
                made_by.holding(head, part, -1, ALL, lists=wanted + b"x", **how)
    # Fewer lists propose no less.
    assert set(found(file, part, fold_case=fold_case, verbatim=verbatim)) <= set(found(file, part, **how))


@given(st.text(alphabet="ab é_\u00df\U0001f600\n", max_size=300))
def test_words_weigh_as_much_as_their_counts_have_digits(text: str) -> None:
    weighed = kernel.weighed_words(text.encode())
    assert weighed == reference.weighed_words(text.encode())
    counts = Counter(words_of(text))
    assert Counter(weighed.decode().split()) == {word: count.bit_length() for word, count in counts.items()}


def test_words_of_a_huge_text_come_in_pieces_that_share_none() -> None:
    from provenance.search.elasticsearch import loading

    text = b" ".join(b"word_%d x%d x%d" % (n, n, n) for n in range(400_000))
    pieces = list(loading.words_of(text))
    assert len(pieces) > 1
    assert b" ".join(pieces) == kernel.weighed_words(text)
    assert sum(len(set(each.split())) for each in pieces) == len(set(words_of(text.decode())))
