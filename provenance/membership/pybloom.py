"""The file of pybloomfiltermmap3, built and asked without its loop.

Layout, as version 0.6.3 of the library writes it on 64-bit little-endian machines (mmapbitarray.c, bloomfilter.h of
its source distribution); the library itself is the oracle in the tests:

    0     9     magic "MBITARRAY"
    9     8     number of bits m
    17    4     length of the structure that follows = 1200
    21    8     capacity                29    8     error rate (IEEE 754 double)
    37    4     number of hashes k      41    1024  hash seeds, u32, the first k of them used
    1077  1     version = 1             1078  1     1 while the count of elements is right
    1085  8     count of elements (the library leaves 0 here; the files written here have the count)
    1280  ...   bits: bit i is bit i % 8 of byte i // 8; m / 8 bytes, rounded up

Key of a window: either its text (str or bytes, ``keys="strings"``), or its XXH3-64 as a Python integer
(``keys="integers"``, what is built here). The library hashes an integer's ``hash()``: the key modulo 2^61 - 1.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from provenance import kernel
from provenance.errors import CorruptFile, IncompatibleVersion, ParameterError
from provenance.membership.asking import chain_pairs
from provenance.membership.base import Geometry, Hits
from provenance.membership.blocked import CHECKED_AT_OPEN, CLOSED, advise, checksum, checksum_in_parts, checksum_of_rest
from provenance.storage import fsync_descriptor, refusals_named, reserve
from provenance.windows import window_count

MAGIC = b"MBITARRAY"
PREAMBLE_BYTES = 1280
MAX_BITS = 1 << 50
KeyKind = Literal["strings", "integers"]
"""What was added for a window: its text, or its XXH3-64 key."""

_START = struct.Struct("<9sQi")
_STRUCTURE = struct.Struct("<QdI1024s12xBB6xQ128x")
_SAMPLED_BLOCKS = 64
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Preamble:
    """What the head of a file says."""

    bits: int
    capacity: int
    error_rate: float
    hash_seeds: tuple[int, ...]
    elements: int

    def to_bytes(self) -> bytes:
        """Return the head of the file."""
        seeds = struct.pack(f"<{len(self.hash_seeds)}I", *self.hash_seeds)
        count = len(self.hash_seeds)
        structure = _STRUCTURE.pack(self.capacity, self.error_rate, count, seeds, 1, 1, self.elements)
        return (_START.pack(MAGIC, self.bits, len(structure)) + structure).ljust(PREAMBLE_BYTES, b"\0")

    @classmethod
    def from_bytes(cls, head: bytes, path: Path, file_bytes: int) -> Preamble:
        """Return what a head says. Raises `CorruptFile` or `IncompatibleVersion`, naming ``path``."""
        if not head.startswith(MAGIC):
            raise CorruptFile(path, "not a file of pybloomfiltermmap3 (magic)")
        if len(head) < PREAMBLE_BYTES:
            raise CorruptFile(path, f"truncated: {len(head)} bytes, the head alone has {PREAMBLE_BYTES}")
        _, bits, structure_bytes = _START.unpack_from(head)
        if structure_bytes != _STRUCTURE.size:
            raise IncompatibleVersion(path, f"with a structure of {structure_bytes} bytes", f"{_STRUCTURE.size}")
        capacity, rate, count, seeds, version, _, elements = _STRUCTURE.unpack_from(head, _START.size)
        if version != 1:
            raise IncompatibleVersion(path, version, 1)
        for what, value, right in (
            ("bits", bits, 1 <= bits <= MAX_BITS),
            ("hashes", count, 1 <= count <= 256),
            ("error rate", rate, 0 < rate < 1),
            ("elements", elements, elements <= MAX_BITS),
        ):
            if not right:
                raise CorruptFile(path, f"impossible value in the head: {what} is {value!r}")
        expected = PREAMBLE_BYTES + -(-bits // 8)
        if file_bytes != expected:
            raise CorruptFile(path, f"{file_bytes} bytes long, the head says {expected}")
        return cls(bits, capacity, rate, struct.unpack_from(f"<{count}I", seeds), elements)


class PybloomFilter:
    """One file, mapped into memory; usable from many threads. Implements `MembershipFilter`."""

    def __init__(
        self, path: Path, preamble: Preamble, mapped: mmap.mmap, geometry: Geometry, keys: KeyKind, recorded: int | None
    ) -> None:
        """Take over ``mapped``; use `PybloomFilter.open`."""
        self.path = path
        self.preamble = preamble
        self.geometry = geometry
        self._mapped = mapped
        self._file = memoryview(mapped)
        self._bits = self._file[PREAMBLE_BYTES:]
        self._seed = geometry.seed if keys == "integers" else None
        self._recorded = recorded

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        geometry: Geometry,
        *,
        keys: KeyKind = "integers",
        recorded: int | None = None,
    ) -> PybloomFilter:
        """Return the filter in a file; the file does not say ``geometry`` and ``keys``, so the caller must.

        ``recorded`` is the XXH3-64 of the whole file, if it was kept anywhere: the format has no checksum of its own.

        Raises `CorruptFile` or `IncompatibleVersion` for a file that is not what it should be, `StorageError` where
        it cannot be read.
        """
        path = Path(path)
        with refusals_named(path), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            preamble = Preamble.from_bytes(file.read(PREAMBLE_BYTES), path, size)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        opened = cls(path, preamble, mapped, geometry, keys, recorded)
        if size > CHECKED_AT_OPEN:
            advise(mapped, "MADV_RANDOM")
            advise(mapped, "MADV_HUGEPAGE")
        elif recorded is not None and checksum(opened._file) != recorded:
            opened.close()
            raise CorruptFile(path, "the recorded checksum does not hold")
        return opened

    @property
    def kind(self) -> str:
        """Return ``pybloom``."""
        return "pybloom"

    @property
    def keys(self) -> int | None:
        """Return how many distinct keys were inserted, or None: the library does not keep the number in the file."""
        return self.preamble.elements or None

    @cached_property
    def expected_false_positive_rate(self) -> float:
        """Return the share of bits that are set, to the power of the number of hashes; right to about 2 percent."""
        return float(self.fill ** len(self.preamble.hash_seeds))

    @cached_property
    def fill(self) -> float:
        """Return the share of bits that are set; of a large filter 64 blocks of 4 KiB stand for the whole."""
        size = len(self._bits)
        step = max(_BLOCK, size // _SAMPLED_BLOCKS)
        blocks = [self._bits[at : at + _BLOCK] for at in range(0, size, step)]
        total = min(sum(map(len, blocks)) * 8, self.preamble.bits)
        ones = sum(int.from_bytes(block, "little").bit_count() for block in blocks)
        return ones / total

    @property
    def operand(self) -> tuple[memoryview, int, tuple[int, ...], int | None]:
        """Return (bits, their number, hash seeds, seed of the keys), as the kernel takes it."""
        return self._bits, self.preamble.bits, self.preamble.hash_seeds, self._seed

    def test(self, normalised: bytes) -> Hits:
        """Ask every window of a normalised text; ranges count the geometry's units."""
        geometry, preamble = self.geometry, self.preamble
        hits, chains = kernel.pybloom_chains(
            self._bits,
            preamble.bits,
            preamble.hash_seeds,
            normalised,
            geometry.width,
            geometry.stride,
            self._seed,
            codepoints=geometry.unit == "codepoint",
        )
        return Hits(window_count(normalised, geometry), hits, chain_pairs(chains))

    def contains(self, keys: bytes) -> bytes:
        """Return one byte an integer key (u64, little-endian): 1 where the filter holds it, else 0."""
        return kernel.pybloom_contains(self._bits, self.preamble.bits, self.preamble.hash_seeds, keys)

    def verify(self) -> None:
        """Read the whole file against the checksum that was recorded, if any. Raises `CorruptFile`."""
        if self._recorded is not None and checksum_in_parts(self._file) != self._recorded:
            raise CorruptFile(self.path, "the recorded checksum does not hold")

    def close(self) -> None:
        """Let go of the file; later questions fail, one that another thread is asking is still answered."""
        views = self._bits, self._file
        self._bits = self._file = CLOSED
        try:
            for view in views:
                view.release()
            self._mapped.close()
        except BufferError:
            pass  # in use at this moment: unmapped when the last user drops it


