"""The removal set: what was withdrawn and still stands in immutable files.

A withdrawal acts at once: the ids of the documents withdrawn are hidden from every answer, and so are the keys that
no remaining document holds. `indexer.compact` makes it physical and drops the set.

Set file (``*.set``), little-endian: magic "PROVSET\\x01", u32 format version = 1, u32 row length, u64 rows,
u64 XXH3-64 (seed 0) of the rows; then the rows, ascending. ``documents.set`` has 16-byte document ids,
``keys.set`` 8-byte keys, little-endian, ascending as numbers.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from provenance.errors import CorruptFile, IncompatibleVersion, IndexMissing
from provenance.membership.base import Geometry, Hits
from provenance.storage import fsync_descriptor, refusals_named

MAGIC = b"PROVSET\x01"
VERSION = 1
DOCUMENTS = "documents.set"
KEYS = "keys.set"
_HEADER = struct.Struct("<8sIIQQ")


def write_set(path: Path, rows: bytes, row_bytes: int) -> None:
    """Write a set file durably from its rows, which are ascending and distinct. Raises `StorageError`."""
    import xxhash

    header = _HEADER.pack(MAGIC, VERSION, row_bytes, len(rows) // row_bytes, xxhash.xxh3_64_intdigest(rows))
    with refusals_named(path), open(path, "wb") as file:
        file.write(header)
        file.write(rows)
        file.flush()
        fsync_descriptor(file.fileno())


def read_set(path: Path, row_bytes: int, rows: int) -> bytes:
    """Return the rows of a set file. Raises `CorruptFile` unless it holds ``rows`` of ``row_bytes``."""
    import xxhash

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise IndexMissing(f"{path}: a file of the index is missing") from None
    except OSError as error:
        with refusals_named(path):
            raise error
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise CorruptFile(path, "not a set file (magic)")
    _, version, found_bytes, found_rows, checksum = _HEADER.unpack_from(data)
    if version != VERSION:
        raise IncompatibleVersion(path, version, VERSION)
    body = data[_HEADER.size :]
    if (found_bytes, found_rows) != (row_bytes, rows) or len(body) != rows * row_bytes:
        raise CorruptFile(path, f"does not hold {rows} rows of {row_bytes} bytes")
    if xxhash.xxh3_64_intdigest(body) != checksum:
        raise CorruptFile(path, "its checksum does not hold")
    return body


def read_documents(path: Path, rows: int) -> frozenset[bytes]:
    """Return the document ids that are hidden."""
    body = read_set(path, 16, rows)
    return frozenset(body[at : at + 16] for at in range(0, len(body), 16))


class RemovedKeys:
    """The keys that are hidden; takes them out of answers. Usable from many threads."""

    def __init__(self, keys: bytes, geometry: Geometry) -> None:
        """``keys`` are u64, little-endian, ascending."""
        self.keys = keys
        self._keys = little_endian(keys)
        self._geometry = geometry

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        """Tell whether a key is hidden."""
        at = bisect_left(self._keys, key)
        return at < len(self._keys) and self._keys[at] == key

    @classmethod
    def load(cls, path: Path, rows: int, geometry: Geometry) -> RemovedKeys:
        """Return the keys of a set file. Raises `CorruptFile`."""
        return cls(read_set(path, 8, rows), geometry)

    def without(self, hits: Hits, normalised: bytes) -> Hits:
        """Return ``hits`` as if the hidden keys had never been inserted.

        ``hits`` are the answer to ``normalised`` from filters of this geometry. Every hit belongs to exactly one
        chain and stands at a whole number of strides from its start, so the chains alone say where the hits are.
        """
        from provenance import kernel

        width, stride, seed = self._geometry.width, self._geometry.stride, self._geometry.seed
        left = 0
        chains: list[tuple[int, int]] = []
        for start, end in hits.chains:
            first: int | None = None
            last = start
            keys = little_endian(kernel.window_keys(normalised[start:end], width, stride, seed))
            for position, key in zip(range(start, end - width + 1, stride), keys, strict=True):
                if key not in self:
                    left += 1
                    last = position
                    first = position if first is None else first
                elif first is not None:
                    chains.append((first, last + width))
                    first = None
            if first is not None:
                chains.append((first, last + width))
        chains.sort()
        return Hits(hits.windows, left, tuple(chains))


def little_endian(data: bytes) -> Sequence[int]:
    """Return u64 values from their little-endian bytes; where the machine's order is the same they are not copied."""
    if sys.byteorder == "little":
        return memoryview(data).cast("Q")
    values = array("Q")
    values.frombytes(data)
    values.byteswap()
    return values
