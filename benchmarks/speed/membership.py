"""How fast is a text's every window asked, and is that the speed of memory?

Data: random and real windows of 32 bytes at every offset of Python's standard library; filters of 8 MiB (resident) and,
with ``--full``, 4 GiB and (a part of its own) as large as memory holds, as files in the page cache. Half of their bits
are random, like those of a filter at its design load: speed depends on nothing else. Side by side in every round: the
kernel with one and two threads, the numpy reference, the Python loops over pybloomfiltermmap3, rbloom and fastbloom-rs,
the kernel on the file of pybloomfiltermmap3, and random reads of 64 bytes (the faster of two ways), which are the limit
for a filter that reads one line a window. RedisBloom is left out: it is a module of a server that no package index has,
and neither Debian nor the Python packages of a Redis server bring it.

    python -m benchmarks.speed membership filling largest [--full]
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import fastbloom_rs
import numpy as np
import pybloomfilter
import rbloom
import xxhash

from benchmarks.speed.measuring import Figures, in_threads, interleaved, ratios
from benchmarks.speed.texts import standard_library
from provenance import kernel
from provenance.kernel import reference
from provenance.membership.base import Geometry
from provenance.membership.blocked import BlockedFilter, Header, advise, first_key
from provenance.membership.pybloom import PybloomFilter
from provenance.membership.sizing import body_bytes, expected_rate, size_for

WIDTH = STRIDE = 32
SEED = 0x70726F76656E616E
GEOMETRY = Geometry(WIDTH, STRIDE, "utf8", SEED, "layout-1")
PIECE = 64 << 20
REGION = 4096


def random_filter(path: Path, size: int) -> BlockedFilter:
    """Return a filter file of about ``size`` bytes, half of its bits set, opened."""
    regions = size // REGION
    random = np.random.default_rng(4)
    with open(path, "wb") as file:
        file.write(bytes(REGION))
        written, digest = 0, xxhash.xxh3_64()
        while written < regions * REGION:
            piece = random.bytes(min(PIECE, regions * REGION - written))
            digest.update(piece)
            file.write(piece)
            written += len(piece)
        header = Header(GEOMETRY, 0, 1, regions, regions * 256, 4e-3, 0, digest.intdigest())
        file.seek(0)
        file.write(header.to_bytes())
    return BlockedFilter.open(path)


def random_pybloom(path: Path, size: int) -> tuple[Any, PybloomFilter]:
    """Return a filter of pybloomfiltermmap3 of about ``size`` bytes, half of its bits set: as the library opens it, and
    as the kernel does."""
    capacity = int(size * 8 * math.log(2) ** 2 / -math.log(1e-3))
    made = pybloomfilter.BloomFilter(capacity, 1e-3, str(path))
    made.close()
    start = os.path.getsize(path) - size_of_bits(path)
    random = np.random.default_rng(5)
    with open(path, "r+b") as file:
        file.seek(start)
        left = os.path.getsize(path) - start
        while left:
            left -= file.write(random.bytes(min(PIECE, left)))
    return pybloomfilter.BloomFilter.open(str(path)), PybloomFilter.open(path, GEOMETRY)


def size_of_bits(path: Path) -> int:
    opened = pybloomfilter.BloomFilter.open(str(path))
    count: int = opened.num_bits
    return -(-count // 8)


def loop(contains: Callable[[Any], bool], text: str | bytes, count: int) -> Callable[[], float]:
    """Return a candidate that asks for ``count`` windows one by one, as users of the libraries do."""

    def run() -> float:
        hits = 0
        for at in range(count):
            hits += contains(text[at : at + WIDTH])
        return count / 1e6

    return run


def chains(held: BlockedFilter, text: bytes, module: ModuleType | Any = kernel) -> Callable[[], float]:
    def run() -> float:
        module.chains([held.operand], text, WIDTH, STRIDE, SEED)
        return len(text) / 1e6

    return run


def test(held: PybloomFilter, text: bytes) -> Callable[[], float]:
    def run() -> float:
        held.test(text)
        return len(text) / 1e6

    return run


def limit(held: BlockedFilter, count: int, prefetched: bool) -> Callable[[], float]:
    body = held.operand[0]
    seeds = itertools.count()

    def run() -> float:
        kernel.random_read_limit(body, count, next(seeds), prefetched=prefetched)
        return count / 1e6

    return run


def run(figures: Figures, scratch: Path, full: bool) -> Iterator[None]:
    """Measure small and middle filters; yields after each."""
    rounds = 7 if full else 5
    text = kernel.normalise(standard_library(24 << 20))
    _size(figures, scratch, "8 MiB", 8 << 20, text, rounds, small=True)
    yield
    if full:
        _size(figures, scratch, "4 GiB", 4 << 30, text, rounds, small=False)
        yield


def run_filling(figures: Figures, full: bool) -> Iterator[None]:
    """Measure inserts and false hits; yields after each."""
    inserts(figures, 7 if full else 5, full)
    yield
    false_positives(figures, full)
    yield


def run_largest(figures: Figures, scratch: Path) -> None:
    """Measure a filter of two thirds of what memory holds, 12 GiB at most."""
    text = kernel.normalise(standard_library(24 << 20))
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") + _cached()
    _size(figures, scratch, "largest", min(12 << 30, free * 2 // 3 >> 30 << 30), text, 7, small=False)


def _cached() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Cached:"):
            return int(line.split()[1]) * 1024
    return 0


def _size(figures: Figures, scratch: Path, name: str, size: int, text: bytes, rounds: int, *, small: bool) -> None:
    path = scratch / "filter.flt"
    held = random_filter(path, size)
    theirs: Any = None
    ascii_text = text[: 1 << 20].decode("ascii", "replace")
    half = len(text) // 2
    candidates: dict[str, Callable[[], float]] = {
        "kernel": chains(held, text),
        "limit, prefetched": limit(held, len(text), True),
        "limit, plain": limit(held, len(text), False),
        "kernel, 2 threads": in_threads(2, lambda part: chains(held, text[part * half : (part + 1) * half])()),
        "limit, 2 threads": in_threads(2, lambda part: limit(held, half, True)()),
    }
    other = scratch / "filter.bloom"
    if name != "largest":
        theirs, opened = random_pybloom(other, size)
        candidates["pybloomfiltermmap3, loop"] = loop(theirs.__contains__, ascii_text, 200_000)
        candidates["kernel on the pybloomfiltermmap3 file"] = test(opened, text[: 4 << 20])
        candidates["numpy reference"] = chains(held, text[: 2 << 20], reference)
    if small:
        keys = size * 8 // 15
        fast = rbloom.Bloom(keys, 1e-3, lambda value: xxhash.xxh3_128_intdigest(value) - (1 << 127))
        fill = [os.urandom(WIDTH) for _ in range(300_000)]
        fast.update(fill)
        rust = fastbloom_rs.FilterBuilder(keys, 1e-3).build_bloom_filter()
        rust.add_bytes_batch(fill)
        candidates["rbloom (xxh3_128), loop"] = loop(fast.__contains__, text, 200_000)
        candidates["fastbloom-rs, loop"] = loop(rust.contains_bytes, text, 200_000)
    rates = interleaved(rounds, candidates)
    rates["limit"] = [max(pair) for pair in zip(rates["limit, prefetched"], rates["limit, plain"], strict=True)]
    group = f"{name}" if name != "largest" else f"{size >> 30} GiB"
    for candidate in candidates:
        figures.add(group, candidate, "M/s", rates[candidate])
    if theirs is not None:
        against = ratios(rates, "kernel", "pybloomfiltermmap3, loop")
        figures.add(group, "kernel / pybloomfiltermmap3 loop", "x", against, at_least=None if small else 25)
        against = ratios(rates, "numpy reference", "pybloomfiltermmap3, loop")
        figures.add(group, "numpy reference / pybloomfiltermmap3 loop", "x", against, at_least=4)
    wanted = {"8 MiB": None, "4 GiB": 0.5}.get(name, 0.8)
    figures.add(group, "kernel / limit of random reads", "x", ratios(rates, "kernel", "limit"), at_least=wanted)
    figures.add(group, "two threads / one", "x", ratios(rates, "kernel, 2 threads", "kernel"), at_least=1.7)
    held.close()
    if theirs is not None:
        opened.close()
        theirs.close()
        other.unlink()
    if name == "4 GiB":
        cold(figures, path, text[: 1000 + WIDTH + 4])
    path.unlink()


def cold(figures: Figures, path: Path, text: bytes) -> None:
    """Time a thousand windows against a filter of which nothing is in memory, opening it included."""
    spent = []
    for attempt in range(5):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        begun = time.perf_counter()
        _ask_once(path, text[attempt:])
        spent.append((time.perf_counter() - begun) * 1000)
    figures.add("cold", "1,000 windows, 4 GiB filter evicted", "ms", spent, at_most=150)


def _ask_once(path: Path, text: bytes) -> None:
    held = BlockedFilter.open(path)
    held.test(text)
    held.close()


def inserts(figures: Figures, rounds: int, full: bool) -> None:
    """Time the insertion of sorted keys into a filter of 4 GiB, or 256 MiB, by one thread and by two.

    Once as many keys a region as a filter holds at its design load, a part of the filter a round, always a part that
    was not touched before; and once one in 128 of these, so that every key meets a line of its own.
    """
    size = 4 << 30 if full else 256 << 20
    regions = size // REGION
    part = regions // (64 if full else 8)
    body = mmap.mmap(-1, size)
    advise(body, "MADV_HUGEPAGE")
    view = memoryview(body)
    np.frombuffer(body, np.uint8)[::4096] = 1  # the pages are there before the clock starts
    random = np.random.default_rng(6)
    dense = np.sort(random.integers(0, first_key(part, regions), 2048 * part, np.uint64, endpoint=False))
    sparse = np.sort(random.integers(0, 1 << 64, 16 * regions, np.uint64, endpoint=False))
    places = itertools.cycle(range(0, regions, part))

    def insert(keys: Any, start: int, count: int, share: int, shares: int) -> float:
        """Insert a share of the keys of the regions [0, count) into the memory of those from ``start`` on."""
        low, high = count * share // shares, count * (share + 1) // shares
        first = int(np.searchsorted(keys, np.uint64(first_key(low, regions))))
        last = len(keys) if share + 1 == shares else int(np.searchsorted(keys, np.uint64(first_key(high, regions))))
        chosen = keys[first:last]
        place = view[(start + low) * REGION : (start + high) * REGION]
        kernel.insert_sorted(place, regions, 1, low, high - low, chosen.view(np.uint8).data)
        return len(chosen) / 1e6

    def load(shares: int) -> Callable[[], float]:
        start = 0
        run = in_threads(shares, lambda share: insert(dense, start, part, share, shares))

        def next_place() -> float:
            nonlocal start
            start = next(places)
            return run()

        return next_place

    rates = interleaved(
        rounds,
        {
            "inserts": load(1),
            "inserts, 2 threads": load(2),
            "few": lambda: insert(sparse, 0, regions, 0, 1),
            "few, 2 threads": in_threads(2, lambda share: insert(sparse, 0, regions, share, 2)),
        },
    )
    group = f"{size >> 20} MiB"
    figures.add(group, "inserts of sorted keys", "M/s", rates["inserts"], at_least=50 if full else None)
    figures.add(group, "inserts of sorted keys, 2 threads", "M/s", rates["inserts, 2 threads"])
    figures.add(group, "inserts: two threads / one", "x", ratios(rates, "inserts, 2 threads", "inserts"), at_least=1.6)
    name = "inserts of so few sorted keys that each has a line of its own"
    figures.add(group, name, "M/s", rates["few"], at_least=50 if full else None)
    figures.add(group, f"{name}: two threads / one", "x", ratios(rates, "few, 2 threads", "few"), at_least=1.6)
    view.release()


def false_positives(figures: Figures, full: bool) -> None:
    """Measure bits a key and the rate of false hits at 1e-6 and 1e-3, for counts of keys that are powers of two too."""
    random = np.random.default_rng(7)
    for target, most in ((1e-6, 32), (1e-3, 16)):
        for count in (1 << 20, 1_000_003, 1 << 22):
            regions, halves = size_for(count, target)
            body = bytearray(body_bytes(regions, halves))
            keys = np.unique(random.integers(0, 1 << 64, count, np.uint64, endpoint=False))
            kernel.insert_sorted(body, regions, halves, 0, regions, keys.view(np.uint8).data)
            asked = found = 0
            while asked < (200_000_000 if full and target < 1e-3 else 40_000_000):
                strangers = random.integers(0, 1 << 64, 10_000_000, np.uint64, endpoint=False)
                found += kernel.contains(body, regions, halves, strangers.view(np.uint8).data).count(1)
                asked += len(strangers)
            expected = expected_rate(len(keys), regions, halves)
            bound = 5 * math.sqrt(asked * expected)
            rate = found / asked
            group = f"1e{round(math.log10(target))}"
            figures.add(group, f"bits a key, {count:,} keys", "bits", [len(body) * 8 / len(keys)], at_most=most)
            figures.add(
                group,
                f"false hits, deviation from the expected in bounds, {count:,} keys",
                "of 5 sigma",
                [abs(found - asked * expected) / bound],
                at_most=1,
                note=f"{found} of {asked:,} = {rate:.3g}, expected {expected:.3g}",
            )