def file_checksum(path: Path) -> int:
    """Return the XXH3-64 of a whole file. Raises `StorageError`."""
    with refusals_named(path), open(path, "rb") as file:
        return checksum_of_rest(file.fileno())


def write_pybloom(path: Path, keys: int, chunks: Iterable[bytes], *, geometry: Geometry, target: float) -> Preamble:
    """Write a file that the library opens, durably, and return its head.

    ``chunks`` are little-endian u64 keys, distinct, ``keys`` of them in all. The bytes are those of the library for
    this capacity, rate and hash seeds, with every key added as an integer, and with the count of elements filled in.
    Hash seeds follow from the geometry's seed, so that equal keys make equal files.

    Raises:
        ParameterError: a rate out of range, or ``keys`` is not what the chunks hold.
        StorageError: disk full, no permission.
    """
    if not 0 < target < 1:
        raise ParameterError(f"false-positive rate is {target}; it must be between 0 and 1")
    # The library's own sizing (pybloomfilter.pyx): a whole number of hashes, rounded down, then bits for them.
    hashes = max(math.floor(math.log2(1 / target)), 1)
    bits_a_hash = math.ceil(keys * abs(math.log(target)) / (hashes * math.log(2) ** 2))
    bits = max(math.ceil(hashes * bits_a_hash / 8) * 8, 128)
    preamble = Preamble(bits, keys, target, hash_seeds(geometry.seed, hashes), keys)
    inserted = 0
    with refusals_named(path), open(path, "w+b") as file:
        file.truncate(PREAMBLE_BYTES + bits // 8)
        file.write(preamble.to_bytes())
        file.flush()
        reserve(file.fileno(), PREAMBLE_BYTES, PREAMBLE_BYTES + bits // 8)
        with mmap.mmap(file.fileno(), 0) as mapped, memoryview(mapped) as view, view[PREAMBLE_BYTES:] as array:
            for chunk in chunks:
                kernel.pybloom_insert(array, bits, preamble.hash_seeds, chunk)
                inserted += len(chunk) // 8
        if inserted != keys:
            raise ParameterError(f"{path}: {keys} keys announced, {inserted} given")
        fsync_descriptor(file.fileno())
    return preamble


def hash_seeds(seed: int, count: int) -> tuple[int, ...]:
    """Return the 32-bit hash seeds of the files built here: SHA-256 of the seed and a counter, cut."""
    return tuple(
        int.from_bytes(hashlib.sha256(seed.to_bytes(8, "little") + bytes([number])).digest()[:4], "little")
        for number in range(count)
    )
