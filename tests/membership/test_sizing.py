from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.errors import ParameterError
from provenance.membership.sizing import MAX_KEYS, MIN_TARGET, body_bytes, expected_rate, size_for


@pytest.mark.parametrize(("target", "bits"), [(1e-6, 31.45), (1e-3, 15.72)])
def test_a_large_filter_needs_the_bits_a_key_of_the_design_and_little_for_its_regions(
    target: float, bits: float
) -> None:
    regions, halves = size_for(10**10, target)
    found = body_bytes(regions, halves) * 8 / 10**10
    assert bits <= found <= bits + 0.12


@given(keys=st.integers(0, 10**12), exponent=st.floats(-9, -1))
@settings(max_examples=40)
def test_the_size_is_the_smallest_that_reaches_the_target(keys: int, exponent: float) -> None:
    target = min(0.1, 10**exponent)
    regions, halves = size_for(keys, target)
    assert halves == (1 if target >= 1e-3 else 2)
    assert expected_rate(keys, regions, halves) <= target
    assert regions == 1 or expected_rate(keys, regions - 1, halves) > target


@given(keys=st.integers(1, 10**9), regions=st.integers(1, 10**6), halves=st.sampled_from([1, 2]))
@settings(max_examples=60)
def test_more_regions_never_err_more_and_more_keys_never_less(keys: int, regions: int, halves: int) -> None:
    rate = expected_rate(keys, regions, halves)
    assert 0 <= rate <= 1
    assert expected_rate(keys, regions * 2, halves) <= rate + 1e-12
    assert expected_rate(keys * 2, regions, halves) >= rate - 1e-12


@pytest.mark.parametrize("halves", [1, 2])
@pytest.mark.parametrize(("keys", "regions"), [(700, 1), (5_000, 2), (30_000, 7), (64_000, 64), (3_000, 100)])
def test_the_rate_agrees_with_a_simulation_that_shares_no_code(keys: int, regions: int, halves: int) -> None:
    rng = np.random.default_rng(7)
    queries, hits, trials = 20_000, 0, 12
    region = np.uint64(regions)
    for _ in range(trials):
        # Balls into bins, told by independent dice: region of a key, its line, and a bit a word, in each half.
        key_region = rng.integers(0, region, keys)
        query_region = rng.integers(0, region, queries)
        held = np.ones(queries, dtype=bool)
        for _ in range(halves):
            bits = np.zeros((regions, 64, 8, 64), dtype=bool)
            line = rng.integers(0, 64, keys)
            query_line = rng.integers(0, 64, queries)
            for word in range(8):
                bits[key_region, line, word, rng.integers(0, 64, keys)] = True
                held &= bits[query_region, query_line, word, rng.integers(0, 64, queries)]
        hits += int(held.sum())
    expected = expected_rate(keys, regions, halves) * queries * trials
    # Queries of one trial share a filter; the margin of 6 sigma leaves room for that.
    assert abs(hits - expected) <= 6 * np.sqrt(expected + 1) + 0.03 * expected


def test_no_keys_need_one_region_and_never_err() -> None:
    assert size_for(0, 1e-6) == (1, 2)
    assert expected_rate(0, 1, 2) == 0.0
    assert size_for(1, 0.1) == (1, 1)


def test_a_filter_far_too_small_says_so() -> None:
    assert expected_rate(10**12, 1, 2) == pytest.approx(1.0)
    assert expected_rate(10**12, 3, 1) == pytest.approx(1.0, abs=1e-5)


def test_more_keys_than_anybody_has_still_have_a_size() -> None:
    regions, halves = size_for(MAX_KEYS, MIN_TARGET)
    assert halves == 2
    assert expected_rate(MAX_KEYS, regions, halves) <= MIN_TARGET


@pytest.mark.parametrize("target", [0.0, -1e-6, 0.11, 1.0, 1e-15, float("nan"), float("inf")])
def test_a_rate_out_of_range_is_refused(target: float) -> None:
    with pytest.raises(ParameterError, match="false-positive rate"):
        size_for(1000, target)


@pytest.mark.parametrize(
    ("keys", "regions", "halves"), [(-1, 1, 1), (MAX_KEYS + 1, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 3)]
)
def test_impossible_filters_are_refused(keys: int, regions: int, halves: int) -> None:
    with pytest.raises(ParameterError):
        expected_rate(keys, regions, halves)


def test_a_number_of_keys_out_of_range_has_no_size() -> None:
    for keys in (-1, MAX_KEYS + 1):
        with pytest.raises(ParameterError, match="keys"):
            size_for(keys, 1e-6)
