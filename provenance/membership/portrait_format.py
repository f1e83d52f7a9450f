"""The dumps of Data Portraits: names, index file, head.

A dump is an index ``NAME.<width>-<stride>.bf`` (JSON) and parts ``NAME.<width>-<stride>.bf.part<n>.bin`` of at most
2 GiB. The index lists blocks in order (``iter``, ``block_num``, ``block_size``, ``part_file``); the parts are those
blocks, one after another. Block 0 is the head, all others are the bits of the links, one link after another: what
RedisBloom's ``BF.SCANDUMP`` returned. ``iter`` is the command's cursor: the bytes of bits so far, plus one.

The head, as RedisBloom 2.4.3 writes it (src/sb.c), little-endian and packed:

    0   8   elements inserted     8   4   number of links     12   4   options     16   4   growth
    then for each link, 53 bytes:
    0   8   bytes     8   8   bits     16   8   elements inserted     24   8   error rate (IEEE 754 double)
    32  8   bits per element (double)     40   4   hashes     44   8   capacity     52   1   n2

Options are bits: 1 sizes are not rounded up to a power of two (else 2^n2 bits are used), 2 the capacity counts bits,
4 hashes have 64 bits, 8 the filter does not grow. Without 4, short filters are hashed otherwise: such a dump is
refused, none of the published ones is like that. A filter that grows has several links and holds what any of them
holds. Windows count code points of text in ``portrait-1``, and are hashed as UTF-8 (kernel).
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from provenance.errors import CorruptFile, ParameterError
from provenance.membership.base import Geometry
from provenance.storage import refusals_named

NORMALISER = "portrait-1"
MAX_WIDTH = 4096
NOT_ROUNDED, CAPACITY_IN_BITS, SIXTY_FOUR_BITS, NOT_GROWING = 1, 2, 4, 8

_KNOWN_OPTIONS = NOT_ROUNDED | CAPACITY_IN_BITS | SIXTY_FOUR_BITS | NOT_GROWING
_NAME = re.compile(r"(?P<name>.+)\.(?P<width>[0-9]{1,5})-(?P<stride>[0-9]{1,5})\.bf")
_HEAD = struct.Struct("<QIII")
_LINK = struct.Struct("<QQQddIQB")
_INDEX_LIMIT = 64 << 20
_MAX_LINKS = 4096


@dataclass(frozen=True, slots=True)
class LinkHead:
    """What the head says about one link; fields in the order of the file."""

    bytes: int
    bits: int
    elements: int
    error_rate: float
    bits_per_element: float
    hashes: int
    capacity: int
    n2: int

    @property
    def modulus(self) -> int:
        """Return the number of bits that positions are reduced by."""
        return 1 << self.n2 if self.n2 else self.bits


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a dump."""

    elements: int
    options: int
    growth: int
    links: tuple[LinkHead, ...]

    def to_bytes(self) -> bytes:
        """Return block 0 of the dump."""
        start = _HEAD.pack(self.elements, len(self.links), self.options, self.growth)
        return start + b"".join(
            _LINK.pack(
                link.bytes,
                link.bits,
                link.elements,
                link.error_rate,
                link.bits_per_element,
                link.hashes,
                link.capacity,
                link.n2,
            )
            for link in self.links
        )

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> Head:
        """Return what a head says. Raises `CorruptFile`, naming ``path``."""
        if len(data) < _HEAD.size:
            raise CorruptFile(path, f"the head has {len(data)} bytes, at least {_HEAD.size} are needed")
        elements, count, options, growth = _HEAD.unpack_from(data)
        if not 1 <= count <= _MAX_LINKS or len(data) != _HEAD.size + count * _LINK.size:
            raise CorruptFile(path, f"the head has {len(data)} bytes and claims {count} links")
        if options & ~_KNOWN_OPTIONS or not options & SIXTY_FOUR_BITS:
            raise CorruptFile(path, f"RedisBloom's option word is {options}; those with 64-bit hashes are supported")
        links = tuple(LinkHead(*fields) for fields in _LINK.iter_unpack(data[_HEAD.size :]))
        for number, link in enumerate(links):
            sound = (
                1 <= link.hashes <= 1024
                and link.n2 < 63
                and 1 <= link.modulus <= link.bytes * 8
                and link.bytes < 1 << 50
                and 0 < link.error_rate < 1
            )
            if not sound:
                raise CorruptFile(path, f"impossible values for link {number} in the head")
        return cls(elements, options, growth, links)


def geometry_of(path: str | PathLike[str]) -> Geometry:
    """Return the windows that a dump's name tells. Raises `ParameterError` for another kind of name."""
    name = Path(path).name
    found = _NAME.fullmatch(name)
    if found is None:
        raise ParameterError(f"{name}: the name of a portrait is NAME.<width>-<stride>.bf, 50-50 for example")
    width, stride = int(found["width"]), int(found["stride"])
    if not (1 <= width <= MAX_WIDTH and 1 <= stride <= MAX_WIDTH):
        raise ParameterError(f"{name}: width and stride must be from 1 to {MAX_WIDTH}")
    return Geometry(width, stride, "codepoint", 0, NORMALISER)


def read_index(path: Path) -> dict[str, Any]:
    """Return what an index file says. Raises `CorruptFile`, `StorageError`."""
    with refusals_named(path), open(path, "rb") as file:
        data = file.read(_INDEX_LIMIT + 1)
    if len(data) > _INDEX_LIMIT:
        raise CorruptFile(path, f"longer than {_INDEX_LIMIT} bytes: not the index of a portrait")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise CorruptFile(path, "not the JSON index of a portrait (an older, single-file dump, or damaged)") from None
    if not isinstance(value, dict):
        raise CorruptFile(path, "not the JSON index of a portrait")
    return value


def block_layout(index: Mapping[str, Any], path: Path) -> dict[str, list[int]]:
    """Return the sizes of the blocks in each part, in order. Raises `CorruptFile`."""
    blocks = index.get("blocks")
    if not isinstance(blocks, list) or len(blocks) < 2:
        raise CorruptFile(path, "lists no blocks of bits")
    layout: dict[str, list[int]] = {}
    done = 0
    last = ""
    for number, block in enumerate(blocks):
        try:
            cursor, place, size, name = (block[key] for key in ("iter", "block_num", "block_size", "part_file"))
            sound = all(type(value) is int for value in (cursor, place, size)) and type(name) is str
        except (KeyError, TypeError):
            sound = False
        if not sound or size < 1 or place != number:
            raise CorruptFile(path, f"the entry of block {number} is incomplete or out of order")
        if not name.isprintable() or name in ("", ".", "..") or re.search(r"[/\\]", name):
            raise CorruptFile(path, f"block {number} does not stand in a file beside the index")
        done += size if number else 0
        if cursor != done + 1:
            raise CorruptFile(path, f"the cursor of block {number} is {cursor}, after the blocks before it {done + 1}")
        if name != last and name in layout:
            raise CorruptFile(path, f"the blocks of {name} do not follow one another")
        layout.setdefault(name, []).append(size)
        last = name
    return layout


def index_fields(head: Head) -> dict[str, Any]:
    """Return what the index file repeats of the head: the first link."""
    link = head.links[0]
    return {
        "chain_size": head.elements,
        "chain_n_filters": len(head.links),
        "options": head.options,
        "growth": head.growth,
        "bytes": link.bytes,
        "bits": link.bits,
        "current_size": link.elements,
        "error": link.error_rate,
        "bits_per_element": link.bits_per_element,
        "hashes": link.hashes,
        "max_entries": link.capacity,
        "n2": link.n2,
    }
