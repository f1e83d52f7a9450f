"""Interleaved timing: every round runs every candidate once, so that a noisy moment meets all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Figure:
    """One measured figure: its median, its smallest and largest round, and what it should be."""

    group: str
    name: str
    unit: str
    median: float
    least: float
    most: float
    target: str = ""
    met: bool | None = None
    note: str = ""
    rounds: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the results file."""
        return asdict(self)


class Figures:
    """Collects the figures of one run and prints them as they come."""

    def __init__(self) -> None:
        self.all: list[Figure] = []

    def add(
        self,
        group: str,
        name: str,
        unit: str,
        rounds: list[float],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        note: str = "",
    ) -> float:
        """Add the rounds of one figure and return their median."""
        median = statistics.median(rounds)
        target, met = "", None
        if at_least is not None:
            target, met = f">= {at_least:g}", median >= at_least
        if at_most is not None:
            target, met = f"<= {at_most:g}", median <= at_most
        figure = Figure(group, name, unit, median, min(rounds), max(rounds), target, met, note, rounds)
        self.all.append(figure)
        mark = {True: "met", False: "MISSED", None: ""}[met]
        print(
            f"{group:14} {name:58} {median:10.4g} {unit:10} [{figure.least:.4g} .. {figure.most:.4g}] {target} {mark}",
            flush=True,
        )
        return median


def interleaved(rounds: int, candidates: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Return the rates of all candidates by round.

    A candidate does its work once and returns how many units it did, in millions; what is recorded is that divided by
    the seconds it took. One round before the first is thrown away.
    """
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, run in candidates.items():
            gc.collect()
            begun = time.perf_counter()
            done = run()
            spent = time.perf_counter() - begun
            if number:
                rates[name].append(done / spent)
    return rates


def ratios(rates: Mapping[str, list[float]], above: str, below: str) -> list[float]:
    """Return one candidate's rate over another's, round by round."""
    return [one / other for one, other in zip(rates[above], rates[below], strict=True)]


def in_threads(count: int, work: Callable[[int], float]) -> Callable[[], float]:
    """Return a candidate that does ``work(0)`` to ``work(count - 1)`` at the same time."""
    pool = ThreadPoolExecutor(count)

    def run() -> float:
        return sum(pool.map(work, range(count)))

    return run


def percentile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of all lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
