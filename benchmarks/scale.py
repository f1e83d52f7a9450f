"""A large folder indexed whole: time, memory, sizes, growth, and whether every cut of it is found.

Growth: parts of the folder, files chosen by a hash of their names so that all parts are alike, each indexed by
`provenance index` with two workers; time ~ bytes ** exponent, by least squares over logarithms. Memory is the largest
sum over all processes of their proportional set sizes, sampled every tenth of a second, page cache left out.
Cuts: of random files of the whole folder at random places; a cut is found when one span covers it, and verified when
the range that the span's first source names, read again from the file itself, is the same text but for white space.

    python -m benchmarks.scale FOLDER [--sizes MB ...] [--cuts N] [--scratch DIR] [--keep DIR] [--json FILE]
    python -m benchmarks.scale FOLDER --index DIR       (cuts alone, of an index that was kept)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provenance.index import Index
from provenance.records import Source
from provenance.tracing import trace

SAMPLE_SECONDS = 0.1
SHORTEST, LONGEST = 160, 2000
COMMAND = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())"]


def family(root: int) -> set[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    found, fresh = set(), [root]
    while fresh:
        process = fresh.pop()
        found.add(process)
        fresh += children.get(process, [])
    return found


def proportional(process: int) -> int:
    """Return the proportional set size of a process in bytes; 0 for one that has ended."""
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Memory(threading.Thread):
    """Samples what a process and its descendants hold together until it is told to stop."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.samples = root, 0, 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(proportional, family(self.root))))
            self.samples += 1


def processor_seconds() -> float:
    """Return what processes that have ended used, their own children included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build(source: Path, into: Path) -> dict[str, Any]:
    """Index ``source`` with two workers and return the figures."""
    began, spent = time.perf_counter(), processor_seconds()
    with subprocess.Popen(
        [*COMMAND, "index", source, "--index", into, "-j", "2", "--format", "json"], stdout=subprocess.PIPE
    ) as process:
        memory = Memory(process.pid)
        memory.start()
        out, _ = process.communicate()
        memory.over.set()
        memory.join()
    if process.returncode:
        sys.exit(f"provenance index: exit {process.returncode}")
    seconds = time.perf_counter() - began
    report = json.loads(out)["report"]
    text = report["tally"]["text_bytes"]
    return {
        "seconds": round(seconds, 1), "processor_seconds": round(processor_seconds() - spent, 1),
        "text_bytes": text, "documents": report["tally"]["documents"],
        "megabytes_a_second": round(text / seconds / 1e6, 2), "peak_memory": memory.peak, "samples": memory.samples,
        "reported_peak": report["peak_memory"], "sizes": report["sizes"], "skipped": report["tally"]["skipped"],
        "share_of_text": round(sum(report["sizes"].values()) / text, 3), "parts": report["seconds"],
    }  # fmt: skip


def files(folder: Path) -> Iterator[tuple[str, int]]:
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            if not os.path.islink(path):
                yield os.path.relpath(path, folder), os.stat(path).st_size


def part_of(folder: Path, size: int, into: Path) -> None:
    """Link files of about ``size`` bytes together into ``into``, by the hash of their paths."""
    ranked = sorted(files(folder), key=lambda one: hashlib.sha256(os.fsencode(one[0])).digest())
    total = 0
    for path, bytes_ in ranked:
        if total >= size:
            break
        total += bytes_
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / path, into / path)


def exponent(points: list[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through the logarithms."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    middle = [sum(axis) / len(logs) for axis in zip(*logs, strict=True)]
    above = sum((x - middle[0]) * (y - middle[1]) for x, y in logs)
    return above / sum((x - middle[0]) ** 2 for x, _ in logs)


def layout(text: bytes) -> bytes:
    return b" ".join(text.split())


def cuts(folder: Path, index: Index, count: int, seed: int) -> dict[str, Any]:
    """Ask for cuts of random files and return how many were found and verified."""
    chance = random.Random(seed)
    known = [(source, index.content_id(ref)) for ref in index.refs() for _, source in index.sources(ref)]
    tally: Counter[str] = Counter()
    seconds, odd = [], []
    while tally["asked"] < count:
        source, identity = chance.choice(known)
        raw = stored(folder, source)
        if hashlib.sha1(b"blob %d\0" % len(raw) + raw).digest() != identity or not decodes(raw):
            tally["not read: another encoding"] += 1
            continue
        size = chance.randrange(SHORTEST, LONGEST)
        start = chance.randrange(max(1, len(raw) - size))
        cut = raw[start : start + size].decode("utf-8", "ignore").strip().encode()
        if len(layout(cut)) < SHORTEST * 3 // 4:
            continue
        tally["asked"] += 1
        began = time.perf_counter()
        answer = trace(index, cut, min_chars=0)
        seconds.append(time.perf_counter() - began)
        whole = [span for span in answer.spans if span.span.start_byte == 0 and span.span.end_byte == len(cut)]
        tally["found"] += bool(whole)
        right = False
        if whole:
            first = whole[0].sources[0]
            there = stored(folder, first.source)[first.span.start_byte : first.span.end_byte]
            right = layout(there) == layout(cut)
        tally["verified"] += right
        if not right and len(odd) < 20:
            odd.append(f"{source.path} from byte {start}, {len(cut)} bytes")
    seconds.sort()
    times = {"p50": seconds[count // 2] * 1e3, "p99": seconds[count * 99 // 100] * 1e3} if count else {}
    return {**tally, "odd": odd, "milliseconds": times}


def stored(folder: Path, source: Source) -> bytes:
    return (folder / source.path).read_bytes()


def decodes(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 200, 400, 800], metavar="MB")
    parser.add_argument("--cuts", type=int, default=10_000)
    parser.add_argument("--scratch", type=Path, help="on the file system of the folder: parts of it are linked there")
    parser.add_argument("--keep", type=Path, help="where the index of the whole is left")
    parser.add_argument("--index", type=Path, help="an index of the whole: nothing is built, cuts alone are asked for")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    folder = options.folder.resolve()
    result: dict[str, Any] = {"growth": []}
    if options.index is not None:
        with Index.open(options.index) as index:
            print(json.dumps(cuts(folder, index, options.cuts, options.seed), indent=1))
        return
    with tempfile.TemporaryDirectory(dir=options.scratch or folder.parent) as scratch:
        for size in options.sizes:
            part = Path(scratch) / f"part-{size}"
            part_of(folder, size * 1_000_000, part)
            result["growth"].append(build(part, Path(scratch) / f"index-{size}"))
            print(json.dumps(result["growth"][-1]), file=sys.stderr)
        where = options.keep or Path(scratch) / "index"
        result["whole"] = build(folder, where)
        print(json.dumps(result["whole"]), file=sys.stderr)
        runs = (*result["growth"], result["whole"])
        if len(runs) > 1:
            for name, what in (("exponent", "seconds"), ("exponent_of_processor_time", "processor_seconds")):
                result[name] = round(exponent([(one["text_bytes"], one[what]) for one in runs]), 3)
        with Index.open(where) as index:
            result["cuts"] = cuts(folder, index, options.cuts, options.seed)
    text = json.dumps(result, indent=1)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
