"""How fast is a corpus indexed, and does that stay so as it grows?

Data: the folder named with ``--corpus`` (the Linux source for the published figures), else Python's standard library.
Side by side in every round: `provenance index` with two workers, files read from disk; tantivy alone (two threads,
its `simple` tokenizer, text stored) and SQLite FTS5 (trigram, a tenth of the text), both fed texts that are in memory
already. Growth: parts of the corpus by size; time ~ size ** exponent, fitted by least squares over logarithms.

    python -m benchmarks.speed building [--full] [--corpus FOLDER]
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import tantivy

from benchmarks.speed.measuring import Figures
from benchmarks.speed.texts import documents, folder_bytes

ONE_BUILD = """
import sys, time, resource
from indexer.build import build
from indexer.sources import open_source
if __name__ == "__main__":
    begun = time.perf_counter()
    report = build([open_source(sys.argv[1])], sys.argv[2], workers=2)
    spent = time.perf_counter() - begun
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in usage)
    print(spent, processor, report.tally.text_bytes, report.peak_memory, report.layer.bytes)
"""
ONE_TANTIVY = """
import sys, time, resource
from benchmarks.speed.building import bare_tantivy
if __name__ == "__main__":
    print(*bare_tantivy(sys.argv[1], sys.argv[2]))
"""


def bare_tantivy(corpus: str, folder: str) -> tuple[float, float, int]:
    """Index the texts of a corpus with tantivy alone; returns seconds, seconds of processor, and bytes of text."""
    texts = [document.utf8.decode("utf-8", "replace") for document in documents(corpus)]
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", stored=True, tokenizer_name="simple")
    os.makedirs(folder)
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    index = tantivy.Index(builder.build(), path=folder)
    index.register_tokenizer("simple", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).build())
    writer = index.writer(heap_size=256_000_000, num_threads=2)
    for text in texts:
        document = tantivy.Document()
        document.add_text("text", text)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    spent = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, processor, sum(len(text.encode("utf-8", "replace")) for text in texts)


def trigrams(corpus: str, path: Path, at_most: int) -> tuple[float, int]:
    """Index texts with SQLite's trigram tokenizer; returns seconds and bytes of text."""
    texts = [document.utf8.decode("utf-8", "replace") for document in documents(corpus, at_most)]
    base = sqlite3.connect(path)
    base.execute("pragma journal_mode = off")
    base.execute("pragma synchronous = off")
    base.execute("create virtual table texts using fts5(text, content='', tokenize='trigram')")
    begun = time.perf_counter()
    with base:
        base.executemany("insert into texts(rowid, text) values (?, ?)", enumerate(texts, 1))
    spent = time.perf_counter() - begun
    base.close()
    return spent, sum(len(text.encode("utf-8", "replace")) for text in texts)


def one_build(corpus: str, index: Path) -> tuple[float, float, int, int, int]:
    """Build in a process of its own; returns seconds, processor seconds, bytes of text, peak memory, filter bytes."""
    shutil.rmtree(index, ignore_errors=True)
    script = index.with_suffix(".py")
    script.write_text(ONE_BUILD)
    done = subprocess.run([sys.executable, script, corpus, index], capture_output=True, text=True, check=True)
    spent, processor, text, peak, layer = done.stdout.split()
    return float(spent), float(processor), int(text), int(peak), int(layer)


def one_tantivy(corpus: str, folder: Path) -> tuple[float, float, int]:
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-c", ONE_TANTIVY, corpus, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent, processor, text = done.stdout.split()
    return float(spent), float(processor), int(text)


