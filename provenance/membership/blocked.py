"""The blocked filter: two cache lines a key, one bit in each of their eight words.

The file format is in ARCHITECTURE.md ("Filter file"), the sizes are in `provenance.membership.sizing`. A filter is
written by ranges of regions, which sorted keys fill from front to back: ranges are independent of each other, so
threads need no atomics, memory is bounded by the range, and the bytes are the same whatever the ranges.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from provenance import kernel
from provenance.errors import CorruptFile, IncompatibleVersion, MismatchError, ParameterError
from provenance.membership.base import Geometry, Hits
from provenance.membership.sizing import MAX_KEYS, body_bytes, expected_fill, expected_rate, size_for
from provenance.storage import fsync_descriptor, refusals_named

MAGIC = b"PROVFLT\x01"
VERSION = 1
HEADER_BYTES = 4096
MEMBERSHIP = 0
"""Role of a filter that holds the keys of windows."""
COMMONNESS = 1
"""Role of a filter that holds the keys of samples that stand in many repositories."""
CHECKED_AT_OPEN = 16 << 20
"""A body up to this size is read against its checksum at every open; a larger one is advised to be read at random."""
MAX_WINDOW = 1 << 16

CLOSED = memoryview(b"")
"""Stands for the content of a closed file; whoever looks at it gets a ValueError."""
CLOSED.release()

_FIELDS = struct.Struct("<8sIIQQQIIIId32sQQQ")
_CHECKSUM = struct.Struct("<Q")
_UNITS = ("utf8", "codepoint")
_CHUNK = 4 << 20
_TRIED_KEYS = 16
_SECONDS_A_READ = 20e-6
"""A page in memory is there sooner, even where it must still be mapped, and one on disk later."""
_RANGE_KEYS = 1 << 20
"""Keys of one range: 8 MiB of keys and, at 1e-6, 4 MiB of filter."""


def checksum(data: bytes | memoryview) -> int:
    """Return the XXH3-64 (seed 0) of a buffer of at least one byte: the key of the one window that is all of it."""
    return int.from_bytes(kernel.window_keys(data, len(data), len(data), 0), "little")


@dataclass(frozen=True, slots=True)
class Header:
    """What the first page of a filter file says."""

    geometry: Geometry
    role: int
    halves: int
    regions: int
    keys: int
    target: float
    common_repositories: int
    body_checksum: int

    def to_bytes(self) -> bytes:
        """Return the page."""
        geometry = self.geometry
        fields = _FIELDS.pack(
            MAGIC,
            VERSION,
            self.halves,
            self.regions,
            self.keys,
            geometry.seed,
            geometry.width,
            geometry.stride,
            _UNITS.index(geometry.unit),
            self.role,
            self.target,
            geometry.normaliser.encode("ascii"),
            self.common_repositories,
            body_bytes(self.regions, self.halves),
            self.body_checksum,
        )
        page = fields.ljust(HEADER_BYTES - _CHECKSUM.size, b"\0")
        return page + _CHECKSUM.pack(checksum(page))

    @classmethod
    def from_bytes(cls, page: bytes, path: Path, file_bytes: int) -> Header:
        """Return what a page says. Raises `CorruptFile` or `IncompatibleVersion`, naming ``path``.

        Every field is checked against its range and the file's length, even where the checksum holds.
        """
        if page[:8] != MAGIC:
            raise CorruptFile(path, "not a filter file (magic)")
        if len(page) < HEADER_BYTES:
            raise CorruptFile(path, f"truncated: {len(page)} bytes, the header alone has {HEADER_BYTES}")
        version = int.from_bytes(page[8:12], "little")
        if version != VERSION:
            raise IncompatibleVersion(path, version, VERSION)
        if checksum(page[: -_CHECKSUM.size]) != _CHECKSUM.unpack(page[-_CHECKSUM.size :])[0]:
            raise CorruptFile(path, "the header's checksum does not hold")
        _, _, halves, regions, keys, seed, width, stride, unit, role, *rest = _FIELDS.unpack_from(page)
        target, name, common_repositories, body, body_checksum = rest
        normaliser = name.rstrip(b"\0")
        for what, value, right in (
            ("halves", halves, halves in (1, 2)),
            ("regions", regions, 1 <= regions <= MAX_KEYS),
            ("keys", keys, keys <= MAX_KEYS),
            ("width", width, 1 <= width <= MAX_WINDOW),
            ("stride", stride, 1 <= stride <= MAX_WINDOW),
            ("unit", unit, unit < len(_UNITS)),
            ("role", role, role in (MEMBERSHIP, COMMONNESS)),
            ("target rate", target, 0 < target < 1),
            ("normaliser", normaliser, normaliser.isascii() and normaliser and b"\0" not in normaliser),
            ("body length", body, body == body_bytes(regions, halves)),
            ("rest of the header", "not zero", not any(page[_FIELDS.size : -_CHECKSUM.size])),
        ):
            if not right:
                raise CorruptFile(path, f"impossible value in the header: {what} is {value!r}")
        if file_bytes != HEADER_BYTES + body:
            raise CorruptFile(path, f"{file_bytes} bytes long, the header says {HEADER_BYTES + body}")
        geometry = Geometry(width, stride, "codepoint" if unit else "utf8", seed, normaliser.decode("ascii"))
        return cls(geometry, role, halves, regions, keys, target, common_repositories, body_checksum)


class BlockedFilter:
    """One filter file, mapped into memory; usable from many threads. Implements `MembershipFilter`."""

    def __init__(self, path: Path, header: Header, mapped: mmap.mmap) -> None:
        """Take over ``mapped``; use `BlockedFilter.open`."""
        self.path = path
        self.header = header
        self.geometry = header.geometry
        self._mapped = mapped
        self._body = memoryview(mapped)[HEADER_BYTES:]

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], geometry: Geometry | None = None, role: int | None = None
    ) -> BlockedFilter:
        """Return the filter in a file.

        Raises `CorruptFile` or `IncompatibleVersion` for a file that is not what it should be, `MismatchError` for
        one of another ``geometry`` or ``role`` than is asked for, `StorageError` where it cannot be read.
        """
        path = Path(path)
        with refusals_named(path), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = Header.from_bytes(file.read(HEADER_BYTES), path, size)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        opened = cls(path, header, mapped)
        try:
            opened._require(geometry, role)
            if size - HEADER_BYTES <= CHECKED_AT_OPEN:
                if checksum(opened._body) != header.body_checksum:
                    raise CorruptFile(path, "the body's checksum does not hold")
            else:
                advise(mapped, "MADV_RANDOM")
                advise(mapped, "MADV_HUGEPAGE")
        except BaseException:
            opened.close()
            raise
        return opened

    @property
    def kind(self) -> str:
        """Return ``blocked``."""
        return "blocked"

    @property
    def keys(self) -> int:
        """Return how many distinct keys were inserted."""
        return self.header.keys

    @cached_property
    def expected_false_positive_rate(self) -> float:
        """Return the rate that follows from the number of keys and the size."""
        return expected_rate(self.header.keys, self.header.regions, self.header.halves)

    @property
    def fill(self) -> float:
        """Return the share of bits that are set, from the number of keys and the size."""
        return expected_fill(self.header.keys, self.header.regions)

    @property
    def operand(self) -> tuple[memoryview, int, int]:
        """Return (body, regions, halves), as the kernel takes it."""
        return self._body, self.header.regions, self.header.halves

    def test(self, normalised: bytes) -> Hits:
        """Ask every window of a normalised text; ranges count the geometry's units."""
        from provenance.membership.asking import ask_blocked

        return ask_blocked([self], normalised)

    def contains(self, keys: bytes) -> bytes:
        """Return one byte a key (u64, little-endian): 1 where the filter holds it, else 0."""
        return kernel.contains(*self.operand, keys)

    @property
    def large(self) -> bool:
        """Tell whether the body may lie on disk for the greater part: it was not read when it was opened."""
        return len(self._body) > CHECKED_AT_OPEN

    def fetch(self, keys: bytes) -> None:
        """Ask the system for the pages in which keys (u64, little-endian) will be looked up, if they seem on disk.

        Without it each key waits for the disk by itself. A page of the first half is a region; few strangers reach the
        second. Whether a filter is cold shows in the time of the first keys; a wrong guess costs time alone.
        """
        willneed = getattr(mmap, "MADV_WILLNEED", None)
        if not self.large or willneed is None or mmap.PAGESIZE > HEADER_BYTES:
            return
        first, rest = keys[: 8 * _TRIED_KEYS], keys[8 * _TRIED_KEYS :]
        begun = time.perf_counter()
        self.contains(first)
        if time.perf_counter() - begun < _TRIED_KEYS * _SECONDS_A_READ:
            return
        regions = self.header.regions
        for region in {key * regions >> 64 for (key,) in struct.iter_unpack("<Q", rest)}:
            self._mapped.madvise(willneed, HEADER_BYTES + body_bytes(region, 1), HEADER_BYTES)

    def verify(self) -> None:
        """Read the whole body against its checksum. Raises `CorruptFile`."""
        advise(self._mapped, "MADV_SEQUENTIAL")
        try:
            found = checksum_in_parts(self._body)
        finally:
            advise(self._mapped, "MADV_RANDOM")
        if found != self.header.body_checksum:
            raise CorruptFile(self.path, "the body's checksum does not hold")

    def close(self) -> None:
        """Let go of the file; later questions fail, one that another thread is asking is still answered."""
        body, self._body = self._body, CLOSED
        try:
            body.release()
            self._mapped.close()
        except BufferError:
            pass  # in use at this moment: unmapped when the last user drops it

    def _require(self, geometry: Geometry | None, role: int | None) -> None:
        if geometry is not None and self.geometry != geometry:
            raise MismatchError(f"{self.path}: made for {self.geometry}; asked with {geometry}")
        if role is not None and self.header.role != role:
            names = ("membership", "commonness")
            raise MismatchError(f"{self.path}: a {names[self.header.role]} filter stands where {names[role]} should")


