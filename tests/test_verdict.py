from __future__ import annotations

from typing import get_args

import pytest

from provenance.errors import ParameterError
from provenance.records import Verdict
from provenance.verdict import COINCIDENCE, DEFAULT_MIN_CHARS, coincidence_rate, sentence


def test_every_verdict_has_a_sentence_that_names_the_floor_where_it_matters() -> None:
    for verdict in get_args(Verdict):
        text = sentence(verdict, floor=4711)
        assert text and "{" not in text and "\n" not in text and not text.endswith(".")
        assert ("4711" in text) == (verdict in ("too_short", "no_match", "candidate"))
    assert "trained on" in sentence("no_match", floor=1)
    assert "not evidence" in sentence("match", floor=1)
    assert "not verified" in sentence("possible_match", floor=1)


def test_coincidence_falls_with_length_and_is_never_interpolated() -> None:
    rates = [coincidence_rate(length) for length in range(200)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == rates[32] == rates[63] == 0.15
    assert rates[95] == 0.05 and rates[96] == 0.015 and rates[199] == 0.003
    assert coincidence_rate(DEFAULT_MIN_CHARS) == COINCIDENCE[96]
    assert coincidence_rate(70, {50: 0.5, 71: 0.1}) == 0.5


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ParameterError, match="0 or more"):
        coincidence_rate(-1)
