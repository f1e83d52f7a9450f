"""How fast is the scanner alone, and a session around it, and how long does one token take?

    python -m benchmarks.guard.scanner INDEX FILE...

Feeds the files in tokens of 4 characters and in larger pieces: to a scanner, and to sessions of two presets. Prints
one JSON line each: million characters a second (best of five passes, in processor time and by the clock), and, from a
pass of its own that times every call, microseconds a call (median, 99th percentile, largest). ``of_whole`` is the share
of the speed of one check of the whole text in the same run, which is the limit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.guard.scripted import told
from provenance.checking import check
from provenance.guard.guarded import Guard
from provenance.guard.policy_file import PRESETS
from provenance.guard.scanner import Scanner
from provenance.index import Index

SIZES = (4, 16, 64, 256, 4096)
ROUNDS = 5
Feed = Callable[[str], object]


def throughput(begin: Callable[[], Feed], pieces: list[str]) -> tuple[float, float]:
    """Seconds of the processor and of the clock that the best pass takes."""
    best = (float("inf"), float("inf"))
    for _ in range(ROUNDS):
        feed = begin()
        clock, processor = time.perf_counter(), time.process_time()
        for piece in pieces:
            feed(piece)
        best = min(best[0], time.process_time() - processor), min(best[1], time.perf_counter() - clock)
    return best


def latencies(feed: Feed, pieces: list[str]) -> list[float]:
    calls = []
    for piece in pieces:
        before = time.perf_counter()
        feed(piece)
        calls.append(time.perf_counter() - before)
    return sorted(calls)


def main() -> None:
    with Index.open(sys.argv[1]) as index, Guard(index) as annotate, Guard(index, PRESETS["strict"]) as strict:
        for name in sys.argv[2:]:
            text = Path(name).read_text("utf-8")
            spans = check(index, text, min_chars=96).spans
            whole = min(throughput(lambda: lambda piece: check(index, piece), [text]))
            ways: dict[str, Callable[[], Feed]] = {
                "scanner": lambda: Scanner(index).feed,
                "session, annotate": lambda: annotate.session().feed,
            }
            if not spans:  # it would end at the first
                ways["session, strict"] = lambda: strict.session().feed
            for what, begin in ways.items():
                for size in SIZES if what == "scanner" else SIZES[:1]:
                    pieces = [text[at : at + size] for at in range(0, len(text), size)]
                    processor, clock = throughput(begin, pieces)
                    calls = latencies(begin(), pieces)
                    told(
                        "scanner alone",
                        ">= 1 M characters/s with pieces of 4; p99 <= 1 ms",
                        file=Path(name).name,
                        copied=round(sum(each.end - each.start for each in spans) / len(text), 2),
                        what=what,
                        piece=size,
                        million_characters_per_second=round(len(text) / clock / 1e6, 2),
                        in_processor_time=round(len(text) / processor / 1e6, 2),
                        of_whole=round(whole / processor, 4),
                        median_us=round(calls[len(calls) // 2] * 1e6, 1),
                        p99_us=round(calls[len(calls) * 99 // 100] * 1e6, 1),
                        largest_us=round(calls[-1] * 1e6, 1),
                    )


if __name__ == "__main__":
    main()
