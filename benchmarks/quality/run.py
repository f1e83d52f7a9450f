"""Attribution that survives editing, measured: python -m benchmarks.quality.run --work DIR --data DIR

Question: of code cut from 100,000 indexed functions and edited in known ways, how much is traced to where it stands,
and how often does code that stands nowhere raise an alarm, in one run with the shipped defaults?
Data: the pinned packages of packages.json, fetched by pip, npm, cargo, mvn and go; the scored half of the repositories,
which nothing was tuned on; HumanEval, HumanEvalPack, MBPP, licence texts and ignore templates from --data.
Recall counts only verdicts that raise an alarm, and only if the first place is right (`Truth.is_right`).
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.quality import negatives
from benchmarks.quality.baselines import baselines, set_threshold
from benchmarks.quality.corpus import File, load, split
from benchmarks.quality.fetch import fetch
from benchmarks.quality.queries import Query, novel, positives
from benchmarks.quality.scoring import Outcome, table
from benchmarks.quality.tool import Answer, Toolkit
from benchmarks.quality.truth import Truth, Verbatim

ALARM_RATE = 0.001


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=Path("build/quality"), help="where archives and the corpus are kept"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with humaneval, humanevalpack, mbpp, …")
    parser.add_argument("--number", type=int, default=50, help="snippets a language and length")
    parser.add_argument("--negatives", type=int, default=12000)
    parser.add_argument("--baselines", action="store_true", help="run the baselines, too")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/quality/results.json"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    fetch(arguments.work / "archives")
    files = load(arguments.work)
    truth = Truth(files, arguments.work)
    indexed = [number for number, file in enumerate(files) if split(file.repository).indexed]
    verbatim = Verbatim({number: files[number].text for number in indexed})
    copies = positives(files, truth, tuning=False, number=arguments.number)
    foreign, excluded = novel(files, truth, verbatim, tuning=False, number=arguments.negatives)
    foreign += negatives.boilerplate(files, tuning=False) + negatives.texts(arguments.data)
    toolkit = Toolkit(files)
    judge = Judge(files, truth, verbatim)
    seconds: list[float] = []
    outcomes = judge.all(toolkit.ask, copies + foreign, seconds)
    benchmark_index = Toolkit(negatives.mbpp(arguments.data), indexed=lambda file: True)
    outcomes += judge.all(benchmark_index.ask, negatives.human_eval(arguments.data), [])
    seconds.sort()
    report = {
        "machine": f"{platform.machine()}, {platform.system()}",
        "date": time.strftime("%Y-%m-%d"),
        "corpus": _describe(files, truth),
        "excluded": dict(excluded),
        "latency_ms": {f"p{q}": round(1000 * seconds[len(seconds) * q // 100], 1) for q in (50, 90, 99)},
        "systems": {toolkit.name: table(outcomes)},
        "languages": _by_language(outcomes),
    }
    if arguments.baselines:
        tuning = [
            query.text for query in novel(files, truth, verbatim, tuning=True, number=arguments.negatives // 4)[0]
        ]
        for baseline in baselines(files):
            set_threshold(baseline, tuning, ALARM_RATE)
            report["systems"][baseline.name] = table(judge.all(baseline.ask, copies + foreign, []))
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


class Judge:
    """Compares answers with the truth."""

    def __init__(self, files: list[File], truth: Truth, verbatim: Verbatim) -> None:
        self._files, self._truth, self._verbatim = files, truth, verbatim
        self._holders: dict[object, set[int]] = {}

    def all(self, ask: Callable[[bytes], Answer], queries: list[Query], seconds: list[float]) -> list[Outcome]:
        """Return the outcome of every query; ``seconds`` gets the time each took."""
        outcomes = []
        for query in queries:
            start = time.perf_counter()
            answer = ask(query.text)
            seconds.append(time.perf_counter() - start)
            outcomes.append(self._judge(query, answer))
        return outcomes

    def _judge(self, query: Query, answer: Answer) -> Outcome:
        origin, length = query.origin, query.origin.length if query.origin else 0
        right, strict, reciprocal = False, False, 0.0
        if origin and answer.alarm and split(query.repository).indexed:
            holders = self._holders.get(origin)
            if holders is None:
                cut = self._files[origin.file].text[origin.start : origin.end]
                holders = self._holders[origin] = self._verbatim.holders(cut)
            ranks = [n for n, place in enumerate(answer.places, 1) if self._truth.is_right(origin, holders, place)]
            reciprocal = 1 / ranks[0] if ranks else 0.0
            right = reciprocal == 1.0
            strict = bool(answer.places) and answer.places[0][0] == origin.file
        return Outcome(query.set, length, query.language, query.repository, answer.alarm, right, strict, reciprocal)


def _describe(files: list[File], truth: Truth) -> dict[str, object]:
    parts: Counter[str] = Counter()
    repositories: dict[str, set[str]] = {}
    for file in files:
        part = "indexed" if split(file.repository).indexed else "held out"
        parts[f"{part} bytes"] += len(file.text)
        parts[f"{part} files"] += 1
        repositories.setdefault(part, set()).add(file.repository)
    for function in truth.functions:
        parts["indexed functions" if split(files[function.file].repository).indexed else "held out functions"] += 1
    return {**parts, **{f"{part} repositories": len(names) for part, names in repositories.items()}}


def _by_language(outcomes: list[Outcome]) -> dict[str, list[dict[str, object]]]:
    languages = sorted({outcome.language for outcome in outcomes if outcome.length})
    return {name: table([o for o in outcomes if o.language == name and o.length]) for name in languages}


if __name__ == "__main__":
    main()
