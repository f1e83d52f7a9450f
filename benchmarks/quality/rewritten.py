"""Solutions of HumanEval written anew: names, order and structure changed by hand, each tested with HumanEval's tests.

rewritten.txt holds 111 of them, headed by the problem and the deepest change: ``rename`` (all names), ``reorder``
(statements, operands or branches, too), ``restructure`` (loops, conditions or helpers, too). Each is compared with the
original solution of its problem and with that of another problem, drawn by chance. `ALIKE`, the threshold, was chosen
on the problems with even numbers; those with odd numbers score.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.quality.corpus import File
from benchmarks.quality.negatives import human_eval
from benchmarks.quality.tool import Toolkit
from provenance.attribution import compare
from provenance.lexing.evidence import ALIKE, Evidence

SOLUTIONS = Path(__file__).with_name("rewritten.txt")
HALVES = {"chosen on": False, "scored": True}
_HEAD = re.compile(r"^### (\S+) (\w+)\n", re.MULTILINE)


def solutions() -> list[tuple[str, str, bytes]]:
    """Return problem, change and code of every rewritten solution."""
    pieces = _HEAD.split(SOLUTIONS.read_text("utf-8"))[1:]
    return [(pieces[at], pieces[at + 1], pieces[at + 2].encode()) for at in range(0, len(pieces), 3)]


def originals(data: Path) -> dict[str, bytes]:
    """Return the original solution of every problem, by its name."""
    return {q.repository: q.text for q in human_eval(data) if q.repository.startswith("HumanEval/")}


class Pair(NamedTuple):
    """A rewritten solution and the original solution ``other`` that it is compared with."""

    problem: str
    change: str
    code: bytes
    other: str

    @property
    def same(self) -> bool:
        """Tell whether one was made from the other."""
        return self.other == self.problem


def pairs(names: list[str]) -> list[Pair]:
    """Return every rewritten solution with the original of its problem, and with that of another, drawn by chance."""
    generator = random.Random(7)
    drawn = []
    for problem, change, code in solutions():
        other = generator.choice([name for name in names if name != problem])
        drawn += [Pair(problem, change, code, name) for name in (problem, other)]
    return drawn


def measure(data: Path) -> dict[str, Any]:
    """Return F1 on pairs, and what attribution over the originals as an index finds."""
    texts = originals(data)
    names = list(texts)
    files = [File("HumanEval", name, "python", text) for name, text in texts.items()]
    toolkit = Toolkit(files, indexed=lambda file: True)
    compared = [
        (pair, _is_alike(compare(toolkit.index, pair.code, toolkit.ref(names.index(pair.other)))))
        for pair in pairs(names)
    ]
    first = Counter[str]()
    for problem, _, code in solutions():
        answer = toolkit.ask(code)
        right = bool(answer.places) and names[answer.places[0][0]] == problem
        first["first"] += right
        first["match"] += right and answer.alarm
        first["alike"] += right and _is_alike(answer.evidence)
        others = Toolkit(files, indexed=lambda file, name=problem: file.path != name)
        answer = others.ask(code)
        first["false matches"] += answer.alarm
        first["false alike"] += _is_alike(answer.evidence)
    changes = dict.fromkeys(pair.change for pair, _ in compared)
    return {
        "pairs": by_half(compared),
        "by change": {change: scores([entry for entry in compared if entry[0].change == change]) for change in changes},
        "originals as an index": {**first, "of": len(compared) // 2},
    }


def by_half(compared: list[tuple[Pair, bool]]) -> dict[str, dict[str, float]]:
    """Return the `scores` of the problems with even numbers, of those with odd ones, and of all."""
    halves = {name: [entry for entry in compared if is_odd(entry[0]) == odd] for name, odd in HALVES.items()}
    return {name: scores(half) for name, half in (*halves.items(), ("all", compared))}


def is_odd(pair: Pair) -> bool:
    """Tell whether a pair is scored; a threshold is chosen on the others."""
    return int(pair.problem.split("/")[1]) % 2 == 1


def _is_alike(evidence: Evidence | None) -> bool:
    return evidence is not None and evidence.log_odds >= ALIKE


def scores(compared: list[tuple[Pair, bool]]) -> dict[str, float]:
    """Return precision, recall and F1 of pairs, each with whether it was called alike."""
    found = Counter((pair.same, alike) for pair, alike in compared)
    hits, misses, false = found[True, True], found[True, False], found[False, True]
    return {
        "pairs": len(compared),
        "precision": round(hits / max(1, hits + false), 4),
        "recall": round(hits / max(1, hits + misses), 4),
        "f1": round(2 * hits / max(1, 2 * hits + misses + false), 4),
    }
