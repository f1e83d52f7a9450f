from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance import kernel
from provenance.text import NormalisedText, Offsets, clean

SPACE = "\t\n\v\f\r "
texts = st.text(st.one_of(st.sampled_from(SPACE + "ab é漢😀\u2003\x85\0"), st.characters(codec="utf-8")), max_size=80)
long_texts = st.builds(lambda part, times: part * times, texts, st.integers(1, 400))


def line_of(text: str, position: int) -> int:
    """Return the 1-based line of a code point, by cutting the text."""
    before = text[:position]
    if before.endswith("\r") and text[position : position + 1] == "\n":
        before = before[:-1]
    return 1 + len(re.findall("\r\n|\r|\n", before))


@given(st.text(st.characters()))
def test_cleaning_replaces_each_surrogate_by_one_character_and_nothing_else(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    for before, after in zip(text, cleaned, strict=True):
        assert after == ("\ufffd" if "\ud800" <= before <= "\udfff" else before)
    assert len(cleaned.encode()) == len(text.encode("utf-8", "surrogatepass"))


@given(long_texts)
def test_offsets_count_what_python_counts(text: str) -> None:
    offsets = Offsets(text.encode())
    positions = sorted({0, len(text), len(text) // 2, len(text) * 7 // 8, min(len(text), 4096), min(len(text), 1365)})
    for position in positions:
        at = len(text[:position].encode())
        assert offsets.code_point(at) == position
        assert offsets.utf16(at) == len(text[:position].encode("utf-16-le")) // 2
        assert offsets.line(at) == line_of(text, position)
        assert offsets.byte(position) == at


@pytest.mark.parametrize("before", [0, 1, 4094, 4095, 4096, 8191])
def test_line_ends_across_a_step_of_the_table_count_once(before: int) -> None:
    offsets = Offsets(b"x" * before + b"\r\ny\rz")
    assert [offsets.line(before + at) for at in range(6)] == [1, 1, 2, 2, 3, 3]


@given(texts)
def test_every_normalised_byte_is_its_source_byte_or_stands_for_a_run(text: str) -> None:
    mapped = NormalisedText(text)
    for at, byte in enumerate(mapped.normalised):
        source = mapped.source[mapped.source_offset(at)]
        assert source == byte or (byte in b"\n " and source in SPACE.encode())


@given(texts, st.data())
def test_a_range_of_source_normalises_to_the_range_it_came_from(text: str, data: st.DataObject) -> None:
    mapped = NormalisedText(text)
    size = len(mapped.normalised)
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    low, high = mapped.source_bytes(start, end)
    part = mapped.source[low:high]
    # Whole characters only: what was cut at an end is gone, what is left decodes.
    expected = mapped.normalised[start:end].decode("utf-8", "ignore").strip(SPACE)
    assert kernel.normalise(part).decode() == expected
    assert part.decode().strip(SPACE) == part.decode()


@given(texts)
def test_offsets_lead_there_and_back(text: str) -> None:
    mapped = NormalisedText(text)
    for at in range(len(mapped.normalised)):
        assert mapped.normalised_offset(mapped.source_offset(at)) == at
    came_from = [mapped.source_offset(at) for at in range(len(mapped.normalised))]
    for source in range(len(mapped.source) + 1):
        assert mapped.normalised_offset(source) == len([at for at in came_from if at < source])


@given(texts, st.data())
def test_a_span_says_the_same_place_in_every_unit(text: str, data: st.DataObject) -> None:
    mapped = NormalisedText(text)
    start = data.draw(st.integers(0, len(mapped.normalised)))
    end = data.draw(st.integers(start, len(mapped.normalised)))
    span = mapped.span(start, end, common=True)
    part = mapped.source[span.start_byte : span.end_byte].decode()
    assert text[span.start : span.end] == part
    assert text.encode("utf-16-le")[2 * span.start_utf16 : 2 * span.end_utf16].decode("utf-16-le") == part
    assert span.start_line == line_of(text, span.start)
    assert span.end_line == span.start_line + len(re.findall("\r\n|\r|\n", part))
    assert span.common


def test_a_range_inside_one_character_is_empty() -> None:
    mapped = NormalisedText("a😀b")
    assert mapped.source_bytes(2, 4) == (5, 5)
    assert mapped.span(2, 4).start == mapped.span(2, 4).end == 2
