"""One layer of filters from the sorted runs of keys that a build spilled.

Runs are merged by ranges of the key space: the slices of all runs that fall into a range are sorted together, and
ranges are independent of each other, so that threads work on several at once and memory is bounded whatever the
total. A layer is merged twice, once to count (distinct keys decide a filter's size) and once to insert: sorting
again is cheaper than keeping the merged keys on disk.

A layer stands in ``layers/<id>``: ``membership.flt``, ``common.flt`` (samples that stand in many repositories; only
where samples were gathered) and ``manifest.json``. It is written beside and renamed in, and its bytes do not depend on
the number of threads or on how the keys were cut into runs.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from indexer.faults import reach
from provenance import kernel
from provenance.errors import CorruptFile, ParameterError
from provenance.membership import COMMON_FILE, LAYER_MANIFEST, MEMBERSHIP_FILE, PAGE_BYTES
from provenance.membership.base import Geometry
from provenance.membership.blocked import COMMONNESS, MEMBERSHIP, checksum, write_filter
from provenance.membership.pybloom import file_checksum, write_pybloom
from provenance.storage import refusals_named, rename_durably, write_durably

FORMAT = 1
COMMON_TARGET = 1e-3
"""False-positive rate of the commonness filter: a rare sample is taken for common once in a thousand."""
RANGE_KEYS = 1 << 20
"""Keys, counted with their repetitions, that one thread merges at a time: 8 MiB, and as much again sorted."""
MAX_RUNS = 128
"""Runs that are merged directly (each is an open file); more are first merged into longer ones."""

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What was built: distinct ``keys``, distinct ``common_keys`` (None without samples), bytes of all files."""

    id: str
    kind: str
    keys: int
    common_keys: int | None
    bytes: int


