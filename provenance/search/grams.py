"""The gram file of one segment, mapped (ARCHITECTURE.md, Gram file)."""

from __future__ import annotations

import mmap
import os
import struct
import sys
from array import array
from pathlib import Path

from provenance import kernel
from provenance.errors import CorruptFile, IncompatibleVersion, IndexMissing
from provenance.storage import refusals_named

VERSION = 1
_HEADER = struct.Struct("<8s6IQ16xQ")
_MAGIC = b"PROVGRM\x01"
ALL = 1 << 32
"""No limit."""


class GramFile:
    """Answers which contents of a segment may hold a string; usable from many threads.

    Raises `CorruptFile` or `IncompatibleVersion` at open: header, length and the checksum of the tables are checked.
    """

    def __init__(self, path: Path) -> None:
        """Map the file."""
        self._path = path
        if not path.exists():
            raise IndexMissing(f"{path}: a part of the index is missing; build the index again")
        with refusals_named(path), open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < _HEADER.size:
                raise CorruptFile(path, "too short for a gram file")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        import xxhash

        magic, version, _, _, contents, cells, grams, lists, checksum = _HEADER.unpack(self._map[: _HEADER.size])
        if magic != _MAGIC:
            raise CorruptFile(self._path, "not a gram file (magic)")
        if version != VERSION:
            raise IncompatibleVersion(self._path, version, VERSION)
        tables = _HEADER.size + (contents + 1 + cells + grams + grams + 1) * 4
        if tables + lists != len(self._map):
            raise CorruptFile(self._path, "length and header disagree: truncated or damaged")
        if xxhash.xxh3_64_intdigest(self._map[_HEADER.size : tables]) != checksum:
            raise CorruptFile(self._path, "the checksum of the tables does not hold")
        self.contents: int = contents
        """How many texts the segment holds."""

    def holding(
        self, part: bytes, after: int = -1, limit: int = ALL, *, fold_case: bool = False, verbatim: bool = False
    ) -> tuple[dict[int, tuple[tuple[int, int], ...]], bool]:
        """Return the contents behind ``after`` that may hold ``part``, with the places, and whether these are all.

        See `SearchEngine.holding` for the rest.
        """
        try:
            found, complete = kernel.holding(self._map, part, after, limit, fold_case=fold_case, verbatim=verbatim)
        except ValueError as error:
            raise CorruptFile(self._path, str(error)) from error
        numbers = array("I")
        numbers.frombytes(found)
        if sys.byteorder == "big":
            numbers.byteswap()
        contents: dict[int, tuple[tuple[int, int], ...]] = {}
        for content, start, end in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
            contents[content] = (*contents.get(content, ()), (start, end))
        return contents, complete

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()
