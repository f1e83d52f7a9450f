"""Portraits in the reference kernel: the normaliser ``portrait-1`` and the filter of RedisBloom.

The normaliser is what dataportraits/code_proc.py does; the filter what RedisBloom 2.4.3 does (deps/bloom/bloom.c):
a window's UTF-8 is hashed by MurmurHash64A, once with a fixed seed and once with the first hash as seed; probe ``i``
is bit ``(a + i * b) mod 2^64 mod bits``, bit ``i`` being bit ``i % 8`` of byte ``i // 8``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from provenance.kernel.reference_arrays import (
    I64,
    U64,
    Bytes8,
    code_point_starts,
    require_at_least,
    to_bytes,
    u8,
)
from provenance.kernel.reference_filters import BLOCK, chains_of

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SHIFT = np.uint64(47)
_SPACE_GROUP = re.compile(
    rb"[\n\r]+|(?:[\t\x0b\x0c\x1c-\x20]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f"
    rb"|\xe3\x80\x80)+"
)


def portrait_normalise_map(text: Buffer) -> tuple[bytes, bytes, bytes]:
    """Return ``portrait-1`` of ``text`` and its breakpoints: normalised offsets, source offsets."""
    source = bytes(text)
    # (source offset, bytes) of each piece of the result.
    pieces: list[tuple[int, bytes]] = []
    at = 0
    for group in _SPACE_GROUP.finditer(source):
        start, end = group.span()
        is_break = source[start] in b"\n\r"
        if at < start:
            pieces.append((at, source[at:start]))
        if is_break or at < start or not pieces or pieces[-1][1] != b"\n":
            pieces.append((start, b"\n" if is_break else b" "))
        at = end
    if at < len(source):
        pieces.append((at, source[at:]))
    while pieces and pieces[0][1] in (b"\n", b" "):
        del pieces[0]
    while pieces and pieces[-1][1] in (b"\n", b" "):
        pieces.pop()
    out = bytearray()
    normalised, sources = [], []
    expected = -1
    for start, piece in pieces:
        if start != expected:
            normalised.append(len(out))
            sources.append(start)
        out += piece
        expected = start + len(piece)
    return bytes(out), to_bytes(np.array(normalised, dtype=np.uint64)), to_bytes(np.array(sources, dtype=np.uint64))


class _Link:
    """One link of a filter, its bits in one or several pieces of memory."""

    def __init__(self, parts: Sequence[Buffer], bit_count: int, hashes: int) -> None:
        require_at_least(1, bit_count=bit_count, hashes=hashes)
        self.parts = [u8(part) for part in parts]
        self.ends = np.cumsum([len(part) for part in self.parts], dtype=np.uint64)
        self.bits = np.uint64(bit_count)
        self.hashes = hashes
        total = int(self.ends[-1]) if parts else 0
        if total < (bit_count + 7) // 8:
            raise ValueError(f"{total} bytes hold fewer than {bit_count} bits")

    def positions(self, a: U64, b: U64, probe: int) -> U64:
        return (a + np.uint64(probe) * b) % self.bits

    def is_set(self, positions: U64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        byte = positions >> np.uint64(3)
        part = np.searchsorted(self.ends, byte, side="right")
        values = np.zeros(len(byte), dtype=np.uint8)
        for number in np.unique(part).tolist():
            here = part == number
            before = self.ends[number - 1] if number else np.uint64(0)
            values[here] = self.parts[number][(byte[here] - before).astype(np.int64)]
        bits = (positions & np.uint64(7)).astype(np.uint8)
        held: np.ndarray[tuple[int], np.dtype[np.bool_]] = (values >> bits) & 1 == 1
        return held


def _scramble(blocks: U64) -> U64:
    blocks = blocks * MULTIPLIER
    return (blocks ^ (blocks >> _SHIFT)) * MULTIPLIER


def _hash(rows: np.ndarray[tuple[int, int], np.dtype[np.uint8]], seeds: U64) -> U64:
    """Return MurmurHash64A of each row of bytes, each with its own seed."""
    count, length = rows.shape
    padded = np.zeros((count, -(-length // 8) * 8), dtype=np.uint8)
    padded[:, :length] = rows
    words = padded.view("<u8")
    hashed: U64 = seeds ^ (np.full(1, length, dtype=np.uint64) * MULTIPLIER)
    for block in range(length // 8):
        hashed = (hashed ^ _scramble(words[:, block])) * MULTIPLIER
    if length % 8:
        hashed = (hashed ^ words[:, -1]) * MULTIPLIER
    hashed = (hashed ^ (hashed >> _SHIFT)) * MULTIPLIER
    hashed ^= hashed >> _SHIFT
    return hashed


def _hashes(text: Bytes8, starts: I64, ends: I64) -> tuple[U64, U64]:
    """Return both hashes of each window."""
    a = np.zeros(len(starts), dtype=np.uint64)
    b = a.copy()
    lengths = ends - starts
    for length in np.unique(lengths).tolist():
        here = np.flatnonzero(lengths == length)
        rows = text[starts[here, None] + np.arange(length)]
        a[here] = _hash(rows, np.full(len(here), MULTIPLIER, dtype=np.uint64))
        b[here] = _hash(rows, a[here])
    return a, b


def _hits(
    links: Sequence[tuple[Sequence[Buffer], int, int]], normalised: Buffer, width: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    require_at_least(1, width=width)
    opened = [_Link(*link) for link in links]
    text = u8(normalised)
    marks = code_point_starts(text)
    starts, ends = marks[: max(0, len(marks) - width)], marks[width:]
    found = np.zeros(len(starts), dtype=bool)
    for at in range(0, len(starts), BLOCK):
        block = slice(at, at + BLOCK)
        a, b = _hashes(text, starts[block], ends[block])
        for link in opened:
            left = np.flatnonzero(~found[block])
            for probe in range(link.hashes):
                left = left[link.is_set(link.positions(a[left], b[left], probe))]
            found[at + left] = True
    return found


def portrait_hits(links: Sequence[tuple[Sequence[Buffer], int, int]], normalised: Buffer, width: int) -> bytes:
    """Return one bit a window at every code point (LSB first): set where any link holds it."""
    return np.packbits(_hits(links, normalised, width), bitorder="little").tobytes()


def portrait_chains(
    links: Sequence[tuple[Sequence[Buffer], int, int]], normalised: Buffer, width: int, stride: int
) -> tuple[int, bytes]:
    """Return the number of hits, and the maximal chains as pairs (start, end), ascending."""
    require_at_least(1, stride=stride)
    return chains_of(_hits(links, normalised, width), width, stride)


def portrait_insert(bits: Buffer, bit_count: int, hashes: int, normalised: Buffer, width: int, stride: int) -> int:
    """Set the bits of the windows whose numbers are multiples of ``stride``; return how many were new."""
    require_at_least(1, width=width, stride=stride)
    link = _Link([bits], bit_count, hashes)
    text, array = u8(normalised), u8(bits)
    marks = code_point_starts(text)
    starts = marks[: max(0, len(marks) - width) : stride]
    a, b = _hashes(text, starts, marks[width::stride][: len(starts)])
    added = 0
    for window in range(len(starts)):
        one = slice(window, window + 1)
        positions = np.concatenate([link.positions(a[one], b[one], probe) for probe in range(hashes)])
        added += not link.is_set(positions).all()
        np.bitwise_or.at(
            array,
            (positions >> np.uint64(3)).astype(np.int64),
            np.uint8(1) << (positions & np.uint64(7)).astype(np.uint8),
        )
    return added


def count_ones(bits: Buffer) -> int:
    """Return the number of set bits."""
    array = u8(bits)
    return sum(int(np.unpackbits(array[at : at + BLOCK]).sum(dtype=np.int64)) for at in range(0, len(array), BLOCK))
