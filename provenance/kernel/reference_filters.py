"""Membership of the reference kernel: the blocked filter, the pybloomfiltermmap3 filter, chains of hits.

The blocked filter is specified in ARCHITECTURE.md ("Filter file"). The other is what pybloomfiltermmap3
0.6.3 computes (src/bloomfilter.c and MurmurHash3.c of its source distribution): for each seed the two
halves of MurmurHash3_x64_128 of the key's bytes, combined by exclusive or, modulo the number of bits;
bit ``i`` is bit ``i % 8`` of byte ``i // 8``. An integer key is first reduced as Python's ``hash`` does,
modulo 2^61 - 1, and hashed as eight little-endian bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from provenance.kernel.reference_arrays import (
    I64,
    U64,
    Bytes8,
    code_point_starts,
    multiply_high,
    require_at_least,
    to_bytes,
    u8,
    u8_writable,
    u64,
)
from provenance.kernel.reference_xxh3 import keys_of

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

REGION_BYTES = 4096
LINE_WORDS = 8
REGION_WORDS = REGION_BYTES // 8
HALF_CONSTANTS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
HASH_MODULUS = np.uint64((1 << 61) - 1)
"""Python's ``sys.hash_info.modulus`` on 64-bit machines, where the library's files come from."""
BLOCK = 1 << 14

_ONE = np.uint64(1)
_SIX_BITS = np.uint64(63)


def mix(x: U64) -> U64:
    """Return the finaliser of MurmurHash3 of each word."""
    x = x ^ (x >> np.uint64(33))
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    x ^= x >> np.uint64(33)
    return x


def _check_filter(body: Bytes8, regions: int, halves: int) -> None:
    require_at_least(1, regions=regions)
    if halves not in (1, 2):
        raise ValueError(f"halves is {halves}, must be 1 or 2")
    if len(body) != halves * regions * REGION_BYTES:
        raise ValueError(
            f"the body has {len(body)} bytes; {halves} halves of {regions} regions have "
            f"{halves * regions * REGION_BYTES}"
        )


def insert_sorted(body: Buffer, regions: int, halves: int, first_region: int, region_count: int, keys: Buffer) -> None:
    """Set the bits of ``keys`` in the regions [first_region, first_region + region_count)."""
    lines = u8_writable(body)
    require_at_least(1, regions=regions, region_count=region_count)
    _check_filter(lines, region_count, halves)
    require_at_least(0, first_region=first_region)
    if first_region + region_count > regions:
        raise ValueError(f"regions up to {first_region + region_count} asked for, the filter has {regions}")
    values = u64(keys)
    region = multiply_high(values, np.uint64(regions)).astype(np.int64) - first_region
    if ((region < 0) | (region >= region_count)).any():
        raise ValueError(f"a key falls outside of the regions [{first_region}, {first_region + region_count})")
    words = lines.view("<u8")
    for half in range(halves):
        mixed = mix(values ^ HALF_CONSTANTS[half])
        line = _line_words(region, mixed, half, region_count)
        for word in range(LINE_WORDS):
            np.bitwise_or.at(words, line + word, _bit(mixed, word))


def _line_words(region: I64, mixed: U64, half: int, regions: int) -> I64:
    """Return the position of each key's line, counted in words."""
    line = (mixed >> np.uint64(58)).astype(np.int64)
    line += (half * regions + region) * (REGION_WORDS // LINE_WORDS)
    line *= LINE_WORDS
    return line


def _bit(mixed: U64, word: int) -> U64:
    return _ONE << ((mixed >> np.uint64(6 * word)) & _SIX_BITS)


def contains(body: Buffer, regions: int, halves: int, keys: Buffer) -> bytes:
    """Return one byte a key: 1 where the filter body holds it, else 0."""
    lines = u8(body)
    _check_filter(lines, regions, halves)
    return _contains(lines.view("<u8"), regions, halves, u64(keys)).astype(np.uint8).tobytes()


def _contains(words: U64, regions: int, halves: int, keys: U64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found = np.zeros(len(keys), dtype=bool)
    for at in range(0, len(keys), BLOCK):
        where = np.arange(at, min(at + BLOCK, len(keys)))
        for half in range(halves):
            left = keys.take(where)
            mixed = mix(left ^ HALF_CONSTANTS[half])
            line = _line_words(multiply_high(left, np.uint64(regions)).astype(np.int64), mixed, half, regions)
            for word in range(LINE_WORDS):
                # Whoever misses one word is out: half of the strangers leave in each round.
                held = np.flatnonzero(words.take(line + word) & _bit(mixed, word))
                where, mixed, line = where.take(held), mixed.take(held), line.take(held)
        found[where] = True
    return found


def hits(
    filters: Sequence[tuple[Buffer, int, int]], normalised: Buffer, width: int, seed: int, *, codepoints: bool = False
) -> bytes:
    """Return one bit a window at every offset (LSB first): set where any (body, regions, halves) holds it."""
    return np.packbits(_hits(filters, normalised, width, seed, codepoints), bitorder="little").tobytes()


def _hits(
    filters: Sequence[tuple[Buffer, int, int]], normalised: Buffer, width: int, seed: int, codepoints: bool
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    require_at_least(1, width=width)
    text = u8(normalised)
    starts, ends = _windows(text, width, codepoints)
    bodies = []
    for body, regions, halves in filters:
        lines = u8(body)
        _check_filter(lines, regions, halves)
        bodies.append((lines.view("<u8"), regions, halves))
    found = np.zeros(len(starts), dtype=bool)
    for at in range(0, len(starts), BLOCK):
        keys = keys_of(text, starts[at : at + BLOCK], ends[at : at + BLOCK], seed)
        for words, regions, halves in bodies:
            found[at : at + BLOCK] |= _contains(words, regions, halves, keys)
    return found


def _windows(text: Bytes8, width: int, codepoints: bool) -> tuple[I64, I64]:
    """Return start and end in bytes of the window at every offset."""
    if codepoints:
        marks = code_point_starts(text)
        return marks[: max(0, len(marks) - width)], marks[width:]
    starts = np.arange(max(0, len(text) - width + 1), dtype=np.int64)
    return starts, starts + width


def chains(
    filters: Sequence[tuple[Buffer, int, int]],
    normalised: Buffer,
    width: int,
    stride: int,
    seed: int,
    *,
    codepoints: bool = False,
) -> tuple[int, bytes]:
    """Return the number of hits, and the maximal chains as pairs (start, end), ascending."""
    require_at_least(1, stride=stride)
    return chains_of(_hits(filters, normalised, width, seed, codepoints), width, stride)


def chains_of(found: np.ndarray[tuple[int], np.dtype[np.bool_]], width: int, stride: int) -> tuple[int, bytes]:
    """Return the number of hits, and the chains: pairs (start, end), ascending."""
    first, last = found.copy(), found.copy()
    first[stride:] &= ~found[:-stride]
    last[:-stride] &= ~found[stride:]
    starts, ends = np.flatnonzero(first), np.flatnonzero(last)
    # Within one phase the starts and the ends alternate, so that sorting by phase pairs them.
    starts = starts[np.lexsort((starts, starts % stride))]
    ends = ends[np.lexsort((ends, ends % stride))] + width
    order = np.lexsort((ends, starts))
    return int(found.sum()), to_bytes(np.stack([starts[order], ends[order]], axis=1))


def random_read_limit(body: Buffer, count: int, seed: int, *, prefetched: bool = True) -> int:
    """Return the sum of the first words of ``count`` pseudo-random 64-byte lines of ``body``, modulo 2^64."""
    lines = u8(body)
    if len(lines) % 64 or not len(lines):
        raise ValueError(f"the body has {len(lines)} bytes, must be a positive multiple of 64")
    require_at_least(0, count=count)
    words = lines.view("<u8")[::LINE_WORDS]
    total = 0
    for at in range(0, count, BLOCK):
        numbers = np.arange(at + 1, min(count, at + BLOCK) + 1, dtype=np.uint64)
        state = numbers * HALF_CONSTANTS[0] + np.uint64(seed)
        low = state ^ HALF_CONSTANTS[1]
        folded = (state * low) ^ multiply_high(state, low)
        chosen = words[multiply_high(folded, np.uint64(len(words))).astype(np.int64)]
        total += int(chosen.sum(dtype=np.uint64))
    return total & ((1 << 64) - 1)


def _check_bits(bits: Bytes8, bit_count: int, hash_seeds: Sequence[int]) -> None:
    require_at_least(1, bit_count=bit_count)
    if not 1 <= len(hash_seeds) <= 256:
        raise ValueError(f"{len(hash_seeds)} hash seeds, must be 1 to 256")
    for seed in hash_seeds:
        if not 0 <= seed < 1 << 32:
            raise OverflowError(f"hash seed {seed} does not fit 32 bits")
    if len(bits) < (bit_count + 7) // 8:
        raise ValueError(f"{len(bits)} bytes hold fewer than {bit_count} bits")


def _murmur_words(words: U64, seed: int) -> U64:
    """Return MurmurHash3_x64_128 of eight-byte keys, its halves combined by exclusive or."""
    k = words * np.uint64(0x87C37B91114253D5)
    k = (k << np.uint64(31)) | (k >> np.uint64(33))
    k *= np.uint64(0x4CF5AD432745937F)
    return _murmur_finish(k ^ np.uint64(seed), np.full(len(words), seed, dtype=np.uint64), 8)


def _murmur_finish(h1: U64, h2: U64, length: int) -> U64:
    h1 = h1 ^ np.uint64(length)
    h2 = h2 ^ np.uint64(length)
    h1 += h2
    h2 += h1
    h1, h2 = mix(h1), mix(h2)
    h1 += h2
    h2 += h1
    return h1 ^ h2


def _murmur_windows(rows: Bytes8, width: int, seed: int) -> U64:
    """Return MurmurHash3_x64_128 of rows of ``width`` bytes each, its halves combined by exclusive or."""
    count = len(rows) // width
    padded = np.zeros((count, -(-width // 16) * 16), dtype=np.uint8)
    padded[:, :width] = rows.reshape(count, width)
    words = padded.view("<u8")
    h1 = np.full(count, seed, dtype=np.uint64)
    h2 = h1.copy()
    c1, c2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)

    def rotate(x: U64, by: int) -> U64:
        return (x << np.uint64(by)) | (x >> np.uint64(64 - by))

    for block in range(width // 16):
        h1 ^= rotate(words[:, 2 * block] * c1, 31) * c2
        h1 = (rotate(h1, 27) + h2) * np.uint64(5) + np.uint64(0x52DCE729)
        h2 ^= rotate(words[:, 2 * block + 1] * c2, 33) * c1
        h2 = (rotate(h2, 31) + h1) * np.uint64(5) + np.uint64(0x38495AB5)
    tail = width // 16 * 2
    if width % 16:
        h1 ^= rotate(words[:, tail] * c1, 31) * c2
        h2 ^= rotate(words[:, tail + 1] * c2, 33) * c1
    return _murmur_finish(h1, h2, width)


def _bits_all_set(
    bits: Bytes8, bit_count: int, hash_seeds: Sequence[int], count: int, hashes: Callable[[I64, int], U64]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return for each of ``count`` keys whether every bit is set; ``hashes(which, seed)`` hashes some of them."""
    left = np.arange(count, dtype=np.int64)
    for seed in hash_seeds:
        position = hashes(left, seed) % np.uint64(bit_count)
        held = bits[(position >> np.uint64(3)).astype(np.int64)] >> (position & np.uint64(7)).astype(np.uint8) & 1
        left = left[held == 1]
    found = np.zeros(count, dtype=bool)
    found[left] = True
    return found


def pybloom_contains(bits: Buffer, bit_count: int, hash_seeds: Sequence[int], keys: Buffer) -> bytes:
    """Return one byte an integer key: 1 where the library would say that it is in the filter, else 0."""
    array = u8(bits)
    _check_bits(array, bit_count, hash_seeds)
    hashed = u64(keys) % HASH_MODULUS
    found = _bits_all_set(array, bit_count, hash_seeds, len(hashed), lambda left, s: _murmur_words(hashed[left], s))
    return found.astype(np.uint8).tobytes()


def pybloom_insert(bits: Buffer, bit_count: int, hash_seeds: Sequence[int], keys: Buffer) -> None:
    """Set the bits of integer keys, as the library's ``add`` does."""
    array = u8_writable(bits)
    _check_bits(array, bit_count, hash_seeds)
    hashed = u64(keys) % HASH_MODULUS
    for seed in hash_seeds:
        position = _murmur_words(hashed, seed) % np.uint64(bit_count)
        bit = np.uint8(1) << (position & np.uint64(7)).astype(np.uint8)
        np.bitwise_or.at(array, (position >> np.uint64(3)).astype(np.int64), bit)


def pybloom_hits(
    bits: Buffer,
    bit_count: int,
    hash_seeds: Sequence[int],
    normalised: Buffer,
    width: int,
    seed: int | None,
    *,
    codepoints: bool = False,
) -> bytes:
    """Return one bit a window at every offset (LSB first): the library's answer."""
    found = _pybloom_hits(bits, bit_count, hash_seeds, normalised, width, seed, codepoints)
    return np.packbits(found, bitorder="little").tobytes()


def pybloom_chains(
    bits: Buffer,
    bit_count: int,
    hash_seeds: Sequence[int],
    normalised: Buffer,
    width: int,
    stride: int,
    seed: int | None,
    *,
    codepoints: bool = False,
) -> tuple[int, bytes]:
    """Return the number of hits, and the maximal chains as pairs (start, end), ascending."""
    require_at_least(1, stride=stride)
    found = _pybloom_hits(bits, bit_count, hash_seeds, normalised, width, seed, codepoints)
    return chains_of(found, width, stride)


def _pybloom_hits(
    bits: Buffer,
    bit_count: int,
    hash_seeds: Sequence[int],
    normalised: Buffer,
    width: int,
    seed: int | None,
    codepoints: bool,
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    array = u8(bits)
    _check_bits(array, bit_count, hash_seeds)
    require_at_least(1, width=width)
    text = u8(normalised)
    starts, ends = _windows(text, width, codepoints)
    lengths = ends - starts
    found = np.zeros(len(starts), dtype=bool)
    for at in range(0, len(starts), BLOCK):
        block = slice(at, at + BLOCK)
        if seed is not None:
            keys = to_bytes(keys_of(text, starts[block], ends[block], seed))
            found[block] = np.frombuffer(pybloom_contains(bits, bit_count, hash_seeds, keys), dtype=np.uint8) == 1
            continue
        for length in np.unique(lengths[block]).tolist():
            chosen = at + np.flatnonzero(lengths[block] == length)

            def hashes(left: I64, hash_seed: int, chosen: I64 = chosen, length: int = length) -> U64:
                rows = text[starts[chosen[left], None] + np.arange(length)]
                return _murmur_windows(rows.ravel(), length, hash_seed)

            found[chosen] = _bits_all_set(array, bit_count, hash_seeds, len(chosen), hashes)
    return found
