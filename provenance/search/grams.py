"""The gram file of one segment, mapped (ARCHITECTURE.md, Gram file); its lists may lie elsewhere."""

from __future__ import annotations

import mmap
import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict, Unpack

from provenance import kernel
from provenance.errors import CorruptFile, IncompatibleVersion, IndexMissing
from provenance.records import ContentRef
from provenance.search.base import Candidates
from provenance.storage import refusals_named
from provenance.store import BlockReader, Frames

VERSION = 1
GRAMS = "grams.bin"
"""Where a segment has the file, in its ``search`` folder."""
HEAD, LISTS = "grams.head", "grams.tables"
"""What stands there where the lists lie elsewhere: the file without them, and the tables of their block file."""
_HEADER = struct.Struct("<8s6IQ16xQ")
_MAGIC = b"PROVGRM\x01"
ALL = 1 << 32
"""No limit."""
_HERE = 32
"""Lists intersected at most. 64 take 0.35 ms for 250 bytes in 100 MB of C, 32 take 0.14, for 3 % fewer candidates."""
_ELSEWHERE = 8
"""The same where each may be a read of its own. Linux sources: in the mean 353 candidates for 331, 2.5 for 2.2."""

Places = tuple[tuple[int, int], ...]
Found = tuple[Mapping[int, Places], bool]
"""Contents of one segment that may hold a string, each with its places, and whether these are all."""


class How(TypedDict, total=False):
    """How a string is compared, as `SearchEngine.holding` says."""

    fold_case: bool
    verbatim: bool


class GramFile:
    """Answers which contents of a segment may hold a string; usable from many threads.

    Raises `CorruptFile` or `IncompatibleVersion` at open: header, length and the checksum of the tables are checked.
    """

    def __init__(self, path: Path, lists: BlockReader | None = None) -> None:
        """Map the file; with ``lists``, which hold them as their one record and are closed with it, its head."""
        self._path = path
        self._lists = lists
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
        here, there = (lists, 0) if self._lists is None else (0, lists)
        if tables + here != len(self._map) or (self._lists is not None and self._lists.total_bytes != there):
            raise CorruptFile(self._path, "length and header disagree: truncated or damaged")
        if xxhash.xxh3_64_intdigest(self._map[_HEADER.size : tables]) != checksum:
            raise CorruptFile(self._path, "the checksum of the tables does not hold")
        self.contents: int = contents
        """How many texts the segment holds."""

    def holding(self, part: bytes, after: int = -1, limit: int = ALL, **how: Unpack[How]) -> Found:
        """Return the contents behind ``after`` that may hold ``part``, with the places. See `SearchEngine.holding`.

        Raises `CorruptFile`, and what reading lists elsewhere raises.
        """
        try:
            if self._lists is None:
                found, complete = kernel.holding(self._map, part, after, limit, most=_HERE, **how)
            else:
                lists = b"".join(self._lists.slice(0, start, end) for start, end in self._wanted(part, **how))
                found, complete = kernel.holding(self._map, part, after, limit, most=_ELSEWHERE, lists=lists, **how)
        except ValueError as error:
            raise CorruptFile(self._path, str(error)) from error
        numbers = array("I")
        numbers.frombytes(found)
        if sys.byteorder == "big":
            numbers.byteswap()
        contents: dict[int, Places] = {}
        for content, start, end in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
            contents[content] = (*contents.get(content, ()), (start, end))
        return contents, complete

    def elsewhere(self, part: bytes, **how: Unpack[How]) -> Iterator[tuple[Frames, range]]:
        """Yield which frames of the lists `holding` will ask for; none where they are in the file."""
        if self._lists is not None:
            for start, end in self._wanted(part, **how):
                wanted = self._lists.elsewhere(0, start, end)
                if wanted is not None:
                    yield wanted

    def verify(self) -> None:
        """Read lists that lie elsewhere against their checksums. Raises `CorruptFile`, and what reading raises."""
        if self._lists is not None:
            self._lists.verify()

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()
        if self._lists is not None:
            self._lists.close()

    def _wanted(self, part: bytes, **how: Unpack[How]) -> Iterator[tuple[int, int]]:
        try:
            return struct.iter_unpack("<2I", kernel.wanted_lists(self._map, part, most=_ELSEWHERE, **how))
        except ValueError as error:
            raise CorruptFile(self._path, str(error)) from error


def head_of(file: bytes) -> int:
    """Return where the lists of a gram file begin."""
    return len(file) - int(_HEADER.unpack_from(file)[7])


def collected(
    holding: Callable[[int, int, int], Found], segments: int, limit: int, after: ContentRef | None
) -> Candidates:
    """Return the first contents behind an address; ``holding`` asks a segment (number, limit, content before)."""
    refs: list[ContentRef] = []
    places: list[Places] = []
    first = after.segment if after is not None else 0
    for number in range(first, segments):
        behind = after.content if after is not None and number == after.segment else -1
        found, complete = holding(number, limit - len(refs), behind)
        refs.extend(ContentRef(number, content) for content in found)
        places.extend(found.values())
        if not complete:
            return Candidates(tuple(refs), False, tuple(places))
    return Candidates(tuple(refs), True, tuple(places))
