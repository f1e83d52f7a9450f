"""How fast is the scanner alone, and how long does one token take?

    python benchmarks/guard/scanner.py INDEX FILE...

Feeds the files to a scanner in tokens of 4 characters and in larger pieces, and prints one JSON line a size:
characters a second over all, and microseconds of a call (median, 99th percentile, largest).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from provenance.guard.scanner import Scanner
from provenance.index import Index

SIZES = (4, 16, 64, 256, 4096)


def measure(index: Index, text: str, size: int) -> dict[str, float]:
    scanner = Scanner(index)
    calls = []
    begun = time.perf_counter()
    for at in range(0, len(text), size):
        before = time.perf_counter()
        scanner.feed(text[at : at + size])
        calls.append(time.perf_counter() - before)
    seconds = time.perf_counter() - begun
    calls.sort()
    return {
        "piece": size,
        "characters_per_second": round(len(text) / seconds),
        "median_us": round(calls[len(calls) // 2] * 1e6, 1),
        "p99_us": round(calls[len(calls) * 99 // 100] * 1e6, 1),
        "largest_us": round(calls[-1] * 1e6, 1),
    }


def main() -> None:
    with Index.open(sys.argv[1]) as index:
        text = "".join(Path(name).read_text("utf-8") for name in sys.argv[2:])
        for size in SIZES:
            print(json.dumps(measure(index, text, size)))


if __name__ == "__main__":
    main()
