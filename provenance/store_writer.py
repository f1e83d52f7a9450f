"""Writing a block file (`provenance.store`), and the tables file of one whose frames are kept elsewhere."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from provenance.storage import fsync_descriptor, refusals_named
from provenance.store import BLOCK_BYTES, FOOTER, FOOTER_MAGIC, HEADER, MAGIC, TABLES_MAGIC, VERSION, BlockReader

if TYPE_CHECKING:
    from zstandard import ZstdCompressor

LEVEL = 3


class BlockWriter:
    """Writes one block file from its first record to its last; one thread. Raises `StorageError`.

    The writer holds one block and the offsets of all records in memory, whatever the records' size.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        compressor: ZstdCompressor | None = None,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        """Create the file; ``compressor`` (from `new_compressor`) may serve several writers of one thread.

        ``block_bytes``, from `LEAST_BLOCK_BYTES` to `MOST_BLOCK_BYTES`, is what is read at once.
        """
        self.path = os.fspath(path)
        self._block_bytes = block_bytes
        self._compress: Callable[[bytearray | memoryview], bytes] = (compressor or new_compressor()).compress
        with refusals_named(self.path):
            self._file = open(self.path, "wb")
            self._file.write(HEADER.pack(MAGIC, VERSION, block_bytes))
        self._position = HEADER.size
        self._blocks = array("Q", [HEADER.size])
        self._records = array("Q", [0])
        self._length = 0
        self._pending = bytearray()

    def append(self, record: bytes) -> int:
        """Add one record, which may be empty, and return its ordinal."""
        self._length += len(record)
        self._records.append(self._length)
        pending = self._pending
        if len(pending) + len(record) < self._block_bytes:
            pending += record
        else:
            self._cut(record)
        return len(self._records) - 2

    def _cut(self, record: bytes) -> None:
        view = memoryview(record)
        size = self._block_bytes
        first = size - len(self._pending)
        self._pending += view[:first]
        self._write(self._pending)
        position = first
        while len(record) - position >= size:
            self._write(view[position : position + size])
            position += size
        self._pending = bytearray(view[position:])

    def _write(self, block: bytearray | memoryview) -> None:
        frame = self._compress(block)
        with refusals_named(self.path):
            self._file.write(frame)
        self._position += len(frame)
        self._blocks.append(self._position)

    def finish(self, *, durable: bool = True) -> None:
        """Write what is left and the tables, make the file durable unless the caller will, and close it."""
        import sys

        import xxhash

        if self._pending:
            self._write(self._pending)
        if sys.byteorder == "big":
            self._blocks.byteswap()
            self._records.byteswap()
        tables = self._blocks.tobytes() + self._records.tobytes()
        footer = FOOTER.pack(
            len(self._blocks) - 1,
            len(self._records) - 1,
            self._position,
            xxhash.xxh3_64_intdigest(tables),
            FOOTER_MAGIC,
        )
        with refusals_named(self.path), self._file as file:
            file.write(tables)
            file.write(footer)
            if durable:
                file.flush()
                fsync_descriptor(file.fileno())

    def abandon(self) -> None:
        """Close and remove the unfinished file."""
        try:
            self._file.close()
        except OSError:
            pass  # a full disk refuses what is buffered; the file goes anyway
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass


def frames_of(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yield the frames of a block file in order, as they are. Raises `CorruptFile`, `StorageError`."""
    with BlockReader(path) as reader:
        yield from reader.frames()


def write_tables(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write the tables file of a block file, whose frames are kept elsewhere; not durable. Raises `StorageError`."""
    with refusals_named(path), open(path, "rb") as file, open(target, "wb") as tables:
        block_bytes = HEADER.unpack(file.read(HEADER.size))[2]
        file.seek(-FOOTER.size, os.SEEK_END)
        at = FOOTER.unpack(file.read())[2]
        file.seek(at)
        tables.write(HEADER.pack(TABLES_MAGIC, VERSION, block_bytes))
        tables.write(file.read())


def new_compressor() -> ZstdCompressor:
    """Return a compressor as block files want it; not for several threads at once."""
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
