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
from typing import Any

from benchmarks.quality.corpus import File
from benchmarks.quality.negatives import human_eval
from benchmarks.quality.tool import Toolkit
from provenance.attribution import compare
from provenance.lexing.evidence import ALIKE, Evidence

SOLUTIONS = Path(__file__).with_name("rewritten.txt")
_HEAD = re.compile(r"^### (\S+) (\w+)\n", re.MULTILINE)


def solutions() -> list[tuple[str, str, bytes]]:
    """Return problem, change and code of every rewritten solution."""
    pieces = _HEAD.split(SOLUTIONS.read_text("utf-8"))[1:]
    return [(pieces[at], pieces[at + 1], pieces[at + 2].encode()) for at in range(0, len(pieces), 3)]


def measure(data: Path) -> dict[str, Any]:
    """Return F1 on pairs, and what attribution over the originals as an index finds."""
    originals = {q.repository: File("HumanEval", q.repository, "python", q.text) for q in human_eval(data)}
    originals = {name: file for name, file in originals.items() if name.startswith("HumanEval/")}
    names = list(originals)
    toolkit = Toolkit(list(originals.values()), indexed=lambda file: True)
    generator = random.Random(7)
    pairs: list[tuple[str, str, bool, Evidence | None]] = []
    first = Counter[str]()
    for problem, change, code in solutions():
        other = generator.choice([name for name in names if name != problem])
        for name in (problem, other):
            pairs.append(
                (problem, change, name == problem, compare(toolkit.index, code, toolkit.ref(names.index(name))))
            )
        answer = toolkit.ask(code)
        right = bool(answer.places) and names[answer.places[0][0]] == problem
        first["first"] += right
        first["match"] += right and answer.alarm
        first["alike"] += right and _is_alike(answer.evidence)
        others = Toolkit(list(originals.values()), indexed=lambda file, name=problem: file.path != name)
        answer = others.ask(code)
        first["false matches"] += answer.alarm
        first["false alike"] += _is_alike(answer.evidence)
    halves = {
        name: [pair for pair in pairs if int(pair[0].split("/")[1]) % 2 == odd]
        for name, odd in (("chosen on", 0), ("scored", 1))
    }
    changes = dict.fromkeys(change for _, change, _, _ in pairs)
    return {
        "pairs": {name: _scores(half) for name, half in (*halves.items(), ("all", pairs))},
        "by change": {change: _scores([pair for pair in pairs if pair[1] == change]) for change in changes},
        "originals as an index": {**first, "of": len(pairs) // 2},
    }


def _is_alike(evidence: Evidence | None) -> bool:
    return evidence is not None and evidence.log_odds >= ALIKE


def _scores(pairs: list[tuple[str, str, bool, Evidence | None]]) -> dict[str, float]:
    found = Counter((same, _is_alike(evidence)) for _, _, same, evidence in pairs)
    hits, misses, false = found[True, True], found[True, False], found[False, True]
    return {
        "pairs": len(pairs),
        "precision": round(hits / max(1, hits + false), 4),
        "recall": round(hits / max(1, hits + misses), 4),
        "f1": round(2 * hits / max(1, 2 * hits + misses + false), 4),
    }
