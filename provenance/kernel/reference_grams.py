"""Grams of the reference kernel: three bytes of normalised text, by cells (ARCHITECTURE.md, Gram file)."""

from __future__ import annotations

import re
import struct
from itertools import chain, product
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from provenance.kernel.reference_arrays import I64, Bytes8, require_at_least, u8

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

CELL = 4096
REACH = 256
_HEADER = struct.Struct("<8s6IQ16xQ")
_MAGIC = b"PROVGRM\x01"
_EXAMINED = 1024
_LAYOUT = 1 << 24
_ANYWHERE = (1 << 32) - 1
_RUN = re.compile(rb"[\t-\r ]+")
_Item = tuple[tuple[int, int], ...]
"""Where the lists of grams lie of which a cell has one."""


class GramLists:
    """Gathers the grams of texts."""

    def __init__(self) -> None:
        """Begin with no text."""
        self._starts = [0]
        self._places: list[int] = []
        self._cells: dict[int, list[int]] = {}

    def add(self, text: bytes, normalised: bytes) -> None:
        """Gather the grams of the next text."""
        layout, places = _layout(text)
        cell, at = self._starts[-1], 0
        while len(normalised) >= at + 3 and (at == 0 or len(normalised) > at + REACH):
            part = u8(normalised)[at : at + CELL + REACH]
            grams = set(_grams(part).tolist()) | {gram for place, gram in layout if at <= place <= at + len(part) - 3}
            for gram in grams:
                self._cells.setdefault(gram, []).append(cell)
            self._places.append(places[at // CELL])
            cell += 1
            at += CELL
        self._starts.append(cell)

    def finish(self) -> bytes:
        """Return the file."""
        cells = self._starts[-1]
        grams = sorted(self._cells)
        offsets, lists = [0], bytearray()
        for gram in grams:
            found = np.array(self._cells[gram], dtype=np.int64)
            encoded = _gaps(found)
            if len(encoded) >= (cells + 7) // 8:
                encoded = np.packbits(np.isin(np.arange(cells), found), bitorder="little").tobytes()
            lists += encoded
            if len(lists) >= 1 << 32:
                raise ValueError("the lists of grams take more than 4 GiB; make segments smaller")
            offsets.append(len(lists))
        tables = b"".join(
            np.array(table, dtype="<u4").tobytes() for table in (self._starts, self._places, grams, offsets)
        )
        header = _HEADER.pack(
            _MAGIC,
            1,
            CELL,
            REACH,
            len(self._starts) - 1,
            cells,
            len(grams),
            len(lists),
            xxhash.xxh3_64_intdigest(tables),
        )
        return header + tables + bytes(lists)


def wanted_lists(
    grams: Buffer, part: Buffer, *, fold_case: bool = False, verbatim: bool = False, most: int = 64
) -> bytes:
    """Return where in the lists of a gram file those lie that `holding` intersects, as pairs of u32."""
    wanted = _wanted(_File(u8(grams)), bytes(part), fold_case=fold_case, verbatim=verbatim, most=most)
    return np.array(list(chain(*(wanted or ()))), dtype="<u4").tobytes()


def holding(
    grams: Buffer,
    part: Buffer,
    after: int,
    limit: int,
    *,
    fold_case: bool = False,
    verbatim: bool = False,
    most: int = 64,
    lists: Buffer | None = None,
) -> tuple[bytes, bool]:
    """Return where ``part`` may stand in contents behind ``after``, and whether there are no more."""
    require_at_least(0, limit=limit)
    require_at_least(-1, after=after)
    file = _File(u8(grams))
    wanted = _wanted(file, bytes(part), fold_case=fold_case, verbatim=verbatim, most=most)
    if wanted is None:
        return b"", True
    contents = len(file.starts) - 1
    if wanted:
        cells = file.common_cells(wanted, None if lists is None else u8(lists))
        holders = np.searchsorted(file.starts, cells, side="right") - 1
        cells, holders = (each[(holders > after) & (holders < contents)] for each in (cells, holders))
        last = cells + 1 >= file.starts[holders + 1]
        ends = np.where(last, _ANYWHERE, np.append(file.places, _ANYWHERE)[cells + 1])
        found = np.column_stack([holders, file.places[cells], ends])
    else:
        number = np.arange(after + 1, contents)
        found = np.column_stack([number, np.zeros_like(number), np.full_like(number, _ANYWHERE)])
    distinct = np.unique(found[:, 0])
    if len(distinct) > limit:
        found = found[found[:, 0] < distinct[limit]]
    return found.astype("<u4").tobytes(), len(distinct) <= limit


def _wanted(file: _File, part: bytes, *, fold_case: bool, verbatim: bool, most: int) -> list[_Item] | None:
    """Return the lists to intersect, the shortest first; None where no text holds ``part``."""
    from provenance.kernel.reference import normalise

    require_at_least(1, most=most)
    wanted: list[_Item] = []
    layout = _layout(part)[0] if verbatim else []
    examined = (normalise(part) if verbatim else part)[:_EXAMINED]
    for at in range(len(examined) - 2):
        variants = _variants(examined[at : at + 3], fold_case)
        lists = tuple(sorted(found for gram in variants if (found := file.range_of(gram)) is not None))
        if variants and not lists:
            return None
        wanted.append(lists)
    layouts: list[_Item] = [() for _ in wanted]
    for place, gram in layout:
        if place < len(wanted) and wanted[place]:
            found = file.range_of(gram)
            if found is None:
                return None
            layouts[place] = (found,)
    if len(wanted) > REACH - 2:
        rarest = min((at for at in range(len(wanted)) if wanted[at]), key=lambda at: _size(wanted[at]), default=0)
        start = min(max(0, rarest - (REACH // 2 - 1)), len(wanted) - (REACH - 2))
        wanted, layouts = (lists[start : start + REACH - 2] for lists in (wanted, layouts))
    return sorted({lists for lists in wanted + layouts if lists}, key=lambda lists: (_size(lists), lists))[:most]


class _File:
    def __init__(self, file: Bytes8) -> None:
        if len(file) < _HEADER.size or file[:8].tobytes() != _MAGIC:
            raise ValueError("not a file of grams, or truncated")
        _, version, cell, reach, contents, self.cells, grams, _, _ = _HEADER.unpack(file[: _HEADER.size].tobytes())
        if (version, cell, reach) != (1, CELL, REACH):
            raise ValueError("a file of grams with other cells")
        end = _HEADER.size + (contents + 1 + self.cells + grams + grams + 1) * 4
        if len(file) < end:
            raise ValueError("not a file of grams, or truncated")
        tables = file[_HEADER.size : end].view("<u4").astype(np.int64)
        ends = np.cumsum([contents + 1, self.cells, grams])
        self.starts, self.places, self._grams, self._offsets = np.split(tables, ends)
        self._lists = file[end:]

    def range_of(self, gram: int) -> tuple[int, int] | None:
        """Return where the list of a gram lies, None where no text holds it."""
        at = int(np.searchsorted(self._grams, gram))
        if at == len(self._grams) or self._grams[at] != gram:
            return None
        start, end = int(self._offsets[at]), int(self._offsets[at + 1])
        if start > end:
            raise ValueError("a file of grams whose offsets are out of order")
        return (start, end) if start < end else None

    def common_cells(self, wanted: list[_Item], lists: Bytes8 | None) -> I64:
        """Return the cells in which every item has a gram; ``lists`` are theirs, one after another, if given."""
        if lists is not None and len(lists) != sum(map(_size, wanted)):
            raise ValueError("lists of other grams than those that are wanted")
        common = np.ones(self.cells, dtype=bool)
        at = 0
        for item in wanted:
            marked = np.zeros(self.cells, dtype=bool)
            for start, end in item:
                encoded = self._lists[start:end] if lists is None else lists[at : at + end - start]
                at += end - start
                if len(encoded) != end - start:
                    raise ValueError("a file of grams whose offsets are out of order")
                if len(encoded) == (self.cells + 7) // 8:
                    marked |= np.unpackbits(encoded, count=self.cells, bitorder="little").astype(bool)
                else:
                    cells = _ungapped(encoded)
                    marked[cells[cells < self.cells]] = True
            common &= marked
        return np.flatnonzero(common)


def _grams(text: Bytes8) -> I64:
    wide = text.astype(np.int64)
    return (wide[:-2] << 16) | (wide[1:-1] << 8) | wide[2:]


def _layout(text: bytes) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the layout grams of a source text with their places in the normalised one, and where its cells begin."""
    grams: list[tuple[int, int]] = []
    cells: list[int] = []
    at = normalised = 0
    for run in (*_RUN.finditer(text), None):
        start, end = run.span() if run else (len(text), len(text))
        inside = 0 < normalised + start - at and end < len(text)
        while len(cells) * CELL < normalised + start - at + inside:
            cells.append(at + len(cells) * CELL - normalised)
        normalised += start - at
        if inside:
            if text[start:end] not in (b" ", b"\n"):
                around = text[start - 1 : end + 1].lower()
                grams.append((normalised - 1, _LAYOUT | xxhash.xxh3_64_intdigest(around) & (_LAYOUT - 1)))
            normalised += 1
        at = end
    return grams, cells


def _size(item: _Item) -> int:
    return sum(end - start for start, end in item)


def _variants(three: bytes, fold_case: bool) -> list[int]:
    """Return the grams that a text may have in place of three bytes; none where case folds beyond ASCII."""
    if not fold_case:
        return [int.from_bytes(three, "big")]
    if not three.isascii():
        return []
    either = ({*bytes([byte]).lower(), *bytes([byte]).upper()} for byte in three)
    return [int.from_bytes(bytes(each), "big") for each in product(*either)]


def _gaps(cells: I64) -> bytes:
    """Return the gaps between cells in groups of three bits, lowest first, a fourth bit where more follow."""
    nibbles = []
    following = 0
    for cell in cells.tolist():
        gap, following = cell - following, cell + 1
        while gap > 7:
            nibbles.append(gap & 7 | 8)
            gap >>= 3
        nibbles.append(gap)
    if len(nibbles) % 2:
        nibbles.append(15)
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _ungapped(encoded: Bytes8) -> I64:
    cells = []
    following = gap = shift = 0
    for byte in encoded.tolist():
        for nibble in (byte & 15, byte >> 4):
            gap |= (nibble & 7) << shift
            if nibble & 8:
                shift += 3
            else:
                following += gap
                cells.append(following)
                following += 1
                gap = shift = 0
    return np.array(cells, dtype=np.int64)
