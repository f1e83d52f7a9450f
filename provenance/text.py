"""Text on its way in, and ranges of normalised text on their way back to the source.

``layout-1`` and the map back are specified in ARCHITECTURE.md; the normalising itself is the kernel's.
Ranges are half-open; offsets count bytes unless a name says otherwise.
"""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable

from provenance import kernel
from provenance.records import Span

_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = b"\t\n\v\f\r "
_CONTINUATIONS = bytes(range(0x80, 0xC0))
_LEADS_OF_FOUR = bytes(range(0xF0, 0xF8))
_STEP = 4096


def clean(text: str) -> str:
    """Return ``text`` with U+FFFD for every lone surrogate.

    Both are one code point and one UTF-16 unit, and three bytes where a program writes surrogates as if they were
    characters; so offsets hold.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def trimmed(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Return a range shrunk to whole characters, without white space at its ends; it may be empty."""
    while start < len(text) and text[start] & 0xC0 == 0x80:
        start += 1
    while start < end < len(text) and text[end] & 0xC0 == 0x80:
        end -= 1
    while start < end and text[start] in _SPACE:
        start += 1
    while start < end and text[end - 1] in _SPACE:
        end -= 1
    return start, max(start, end)


class Offsets:
    """Converts byte offsets of one UTF-8 text to code points, UTF-16 units and lines.

    A line ends with LF, CRLF or a CR that no LF follows. The first conversion reads the text once; every one costs a
    look at up to 4096 bytes, whatever the text's length.
    """

    def __init__(self, utf8: bytes) -> None:
        """Look at ``utf8``, which is not copied."""
        self._utf8 = utf8
        self._ascii = utf8.isascii()
        self._code_points: array[int] | None = None
        self._utf16: array[int] | None = None
        self._lines: array[int] | None = None
        self._feeds_alone = False

    def code_point(self, offset: int) -> int:
        """Return how many code points begin before ``offset``."""
        if self._ascii:
            return offset
        if self._code_points is None:
            self._code_points = self._totals(self._code_points_between)
        return self._code_points[offset // _STEP] + self._code_points_between(offset // _STEP * _STEP, offset)

    def utf16(self, offset: int) -> int:
        """Return how many UTF-16 code units stand before ``offset``."""
        if self._ascii:
            return offset
        if self._utf16 is None:
            self._utf16 = self._totals(self._utf16_between)
        return self._utf16[offset // _STEP] + self._utf16_between(offset // _STEP * _STEP, offset)

    def line(self, offset: int) -> int:
        """Return the 1-based number of the line in which the byte at ``offset`` stands."""
        if self._lines is None:
            self._feeds_alone = b"\r" not in self._utf8
            self._lines = self._totals(self._line_ends_between)
        return 1 + self._lines[offset // _STEP] + self._line_ends_between(offset // _STEP * _STEP, offset)

    def byte(self, code_point: int) -> int:
        """Return the offset at which a code point begins; their number stands for the end of the text."""
        if self._ascii:
            return code_point
        if self._code_points is None:
            self._code_points = self._totals(self._code_points_between)
        block = bisect_right(self._code_points, code_point) - 1
        left = code_point - self._code_points[block]
        # Three bytes more, so that a character that begins in the block is whole.
        part = self._utf8[block * _STEP : (block + 1) * _STEP + 3]
        whole = part.lstrip(_CONTINUATIONS)
        return block * _STEP + len(part) - len(whole) + len(whole.decode("utf-8", "ignore")[:left].encode())

    def span(self, start: int, end: int, *, common: bool = False) -> Span:
        """Return the bytes [start, end) as a span in every unit."""
        return Span(
            start=self.code_point(start),
            end=self.code_point(end),
            start_byte=start,
            end_byte=end,
            start_utf16=self.utf16(start),
            end_utf16=self.utf16(end),
            start_line=self.line(start),
            end_line=self.line(max(start, end - 1)),
            common=common,
        )

    def _totals(self, between: Callable[[int, int], int]) -> array[int]:
        """Return what stands before each multiple of the step."""
        totals = array("Q", [0])
        for start in range(0, len(self._utf8) - _STEP + 1, _STEP):
            totals.append(totals[-1] + between(start, start + _STEP))
        return totals

    def _code_points_between(self, start: int, end: int) -> int:
        return len(self._utf8[start:end].translate(None, _CONTINUATIONS))

    def _utf16_between(self, start: int, end: int) -> int:
        # A lead byte of four stands for two units: one as every lead, one more.
        part = self._utf8[start:end].translate(None, _CONTINUATIONS)
        return 2 * len(part) - len(part.translate(None, _LEADS_OF_FOUR))

    def _line_ends_between(self, start: int, end: int) -> int:
        if self._feeds_alone:
            return self._utf8.count(b"\n", start, end)
        part = self._utf8[start:end]
        ends = part.count(b"\n") + part.count(b"\r") - part.count(b"\r\n")
        # A CR at the end of the part ends no line if an LF follows, which is counted where it stands.
        if part.endswith(b"\r") and self._utf8[end : end + 1] == b"\n":
            ends -= 1
        return ends


class NormalisedText:
    """A text, its normal form, and the map between both."""

    def __init__(self, source: bytes | str, normaliser: str = "layout-1") -> None:
        """Normalise ``source``: UTF-8, or a string, of which lone surrogates become U+FFFD.

        ``normaliser`` is ``layout-1`` or ``portrait-1``.
        """
        self.source: bytes = source if isinstance(source, bytes) else clean(source).encode()
        normalise = kernel.portrait_normalise_map if normaliser == "portrait-1" else kernel.normalise_map
        self.normalised, normalised_at, source_at = normalise(self.source)
        self._normalised_at = _words(normalised_at)
        self._source_at = _words(source_at)
        self.offsets = Offsets(self.source)

    def source_bytes(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of source bytes that the normalised bytes [start, end) come from.

        It is shrunk to whole characters, and white space at its ends is left out; if nothing is left, it is empty.
        """
        text = self.normalised
        start, end = trimmed(text, start, end)
        if start >= end:
            at = self.source_offset(start) if start < len(text) else len(self.source)
            return at, at
        return self.source_offset(start), self.source_offset(end - 1) + 1

    def source_offset(self, normalised: int) -> int:
        """Return the offset of the source byte that a normalised byte comes from (of a run, its first)."""
        at = bisect_right(self._normalised_at, normalised) - 1
        return self._source_at[at] + normalised - self._normalised_at[at]

    def normalised_offset(self, source: int) -> int:
        """Return the offset of the first normalised byte that comes from ``source`` or a later source byte."""
        at = bisect_right(self._source_at, source) - 1
        if at < 0:
            return 0
        offset = self._normalised_at[at] + source - self._source_at[at]
        # Of a run of white space only the first byte has a place of its own.
        limit = self._normalised_at[at + 1] if at + 1 < len(self._normalised_at) else len(self.normalised)
        return min(offset, limit)

    def span(self, start: int, end: int, *, common: bool = False) -> Span:
        """Return the span of the source that the normalised bytes [start, end) come from."""
        return self.source_span(*self.source_bytes(start, end), common=common)

    def source_span(self, start: int, end: int, *, common: bool = False) -> Span:
        """Return the source bytes [start, end) as a span in every unit."""
        return self.offsets.span(start, end, common=common)


def _words(data: bytes) -> array[int]:
    """Return u64 values from their little-endian bytes."""
    values = array("Q")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
