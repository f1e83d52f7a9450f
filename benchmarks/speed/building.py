"""How fast is a corpus indexed?

Data: the folder named with ``--corpus`` (the Linux source for the published figures), else Python's standard library.
Side by side in every round, each after all files were read once, so that they are in memory: `provenance index` with
two workers, without fingerprints and with them, files read through the system; tantivy alone (two threads, its `simple`
tokenizer, text stored) and SQLite FTS5 (trigram, a tenth of the text), both fed texts that are in memory already.

    python -m benchmarks.speed building [--full] [--corpus FOLDER]
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tantivy

from benchmarks.speed.measuring import Figures
from benchmarks.speed.texts import documents, folder_bytes, folder_read
from provenance.parameters import Parameters

ONE_BUILD = """
import sys, time, resource
from indexer.build import build
from indexer.sources import open_source
from provenance.parameters import Parameters
if __name__ == "__main__":
    begun = time.perf_counter()
    parameters = Parameters(fingerprints=sys.argv[3])
    report = build([open_source(sys.argv[1])], sys.argv[2], workers=2, parameters=parameters)
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


@dataclass(frozen=True, order=True, slots=True)
class Build:
    """One build: seconds, seconds of processor of all processes, and bytes of text, of memory at most, of the layer."""

    seconds: float
    processor: float
    text: int
    memory: int
    layer: int


def one_build(corpus: str, index: Path, *, fingerprints: bool = False) -> Build:
    """Build in a process of its own, with every file of the corpus in memory."""
    shutil.rmtree(index, ignore_errors=True)
    script = index.with_suffix(".py")
    script.write_text(ONE_BUILD)
    folder_read(corpus)
    command = [sys.executable, script, corpus, index, Parameters().fingerprints if fingerprints else "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent, processor, text, peak, layer = done.stdout.split()
    return Build(float(spent), float(processor), int(text), int(peak), int(layer))


def one_tantivy(corpus: str, folder: Path) -> tuple[float, float, int]:
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-c", ONE_TANTIVY, corpus, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent, processor, text = done.stdout.split()
    return float(spent), float(processor), int(text)


def run(figures: Figures, scratch: Path, full: bool, corpus: str, index: Path) -> Iterator[None]:
    """Measure, and leave an index with fingerprints; yields after every round with the figures of all so far."""
    bare = scratch / "bare.index"
    plain: list[Build] = []
    printed: list[Build] = []
    theirs: list[tuple[float, float]] = []
    for _ in range(3 if full else 1):
        plain.append(one_build(corpus, bare))
        spent, busy, text = one_tantivy(corpus, scratch / "tantivy")
        theirs.append((text / spent / 1e6, busy))
        printed.append(one_build(corpus, index, fingerprints=True))
        figures.all.clear()
        _rates(figures, plain, printed, theirs, full)
        yield
    text = plain[0].text
    figures.add("build", "tantivy alone, index / text", "x", [folder_bytes(scratch / "tantivy") / text])
    for part, share in parts(bare, text).items():
        figures.add("build", f"{part} / text", "x", [share], at_most=0.6)
    figures.add("build", "whole index with fingerprints / text", "x", [parts(index, text)["whole index"]], at_most=0.8)
    shutil.rmtree(scratch / "tantivy")
    shutil.rmtree(bare)
    yield
    spent, held = trigrams(corpus, scratch / "trigram.db", text // 10)
    figures.add("build", "SQLite FTS5 trigram, 1 thread", "MB/s", [held / spent / 1e6])
    figures.add("build", "SQLite FTS5 trigram, index / text", "x", [(scratch / "trigram.db").stat().st_size / held])
    (scratch / "trigram.db").unlink()
    yield


def _rates(
    figures: Figures, plain: list[Build], printed: list[Build], theirs: list[tuple[float, float]], full: bool
) -> None:
    size = f"{plain[0].text / 1e6:.0f} MB"
    for label, builds, least in (("without", plain, 60), ("with", printed, 30)):
        name = f"provenance index, 2 workers, {label} fingerprints"
        rates = [build.text / build.seconds / 1e6 for build in builds]
        figures.add("build", f"{name}, {size}", "MB/s", rates, at_least=least if full else None)
        if builds is plain:
            figures.add("build", "tantivy alone, 2 threads, text stored", "MB/s", [rate for rate, _ in theirs])
            against = [one / other for one, (other, _) in zip(rates, theirs, strict=True)]
            figures.add("build", "provenance index / tantivy alone", "x", against, at_least=0.6)
            against = [busy / build.processor for (_, busy), build in zip(theirs, builds, strict=True)]
            figures.add("build", "tantivy alone / provenance index, processor time", "x", against)
            figures.add("build", "tantivy alone, processor time", "s", [busy for _, busy in theirs])
        figures.add("build", f"{name}, processor time", "s", [build.processor for build in builds])
        figures.add("build", f"{name}, peak memory of all processes", "MB", [build.memory / 1e6 for build in builds])


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