def run(figures: Figures, scratch: Path, full: bool, corpus: str) -> Path:
    """Measure and return the last index that was built."""
    index = scratch / "built.index"
    ours: list[float] = []
    theirs: list[float] = []
    processor: list[float] = []
    other_processor: list[float] = []
    best: tuple[float, float, int, int, int] | None = None
    least = 60 if full else None
    for _ in range(3 if full else 1):
        built = one_build(corpus, index)
        best = min(best or built, built)
        spent, busy, text, peak, _ = built
        ours.append(text / spent / 1e6)
        processor.append(busy)
        spent, other_busy, other_text = one_tantivy(corpus, scratch / "tantivy")
        theirs.append(other_text / spent / 1e6)
        other_processor.append(other_busy)
    size = f"{text / 1e6:.0f} MB"
    figures.add("build", f"provenance index, 2 workers, {size}", "MB/s", ours, at_least=least)
    figures.add("build", "tantivy alone, 2 threads, text stored", "MB/s", theirs)
    pairs = zip(ours, theirs, strict=True)
    figures.add("build", "provenance index / tantivy alone", "x", [one / other for one, other in pairs], at_least=0.6)
    figures.add("build", "provenance index, processor time", "s", processor)
    figures.add("build", "tantivy alone, processor time", "s", other_processor)
    pairs = zip(other_processor, processor, strict=True)
    name = "tantivy alone / provenance index, processor time"
    figures.add("build", name, "x", [one / other for one, other in pairs])
    figures.add("build", "provenance index, peak memory of all processes", "MB", [peak / 1e6])
    figures.add("build", "tantivy alone, index / text", "x", [folder_bytes(scratch / "tantivy") / text])
    for part, share in parts(index, text).items():
        figures.add("build", f"{part} / text", "x", [share], at_most=0.6)
    shutil.rmtree(scratch / "tantivy")
    spent, held = trigrams(corpus, scratch / "trigram.db", text // 10)
    figures.add("build", "SQLite FTS5 trigram, 1 thread", "MB/s", [held / spent / 1e6])
    figures.add("build", "SQLite FTS5 trigram, index / text", "x", [(scratch / "trigram.db").stat().st_size / held])
    (scratch / "trigram.db").unlink()
    assert best is not None
    growth(figures, scratch, corpus, full, best)
    return index


def parts(index: Path, text: int) -> dict[str, float]:
    """Return the size of every part of an index over that of the text."""
    sums: dict[str, int] = {}
    for root, _, names in os.walk(index):
        for name in names:
            size = os.path.getsize(os.path.join(root, name))
            folder = Path(root)
            part = "words (tantivy)" if folder.name == "search" and name != "grams.bin" else name
            if part in ("text.blk", "sources.blk", "grams.bin", "membership.flt", "common.flt", "words (tantivy)"):
                sums[part] = sums.get(part, 0) + size
            else:
                sums["tables and manifests"] = sums.get("tables and manifests", 0) + size
    return {part: size / text for part, size in sorted(sums.items())} | {"whole index": sum(sums.values()) / text}


def growth(figures: Figures, scratch: Path, corpus: str, full: bool, whole: tuple[float, float, int, int, int]) -> None:
    """Fit the exponent with which time grows, over parts of the corpus from about 10 MB on and the ``whole``."""
    wanted = [10e6, 30e6, 100e6, 300e6, 600e6] if full else [10e6, 30e6]
    found: list[tuple[float, float, float, float]] = []
    linked = scratch / "part"
    for bytes_wanted in wanted:
        shutil.rmtree(linked, ignore_errors=True)
        if not copy_part(Path(corpus), linked, int(bytes_wanted)):
            break
        tries = [one_build(str(linked), scratch / "growth.index") for _ in range(3 if bytes_wanted < 5e8 else 2)]
        best = min(tries)
        found.append((best[2], best[0], best[1], best[3] - best[4]))
    shutil.rmtree(linked, ignore_errors=True)
    found.append((whole[2], whole[0], whole[1], whole[3] - whole[4]))
    for text, spent, _, beside in found:
        figures.add("growth", f"{text / 1e6:.0f} MB: time", "s", [spent])
        figures.add("growth", f"{text / 1e6:.0f} MB: peak memory beside the filter", "MB", [beside / 1e6])
    large = [entry for entry in found if entry[0] >= 90e6] or found
    figures.add(
        "growth",
        "exponent of time, all sizes",
        "",
        [exponent([(text, spent) for text, spent, _, _ in found])],
    )
    if len(large) > 1:
        name = "exponent of time, from 100 MB" if full else "exponent of time"
        figures.add("growth", name, "", [exponent([(t, s) for t, s, _, _ in large])], at_most=1.05 if full else None)
        name = name.replace("time", "processor time")
        figures.add("growth", name, "", [exponent([(t, p) for t, _, p, _ in large])])
    shutil.rmtree(scratch / "growth.index", ignore_errors=True)


def copy_part(corpus: Path, target: Path, size: int) -> bool:
    """Copy every n-th folder of files until ``size`` bytes are there; False if the corpus is hardly larger."""
    folders = [(Path(root), names) for root, _, names in os.walk(corpus) if names]
    total = sum(os.lstat(root / name).st_size for root, names in folders for name in names)
    if size * 1.5 > total:
        return False
    step = max(1, int(total / size))
    held = 0
    for number, (root, names) in enumerate(sorted(folders)):
        if number % step:
            continue
        into = target / root.relative_to(corpus)
        into.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (root / name).is_symlink():
                held += (root / name).stat().st_size
                shutil.copyfile(root / name, into / name)
    return held > 0


def exponent(points: list[tuple[float, float]]) -> float:
    """Return the slope of log(time) over log(size)."""
    logs = [(math.log(size), math.log(spent)) for size, spent in points]
    middle = [sum(values) / len(logs) for values in zip(*logs, strict=True)]
    above = sum((x - middle[0]) * (y - middle[1]) for x, y in logs)
    return float(above / sum((x - middle[0]) ** 2 for x, _ in logs))
