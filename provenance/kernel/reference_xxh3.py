"""XXH3-64 of many windows at once, in numpy.

The algorithm and its constants are those of the xxHash specification (doc/xxhash_spec.md of
Cyan4973/xxHash). Windows of 17 to 128 bytes share one short formula, which is computed here over
arrays of 64-bit lanes; other widths go through the xxhash package one by one.
"""

from __future__ import annotations

import numpy as np
import xxhash

from provenance.kernel.reference_arrays import I64, U64, Bytes8, lanes, multiply_high, require_word

SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
        "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    ),
    dtype="<u8",
)
"""The first 128 bytes of XXH3's default secret."""
PRIME64_1 = 0x9E3779B185EBCA87
AVALANCHE = np.uint64(0x165667919E3779F9)
MASK = (1 << 64) - 1
BLOCK = 1 << 14
"""Windows a round: the arrays of a round stay in the second-level cache."""


def keys_of(text: Bytes8, starts: I64, ends: I64, seed: int) -> U64:
    """Return the key of each window [start, end); windows may differ in length."""
    require_word(seed)
    if not len(starts):
        return np.zeros(0, dtype=np.uint64)
    lengths = ends - starts
    width = int(lengths[0])
    if not 17 <= width <= 128 or (lengths != width).any():
        data = text.tobytes()
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        digests = (xxhash.xxh3_64_intdigest(data[start:end], seed) for start, end in pairs)
        return np.fromiter(digests, dtype=np.uint64, count=len(starts))
    keys = np.empty(len(starts), dtype=np.uint64)
    dense = len(starts) == int(starts[-1]) - int(starts[0]) + 1
    for at in range(0, len(starts), BLOCK):
        block = starts[at : at + BLOCK]
        low, high = int(block[0]), int(block[-1])
        if dense:
            words = lanes(text, high - low + width - 7, low)
            block = np.arange(len(block))
        else:
            # Rows of whole windows: lane j of window i is words[i * width + j].
            rows = text[block[:, None] + np.arange(width)]
            words = lanes(rows.ravel(), rows.size)
            block = np.arange(0, rows.size, width)
        keys[at : at + BLOCK] = _mid_length(words, block if not dense else None, len(block), width, seed)
    return keys


def _mid_length(words: U64, starts: I64 | None, count: int, width: int, seed: int) -> U64:
    """Return XXH3-64 of ``count`` windows of 17 to 128 bytes, given the word at every offset."""

    def lane(offset: int) -> U64:
        return words[offset : offset + count] if starts is None else words[starts + offset]

    def mix(offset: int, secret: int) -> U64:
        low = lane(offset) ^ np.uint64((int(SECRET[secret]) + seed) & MASK)
        high = lane(offset + 8) ^ np.uint64((int(SECRET[secret + 1]) - seed) & MASK)
        return (low * high) ^ multiply_high(low, high)

    total = np.full(count, (width * PRIME64_1) & MASK, dtype=np.uint64)
    for pair in range((width - 1) // 32 + 1):
        total += mix(16 * pair, 4 * pair)
        total += mix(width - 16 * (pair + 1), 4 * pair + 2)
    total ^= total >> np.uint64(37)
    total *= AVALANCHE
    total ^= total >> np.uint64(32)
    return total
