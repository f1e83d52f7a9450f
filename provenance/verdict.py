"""What is said about a text, and how sure it is.

A **floor** (`provenance.windows`) is the length of the shortest exact copy that is certain to reach the verdict.
Shorter copies may be found, but their absence means nothing.

**Coincidence**: unrelated code shares short runs. The share of unrelated snippets in which a filter finds a run by
coincidence was measured, and is a bigger enemy than the filter's own error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from provenance.errors import ParameterError
from provenance.records import Verdict
from provenance.windows import check_floor as check_floor
from provenance.windows import trace_floor as trace_floor

DEFAULT_MIN_CHARS = 96
"""Run that makes a verdict, in normalised units. Of unrelated snippets 15 percent hold one window of 32, 5 percent a
run of two, 1.5 percent a run of three: with 96 a verdict without verification is wrong once in 67 snippets, and an
exact copy of 127 units (three lines) is certain to be found. One window more would bring that to once in 330, and
the floor to 159."""

COINCIDENCE: Mapping[int, float] = {32: 0.15, 64: 0.05, 96: 0.015, 128: 0.003}
"""Share of unrelated 250-character snippets in which a filter finds a run of that length.

Measured with 32/32 windows on 1,947 snippets of Python packages against 110 MB of other packages; about 15 percent
of the snippets really were copies (vendored code) and are taken off. It grows with the corpus and with the snippet."""

_SENTENCES: Mapping[str, str] = {
    "too_short": "too short to judge: a copy is certain to be found from {floor} normalised characters on",
    "no_match": "no copy of {floor} or more normalised characters in this corpus; "
    "this says nothing about what a model was trained on",
    "candidate": "some windows are in the filter, but no run long enough for a verdict (certain from {floor} "
    "normalised characters on); trace it to see whether they stand in the corpus",
    "possible_match": "a run of windows is in the filter; not verified on the text: trace it to see where it stands",
    "match": "the same text stands in the corpus; this is not evidence of copying or infringement",
}


_CHANGED = (
    "text of the corpus stands here with changes, token by token more alike than code that is merely usual; "
    "this is not evidence of copying or infringement"
)
_NO_COPY = (
    "no copy of {floor} or more normalised characters in this corpus, and no edited copy of which enough is alike; "
    "this says nothing about what a model was trained on"
)
_UNCHANGED = frozenset(("exact", "layout"))


def sentence(verdict: Verdict, *, floor: int, levels: Collection[str] = (), kinds: Collection[str] = ()) -> str:
    """Return what a verdict means, without a full stop; ``floor`` is the floor of the question.

    Of a trace, ``levels`` are those looked for, and ``kinds`` those of its spans.
    """
    edited = not _UNCHANGED.issuperset(levels)
    said = _SENTENCES[verdict]
    if verdict == "match" and kinds and _UNCHANGED.isdisjoint(kinds):
        said = _CHANGED
    elif verdict == "no_match" and edited:
        said = _NO_COPY
    if levels and not edited:
        said += "; edited copies were not looked for"
    return said.format(floor=floor)


def coincidence_rate(length: int, measured: Mapping[int, float] = COINCIDENCE) -> float:
    """Return the share of unrelated snippets that are expected to hold a run of ``length`` units by coincidence.

    ``measured`` gives shares for some lengths; the nearest shorter length counts, so that the rate is never
    understated by interpolation (below the shortest, that one).
    """
    _require_length(length)
    known = [each for each in measured if each <= length]
    return measured[max(known) if known else min(measured)]


def _require_length(length: int) -> None:
    if length < 0:
        raise ParameterError(f"min_chars is {length}: it must be 0 or more")
