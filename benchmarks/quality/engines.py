"""The same questions to both engines: python -m benchmarks.quality.engines --work DIR --data DIR

Question: does an index on a real Elasticsearch node rank as one with tantivy does?
Data: every fifth indexed file of the corpus; copies cut from them under every edit, and held-out snippets.
Puts what comes out into --out beside the results of `benchmarks.quality.run`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.quality.corpus import split
from benchmarks.quality.indexed import Traced
from benchmarks.quality.run import Benchmark
from tests.elasticsearch.node import Node

COPIES, NEGATIVES = 500, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/quality"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/quality.json"))
    arguments = parser.parse_args()
    benchmark = Benchmark(arguments.work, arguments.data, 25, 13500, 1)
    node = Node()
    # An index that outlived its node would be taken for one to ask.
    with TemporaryDirectory(dir=arguments.work) as folder:
        try:
            node.start()
            found = compare(benchmark, node.url, Path(folder))
        finally:
            node.remove()
    results = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {}
    arguments.out.write_text(json.dumps({**results, "engines": found}, indent=1) + "\n", "utf-8")


def compare(benchmark: Benchmark, cluster: str, folder: Path) -> dict[str, Any]:
    """Return what both engines find, and how often they give the same answer."""
    indexed = [number for number, file in enumerate(benchmark.files) if split(file.repository).indexed]
    chosen = set(indexed[::5])
    kept = {id(benchmark.files[number]) for number in chosen}
    generator = random.Random(3)
    copies = [query for query in benchmark.copies if query.origin and query.origin.file in chosen]
    queries = generator.sample(copies, min(COPIES, len(copies))) + generator.sample(benchmark.foreign, NEGATIVES)
    found: dict[str, Any] = {"files": len(chosen), "copies": len(queries) - NEGATIVES, "negatives": NEGATIVES}
    answers = []
    for engine, address in (("tantivy", None), ("elasticsearch", cluster)):
        tool = Traced(benchmark.files, folder / engine, cluster=address, indexed=lambda file: id(file) in kept)
        begun = time.perf_counter()
        answers.append([tool.ask(query.text) for query in queries])
        seconds = time.perf_counter() - begun
        judged = [benchmark.judge(query, answer) for query, answer in zip(queries, answers[-1], strict=True)]
        found[engine] = {
            "right": sum(outcome.right for outcome in judged),
            "reciprocal": round(sum(outcome.reciprocal for outcome in judged), 3),
            "alarms": sum(outcome.alarm for outcome in judged if outcome.set == "novel"),
            "milliseconds": round(1000 * seconds / len(queries), 1),
        }
    found["same answer"] = sum(
        (one.alarm, one.places) == (other.alarm, other.places) for one, other in zip(*answers, strict=True)
    )
    return found


if __name__ == "__main__":
    main()