def build_layer(
    directory: Path,
    key_files: Sequence[Path],
    sample_files: Sequence[Path] = (),
    *,
    geometry: Geometry,
    target: float,
    common_repositories: int,
    kind: str = "blocked",
    workers: int = 1,
    segments: Sequence[str] = (),
    range_keys: int = RANGE_KEYS,
) -> LayerReport:
    """Build the layer ``directory`` (its last part is the id) from sorted runs, durably, and say what stands in it.

    ``key_files`` are ascending distinct u64 keys each; one key may stand in several. ``sample_files`` are a u64 count
    N, N keys and N repository numbers (u32), ascending by both, distinct within a file. A sample is common when
    ``common_repositories`` different numbers come with it. Everything is little-endian. ``kind`` is ``blocked`` or
    ``pybloom``. Memory: about ``workers * range_keys * 40`` bytes.

    Raises:
        ParameterError: a parameter out of range. CorruptFile: a run of impossible length. StorageError: disk full, no
        permission, or the layer exists already.
    """
    if common_repositories < 1:
        raise ParameterError(f"common_repositories is {common_repositories}; it must be at least 1")
    if kind not in ("blocked", "pybloom"):
        raise ParameterError(f"filter is {kind!r}; it must be 'blocked' or 'pybloom'")
    beside = directory.with_name(f".{directory.name}.part")
    with refusals_named(beside):
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
    common: int | None = None
    with ThreadPoolExecutor(max(1, workers)) as pool:
        merger = _Merger(beside, pool, workers, range_keys)
        with KeyRuns(merger.few_keys(key_files)) as runs:
            keys = sum(merger.ranges(runs.total, lambda low, high: len(runs.distinct(low, high)) // 8))
            path = beside / MEMBERSHIP_FILE
            if kind == "blocked":
                write_filter(
                    path, keys, runs.distinct, geometry=geometry, role=MEMBERSHIP, target=target, workers=workers
                )
            else:
                write_pybloom(path, keys, merger.ranges(runs.total, runs.distinct), geometry=geometry, target=target)
        if sample_files:
            found, common = merger.common_keys(sample_files, common_repositories)
            with KeyRuns([found]) as runs:
                write_filter(
                    beside / COMMON_FILE,
                    common,
                    runs.distinct,
                    geometry=geometry,
                    role=COMMONNESS,
                    target=COMMON_TARGET,
                    common_repositories=common_repositories,
                    workers=workers,
                )
    names = [MEMBERSHIP_FILE, *([COMMON_FILE] if common is not None else [])]
    with refusals_named(beside):
        for scratch in beside.glob("*.scratch"):
            scratch.unlink()
        manifest = {
            "format": FORMAT,
            "id": directory.name,
            "kind": kind,
            "segments": list(segments),
            "keys": keys,
            "common_keys": common,
            "false_positive_rate": target,
            "common_repositories": common_repositories,
            "geometry": {
                "width": geometry.width,
                "stride": geometry.stride,
                "unit": geometry.unit,
                "seed": geometry.seed,
                "normaliser": geometry.normaliser,
            },
            "files": {name: described_file(beside / name) for name in names},
        }
        write_durably(beside / LAYER_MANIFEST, json.dumps(manifest, indent=1).encode("ascii") + b"\n")
        size = sum(path.stat().st_size for path in beside.iterdir())
        reach("layer-rename")
        rename_durably(beside, directory)
    return LayerReport(directory.name, kind, keys, common, size)


class _Runs(Generic[R]):
    """Arrays that lie in files mapped into memory; all unmapped together."""

    def __init__(self) -> None:
        self._maps: list[mmap.mmap] = []
        self._runs: list[R] = []

    def _map(self, path: Path) -> mmap.mmap | None:
        """Return a file's content, or None for an empty file, which cannot be mapped."""
        with refusals_named(path), open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return None
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps.append(mapped)
        return mapped

    @staticmethod
    def _done_with(mapped: mmap.mmap, first: int, last: int) -> None:
        """Let the pages within the bytes [first, last) go: read once, they would only look like memory in use.

        Ranges are read in ascending order, so ``first`` is the beginning of the array: the search for a range has
        touched pages all over what lies before it.
        """
        advice = getattr(mmap, "MADV_DONTNEED", None)
        first = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE
        last = last // mmap.PAGESIZE * mmap.PAGESIZE
        if advice is not None and last > first:
            mapped.madvise(advice, first, last - first)

    def __enter__(self) -> Self:
        """Return the runs themselves."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Unmap the files; where an error still holds slices of them, that happens when it is dropped."""
        self._runs.clear()
        for mapped in self._maps:
            with suppress(BufferError):
                mapped.close()


class KeyRuns(_Runs[U64]):
    """Sorted runs of keys as one set that is read by ranges; usable from many threads."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Map the files. Raises `CorruptFile` for a length that is no multiple of 8, `StorageError`."""
        super().__init__()
        for path in paths:
            mapped = self._map(path)
            if mapped is None:
                continue
            if len(mapped) % 8:
                raise CorruptFile(path, f"{len(mapped)} bytes are not a run of 8-byte keys")
            self._runs.append(np.frombuffer(mapped, dtype="<u8"))

    @property
    def total(self) -> int:
        """Return the number of keys, repetitions in other runs included."""
        return sum(map(len, self._runs))

    def distinct(self, low: int, high: int) -> bytes:
        """Return the distinct keys in [low, high), ascending, little-endian; ``high`` is at most 2^64."""
        cuts = [_range(run, low, high) for run in self._runs]
        parts = [run[first:last] for run, (first, last) in zip(self._runs, cuts, strict=True) if last > first]
        if not parts:
            return b""
        together = np.concatenate(parts)
        for mapped, (_, last) in zip(self._maps, cuts, strict=True):
            self._done_with(mapped, 0, 8 * last)
        if len(parts) > 1:
            together.sort()  # by vector instructions, where the processor has them: three times as fast as the kernel
            together = together[np.append(True, together[1:] != together[:-1])]
        return together.tobytes()


class SampleRuns(_Runs[tuple[U64, U32]]):
    """Sorted runs of (sample key, repository); usable from many threads."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Map the files. Raises `CorruptFile` for a length other than the count announces, `StorageError`."""
        super().__init__()
        for path in paths:
            mapped = self._map(path)
            if mapped is None:
                raise CorruptFile(path, "an empty file is not a run of samples")
            count = int.from_bytes(mapped[:8], "little")
            if len(mapped) != 8 + 12 * count:
                raise CorruptFile(path, f"{len(mapped)} bytes long, a run of {count} samples has {8 + 12 * count}")
            keys = np.frombuffer(mapped, dtype="<u8", count=count, offset=8)
            self._runs.append((keys, np.frombuffer(mapped, dtype="<u4", count=count, offset=8 + 8 * count)))

    @property
    def total(self) -> int:
        """Return the number of pairs, repetitions in other runs included."""
        return sum(len(keys) for keys, _ in self._runs)

    def common(self, low: int, high: int, repositories: int) -> U64:
        """Return the keys in [low, high) that come with at least that many different repositories, ascending."""
        cuts, slices = self._slices(low, high)
        parts = [keys for keys, _ in slices if len(keys)]
        if not parts:
            return np.zeros(0, dtype=np.uint64)
        ordered = np.sort(np.concatenate(parts)) if len(parts) > 1 else parts[0]
        # Few keys come often at all; only for them is it looked whether the repositories differ.
        ahead = ordered[repositories - 1 :]
        often = _distinct(ahead[ahead == ordered[: len(ahead)]])
        if len(parts) > 1 and len(often):
            pairs: list[U64] = []
            for keys, numbers in slices:
                at = np.searchsorted(often, keys)
                chosen = np.flatnonzero(often[np.minimum(at, len(often) - 1)] == keys)
                pairs.append((at[chosen].astype(np.uint64) << np.uint64(32)) | numbers[chosen])
            holders = (_distinct(np.concatenate(pairs)) >> np.uint64(32)).astype(np.int64)
            often = often[np.bincount(holders, minlength=len(often)) >= repositories]
        self._release(cuts)
        return often

    def distinct(self, low: int, high: int) -> tuple[U64, U32]:
        """Return the distinct pairs with keys in [low, high), ascending: keys, repositories."""
        cuts, slices = self._slices(low, high)
        keys = np.concatenate([keys for keys, _ in slices])
        numbers = np.concatenate([numbers for _, numbers in slices])
        self._release(cuts)
        order = np.lexsort((numbers, keys))
        keys, numbers = keys[order], numbers[order]
        new = np.ones(len(keys), dtype=bool)
        new[1:] = (keys[1:] != keys[:-1]) | (numbers[1:] != numbers[:-1])
        return keys[new], numbers[new]

    def _slices(self, low: int, high: int) -> tuple[list[tuple[int, int]], list[tuple[U64, U32]]]:
        """Return what lies in [low, high): positions in each run, and the keys and numbers there."""
        cuts = [_range(keys, low, high) for keys, _ in self._runs]
        found = [
            (keys[first:last], numbers[first:last])
            for (keys, numbers), (first, last) in zip(self._runs, cuts, strict=True)
        ]
        return cuts, found

    def _release(self, cuts: list[tuple[int, int]]) -> None:
        for mapped, (keys, _), (_, last) in zip(self._maps, self._runs, cuts, strict=True):
            self._done_with(mapped, 0, 8 + 8 * last)
            self._done_with(mapped, 8 + 8 * len(keys), 8 + 8 * len(keys) + 4 * last)


def _distinct(keys: U64) -> U64:
    """Return distinct keys, ascending: `numpy.unique` hashes first, which takes forty times as long."""
    return np.frombuffer(kernel.sort_unique(np.ascontiguousarray(keys).view(np.uint8).data), dtype="<u8")


class _Merger:
    """Merges runs by ranges of the key space, several at once; writes what it makes to a scratch folder."""

    def __init__(self, scratch: Path, pool: ThreadPoolExecutor, workers: int, range_keys: int) -> None:
        self._scratch = scratch
        self._pool = pool
        self._workers = workers
        self._range_keys = range_keys
        self._files = 0

    def ranges(self, total: int, work: Callable[[int, int], R]) -> Iterator[R]:
        """Yield ``work(low, high)`` for ranges that cover the key space, in order.

        Each holds about ``range_keys`` of ``total`` keys, since keys are hashes. A few results wait at a time.
        """
        count = max(1, -(-total // self._range_keys))
        waiting: deque[Future[R]] = deque()
        for number in range(count):
            waiting.append(self._pool.submit(work, (number << 64) // count, ((number + 1) << 64) // count))
            if len(waiting) > self._workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def few_keys(self, paths: Sequence[Path]) -> list[Path]:
        """Return at most `MAX_RUNS` runs of keys with the keys of all."""
        return self._few(paths, self._merge_keys)

    def few_samples(self, paths: Sequence[Path]) -> list[Path]:
        """Return at most `MAX_RUNS` runs of samples with the pairs of all."""
        return self._few(paths, self._merge_samples)

    def common_keys(self, paths: Sequence[Path], repositories: int) -> tuple[Path, int]:
        """Return a run of the keys of common samples, and how many there are."""
        path = self._new_file()
        written = 0
        with SampleRuns(self.few_samples(paths)) as runs, refusals_named(path), open(path, "wb") as file:
            for keys in self.ranges(runs.total, lambda low, high: runs.common(low, high, repositories)):
                file.write(keys.astype("<u8").tobytes())
                written += len(keys)
        return path, written

    def _few(self, paths: Sequence[Path], merge: Callable[[Path, Sequence[Path]], None]) -> list[Path]:
        left = deque(paths)
        while len(left) > MAX_RUNS:
            path = self._new_file()
            with refusals_named(path):
                merge(path, [left.popleft() for _ in range(MAX_RUNS)])
            left.append(path)
        return list(left)

    def _merge_keys(self, path: Path, group: Sequence[Path]) -> None:
        with KeyRuns(group) as runs, open(path, "wb") as file:
            file.writelines(self.ranges(runs.total, runs.distinct))

    def _merge_samples(self, path: Path, group: Sequence[Path]) -> None:
        beside = self._new_file()
        count = 0
        with SampleRuns(group) as runs, open(path, "wb") as file, open(beside, "w+b") as second:
            file.write(bytes(8))
            for keys, numbers in self.ranges(runs.total, runs.distinct):
                file.write(keys.astype("<u8").tobytes())
                second.write(numbers.astype("<u4").tobytes())
                count += len(keys)
            second.seek(0)
            shutil.copyfileobj(second, file)
            file.seek(0)
            file.write(count.to_bytes(8, "little"))
        beside.unlink()

    def _new_file(self) -> Path:
        self._files += 1
        return self._scratch / f"{self._files:06d}.scratch"


def _range(keys: U64, low: int, high: int) -> tuple[int, int]:
    """Return the positions of the first key >= low and of the first key >= high."""
    first = int(np.searchsorted(keys, np.uint64(low)))
    return first, len(keys) if high >= 1 << 64 else int(np.searchsorted(keys, np.uint64(high)))


def described_file(path: Path) -> dict[str, int | str]:
    """Return a file's entry in the manifest. The file is durable already."""
    with open(path, "rb") as file:
        page = file.read(PAGE_BYTES)
    return {"bytes": path.stat().st_size, "page": f"{checksum(page):016x}", "xxh3": f"{file_checksum(path):016x}"}
