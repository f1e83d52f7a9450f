"""Normalised text that grows, and the way back from its newest part to the text as it was written."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from provenance.text import NormalisedText, Offsets, clean

_SPACE = b"\t\n\v\f\r "


class Position(NamedTuple):
    """A place in a text in every unit: code points, UTF-8 bytes, UTF-16 units, line ends before it."""

    code_point: int = 0
    byte: int = 0
    utf16: int = 0
    lines: int = 0


class _Segment(NamedTuple):
    """A piece without white space at its ends; ``start`` is where its normal form begins."""

    start: int
    at: Position
    text: NormalisedText


class GrowingText:
    """A text that comes in pieces: its ``layout-1`` form and its newest part's map back to the source.

    All offsets count from the beginning of the text. What lies before `forget` is dropped, so that memory is bounded
    by the largest piece and what is kept on purpose.
    """

    def __init__(self) -> None:
        """Begin a text."""
        self.length = 0
        self.written = Position()
        self._segments: list[_Segment] = []
        self._starts: list[int] = []
        self._run = b""
        self._after_cr = False
        self._tail = b""
        self._tail_start = 0

    def feed(self, piece: str) -> bytes:
        """Return what ``piece`` adds to the normal form; a run of white space waits for what follows it."""
        data = clean(piece).encode()
        rest = data.lstrip(_SPACE)
        self._white(data[: len(data) - len(rest)])
        if not rest:
            return b""
        core = rest.rstrip(_SPACE)
        before = self._run if self.length else b""
        self._run = b""
        self._after_cr = False
        text = NormalisedText(core)
        segment = _Segment(self.length + len(before), self.written, text)
        self._segments.append(segment)
        self._starts.append(segment.start)
        self.written = _advanced(self.written, text, len(core))
        added = before + text.normalised
        self.length += len(added)
        self._tail += added
        self._white(rest[len(core) :])
        return added

    def break_off(self) -> Position:
        """Return how much has been written; what follows is counted as a text of its own: an LF ends a line there."""
        self._after_cr = False
        return self.written

    def kept(self, start: int, end: int | None = None) -> bytes:
        """Return normalised bytes [start, end) of the part that is kept."""
        return self._tail[start - self._tail_start : None if end is None else end - self._tail_start]

    def forget(self, before: int) -> None:
        """Keep nothing of what lies before a normalised offset but what shares a piece with it."""
        if before > self._tail_start:
            self._tail = self._tail[before - self._tail_start :]
            self._tail_start = before
        whole = bisect_right(self._starts, before) - 1
        if whole > 0:
            del self._segments[:whole], self._starts[:whole]

    def first(self, offset: int) -> Position:
        """Return where the first whole, not white character at or behind a normalised byte begins."""
        while offset < self.length and self._byte(offset) & 0xC0 == 0x80:
            offset += 1
        while offset < self.length and self._byte(offset) in _SPACE:
            offset += 1
        return self._written(offset, 0) if offset < self.length else self.written

    def last(self, offset: int) -> Position:
        """Return where the last whole, not white character before a normalised byte ends."""
        while 0 < offset < self.length and self._byte(offset) & 0xC0 == 0x80:
            offset -= 1
        while offset > 0 and self._byte(offset - 1) in _SPACE:
            offset -= 1
        return self._written(offset - 1, 1) if offset > 0 else Position()

    def before(self, offset: int) -> Position:
        """Return a place that no character at or behind a normalised byte begins before; white space counts."""
        while offset > self._tail_start and offset < self.length and self._byte(offset) & 0xC0 == 0x80:
            offset -= 1
        if offset < self.length and self._byte(offset) in _SPACE:
            return self.last(offset)
        return self._written(offset, 0) if offset < self.length else self.last(self.length)

    def _byte(self, offset: int) -> int:
        return self._tail[offset - self._tail_start]

    def _written(self, offset: int, more: int) -> Position:
        segment = self._segments[bisect_right(self._starts, offset) - 1]
        return _advanced(segment.at, segment.text, segment.text.source_offset(offset - segment.start) + more)

    def _white(self, run: bytes) -> None:
        if not run:
            return
        ends = run.count(b"\n") + run.count(b"\r") - run.count(b"\r\n")
        if self._after_cr and run.startswith(b"\n"):
            ends -= 1
        self._after_cr = run.endswith(b"\r")
        code_point, byte, utf16, lines = self.written
        self.written = Position(code_point + len(run), byte + len(run), utf16 + len(run), lines + ends)
        self._run = b"\n" if self._run == b"\n" or b"\n" in run or b"\r" in run else b" "


def _advanced(at: Position, text: NormalisedText, offset: int) -> Position:
    offsets = text.offsets
    return Position(
        at.code_point + offsets.code_point(offset),
        at.byte + offset,
        at.utf16 + offsets.utf16(offset),
        at.lines + offsets.line(offset) - 1,
    )


def advanced(at: Position, text: str) -> Position:
    """Return the place at the end of ``text`` that begins at ``at``; a CR LF must not be cut at either end."""
    utf8 = clean(text).encode()
    offsets = Offsets(utf8)
    return Position(
        at.code_point + len(text),
        at.byte + len(utf8),
        at.utf16 + offsets.utf16(len(utf8)),
        at.lines + offsets.line(len(utf8)) - 1,
    )
