"""What the parts of the reference kernel share: views of buffers, 64-bit arithmetic, checks of arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

Bytes8: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]
U64: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint64]]
I64: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def u8(buffer: Buffer) -> Bytes8:
    """Return a view of the buffer as bytes."""
    return np.frombuffer(buffer, dtype=np.uint8)


def u64(buffer: Buffer) -> U64:
    """Return a view of the buffer as little-endian words; ValueError if it holds a part of one."""
    view = np.frombuffer(buffer, dtype=np.uint8)
    if len(view) % 8:
        raise ValueError(f"a buffer of keys has {len(view)} bytes, which is no multiple of 8")
    return view.view("<u8")


def to_bytes(values: np.ndarray[Any, Any]) -> bytes:
    """Return the values as little-endian 64-bit words."""
    return values.astype("<u8", copy=False).tobytes()


def lanes(text: Bytes8, count: int, offset: int = 0) -> U64:
    """Return the little-endian word at each of ``count`` consecutive offsets; zeros stand beyond the end."""
    if offset + count + 7 > len(text):
        text = np.concatenate([text[offset:], np.zeros(8, dtype=np.uint8)])
        offset = 0
    return np.ndarray((count,), dtype="<u8", buffer=text, offset=offset, strides=(1,)).copy()


def multiply_high(a: U64, b: U64 | np.uint64) -> U64:
    """Return the upper 64 bits of the 128-bit products."""
    a_low, a_high = a & LOW, a >> HALF
    if isinstance(b, np.uint64) and b <= LOW:
        # One factor of 32 bits, as a number of regions is, leaves half of the partial products.
        a_high *= b
        a_low *= b
        a_high += a_low >> HALF
        a_high >>= HALF
        return a_high
    b_low, b_high = b & LOW, b >> HALF
    middle = a_high * b_low
    middle += (a_low * b_low) >> HALF
    other = a_low * b_high
    other += middle & LOW
    high = a_high * b_high
    high += middle >> HALF
    high += other >> HALF
    return high


def code_point_starts(text: Bytes8) -> I64:
    """Return where each code point of UTF-8 text begins, and at last the text's length."""
    starts = np.flatnonzero((text & 0xC0) != 0x80)
    return np.append(starts, len(text)).astype(np.int64)


def u8_writable(buffer: Buffer) -> Bytes8:
    """Return a view of the buffer as bytes that can be set; BufferError if they cannot."""
    view = u8(buffer)
    if not view.flags.writeable:
        raise BufferError("the buffer cannot be written to")
    return view


def require_word(seed: int) -> None:
    """Raise OverflowError for a seed that is no unsigned 64-bit number."""
    if not 0 <= seed < 1 << 64:
        raise OverflowError(f"seed {seed} does not fit 64 bits")


def require_at_least(least: int, **values: int) -> None:
    """Raise ValueError for the first value below ``least``."""
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} is {value}, must be at least {least}")
