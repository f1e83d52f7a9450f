"""The block file: byte strings by ordinal, compressed in blocks, of 32 KiB as a rule (ARCHITECTURE.md, Block file).

The concatenation of all records is one logical stream, cut after every block's bytes whatever the records; so one
record costs at most two blocks more than its own length, and small neighbours share one compression context.

The frames may lie elsewhere (`Frames`); then a *tables file* stays: the block file without them.

Nothing read from a file is trusted: magic, version, length and the checksum of both tables are checked at open,
every frame carries a checksum of its content. The file is read with ``pread`` and not mapped: a file that is
truncated while open gives `CorruptFile` and not a bus error.
"""

from __future__ import annotations

import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from provenance.errors import CorruptFile, IncompatibleVersion, IndexMissing
from provenance.storage import refusals_named

if TYPE_CHECKING:
    from zstandard import ZstdDecompressor

MAGIC = b"PROVBLK\x01"
TABLES_MAGIC = b"PROVBLT\x01"
FOOTER_MAGIC = b"PROVBLKE"
VERSION = 1
BLOCK_BYTES = 32768
LEAST_BLOCK_BYTES = 4096
MOST_BLOCK_BYTES = 65536
HEADER = struct.Struct("<8sII")
FOOTER = struct.Struct("<QQQQ8s")
_PAIR = struct.Struct("<QQ")
_KEPT_BYTES = 64 << 20
"""Decompressed blocks that all readers of a process keep together."""


class Frames(Protocol):
    """The compressed blocks of one block file, kept elsewhere; usable from many threads."""

    def frame(self, block: int) -> bytes:
        """Return one frame. Raises `EngineUnavailable`, `CorruptFile`."""
        ...

    def expect(self, blocks: Sequence[int]) -> None:
        """Fetch frames that will be asked for next, all in one go."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class _KeptBlocks:
    """Decompressed blocks, the last used, by the number of their reader and their own; usable from many threads."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def get(self, key: tuple[int, int]) -> bytes | None:
        with self._lock:
            content = self._blocks.get(key)
            if content is not None:
                self._blocks.move_to_end(key)
            return content

    def add(self, key: tuple[int, int], content: bytes) -> None:
        with self._lock:
            self._room += len(self._blocks.pop(key, b"")) - len(content)
            self._blocks[key] = content
            while self._room < 0:
                self._room += len(self._blocks.popitem(last=False)[1])


_KEPT = _KeptBlocks(_KEPT_BYTES)
_READERS = count()


