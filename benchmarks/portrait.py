"""How many windows a second does a published portrait answer, against loops in Python that make the same lookups?

Data: the portrait named on the command line (or a filter of 8 MiB, half full), asked with the standard library's
modules, every offset. Peers: the same lookups in plain Python (hash, positions, bits), and the fastest loop there is
over another library's filter of equal fill (pybloomfiltermmap3, hashing in C). Rounds are interleaved, CPU time is
counted, medians are printed.

    python benchmarks/portrait.py [NAME.50-50.bf] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pybloomfilter import BloomFilter

from provenance import kernel
from provenance.membership.portrait import PortraitFilter

MASK = (1 << 64) - 1
MULTIPLIER = 0xC6A4A7935BD1E995
ROUNDS = 5


def murmur(data: bytes, seed: int) -> int:
    hashed = (seed ^ len(data) * MULTIPLIER) & MASK
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        block = int.from_bytes(data[at : at + 8], "little") * MULTIPLIER & MASK
        hashed = (hashed ^ (block ^ block >> 47) * MULTIPLIER & MASK) * MULTIPLIER & MASK
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * MULTIPLIER & MASK
    hashed = (hashed ^ hashed >> 47) * MULTIPLIER & MASK
    return hashed ^ hashed >> 47


def python_loop(text: bytes, width: int, count: int, bits: memoryview, modulus: int, hashes: int) -> int:
    hits = 0
    for at in range(count):
        window = text[at : at + width]
        a = murmur(window, MULTIPLIER)
        b = murmur(window, a)
        for probe in range(hashes):
            position = (a + probe * b & MASK) % modulus
            if not bits[position >> 3] >> (position & 7) & 1:
                break
        else:
            hits += 1
    return hits


def pybloom_of_equal_fill(folder: str, bits: int, share: float) -> BloomFilter:
    """Return a filter of about as many bits, of which the same share is set, at random."""
    path = os.path.join(folder, "peer.bloom")
    BloomFilter(max(1000, round(bits / 14.4)), 0.001, path).close()
    size = os.path.getsize(path) - 1280
    generator = random.Random(1)
    one = [sum((generator.random() < share) << bit for bit in range(8)) for _ in range(1 << 16)]
    with open(path, "r+b") as file:
        file.seek(1280)
        file.write((bytes(one) * (size // len(one) + 1))[:size])
    return BloomFilter.open(path)


def measured(count: int, action: Callable[[], Any]) -> float:
    start = time.process_time()
    action()
    return count / (time.process_time() - start) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portrait", nargs="?")
    parser.add_argument("--json")
    options = parser.parse_args()
    modules = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    source = b"".join(path.read_bytes() for path in modules).decode("utf-8", "replace").encode("ascii", "replace")
    text = kernel.portrait_normalise_map(source)[0]
    if options.portrait:
        opened = PortraitFilter.open(options.portrait)
        links, width, name = opened.links, opened.geometry.width, Path(options.portrait).name
    else:
        body = memoryview(random.Random(2).randbytes(8 << 20))
        links, width, name = [([body], (8 << 23) - 64, 10)], 50, "8 MiB, half full"
    pieces, modulus, hashes = links[0]
    share = kernel.count_ones(pieces[0]) / (8 * len(pieces[0]))
    characters = text.decode("ascii")
    windows = len(text) - width + 1
    few, some = 20_000, 400_000
    found: dict[str, list[float]] = {"native": [], "plain Python loop": [], "pybloomfiltermmap3 loop": []}
    with tempfile.TemporaryDirectory() as folder:
        peer = pybloom_of_equal_fill(folder, modulus, share)
        native_hits = kernel.portrait_hits(links[:1], text[: few + width - 1], width)
        loop_hits = python_loop(text, width, few, pieces[0], modulus, hashes)
        assert sum(byte.bit_count() for byte in native_hits) == loop_hits, "the loop makes other lookups"
        for _ in range(ROUNDS):
            found["native"].append(measured(windows, lambda: kernel.portrait_hits(links[:1], text, width)))
            found["plain Python loop"].append(
                measured(few, lambda: python_loop(text, width, few, pieces[0], modulus, hashes))
            )
            found["pybloomfiltermmap3 loop"].append(
                measured(some, lambda: [characters[at : at + width] in peer for at in range(some)])
            )
    medians = {peer: statistics.median(rates) for peer, rates in found.items()}
    result = {
        "portrait": name,
        "bits_set": round(share, 4),
        "windows": windows,
        "kernel": kernel.name,
        "million_windows_per_second": {peer: float(f"{rate:.4g}") for peer, rate in medians.items()},
        "ratio": {peer: round(medians["native"] / rate, 1) for peer, rate in medians.items() if peer != "native"},
        "rounds": ROUNDS,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "load": math.ceil(os.getloadavg()[0]),
    }
    print(json.dumps(result, indent=2))
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
