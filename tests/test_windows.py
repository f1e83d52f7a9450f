from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance import windows
from provenance.errors import ParameterError
from provenance.membership.base import Geometry

GEOMETRY = Geometry(32, 32, "utf8", windows.DEFAULT_SEED, "layout-1")

geometries = st.builds(
    Geometry,
    width=st.integers(1, 12),
    stride=st.integers(1, 12),
    unit=st.just("utf8"),
    seed=st.just(1),
    normaliser=st.just("layout-1"),
)


def longest_chain(geometry: Geometry, start: int, length: int) -> int:
    """Return how much one chain covers of a copy of the stored units [start, start + length)."""
    tiles = [
        at
        for at in range(0, start + length, geometry.stride)
        if at >= start and at + geometry.width <= start + length
    ]
    return (len(tiles) - 1) * geometry.stride + geometry.width if tiles else 0


@pytest.mark.parametrize(("min_chars", "floor"), [(0, 63), (32, 63), (33, 95), (64, 95), (65, 127), (96, 127)])
def test_floor_of_the_default_geometry_is_one_more_stride_a_window(min_chars: int, floor: int) -> None:
    assert windows.check_floor(GEOMETRY, min_chars) == floor


@given(geometries, st.integers(0, 40))
def test_floor_is_the_shortest_length_certain_to_make_a_chain_long_enough(geometry: Geometry, min_chars: int) -> None:
    floor = windows.check_floor(geometry, min_chars)
    wanted = max(1, min_chars)
    assert all(longest_chain(geometry, start, floor) >= wanted for start in range(geometry.stride))
    assert any(longest_chain(geometry, start, floor - 1) < wanted for start in range(geometry.stride))


@given(geometries, st.integers(0, 40))
def test_trace_floor_is_one_window_for_certain_and_never_below_the_minimum(geometry: Geometry, min_chars: int) -> None:
    floor = windows.trace_floor(geometry, min_chars)
    assert floor == max(windows.check_floor(geometry, 0), min_chars)


@given(geometries, st.integers(0, 60))
def test_windows_are_those_that_fit_whole(geometry: Geometry, length: int) -> None:
    starts = [at for at in range(length) if at + geometry.width <= length]
    assert windows.window_count(b"x" * length, geometry) == len(starts)


def test_a_negative_minimum_is_refused() -> None:
    for floor in (windows.check_floor, windows.trace_floor):
        with pytest.raises(ParameterError, match="min_chars is -1"):
            floor(GEOMETRY, -1)


@given(st.text())
def test_length_counts_the_unit_of_the_geometry(text: str) -> None:
    assert windows.length_in_units(text.encode(), GEOMETRY) == len(text.encode())
    assert windows.length_in_units(text.encode(), dataclasses.replace(GEOMETRY, unit="codepoint")) == len(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 0), ("width", 65537), ("stride", 0), ("stride", 65537), ("seed", -1), ("seed", 1 << 64), ("unit", "c")],
)
def test_values_out_of_range_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ParameterError, match=rf"^{field} is .*{value}.*: it must be"):
        windows.validated(dataclasses.replace(GEOMETRY, **{field: value}))


def test_valid_geometry_is_returned() -> None:
    assert windows.validated(GEOMETRY) is GEOMETRY
