"""Choose the verdict's coefficients on the tuning half: python -m benchmarks.quality.tune --work DIR

Question: which weights of the measures, and which threshold, tell copies from coincidence at the alarm rate asked for?
Data: the tuning half of the packages in packages.json, and those held out for tuning alone; the scored half is not
looked at.
Prints what belongs into provenance.lexing.evidence.WEIGHTS.
"""

from __future__ import annotations

import argparse
import math
import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.quality.corpus import File, load, split
from benchmarks.quality.fetch import fetch
from benchmarks.quality.queries import Query, novel, positives
from benchmarks.quality.tool import Answer, Toolkit
from benchmarks.quality.truth import Truth, Verbatim
from provenance.lexing.evidence import Evidence, Regime

MEASURES = (
    "names", "literals", "structure", "verbatim", "grams", "consistent", "conflicts", "gaps", "coverage", "density",
    "rival", "pieces", "contents",
)  # fmt: skip
AGAINST = ("conflicts", "gaps", "rival", "contents")
ALARMS = 0.00025
"""Share of the tuning half's negatives that each of the rules may call a match: a quarter of the target."""
SHORTEST = 60


def gather(work: Path, number: int, negatives: int) -> list[tuple[Query, Answer, bool]]:
    """Return the tuning half's queries with their answers, and whether the best place is right."""
    kept = work / f"tuning-{number}-{negatives}.pickle"
    if not kept.exists():
        files = load(work, "packages", "tuning")
        truth = Truth(files, work)
        numbers = [number for number, file in enumerate(files) if split(file.repository).indexed]
        indexed = Verbatim({number: files[number].text for number in numbers})
        asked = positives(files, truth, tuning=True, number=number)
        asked += novel(files, truth, indexed, tuning=True, number=negatives)[0]
        toolkit = Toolkit(files)
        answers = []
        for query in asked:
            answer = toolkit.ask(query.text)
            right = (
                query.set != "novel"
                and bool(answer.places)
                and is_right(files, truth, indexed, query, answer.places[0])
            )
            answers.append((query, answer, right))
        kept.write_bytes(pickle.dumps(answers))
    result: list[tuple[Query, Answer, bool]] = pickle.loads(kept.read_bytes())
    return result


def is_right(files: list[File], truth: Truth, indexed: Verbatim, query: Query, place: tuple[int, int, int]) -> bool:
    """Tell whether a place is right for a snippet of the indexed part."""
    assert query.origin is not None
    cut = files[query.origin.file].text[query.origin.start : query.origin.end]
    return truth.is_right(query.origin, indexed.holders(cut), place)


def fit(
    rows: npt.NDArray[np.float64], copies: npt.NDArray[np.bool_], signs: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return bias and weights of a logistic regression whose weights keep their sign; negatives count fivefold."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = np.hstack([np.ones((len(rows), 1)), (rows - mean) / spread])
    importance = np.where(copies, 1.0, 5.0)
    weights = np.zeros(scaled.shape[1])
    for _ in range(6000):
        error = 1 / (1 + np.exp(-scaled @ weights)) - copies
        weights -= scaled.T @ (error * importance) / len(rows) + 1e-4 * weights
        weights[1:] = np.where(weights[1:] * signs < 0, 0, weights[1:])
    raw = weights[1:] / spread
    return np.concatenate([[weights[0] - raw @ mean], raw])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/quality"))
    parser.add_argument("--number", type=int, default=25, help="snippets a language and length")
    parser.add_argument("--negatives", type=int, default=9000)
    arguments = parser.parse_args()
    fetch(arguments.work / "archives", "packages", "tuning")
    gathered = gather(arguments.work, arguments.number, arguments.negatives)
    novel_count = sum(query.set == "novel" for query, _, _ in gathered)
    judged = [
        (query.set, answer.evidence)
        for query, answer, right in gathered
        if answer.evidence and query.origin and query.origin.length >= SHORTEST and (right or query.set == "novel")
    ]
    print(
        f"{novel_count} negatives; verbatim among them:",
        sum(s == "novel" and math.isinf(e.log_odds) for s, e in judged),
    )
    regimes: tuple[Regime, ...] = ("pieces", "kept", "renamed")
    for regime in regimes:
        part = [(s, e) for s, e in judged if e.regime == regime]
        rows = _rows([e for _, e in part])
        copies = np.array([s != "novel" for s, _ in part])
        signs = np.array([-1.0 if name in AGAINST else 1.0 for name in MEASURES])
        weights = fit(rows, copies, signs)
        scores = weights[0] + rows @ weights[1:]
        highest = np.sort(scores[~copies])[::-1]
        allowed = int(ALARMS * novel_count)
        weights[0] -= (highest[allowed] + highest[allowed - 1]) / 2 if allowed else highest[0] + 1e-6
        print(
            f'    "{regime}":',
            {"bias": round(weights[0], 2), **{n: round(w, 3) for n, w in zip(MEASURES, weights[1:], strict=True) if w}},
        )
        found = weights[0] + rows @ weights[1:] >= 0
        for name in dict.fromkeys(s for s, _ in part):
            chosen = np.array([s == name for s, _ in part])
            print(f"        {name}: {found[chosen].mean():.2%} of {chosen.sum()}")


def _rows(evidence: list[Evidence]) -> npt.NDArray[np.float64]:
    return np.array([[e.measures[name] for name in MEASURES] for e in evidence])


if __name__ == "__main__":
    main()
