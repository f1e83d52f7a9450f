"""Published portraits, opened and written without Redis; the format is described in `portrait_format`."""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from provenance import kernel
from provenance.errors import CorruptFile, MismatchError, ParameterError
from provenance.membership.asking import chain_pairs
from provenance.membership.base import Geometry, Hits
from provenance.membership.portrait_format import (
    NOT_GROWING,
    NOT_ROUNDED,
    SIXTY_FOUR_BITS,
    Head,
    LinkHead,
    block_layout,
    geometry_of,
    index_fields,
    read_index,
)
from provenance.membership.pybloom import file_checksum
from provenance.storage import fsync, fsync_descriptor, refusals_named, reserve
from provenance.windows import window_count

MAX_PART_BYTES = 2 << 30
_BLOCK_BYTES = 16 << 20
"""Bits a block; RedisBloom takes any length, this is what its own dumps have."""
_LN_2_SQUARED = 0.480453013918201
"""As RedisBloom writes it down: one digit more would change the last bit of the head."""
_SAMPLED = 64
_SAMPLE_BYTES = 4096


class PortraitFilter:
    """One dump, mapped into memory; usable from many threads. Implements `MembershipFilter`."""

    def __init__(
        self,
        path: Path,
        head: Head,
        geometry: Geometry,
        parts: list[tuple[mmap.mmap, memoryview]],
        recorded: Mapping[str, int | None],
    ) -> None:
        """Take over ``parts``: files mapped, and the bits in them; use `PortraitFilter.open`."""
        self.path = path
        self.head = head
        self.geometry = geometry
        self._parts = parts
        self._recorded = recorded
        self._links = list(_cut(head.links, [bits for _, bits in parts]))

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        geometry: Geometry | None = None,
        *,
        recorded: Mapping[str, int | None] | None = None,
    ) -> PortraitFilter:
        """Return the filter whose index file is ``path``; its parts stand beside it.

        ``recorded`` are the XXH3-64 of its files by name, if they were kept anywhere: the format has no checksum.

        Raises:
            ParameterError: the name does not tell the windows. MismatchError: they are not those of ``geometry``.
            CorruptFile: index and parts are not what they should be. StorageError: a file cannot be read.
        """
        path = Path(path)
        named = geometry_of(path)
        if geometry is not None and geometry != named:
            raise MismatchError(f"{path}: made for {named}, asked with {geometry}")
        index = read_index(path)
        if index.get("width") not in (None, named.width):
            raise CorruptFile(path, f"its width is {index['width']!r}, its name says {named.width}")
        layout = block_layout(index, path)
        head: Head | None = None
        parts: list[tuple[mmap.mmap, memoryview]] = []
        try:
            for number, (name, sizes) in enumerate(layout.items()):
                mapped = _map(path.with_name(name), sum(sizes))
                skip = sizes[0] if number == 0 else 0
                if number == 0:
                    head = Head.from_bytes(mapped[:skip], path.with_name(name))
                parts.append((mapped, memoryview(mapped)[skip:]))
            assert head is not None
            total, expected = sum(len(bits) for _, bits in parts), sum(link.bytes for link in head.links)
            if total != expected:
                raise CorruptFile(path, f"the parts hold {total} bytes of bits, the head says {expected}")
        except BaseException:
            _release(parts)
            raise
        return cls(path, head, named, parts, recorded or {})

    @property
    def kind(self) -> str:
        """Return ``portrait``."""
        return "portrait"

    @property
    def keys(self) -> int:
        """Return how many windows were inserted, as far as the filter told them apart."""
        return self.head.elements

    @cached_property
    def expected_false_positive_rate(self) -> float:
        """Return the chance that a window in none of the texts hits some link; right to about 2 percent."""
        clear = 1.0
        for share, (_, _, hashes) in zip(self._shares, self._links, strict=True):
            clear *= 1 - share**hashes
        return 1 - clear

    @property
    def fill(self) -> float:
        """Return the share of bits that are set, of all links together."""
        bits = [modulus for _, modulus, _ in self._links]
        return sum(share * each for share, each in zip(self._shares, bits, strict=True)) / sum(bits)

    @cached_property
    def _shares(self) -> list[float]:
        """Return the share of bits that are set in each link; of a large one evenly spaced blocks stand for all."""
        return [_share_of_ones(pieces, modulus) for pieces, modulus, _ in self._links]

    @property
    def links(self) -> list[tuple[list[memoryview], int, int]]:
        """Return (pieces of the bits, number of bits, hashes) of every link, as the kernel takes them."""
        return self._links

    def test(self, normalised: bytes) -> Hits:
        """Ask every window of a text in ``portrait-1``; ranges count code points."""
        hits, chains = kernel.portrait_chains(self._links, normalised, self.geometry.width, self.geometry.stride)
        return Hits(window_count(normalised, self.geometry), hits, chain_pairs(chains))

    def verify(self) -> None:
        """Compare sizes once more, and every file with the checksum recorded for it. Raises `CorruptFile`."""
        PortraitFilter.open(self.path, self.geometry).close()
        for name, checksum in self._recorded.items():
            if file_checksum(self.path.with_name(name)) != checksum:
                raise CorruptFile(self.path.with_name(name), "the recorded checksum does not hold")

    def close(self) -> None:
        """Let go of the files; a question that another thread is asking is still answered."""
        for pieces, _, _ in self._links:
            _released(pieces)
        _release(self._parts)