def write_filter(
    path: Path,
    keys: int,
    key_range: Callable[[int, int], bytes],
    *,
    geometry: Geometry,
    role: int,
    target: float,
    common_repositories: int = 0,
    workers: int = 1,
    range_keys: int = _RANGE_KEYS,
) -> Header:
    """Write a filter file durably and return its header.

    ``key_range(low, high)`` returns the distinct keys in [low, high), ascending, as little-endian u64; it is called
    from ``workers`` threads, for ranges that together cover [0, 2^64) once; ``keys`` is how many there are in all.
    Memory: about ``workers * range_keys`` times 12 bytes. The bytes written depend on neither.

    Raises:
        ParameterError: a parameter out of range, or ``keys`` is not what the ranges hold.
        StorageError: disk full, no permission.
    """
    _require_writable(geometry, role)
    regions, halves = size_for(keys, target)
    per_range = max(1, min(regions, regions * range_keys // max(1, keys), _CHUNK // body_bytes(1, halves)))
    inserted = 0
    counting = threading.Lock()
    with refusals_named(path), open(path, "w+b") as file:
        descriptor = file.fileno()
        file.truncate(HEADER_BYTES + body_bytes(regions, halves))

        def fill(first: int) -> None:
            nonlocal inserted
            count = min(per_range, regions - first)
            held = key_range(first_key(first, regions), first_key(first + count, regions))
            body = bytearray(body_bytes(count, halves))
            kernel.insert_sorted(body, regions, halves, first, count, held)
            half_bytes = body_bytes(count, 1)
            for half in range(halves):
                offset = HEADER_BYTES + body_bytes(half * regions + first, 1)
                _write_at(descriptor, memoryview(body)[half * half_bytes : (half + 1) * half_bytes], offset)
            with counting:
                inserted += len(held) // 8

        from concurrent.futures import ThreadPoolExecutor  # queries never need it, and it is slow to import

        with ThreadPoolExecutor(max(1, workers)) as pool:
            for _ in pool.map(fill, range(0, regions, per_range)):
                pass
        if inserted != keys:
            raise ParameterError(f"{path}: {keys} keys announced, {inserted} given; they must be distinct and in range")
        found = checksum_of_rest(descriptor, HEADER_BYTES)
        header = Header(geometry, role, halves, regions, keys, target, common_repositories, found)
        _write_at(descriptor, memoryview(header.to_bytes()), 0)
        fsync_descriptor(descriptor)
    return header


def first_key(region: int, regions: int) -> int:
    """Return the smallest key of a region: the smallest ``k`` with (k * regions) >> 64 == region."""
    return -((-region << 64) // regions)


def _require_writable(geometry: Geometry, role: int) -> None:
    for name, value in (("width", geometry.width), ("stride", geometry.stride)):
        if not 1 <= value <= MAX_WINDOW:
            raise ParameterError(f"{name} is {value}; it must be from 1 to {MAX_WINDOW}")
    if not geometry.normaliser.isascii() or not 1 <= len(geometry.normaliser) <= 32:
        raise ParameterError(f"normaliser is {geometry.normaliser!r}; its name must be 1 to 32 ASCII characters")
    if not 0 <= geometry.seed < 1 << 64:
        raise ParameterError(f"seed is {geometry.seed}; it must fit 64 bits")
    if role not in (MEMBERSHIP, COMMONNESS):
        raise ParameterError(f"role is {role}; it must be {MEMBERSHIP} or {COMMONNESS}")


def _write_at(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def checksum_of_rest(descriptor: int, offset: int = 0) -> int:
    """Return the XXH3-64 (seed 0) of an open file from an offset to its end, in bounded memory."""
    import xxhash

    digest = xxhash.xxh3_64()
    while part := os.pread(descriptor, _CHUNK, offset):
        digest.update(part)
        offset += len(part)
    return digest.intdigest()


def checksum_in_parts(body: memoryview) -> int:
    """Return the XXH3-64 (seed 0) of a buffer of any size, read once from front to back."""
    import xxhash

    digest = xxhash.xxh3_64()
    for at in range(0, len(body), _CHUNK):
        with body[at : at + _CHUNK] as part:
            digest.update(part)
    return digest.intdigest()


def advise(mapped: mmap.mmap, name: str) -> None:
    """Pass advice on to the kernel where it knows it; it is never more than advice."""
    advice = getattr(mmap, name, None)
    if advice is not None:
        try:
            mapped.madvise(advice)
        except OSError:
            pass
