"""Compressed streams read as what is inside, with bounds: gzip, bzip2, xz and zstd, known by their first bytes.

Every step makes a bounded amount of output whatever the input says, so that a bomb costs time in proportion to what
is asked for, not memory; `Inflated` counts both sides, so that a ratio nobody reaches honestly can be refused.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from typing import Any, BinaryIO, Literal

import zstandard

Trouble = Literal["truncated", "corrupt", "bomb"]

_CHUNK = 1 << 16
_OUT = 1 << 18
_ZSTD_FEED = 1024
"""Compressed bytes a step for zstd, whose steps cannot be bounded: four bytes may become 128 KiB, 1 KiB then 32 MiB."""
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_MEMORY = 512 << 20
_FREE_BYTES = 64 << 20
"""Output below this is never called a bomb."""


class DamagedStream(OSError):
    """A compressed stream ends early (``truncated``), is not what it should be (``corrupt``), or is a ``bomb``."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        """Keep what is wrong, and one line about it."""
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail


def compression_of(start: bytes) -> str | None:
    """Return the name of the compression that a file with these first bytes is in, or None."""
    for magic, name in ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"(\xb5/\xfd", "zstd")):
        if start.startswith(magic):
            return name
    # A frame of other data that a zstd file may hold anywhere: an index, or padding.
    return "zstd" if _SKIPPABLE.match(start) else None


class _Zstd:
    """zstandard's decompressor in the manner of the standard library's."""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._ahead = memoryview(b"")

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof) and not self._ahead

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, size: int) -> bytes:
        if not self._ahead:
            self._ahead = memoryview(self._inner.decompress(data) if data and not self._inner.eof else b"")
        made, self._ahead = self._ahead[:size], self._ahead[size:]
        return bytes(made)

    @property
    def needs_input(self) -> bool:
        return not self._ahead and not self._inner.eof


class _Gzip:
    """zlib's decompressor in the manner of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, size)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail


def _decompressor(name: str) -> Any:
    if name == "gzip":
        return _Gzip()
    if name == "bzip2":
        return bz2.BZ2Decompressor()
    if name == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    return _Zstd()


class Inflated(io.RawIOBase):
    """What is inside of a compressed stream (or the stream itself, if it is not compressed), read forward.

    ``tell`` counts decompressed bytes, ``seek`` goes forward only. Concatenated streams are one; zero bytes after the
    end are padding. Raises `DamagedStream` from reads.
    """

    def __init__(self, raw: BinaryIO, *, ratio: int | None = None) -> None:
        """Read from ``raw``; ``ratio`` bounds output over input once there is more than a little output."""
        self._raw = raw
        self._ratio = ratio
        self._input = raw.read(_ZSTD_FEED)
        self._read = len(self._input)
        self._name = compression_of(self._input)
        self._engine = _decompressor(self._name) if self._name is not None else None
        self._made = memoryview(b"")
        self._position = 0
        self._feed = _ZSTD_FEED if self._name == "zstd" else _CHUNK

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: forward."""
        return True

    def tell(self) -> int:
        """Return how many bytes were read or passed over."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Pass over what lies before ``offset``; raises `DamagedStream` if that lies behind."""
        target = offset if whence == io.SEEK_SET else self._position + offset
        if whence == io.SEEK_END or target < self._position:
            raise DamagedStream("corrupt", "the archive points backwards")
        while self._position < target and self._fill():
            step = min(target - self._position, len(self._made))
            self._made = self._made[step:]
            self._position += step
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``; 0 at the end."""
        if not self._fill():
            return 0
        size = min(len(buffer), len(self._made))
        buffer[:size] = self._made[:size]
        self._made = self._made[size:]
        self._position += size
        return size

    def _fill(self) -> bool:
        """Make more bytes ready if none are; return whether there are any."""
        while not self._made:
            if self._engine is None:
                made = self._input or self._next_input()
                self._input = b""
                if not made:
                    return False
            elif self._engine.eof:
                if not self._next_stream():
                    return False
                continue
            else:
                if self._engine.needs_input and not self._input:
                    self._input = self._next_input()
                    if not self._input:
                        raise DamagedStream("truncated", f"the {self._name} stream ends too early")
                made = self._inflate()
            self._made = memoryview(made)
        if self._ratio is not None and self._position > _FREE_BYTES and self._position > self._ratio * self._read:
            raise DamagedStream("bomb", f"{self._position} bytes out of {self._read}: more than {self._ratio} to 1")
        return True

    def _inflate(self) -> bytes:
        assert self._engine is not None
        data, self._input = self._input, b""
        try:
            made: bytes = self._engine.decompress(data, _OUT)
            return made
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, zstandard.ZstdError) as error:
            raise DamagedStream("corrupt", f"{self._name}: {' '.join(str(error).split())[:120]}") from error

    def _next_input(self) -> bytes:
        data = self._raw.read(self._feed)
        self._read += len(data)
        return data

    def _next_stream(self) -> bool:
        """Begin the stream that follows one that ended; return False at the end of all."""
        assert self._engine is not None and self._name is not None
        rest = bytes(self._engine.unused_data) or self._next_input()
        while rest and not rest.strip(b"\0"):
            rest = self._next_input()
        if not rest:
            self._engine = None
            self._input = b""
            return False
        rest += self._raw.read(8) if len(rest) < 8 else b""
        if compression_of(rest) != self._name:
            raise DamagedStream("corrupt", f"something else follows the {self._name} stream")
        self._engine = _decompressor(self._name)
        self._input = rest
        return True