def write_portrait(
    path: Path, texts: Iterable[bytes], *, capacity: int, error_rate: float, part_bytes: int = MAX_PART_BYTES
) -> Head:
    """Write a dump of the windows of ``texts`` (UTF-8) and return its head.

    RedisBloom loads it (``BF.LOADCHUNK``), and Data Portraits' own scripts. Bits and head are those that the server
    itself would have after ``BF.RESERVE key error_rate capacity NONSCALING`` and adding every window. The file's name
    tells the windows. Disk space of twice the filter is needed while it is written.

    Raises:
        ParameterError: a number out of range, or a name of another kind. StorageError: disk full, no permission.
    """
    geometry = geometry_of(path)
    if not 0 < error_rate < 1 or capacity < 1:
        raise ParameterError(f"capacity {capacity}, error rate {error_rate}: at least 1, and between 0 and 1")
    blank = _sized(capacity, error_rate)
    scratch = path.with_name(f".{path.name}.part")
    with refusals_named(path):
        with open(scratch, "w+b") as file:
            try:
                reserve(file.fileno(), 0, blank.bytes)
                with mmap.mmap(file.fileno(), blank.bytes) as mapped:
                    elements = _insert_all(mapped, blank, geometry, texts)
                    link = replace(blank, elements=elements)
                    head = Head(elements, NOT_ROUNDED | SIXTY_FOUR_BITS | NOT_GROWING, 2, (link,))
                    blocks = _write_parts(path, head, mapped, part_bytes)
            finally:
                os.unlink(scratch)
        value = {"blocks": blocks, "bf_info": index_fields(head), "width": geometry.width, "key": path.name}
        path.write_text(json.dumps(value, indent=2), "ascii")
        fsync(path)
        fsync(path.parent)
    return head


def _sized(capacity: int, error_rate: float) -> LinkHead:
    """Return an empty link as RedisBloom sizes it (deps/bloom/bloom.c): bits rounded up to whole 64-bit words."""
    bits_per_element = -math.log(error_rate) / _LN_2_SQUARED
    words = max(1, -(-int(capacity * bits_per_element) // 64))
    hashes = math.ceil(math.log(2) * bits_per_element)
    return LinkHead(words * 8, words * 64, 0, error_rate, bits_per_element, hashes, capacity, 0)


def _insert_all(mapped: mmap.mmap, link: LinkHead, geometry: Geometry, texts: Iterable[bytes]) -> int:
    elements = 0
    for text in texts:
        normalised = kernel.portrait_normalise_map(text)[0]
        elements += kernel.portrait_insert(mapped, link.bits, link.hashes, normalised, geometry.width, geometry.stride)
    return elements


def _write_parts(path: Path, head: Head, bits: mmap.mmap, part_bytes: int) -> list[dict[str, Any]]:
    """Write the parts durably and return the list of blocks."""
    blocks: list[dict[str, Any]] = []
    file: BinaryIO | None = None
    written = done = 0
    pieces: list[bytes | memoryview] = [head.to_bytes()]
    with memoryview(bits) as view:
        step = max(1, min(_BLOCK_BYTES, part_bytes))
        pieces.extend(view[at : at + step] for at in range(0, len(view), step))
        number = -1
        try:
            for block, piece in enumerate(pieces):
                if file is None or written + len(piece) > part_bytes:
                    _finish(file)
                    number, written = number + 1, 0
                    file = open(path.with_name(f"{path.name}.part{number}.bin"), "wb")
                file.write(piece)
                written += len(piece)
                done += len(piece) if block else 0
                blocks.append(
                    {"iter": done + 1, "block_num": block, "block_size": len(piece), "part_file": Path(file.name).name}
                )
        finally:
            _finish(file)
            for piece in pieces[1:]:
                assert isinstance(piece, memoryview)
                piece.release()
    return blocks


def _finish(file: BinaryIO | None) -> None:
    if file is not None:
        file.flush()
        fsync_descriptor(file.fileno())
        file.close()


def _map(path: Path, expected: int) -> mmap.mmap:
    with refusals_named(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != expected:
            raise CorruptFile(path, f"{size} bytes long, the index says {expected}")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if size > _BLOCK_BYTES and hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)
    return mapped


def _cut(links: Iterable[LinkHead], parts: list[memoryview]) -> Iterator[tuple[list[memoryview], int, int]]:
    """Yield the bits of each link: pieces of the parts."""
    part = at = 0
    for link in links:
        left, pieces = link.bytes, []
        while left:
            here = min(left, len(parts[part]) - at)
            if here:
                pieces.append(parts[part][at : at + here])
            left, at = left - here, at + here
            if left:
                part, at = part + 1, 0
        yield pieces, link.modulus, link.hashes


def _share_of_ones(pieces: list[memoryview], modulus: int) -> float:
    total = ones = 0
    for piece in pieces:
        step = max(_SAMPLE_BYTES, len(piece) // _SAMPLED)
        for at in range(0, len(piece), step):
            with piece[at : at + _SAMPLE_BYTES] as block:
                ones += kernel.count_ones(block)
                total += len(block) * 8
    return min(1.0, ones / min(total, modulus))


def _released(views: Iterable[memoryview]) -> None:
    for view in views:
        try:
            view.release()
        except BufferError:
            pass  # in use at this moment


def _release(parts: list[tuple[mmap.mmap, memoryview]]) -> None:
    for mapped, bits in parts:
        _released([bits])
        try:
            mapped.close()
        except BufferError:
            pass  # in use at this moment: unmapped when the last user drops it
