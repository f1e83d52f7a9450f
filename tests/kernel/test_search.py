"""Common runs and literals against their definitions, for every kernel."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

letters = st.integers(1, 4).flatmap(
    lambda count: st.lists(st.integers(97, 96 + count), max_size=90).map(lambda values: bytes(values))
)
Run = tuple[int, int, int]


def runs_by_trying(query: bytes, document: bytes, minimum: int) -> list[Run]:
    """Return the runs by looking at every pair of places."""
    ranges: dict[tuple[int, int], int] = {}
    for start in range(len(query)):
        for place in range(len(document)):
            length = 0
            while (
                start + length < len(query)
                and place + length < len(document)
                and query[start + length] == document[place + length]
            ):
                length += 1
            if length >= minimum:
                ranges.setdefault((start, start + length), place)
    return sorted(
        (start, place, end - start)
        for (start, end), place in ranges.items()
        if not any(low <= start and end <= high and (low, high) != (start, end) for low, high in ranges)
    )


@given(query=letters, document=letters, minimum=st.integers(1, 20))
def test_runs_are_the_ranges_that_no_other_holds_at_their_earliest_place(
    kernel: ModuleType, query: bytes, document: bytes, minimum: int
) -> None:
    assert kernel.common_runs(query, document, minimum) == runs_by_trying(query, document, minimum)


@settings(max_examples=50)
@given(
    unit=st.binary(min_size=1, max_size=5),
    times=st.integers(30, 400),
    noise=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    minimum=st.integers(8, 40),
)
def test_texts_that_repeat_themselves_give_the_same_runs(
    native: ModuleType,
    reference: ModuleType,
    unit: bytes,
    times: int,
    noise: list[tuple[int, int]],
    minimum: int,
) -> None:
    document = bytearray(unit * times)
    query = bytes(document[len(unit) // 2 :])
    for at, byte in noise:
        document[at % len(document)] = byte
    assert native.common_runs(query, document, minimum) == reference.common_runs(query, document, minimum)


@settings(max_examples=40)
@given(data=st.data(), minimum=st.sampled_from([8, 16, 31, 32, 33, 64, 96]))
def test_pieces_of_a_document_in_foreign_text_are_found_exactly(
    kernel: ModuleType, data: st.DataObject, minimum: int
) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    document = random.integers(97, 123, 4000, np.uint8).tobytes()
    query, expected = b"", []
    for _ in range(data.draw(st.integers(1, 4))):
        query += b"0123456789"[: data.draw(st.integers(1, 9))]
        start = data.draw(st.integers(0, len(document) - 300))
        length = data.draw(st.integers(minimum - 1, 300))
        if length >= minimum:
            expected.append((len(query), start, length))
        query += document[start : start + length]
    runs = kernel.common_runs(query, document, minimum)
    assert [run[0] for run in runs] == [run[0] for run in expected]
    assert runs == expected


@pytest.mark.parametrize(
    "text",
    [b"=" * (1 << 20), b"=" * 79 + b"\n", b"ab" * (1 << 19), bytes(range(256)) * 4096],
    ids=["one byte", "rule", "two bytes", "all bytes"],
)
def test_a_megabyte_that_repeats_itself_is_answered(native: ModuleType, text: bytes) -> None:
    text = (text * ((1 << 20) // len(text) + 1))[: 1 << 20]
    assert native.common_runs(text, text, 32) == [(0, 0, len(text))]
    # Half as long a document: every range of its length is a run of its own, at the place where its phase first is.
    period = next(size for size in (1, 2, 80, 256) if text[size:] == text[:-size])
    half = text[: 1 << 19]
    runs = native.common_runs(text, half, 32)
    assert runs[0] == (0, 0, len(half))
    assert {(run[0] - run[1]) % period for run in runs} == {0}
    assert max(run[0] + run[2] for run in runs) == len(text)


@given(text=st.binary(max_size=60), needle=st.binary(min_size=1, max_size=3), limit=st.integers(0, 4))
def test_occurrences_are_those_of_bytes_find(kernel: ModuleType, text: bytes, needle: bytes, limit: int) -> None:
    text = text + needle + text
    for fold in (False, True):
        haystack, wanted = (text.lower(), needle.lower()) if fold else (text, needle)
        expected = []
        at = haystack.find(wanted)
        while at >= 0 and (not limit or len(expected) < limit):
            expected.append(at)
            at = haystack.find(wanted, at + len(wanted))
        found = kernel.find_all(text, needle, fold_case=fold, limit=limit)
        assert np.frombuffer(found, "<u8").tolist() == expected
