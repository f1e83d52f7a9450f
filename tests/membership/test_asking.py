from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance import kernel
from provenance.errors import MismatchError
from provenance.membership.asking import ask, byte_chains, unite
from provenance.membership.base import Geometry, Hits
from provenance.membership.blocked import BlockedFilter
from provenance.membership.pybloom import PybloomFilter, write_pybloom

MakeFilter = Callable[..., BlockedFilter]
TEXT = bytes(np.random.default_rng(4).integers(97, 123, 3200, dtype=np.uint8))


def chains_of_hits(hits: set[int], width: int, stride: int) -> tuple[tuple[int, int], ...]:
    """Return the maximal runs of hits, from the definition."""
    chains = []
    for first in sorted(hits):
        if first - stride not in hits:
            last = first
            while last + stride in hits:
                last += stride
            chains.append((first, last + width))
    return tuple(sorted(chains))


def tiles(text: bytes, geometry: Geometry) -> bytes:
    return kernel.sort_unique(kernel.window_keys(text, geometry.width, geometry.stride, geometry.seed))


@given(
    parts=st.lists(st.sets(st.integers(0, 60)), min_size=1, max_size=4),
    width=st.integers(1, 12),
    stride=st.integers(1, 12),
)
def test_united_answers_are_those_of_one_filter_with_all_keys(parts: list[set[int]], width: int, stride: int) -> None:
    geometry = Geometry(width, stride, "utf8", 0, "layout-1")
    answers = [Hits(61, len(part), chains_of_hits(part, width, stride)) for part in parts]
    every = set().union(*parts)
    assert unite(answers, geometry) == Hits(61, len(every), chains_of_hits(every, width, stride))


def test_a_copy_that_stands_in_two_layers_by_halves_is_one_chain_whatever_the_kind_of_filter(
    make_filter: MakeFilter, tmp_path: Path, geometry: Geometry
) -> None:
    first, second = tiles(TEXT[:320], geometry), tiles(TEXT[320:640], geometry)
    blocked = [make_filter(first), make_filter(second)]
    pybloom = []
    for number, keys in enumerate((first, second)):
        path = tmp_path / f"{number}.pybloom"
        write_pybloom(path, len(keys) // 8, [keys], geometry=geometry, target=1e-9)
        pybloom.append(PybloomFilter.open(path, geometry))
    expected = Hits(969, 20, ((0, 640),))
    for filters in (blocked, pybloom, [blocked[0], pybloom[1]], [pybloom[0], *blocked]):
        assert ask(filters, TEXT[:1000]) == [(geometry, expected)]


def test_filters_of_several_geometries_answer_each_in_its_own(make_filter: MakeFilter, geometry: Geometry) -> None:
    narrow = replace(geometry, width=24, stride=8)
    filters = [make_filter(tiles(TEXT[:64], geometry)), make_filter(tiles(TEXT[96:136], narrow), geometry=narrow)]
    answers = dict(ask(filters, TEXT[:200]))
    assert answers[geometry] == Hits(169, 2, ((0, 64),))
    assert answers[narrow] == Hits(177, 3, ((96, 136),))


def test_filters_of_several_normalisers_are_not_asked_together(make_filter: MakeFilter, geometry: Geometry) -> None:
    other = replace(geometry, normaliser="portrait-1")
    with pytest.raises(MismatchError, match="layout-1, portrait-1"):
        ask([make_filter(b""), make_filter(b"", geometry=other)], TEXT)


def test_nobody_asked_answers_nothing() -> None:
    assert ask([], TEXT) == []


@given(text=st.text(max_size=300), ranges=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=5))
def test_ranges_in_code_points_become_the_ranges_of_their_bytes(text: str, ranges: list[tuple[int, int]]) -> None:
    text = text.encode("utf-8", "replace").decode()
    geometry = Geometry(1, 1, "codepoint", 0, "layout-1")
    utf8 = text.encode()
    inside = [(min(a, b, len(text)), min(max(a, b), len(text))) for a, b in ranges]
    expected = [(len(text[:a].encode()), len(text[:b].encode())) for a, b in inside]
    assert byte_chains(inside, geometry, utf8) == expected
    assert byte_chains(inside, replace(geometry, unit="utf8"), utf8) == inside


def test_ranges_far_into_a_long_text_are_right_too() -> None:
    text = "aé中😀 " * 9000
    geometry = Geometry(1, 1, "codepoint", 0, "layout-1")
    at = [0, 1, 1023, 1024, 4095, 4096, 4097, 20_000, 44_999, 45_000]
    found = byte_chains([(place, place) for place in at], geometry, text.encode())
    assert found == [(len(text[:place].encode()),) * 2 for place in at]


@pytest.mark.parametrize("seconds_a_read", [0.0, 1e9])
def test_asking_for_pages_ahead_changes_no_answer(
    make_filter: MakeFilter, geometry: Geometry, monkeypatch: pytest.MonkeyPatch, seconds_a_read: float
) -> None:
    filters = [make_filter(tiles(TEXT[:1600], geometry)), make_filter(tiles(TEXT[1600:], geometry))]
    expected = ask(filters, TEXT)
    assert expected[0][1].hits > 90
    monkeypatch.setattr("provenance.membership.blocked.CHECKED_AT_OPEN", 0)
    monkeypatch.setattr("provenance.membership.blocked._SECONDS_A_READ", seconds_a_read)
    assert all(each.large for each in filters)
    assert ask(filters, TEXT) == expected
    assert ask(filters, b"") == ask(filters[:1], b"")
