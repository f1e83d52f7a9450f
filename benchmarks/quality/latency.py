"""How long does `trace` take with all levels, and what do fingerprints cost? python -m benchmarks.quality.latency

Data: the corpus of benchmarks/quality (100,000 indexed functions and more), in an index on disk with tantivy, built by
two workers with fingerprints and without. Questions: snippets of 30 to 240 tokens, copied under every transformation,
and as many of repositories that are not indexed; every one is asked once after all were asked once, by one thread, in
random order. Wall time, and processor time, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import time
from pathlib import Path
from typing import Any

from benchmarks.quality.corpus import File, load, split
from benchmarks.quality.queries import novel, positives
from benchmarks.quality.truth import Truth, Verbatim
from indexer.build import build
from indexer.sources import open_source
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.traced import BY_FILTER, LEVELS
from provenance.tracing import trace

SHARES = (50, 90, 99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="where archives and the corpus are")
    parser.add_argument("--number", type=int, default=4, help="copied snippets a language and length")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trace-levels.json"))
    arguments = parser.parse_args()
    files = load(arguments.work, "packages")
    rows = arguments.work / "latency.jsonl"
    _write(rows, files)
    built = {rule: _build(rows, arguments.work / f"latency-{rule}.idx", rule) for rule in ("none", "syncmers-1")}
    truth = Truth(files, arguments.work)
    verbatim = Verbatim({n: file.text for n, file in enumerate(files) if split(file.repository).indexed})
    copies = positives(files, truth, tuning=False, number=arguments.number)
    foreign, _ = novel(files, truth, verbatim, tuning=False, number=len(copies))
    texts = [query.text for query in (*copies, *foreign)]
    random.Random(1).shuffle(texts)
    with Index.open(arguments.work / "latency-syncmers-1.idx") as index:
        times = {name: _ask(index, texts, levels) for name, levels in (("all", LEVELS), ("runs", sorted(BY_FILTER)))}
    text_bytes = built["none"]["text_bytes"]
    report = {
        "machine": f"{platform.machine()}, {platform.system()}",
        "date": time.strftime("%Y-%m-%d"),
        "indexed functions": sum(split(files[each.file].repository).indexed for each in truth.functions),
        "questions": len(texts),
        "trace_ms": times,
        "builds": built,
        "growth": (built["syncmers-1"]["bytes"] - built["none"]["bytes"]) / text_bytes,
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report, indent=1))


def _write(rows: Path, files: list[File]) -> None:
    with rows.open("w", encoding="utf-8") as written:
        for file in files:
            if split(file.repository).indexed:
                row = {"content": file.text.decode(), "repository": file.repository, "path": file.path}
                written.write(json.dumps(row) + "\n")


def _build(rows: Path, folder: Path, rule: str) -> dict[str, Any]:
    """Build an index unless it is there; its size, and the time of building."""
    spent = processor = None
    if not folder.exists():
        begun, before = time.perf_counter(), _processor()
        build([open_source(str(rows))], folder, parameters=Parameters(fingerprints=rule), workers=2)
        spent, processor = time.perf_counter() - begun, _processor() - before
    with Index.open(folder) as index:
        text_bytes = sum(segment.text_bytes for segment in index.segments)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"seconds": spent, "processor": processor, "bytes": size, "text_bytes": text_bytes}


def _processor() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def _ask(index: Index, texts: list[bytes], levels: tuple[str, ...] | list[str]) -> dict[str, dict[str, float]]:
    wall: list[float] = []
    processor: list[float] = []
    for warm in (False, True):
        for text in texts:
            begun, before = time.perf_counter(), time.thread_time()
            trace(index, text, levels=levels)
            if warm:
                wall.append(1000 * (time.perf_counter() - begun))
                processor.append(1000 * (time.thread_time() - before))
    return {name: _percentiles(values) for name, values in (("wall", wall), ("processor", processor))}


def _percentiles(values: list[float]) -> dict[str, float]:
    values = sorted(values)
    return {f"p{share}": round(values[len(values) * share // 100], 1) for share in SHARES} | {
        "max": round(values[-1], 1)
    }


if __name__ == "__main__":
    main()