class BlockReader:
    """Reads one block file; usable from many threads.

    Raises `CorruptFile` or `IncompatibleVersion` at open, `CorruptFile` when a damaged block is met.
    The last blocks that any reader decompressed are kept: 64 MiB at most in a process.
    """

    def __init__(self, path: str | os.PathLike[str], frames: Frames | None = None) -> None:
        """Open and check the file: a block file, or with ``frames`` a tables file."""
        self.path = os.fspath(path)
        self._descriptor = -1
        self._frames = frames
        self._reader = next(_READERS)
        self._decompressors: list[ZstdDecompressor] = []
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise IndexMissing(f"{self.path}: a file of the index is missing") from None
        except OSError as error:
            with refusals_named(self.path):
                raise error
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        import xxhash

        length = os.fstat(self._descriptor).st_size
        if length < HEADER.size + 2 * 8 + FOOTER.size:
            raise CorruptFile(self.path, f"{length} bytes are too few for a block file")
        magic, version, block_bytes = HEADER.unpack(self._read(0, HEADER.size))
        if magic != (MAGIC if self._frames is None else TABLES_MAGIC):
            raise CorruptFile(self.path, f"not a {'block' if self._frames is None else 'tables'} file (magic)")
        if version != VERSION:
            raise IncompatibleVersion(self.path, version, VERSION)
        blocks, records, tables, checksum, end = FOOTER.unpack(self._read(length - FOOTER.size, FOOTER.size))
        if not LEAST_BLOCK_BYTES <= block_bytes <= MOST_BLOCK_BYTES or end != FOOTER_MAGIC:
            raise CorruptFile(self.path, "truncated, or damaged in its header or footer")
        self._block_bytes: int = block_bytes
        self._frames_end = tables
        if self._frames is not None:
            tables = HEADER.size
        if tables + (blocks + records + 2) * 8 + FOOTER.size != length:
            raise CorruptFile(self.path, "length and footer disagree: truncated or damaged")
        digest = xxhash.xxh3_64()
        for position in range(tables, length - FOOTER.size, 1 << 20):
            digest.update(self._read(position, min(1 << 20, length - FOOTER.size - position)))
        if digest.intdigest() != checksum:
            raise CorruptFile(self.path, "the checksum of the tables does not hold")
        self._blocks: int = blocks
        self._records: int = records
        self._block_table, self._record_table = tables, tables + (blocks + 1) * 8
        first = self._number(self._block_table)
        last = self._number(self._record_table - 8)
        self.total_bytes = self._number(self._record_table + records * 8)
        """Sum of the lengths of all records."""
        if (
            (first, last) != (HEADER.size, self._frames_end)
            or self._number(self._record_table) != 0
            or -(-self.total_bytes // block_bytes) != blocks
        ):
            raise CorruptFile(self.path, "its tables contradict its footer")

    def __len__(self) -> int:
        """Return the number of records."""
        return self._records

    def __enter__(self) -> BlockReader:
        """Return the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def __del__(self) -> None:
        """Close the file of a reader that nobody closed."""
        self.close()

    def frames(self) -> Iterator[bytes]:
        """Yield the compressed blocks in order."""
        for block in range(self._blocks):
            start, end = _PAIR.unpack(self._read(self._block_table + block * 8, 16))
            yield self._read(start, end - start)

    def length(self, ordinal: int) -> int:
        """Return the length of a record in bytes, without decompressing anything. Raises `IndexError`."""
        start, end = self._bounds(ordinal)
        return end - start

    def record(self, ordinal: int) -> bytes:
        """Return a record. Raises `IndexError` where there is none of that ordinal."""
        start, end = self._bounds(ordinal)
        return self._stream(start, end)

    def all(self) -> Iterator[bytes]:
        """Yield all records in order; each block is decompressed once."""
        content, base, block = b"", 0, 0
        start = 0
        for end in self._ends():
            if end - base <= len(content):
                yield content[start - base : end - base]
            else:
                parts = [content[start - base :]]
                while end - base > len(content):
                    base += len(content)
                    content = self._decompress(block)
                    block += 1
                    parts.append(content[: end - base])
                yield b"".join(parts)
            start = end

    def _ends(self) -> Iterator[int]:
        """Yield where each record ends. Raises `CorruptFile` where the offsets descend."""
        previous = 0
        end = self._record_table + (self._records + 1) * 8
        for position in range(self._record_table + 8, end, 1 << 19):
            for (offset,) in struct.iter_unpack("<Q", self._read(position, min(1 << 19, end - position))):
                if not previous <= offset <= self.total_bytes:
                    raise CorruptFile(self.path, "record offsets descend")
                yield offset
                previous = offset

    def slice(self, ordinal: int, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a record, cut to its length; decompresses only the blocks they stand in."""
        first, last = self._bounds(ordinal)
        lower = min(first + max(start, 0), last)
        return self._stream(lower, max(lower, min(first + end, last)))

    def verify(self) -> None:
        """Decompress every block and check every offset. Raises `CorruptFile`."""
        for block in range(self._blocks):
            self._decompress(block)
        for _ in self._ends():
            pass

    def close(self) -> None:
        """Close the file; reading afterwards raises `ValueError`."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
            if self._frames is not None:
                self._frames.close()

    def elsewhere(self, ordinal: int, start: int, end: int | None) -> tuple[Frames, range] | None:
        """Return where the frames of bytes [start, end) of a record lie and which they are; None if in this file."""
        if self._frames is None:
            return None
        first, last = self._bounds(ordinal)
        lower = min(first + max(start, 0), last)
        upper = last if end is None else max(lower, min(first + end, last))
        blocks = range(lower // self._block_bytes, -(-upper // self._block_bytes)) if lower < upper else range(0)
        return self._frames, blocks

    def _bounds(self, ordinal: int) -> tuple[int, int]:
        if not 0 <= ordinal < self._records:
            raise IndexError(f"record {ordinal} of {self._records}")
        start, end = _PAIR.unpack(self._read(self._record_table + ordinal * 8, 16))
        if not start <= end <= self.total_bytes:
            raise CorruptFile(self.path, f"the offsets of record {ordinal} are out of order")
        return start, end

    def _stream(self, start: int, end: int) -> bytes:
        if start == end:
            return b""
        size = self._block_bytes
        first, last = start // size, (end - 1) // size
        if first == last:
            base = first * size
            return self._block(first)[start - base : end - base]
        if self._frames is not None:
            self._frames.expect(range(first, last + 1))
        parts = [self._block(first)[start - first * size :]]
        # Blocks inside a long record are used whole: they would only drive others out of the cache.
        parts.extend(self._decompress(block) for block in range(first + 1, last))
        parts.append(self._block(last)[: end - last * size])
        return b"".join(parts)

    def _block(self, block: int) -> bytes:
        content = _KEPT.get((self._reader, block))
        if content is None:
            content = self._decompress(block)
            _KEPT.add((self._reader, block), content)
        return content

    def _decompress(self, block: int) -> bytes:
        import zstandard

        start, end = _PAIR.unpack(self._read(self._block_table + block * 8, 16))
        expected = min(self._block_bytes, self.total_bytes - block * self._block_bytes)
        if not start < end <= self._frames_end or end - start > 2 * self._block_bytes:
            raise CorruptFile(self.path, f"the offsets of block {block} are out of order")
        frame = self._read(start, end - start) if self._frames is None else self._frames.frame(block)
        if len(frame) != end - start:
            raise CorruptFile(self.path, f"block {block} has {len(frame)} bytes where it lies, not {end - start}")
        try:
            parameters = zstandard.get_frame_parameters(frame)
            # The frame itself says how much memory it wants: believed only if it is what a block needs.
            if parameters.content_size != expected or not parameters.has_checksum:
                raise CorruptFile(self.path, f"block {block} is not a frame of {expected} bytes")
            try:
                decompressor = self._decompressors.pop()
            except IndexError:
                decompressor = zstandard.ZstdDecompressor()
            content = decompressor.decompress(frame, allow_extra_data=False)
            self._decompressors.append(decompressor)
        except zstandard.ZstdError as error:
            raise CorruptFile(self.path, f"block {block} is damaged ({error})") from None
        if len(content) != expected:
            raise CorruptFile(self.path, f"block {block} holds {len(content)} bytes, not {expected}")
        return content

    def _number(self, position: int) -> int:
        return int.from_bytes(self._read(position, 8), "little")

    def _read(self, position: int, length: int) -> bytes:
        if self._descriptor < 0:
            raise ValueError(f"{self.path} is closed")
        try:
            data = os.pread(self._descriptor, length, position)
        except OSError as error:
            with refusals_named(self.path):
                raise error
        if len(data) != length:
            raise CorruptFile(self.path, f"truncated: {length} bytes wanted at {position}, {len(data)} there")
        return data
