"""Attribution that survives editing, measured: python -m benchmarks.quality.run --work DIR --data DIR

Question: of code cut from 100,000 functions and edited in known ways, how much is traced to where it stands, and how
often does code that stands nowhere raise an alarm, in one run with the shipped defaults?
Data: the pinned packages of packages.json, fetched by pip, npm, cargo, mvn and go; the scored half of the repositories,
which nothing was tuned on; HumanEval, HumanEvalPack, MBPP, licence texts and ignore templates from --data.
Recall counts only verdicts that raise an alarm, and only if the first place is right (`Truth.is_right`).
Systems are measured one after another; what was measured of others before stays in --out, so that ``--system tantivy``
measures that one anew. Then `benchmarks.quality.render`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pickle
import platform
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.quality import jplag, negatives, rewritten
from benchmarks.quality.asking import ask_all
from benchmarks.quality.baselines import baselines, set_threshold
from benchmarks.quality.corpus import load, split
from benchmarks.quality.fetch import fetch
from benchmarks.quality.queries import Query, novel, positives
from benchmarks.quality.scoring import Outcome, share, table
from benchmarks.quality.tool import Answer, Toolkit
from benchmarks.quality.truth import Truth, Verbatim

ALARM_RATE = 0.001
SYSTEMS = ("toolkit", "tantivy", "elasticsearch", "baselines", "rewritten", "jplag", "blind")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="where archives and indexes are kept")
    parser.add_argument("--data", type=Path, required=True, help="folder with humaneval, humanevalpack, mbpp, …")
    parser.add_argument("--number", type=int, default=25, help="snippets a language and length")
    parser.add_argument("--negatives", type=int, default=13500, help="snippets of held-out code, before exclusions")
    parser.add_argument(
        "--system", action="append", choices=SYSTEMS, help="repeatable; by default all but elasticsearch and jplag"
    )
    parser.add_argument("--cluster", help="address of an Elasticsearch node, for the system elasticsearch")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/quality.json"))
    arguments = parser.parse_args()
    if "elasticsearch" in (arguments.system or ()) and not arguments.cluster:
        parser.error("the system elasticsearch needs --cluster")
    arguments.work.mkdir(parents=True, exist_ok=True)
    fetch(arguments.work / "archives", "packages")
    if "blind" in (arguments.system or ("blind",)):
        fetch(arguments.work / "archives", "blind")
    benchmark = Benchmark(arguments.work, arguments.data, arguments.number, arguments.negatives, arguments.processes)
    for system in arguments.system or ("toolkit", "tantivy", "baselines", "rewritten", "blind"):
        measure(benchmark, system, arguments.cluster, arguments.out)


class Benchmark:
    """The corpus, its truth, and the scored questions."""

    def __init__(self, work: Path, data: Path, number: int, number_negatives: int, processes: int) -> None:
        self.work, self.data, self.processes = work, data, processes
        self.files = load(work, "packages")
        self.truth = Truth(self.files, work)
        self.verbatim = Verbatim({n: f.text for n, f in enumerate(self.files) if split(f.repository).indexed})
        self.number_negatives = number_negatives
        # Cutting takes minutes: every file that is cut from is parsed.
        kept = work / f"questions-{self.truth.stamp}-{number}-{number_negatives}.pickle"
        if not kept.exists():
            copies = positives(self.files, self.truth, tuning=False, number=number)
            cut = novel(self.files, self.truth, self.verbatim, tuning=False, number=number_negatives)
            kept.write_bytes(pickle.dumps((copies, *cut)))
        self.copies: list[Query]
        self.foreign: list[Query]
        self.excluded: Counter[str]
        self.copies, self.foreign, self.excluded = pickle.loads(kept.read_bytes())
        self.usual = negatives.boilerplate(self.files, tuning=False) + negatives.texts(data)
        self._holders: dict[object, set[int]] = {}

    def outcomes(self, ask: Callable[[bytes], Answer], queries: list[Query]) -> tuple[list[Outcome], list[float]]:
        """Return the judged answer to every question, and the seconds each took."""
        gc.collect()
        gc.freeze()  # what is there is shared with the processes that ask
        answers, seconds = ask_all(ask, [query.text for query in queries], self.processes)
        return [self.judge(query, answer) for query, answer in zip(queries, answers, strict=True)], seconds

    def judge(self, query: Query, answer: Answer) -> Outcome:
        """Compare an answer with the truth."""
        origin, length = query.origin, query.origin.length if query.origin else 0
        right, strict, reciprocal = False, False, 0.0
        if origin and answer.alarm and split(query.repository).indexed:
            holders = self._holders.get(origin)
            if holders is None:
                cut = self.files[origin.file].text[origin.start : origin.end]
                holders = self._holders[origin] = self.verbatim.holders(cut)
            ranks = [n for n, place in enumerate(answer.places, 1) if self.truth.is_right(origin, holders, place)]
            reciprocal = 1 / ranks[0] if ranks else 0.0
            right = reciprocal == 1.0
            strict = bool(answer.places) and answer.places[0][0] == origin.file
        return Outcome(query.set, length, query.language, query.repository, answer.alarm, right, strict, reciprocal)


def measure(benchmark: Benchmark, system: str, cluster: str | None, out: Path) -> None:
    """Measure one system and put what comes out into the results."""
    results: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.exists() else {}
    results["machine"] = f"{platform.machine()}, {platform.system()}, {os.cpu_count()} CPUs"
    results["date"] = time.strftime("%Y-%m-%d")
    results["corpus"] = describe(benchmark)
    results["excluded"] = dict(benchmark.excluded)
    systems = results.setdefault("systems", {})
    queries = benchmark.copies + benchmark.foreign + benchmark.usual
    functions = results["corpus"]["indexed functions"]
    if system == "rewritten":
        results["rewritten"] = rewritten.measure(benchmark.data)
    elif system == "jplag":
        results["jplag"] = jplag.measure(benchmark.data, benchmark.work)
    elif system == "blind":
        results["blind"] = blind(benchmark)
    elif system == "baselines":
        tuning, _ = novel(
            benchmark.files, benchmark.truth, benchmark.verbatim, tuning=True, number=benchmark.number_negatives // 2
        )
        for make in baselines(benchmark.files):
            baseline = make()
            set_threshold(baseline, [query.text for query in tuning], ALARM_RATE)
            rows = table(benchmark.outcomes(baseline.ask, queries)[0])
            systems[baseline.name] = {"rows": rows, "indexed functions": functions}
    else:
        tool = _tool(benchmark, system, cluster)
        outcomes, seconds = benchmark.outcomes(tool.ask, queries)
        against_mbpp = Toolkit(negatives.mbpp(benchmark.data), indexed=lambda file: True)
        outcomes += benchmark.outcomes(against_mbpp.ask, negatives.human_eval(benchmark.data))[0]
        seconds.sort()
        systems[tool.name] = {
            "rows": table(outcomes),
            "indexed functions": functions,
            "languages": by_language(outcomes),
            "latency_ms": {f"p{q}": round(1000 * seconds[len(seconds) * q // 100], 1) for q in (50, 90, 99)},
        }
        if system != "toolkit":
            systems[tool.name]["boundary"] = boundary_errors(benchmark, tool)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def blind(benchmark: Benchmark) -> dict[str, Any]:
    """Return the alarms of `trace` with tantivy on packages that were fetched when the rules had been chosen."""
    files = load(benchmark.work, "packages", "blind")
    truth = Truth(files, benchmark.work)
    kept = benchmark.work / f"questions-blind-{truth.stamp}-{benchmark.number_negatives}.pickle"
    if not kept.exists():
        cut = novel(
            files, truth, benchmark.verbatim, tuning=False, number=benchmark.number_negatives, seed=6, blind=True
        )
        kept.write_bytes(pickle.dumps(cut))
    foreign, excluded = pickle.loads(kept.read_bytes())
    usual = [q for q in negatives.boilerplate(files, tuning=False, blind=True) if q.set != "stubs"]
    outcomes, _ = benchmark.outcomes(_tool(benchmark, "tantivy", None).ask, foreign + usual)
    return {
        "repositories": len({each.repository for each in outcomes}),
        "functions": sum(split(files[each.file].repository).blind for each in truth.functions),
        "excluded": dict(excluded),
        "rows": table(outcomes),
        "languages": by_language(outcomes),
    }


def _tool(benchmark: Benchmark, system: str, cluster: str | None) -> Any:
    if system == "toolkit":
        return Toolkit(benchmark.files)
    from benchmarks.quality.indexed import Traced

    folder = benchmark.work / f"index-{system}-{benchmark.truth.stamp}"
    return Traced(benchmark.files, folder, cluster=cluster if system == "elasticsearch" else None)


def boundary_errors(benchmark: Benchmark, tool: Any) -> dict[str, int]:
    """Return by how many characters the ends of spans miss the ends of exact copies: median and 95th percentile.

    A snippet begins and ends with a token, and stands between lines of a sign that no file has; so the longest common
    run is the snippet, however it goes on in the files that hold it.
    """
    fence = "\N{CURRENCY SIGN}".encode()
    before, after = fence + b"\n", b"\n" + fence + b"\n"
    errors: list[int] = []
    exact = [query.text for query in benchmark.copies if query.set == "exact" and len(query.text) >= 150]
    for text in exact[:400]:
        spans = [each.span for each in tool.spans(before + text + after) if each.kind in ("exact", "layout")]
        best = max(spans, key=lambda span: span.end - span.start, default=None)
        shift, size = len(before.decode()), len(text.decode())
        start, end = (best.start, best.end) if best else (shift + size, shift)
        errors += [abs(start - shift), abs(end - shift - size)]
    errors.sort()
    return {"of": len(errors), "median": errors[len(errors) // 2], "p95": errors[len(errors) * 95 // 100]}


def describe(benchmark: Benchmark) -> dict[str, int]:
    """Return the corpus in numbers."""
    parts: Counter[str] = Counter()
    repositories: dict[str, set[str]] = {}
    files = benchmark.files
    for file in files:
        part = "indexed" if split(file.repository).indexed else "held out"
        parts[f"{part} bytes"] += len(file.text)
        parts[f"{part} files"] += 1
        repositories.setdefault(part, set()).add(file.repository)
    for function in benchmark.truth.functions:
        parts["indexed functions" if split(files[function.file].repository).indexed else "held out functions"] += 1
    return {**parts, **{f"{part} repositories": len(names) for part, names in repositories.items()}}


def by_language(outcomes: list[Outcome]) -> dict[str, dict[str, Any]]:
    """Return for each language alarms on novel code, and right first places at 60 tokens and more by set."""
    found: dict[str, dict[str, Any]] = {}
    for language in sorted({outcome.language for outcome in outcomes if outcome.length}):
        mine = [outcome for outcome in outcomes if outcome.language == language and outcome.length >= 60]
        found[language] = {
            name: share([o for o in mine if o.set == name], "alarm" if name == "novel" else "right").as_dict()
            for name in dict.fromkeys(outcome.set for outcome in mine)
        }
    return found


if __name__ == "__main__":
    main()
