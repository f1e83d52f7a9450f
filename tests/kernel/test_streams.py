"""Growing texts: the compiled kernel against the reference, and both against the whole text, however it is cut."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.checking import filter_spans

SEED = 0x70726F76656E616E
WORDS = ["def f(x):", " \t", "\r", "\n", "\r\n", "é", "漢字", "😀", "return x + 1", "0123456789abcdef" * 3, " ", "\0"]
pieces = st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map("".join), max_size=8)
geometries = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=2, unique=True)
Filters = list[tuple[int, int, int, list[Any], list[Any]]]


def filters(kernel: ModuleType, texts: list[str], shapes: list[tuple[int, int]], other: bool) -> Filters:
    """Filters that hold the tiles of ``texts``: of the first geometry blocked, of later ones of the other kind."""
    made: Filters = []
    for number, (width, stride) in enumerate(shapes):
        tiles = b"".join(kernel.window_keys(kernel.normalise(text.encode()), width, stride, SEED) for text in texts)
        keys = kernel.sort_unique(tiles)
        if number == 0 and not other:
            body = bytearray(2 * 4096)
            kernel.insert_sorted(body, 1, 2, 0, 1, keys)
            made.append((width, stride, SEED, [(bytes(body), 1, 2)], []))
        else:
            bits = bytearray(1 << 12)
            kernel.pybloom_insert(bits, 1 << 15, [5, 99], keys)
            made.append((width, stride, SEED, [], [(bytes(bits), 1 << 15, [5, 99], SEED)]))
    return made


@settings(max_examples=150)
@given(
    text=pieces,
    corpus=pieces,
    shapes=geometries,
    other=st.booleans(),
    hidden=st.integers(0, 12),
    begins=st.integers(0, 9),
    copied=st.integers(0, 9),
)
def test_streams(
    native: ModuleType,
    reference: ModuleType,
    text: list[str],
    corpus: list[str],
    shapes: list[tuple[int, int]],
    other: bool,
    hidden: int,
    begins: int,
    copied: int,
) -> None:
    made = filters(reference, ["".join(corpus), *text], shapes, other)
    pair = [native.TextStream(made), reference.TextStream(made)]
    some = "".join(text[:1]).encode()[: hidden * 16]
    for number, piece in enumerate(text):
        if number == hidden % 5:
            keys = reference.sort_unique(reference.window_keys(reference.normalise(some), shapes[0][0], 1, SEED))
            for each in pair:
                each.hide(0, keys)
        if number == begins:
            for each in pair:
                each.begin()
        if number == copied:
            for each in pair:
                each.copy().feed("and on " * 3 + piece)
            pair = [each.copy() for each in pair]
        one, two = (each.feed(piece) for each in pair)
        assert one == two
        for name in ("length", "written"):
            assert getattr(pair[0], name) == getattr(pair[1], name)
        for geometry in range(len(shapes) + 1):
            assert pair[0].living(geometry) == pair[1].living(geometry)


@settings(max_examples=100)
@given(text=pieces, corpus=pieces, shape=st.tuples(st.integers(1, 40), st.integers(1, 12)))
def test_however_a_text_is_cut_its_chains_are_those_of_the_whole(
    kernel: ModuleType, text: list[str], corpus: list[str], shape: tuple[int, int]
) -> None:
    made = filters(kernel, ["".join(corpus), *text[1:]], [shape], False)
    ((width, stride, seed, blocked, _),) = made
    normal = kernel.normalise("".join(text).encode())
    _, packed = kernel.chains(blocked, normal, width, stride, seed)
    whole = [
        (int.from_bytes(packed[at : at + 8], "little"), int.from_bytes(packed[at + 8 : at + 16], "little"))
        for at in range(0, len(packed), 16)
    ]
    for cut in (text, ["".join(text)], list("".join(text))):
        stream = kernel.TextStream(made)
        ends: dict[int, int] = {}
        for piece in cut:
            place, settled, chains = stream.feed(piece)
            ends.update((start, end) for start, end, _, _ in chains)
            assert settled <= stream.length and place <= stream.written
        assert sorted(ends.items()) == whole
        assert stream.length == len(normal)
        assert len(list(filter_spans(sorted(ends.items())))) == len(list(filter_spans(whole)))


def test_a_long_piece_is_read_in_parts_with_the_same_result(native: ModuleType, reference: ModuleType) -> None:
    text = "".join(f"value_{number} = '漢é😀' * {number}\r\n\r\n" for number in range(1500))
    made = filters(native, [text[5000:60_000]], [(32, 32)], False)
    one, two = native.TextStream(made).feed(text), reference.TextStream(made).feed(text)
    assert one == two and len(text) > 40_000 and one[2]


def test_what_makes_no_sense_is_refused(kernel: ModuleType) -> None:
    body = bytes(4096)
    for bad in ([(0, 1, SEED, [], [])], [(1, 0, SEED, [], [])], [(1, 1, SEED, [(body, 2, 1)], [])]):
        with pytest.raises(ValueError):
            kernel.TextStream(bad)
    with pytest.raises(ValueError):
        kernel.TextStream([(8, 8, SEED, [], [(body, 1 << 20, [1], None)])])
    stream = kernel.TextStream([(8, 8, SEED, [(body, 1, 1)], [])])
    with pytest.raises(IndexError, match="geometry 1"):
        stream.hide(1, b"")
    with pytest.raises(ValueError):
        stream.hide(0, b"1234")
    with pytest.raises(UnicodeEncodeError):
        stream.feed("x\ud800")
