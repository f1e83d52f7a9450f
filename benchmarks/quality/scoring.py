"""From answers to figures: shares with 95 % bootstrap intervals over repositories."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One snippet, judged: the reciprocal rank of the first right place, 0 where there is no alarm or none is right."""

    set: str
    length: int
    language: str
    repository: str
    alarm: bool
    right: bool
    strict: bool
    reciprocal: float


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval and the number of snippets it is of."""

    value: float
    low: float
    high: float
    of: int

    def as_dict(self) -> dict[str, float]:
        """Return the fields, rounded."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def share(outcomes: Sequence[Outcome], field: str) -> Share:
    """Return the mean of a field with its bootstrap interval; repositories are drawn, with all their snippets."""
    by_repository: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        by_repository[outcome.repository].append(float(getattr(outcome, field)))
    sums = [(sum(values), len(values)) for values in by_repository.values()]
    generator = random.Random(5)
    means = []
    for _ in range(RESAMPLES):
        drawn = generator.choices(sums, k=len(sums))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    value = sum(total for total, _ in sums) / sum(count for _, count in sums)
    return Share(value, means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)], len(outcomes))


def table(outcomes: Iterable[Outcome]) -> list[dict[str, object]]:
    """Return one row a set and length (0: all): alarms, right and strictly right first places, reciprocal ranks."""
    grouped: dict[tuple[str, int], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        for length in {outcome.length, 0}:
            grouped[outcome.set, length].append(outcome)
    return [
        {
            "set": name,
            "length": length,
            **{field: share(group, field).as_dict() for field in ("alarm", "right", "strict", "reciprocal")},
        }
        for (name, length), group in grouped.items()
        if length or name not in ("exact",)
    ]
