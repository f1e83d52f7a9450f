"""Does this text occur in the corpus? Answered from the filters alone.

    text -> normalised text -> hits -> chains -> filter spans -> verdict

A chain is an unbroken run of hits one stride apart: a miss ends it. Chains of different phase that overlap make one
filter span, in which every byte is covered by a window that hit; chains that merely touch, or leave a gap, never do.
A span keeps the length of its longest chain, and that length alone decides the verdict:

- ``possible_match``: some chain is at least ``min_chars`` long;
- ``candidate``: windows hit, but no chain is that long;
- ``too_short``: nothing hit, and the text is shorter than the floor, so that this means nothing;
- ``no_match``: nothing hit in a text that is long enough.

This module is all that `provenance check` runs on: it imports neither numpy nor an engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from provenance.errors import InputError
from provenance.membership.asking import ask, byte_chains
from provenance.records import Span, Verdict
from provenance.text import NormalisedText
from provenance.verdict import DEFAULT_MIN_CHARS, check_floor, coincidence_rate
from provenance.windows import length_in_units

if TYPE_CHECKING:
    from provenance.index import Index
    from provenance.membership.base import Geometry
    from provenance.membership.commonness import Commonness


class FilterSpan(NamedTuple):
    """A half-open range of the normalised text that is covered by hits, and the length of its longest chain."""

    start: int
    end: int
    longest: int


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The answer to one text.

    ``spans`` ascend and do not overlap: for ``possible_match`` the filter spans whose longest chain reaches
    ``min_chars``, for ``candidate`` all. ``characters`` is the length of the normalised text and ``floor`` the shortest
    copy certain to be found, both in the index's units (UTF-8 bytes; code points for a portrait). ``windows`` were
    asked and ``hits`` of them hit; ``expected_false_hits`` are to be expected of the filters' error alone.
    ``coincidence_rate`` is the share of unrelated snippets that hold a run of ``min_chars`` by coincidence.
    ``coverage`` is the share of the normalised text inside ``spans``.

    ``text``, ``chains`` and ``filter_spans`` (all of them, whatever the verdict) count normalised bytes.
    """

    path: str | None
    verdict: Verdict
    floor: int
    characters: int
    windows: int
    hits: int
    expected_false_hits: float
    coincidence_rate: float
    coverage: float
    spans: tuple[Span, ...]
    text: NormalisedText = field(repr=False)
    chains: tuple[tuple[int, int], ...] = field(repr=False)
    filter_spans: tuple[FilterSpan, ...] = field(repr=False)


def check(
    index: Index, text: str | bytes, *, min_chars: int = DEFAULT_MIN_CHARS, path: str | None = None
) -> CheckResult:
    """Return whether ``text`` occurs in the corpus, as far as the index's filters know; ``path`` is passed on.

    Time and memory grow with the length of the text; nothing is kept of it but in the result.

    Raises:
        ParameterError: ``min_chars`` is negative. InputError: bytes that are not UTF-8.
        CorruptFile, MismatchError, StorageError: a filter cannot be used.
    """
    floor = check_floor(index.geometry, min_chars)
    if isinstance(text, bytes):
        _require_utf8(text)
    normalised = NormalisedText(text, index.geometry.normaliser)
    content = normalised.normalised
    windows = hits = 0
    expected = 0.0
    chains: set[tuple[int, int]] = set()
    for geometry, answer in ask(index.filters, content):
        removed = index.removed_keys if geometry == index.geometry else None
        if removed is not None:
            answer = removed.without(answer, content)
        windows += answer.windows
        hits += answer.hits
        expected += answer.windows * sum(
            each.expected_false_positive_rate for each in index.filters if each.geometry == geometry
        )
        chains.update(byte_chains(answer.chains, geometry, content))
    ascending = tuple(sorted(chains))
    all_spans = tuple(filter_spans(ascending))
    characters = length_in_units(content, index.geometry)
    if characters != len(content):
        all_spans = tuple(_measured(all_spans, ascending, content, index.geometry))
    verdict = judge(all_spans, characters, floor=floor, min_chars=min_chars)
    shown = [each for each in all_spans if verdict != "possible_match" or each.longest >= min_chars]
    commonness = _commonness(index, min_chars) if shown else None
    return CheckResult(
        path=path,
        verdict=verdict,
        floor=floor,
        characters=characters,
        windows=windows,
        hits=hits,
        expected_false_hits=expected,
        coincidence_rate=coincidence_rate(max(min_chars, index.geometry.width), index.coincidence),
        coverage=covered(shown) / len(content) if content else 0.0,
        spans=tuple(
            normalised.span(
                each.start,
                each.end,
                common=commonness is not None and commonness.is_common(content, each.start, each.end),
            )
            for each in shown
        ),
        text=normalised,
        chains=ascending,
        filter_spans=all_spans,
    )


def filter_spans(chains: Iterable[tuple[int, int]]) -> Iterator[FilterSpan]:
    """Yield the filter spans of chains that ascend by start, each as soon as no later chain can belong to it.

    Chains that overlap make one span; chains that touch do not. Units are those of the chains.
    """
    start = end = longest = -1
    for low, high in chains:
        if low < end:
            end = max(end, high)
            longest = max(longest, high - low)
        else:
            if longest >= 0:
                yield FilterSpan(start, end, longest)
            start, end, longest = low, high, high - low
    if longest >= 0:
        yield FilterSpan(start, end, longest)


def _measured(
    spans: Iterable[FilterSpan], chains: Iterable[tuple[int, int]], content: bytes, geometry: Geometry
) -> Iterator[FilterSpan]:
    """Yield the filter spans with their longest chain measured in the geometry's units instead of bytes."""
    left = iter(chains)
    chain = next(left, None)
    for span in spans:
        longest = 0
        while chain is not None and chain[1] <= span.end:
            longest = max(longest, length_in_units(content[slice(*chain)], geometry))
            chain = next(left, None)
        yield span._replace(longest=longest)


def judge(spans: Sequence[FilterSpan], characters: int, *, floor: int, min_chars: int) -> Verdict:
    """Return the verdict that filter spans of a text of ``characters`` units give."""
    if any(each.longest >= min_chars for each in spans):
        return "possible_match"
    if spans:
        return "candidate"
    return "too_short" if characters < floor else "no_match"


def covered(spans: Iterable[FilterSpan]) -> int:
    """Return how many units lie inside of spans that do not overlap."""
    return sum(each.end - each.start for each in spans)


def _commonness(index: Index, min_chars: int) -> Commonness | None:
    from provenance.membership.commonness import Commonness  # most texts have no hit, and never ask

    return Commonness.of(index, min_chars)


def _require_utf8(text: bytes) -> None:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"the text is not UTF-8: byte {error.start} of {len(text)} cannot be decoded") from None
