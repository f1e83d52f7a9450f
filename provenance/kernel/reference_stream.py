"""Growing texts of the reference kernel: character by character, everything kept that a question could need.

Documented in ``_native.pyi``; what is a chain and how places are trimmed is written in ARCHITECTURE.md ("Windows").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from provenance.kernel.reference_arrays import require_at_least, u64
from provenance.kernel.reference_filters import hits, pybloom_hits
from provenance.kernel.reference_xxh3 import keys_of

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer, Place

_SPACE = "\t\n\v\f\r "
_NOWHERE: Place = (0, 0, 0, 0)
_SLACK = 16


@dataclass
class _Living:
    start: int
    last: int
    first: Place


@dataclass
class _Geometry:
    width: int
    stride: int
    seed: int
    blocked: Sequence[tuple[Buffer, int, int]]
    others: Sequence[tuple[Buffer, int, Sequence[int], int | None]]
    hidden: frozenset[int] = frozenset()
    living: dict[int, _Living] = field(default_factory=dict)

    def found(self, text: bytes) -> Iterator[int]:
        """Yield the windows of ``text`` that hit, ascending."""
        bits = int.from_bytes(hits(self.blocked, text, self.width, self.seed), "little")
        for body, count, seeds, key_seed in self.others:
            bits |= int.from_bytes(pybloom_hits(body, count, seeds, text, self.width, key_seed), "little")
        for at in range(len(text) - self.width + 1):
            if bits >> at & 1 and not (self.hidden and self._key(text[at : at + self.width]) in self.hidden):
                yield at

    def _key(self, window: bytes) -> int:
        starts = np.zeros(1, np.int64)
        return int(keys_of(np.frombuffer(window, np.uint8), starts, starts + self.width, self.seed)[0])


class TextStream:
    """One text, of which the newest windows are kept: bytes, and the place of the character of each."""

    def __init__(
        self,
        geometries: Sequence[
            tuple[
                int,
                int,
                int,
                Sequence[tuple[Buffer, int, int]],
                Sequence[tuple[Buffer, int, Sequence[int], int | None]],
            ]
        ],
    ) -> None:
        """Begin a text."""
        self._geometries = []
        for width, stride, seed, blocked, others in geometries:
            require_at_least(1, width=width, stride=stride)
            hits(blocked, b"", width, seed)
            for body, count, seeds, key_seed in others:
                pybloom_hits(body, count, seeds, b"", width, key_seed)
            self._geometries.append(_Geometry(width, stride, seed, tuple(blocked), tuple(others)))
        self._back = max((each.width for each in self._geometries), default=1) - 1
        self.length = 0
        self.written = _NOWHERE
        self._tail: list[tuple[int, Place]] = []
        self._run = ""
        self._run_at = _NOWHERE
        self._begun = False
        self._after_return = False

    def hide(self, number: int, keys: Buffer) -> None:
        """Hide windows."""
        values = frozenset(u64(keys).tolist())
        if not 0 <= number < len(self._geometries):
            raise IndexError(f"there is no geometry {number}")
        geometry = self._geometries[number]
        geometry.hidden |= values

    def feed(self, piece: str) -> tuple[Place, int, list[tuple[int, int, Place, Place]]]:
        """Read the next piece."""
        piece.encode()
        before = self.length
        for character in piece:
            self._read(character)
        changed: dict[tuple[int, int], tuple[int, int, Place, Place]] = {}
        for number, geometry in enumerate(self._geometries):
            low = max(self._start, before - geometry.width + 1)
            text = bytes(byte for byte, _ in self._tail[low - self._start :])
            for at in geometry.found(text) if self.length > before else ():
                at += low
                chain = geometry.living.get(at % geometry.stride)
                if chain is None or chain.last + geometry.stride != at:
                    chain = geometry.living[at % geometry.stride] = _Living(at, at, self._first(at))
                chain.last = at
                end = at + geometry.width
                changed[chain.start, number] = (chain.start, end, chain.first, self._last(end))
            geometry.living = {
                phase: chain
                for phase, chain in geometry.living.items()
                if chain.last + geometry.stride + geometry.width > self.length
            }
        del self._tail[: max(0, len(self._tail) - self._back - _SLACK)]
        settled, place = self._settled()
        return place, settled, [changed[key] for key in sorted(changed)]

    def begin(self) -> None:
        """Begin a text of its own."""
        for geometry in self._geometries:
            living, by = geometry.living.values(), self.length
            moved = [_Living(each.start - by, each.last - by, _NOWHERE) for each in living]
            geometry.living = {each.start % geometry.stride: each for each in moved}
        self._tail = [(byte, _NOWHERE) for byte, _ in self._tail]
        self.length = 0
        self.written = self._run_at = _NOWHERE
        self._after_return = False

    def copy(self) -> TextStream:
        """Return another that has read the same."""
        other = object.__new__(TextStream)
        other.__dict__ = {**self.__dict__, "_tail": list(self._tail)}
        other._geometries = [
            replace(each, living={phase: replace(chain) for phase, chain in each.living.items()})
            for each in self._geometries
        ]
        return other

    def living(self, number: int) -> list[tuple[int, int]]:
        """Return the chains that may go on."""
        if number >= len(self._geometries):
            return []
        living = self._geometries[number].living
        return [(living[phase].start, living[phase].last) for phase in sorted(living)]

    @property
    def _start(self) -> int:
        return self.length - len(self._tail)

    def _read(self, character: str) -> None:
        code_point, byte, utf16, lines = at = self.written
        data = character.encode()
        if character in _SPACE:
            if not self._run:
                self._run, self._run_at = " ", at
            if character in "\n\r":
                self._run = "\n"
                lines += character == "\r" or not self._after_return
        elif self._run and self._begun:
            self._tail.append((ord(self._run), self._run_at))
            self.length += 1
        if character not in _SPACE:
            self._run, self._begun = "", True
            self._tail += [(each, at) for each in data]
            self.length += len(data)
        self._after_return = character == "\r"
        self.written = code_point + 1, byte + len(data), utf16 + 1 + (len(data) == 4), lines

    def _byte(self, offset: int) -> int | None:
        """Return a normalised byte, or None where it is not kept."""
        return self._tail[offset - self._start][0] if self._start <= offset < self.length else None

    def _is_space(self, offset: int) -> bool:
        byte = self._byte(offset)
        return byte is not None and chr(byte) in _SPACE

    def _is_inside(self, offset: int) -> bool:
        """Tell whether a byte is one of a character's later ones."""
        byte = self._byte(offset)
        return byte is not None and byte & 0xC0 == 0x80

    def _place(self, offset: int) -> Place:
        return self._tail[offset - self._start][1]

    def _first(self, offset: int) -> Place:
        while self._is_inside(offset) or self._is_space(offset):
            offset += 1
        return self.written if self._byte(offset) is None else self._place(offset)

    def _last(self, offset: int) -> Place:
        while self._is_inside(offset):
            offset -= 1
        while self._is_space(offset - 1):
            offset -= 1
        lead = offset - 1
        while self._is_inside(lead):
            lead -= 1
        if self._byte(lead) is None:
            return _NOWHERE
        code_point, byte, utf16, lines = self._place(lead)
        size = offset - lead
        return code_point + 1, byte + size, utf16 + 1 + (size == 4), lines

    def _settled(self) -> tuple[int, Place]:
        settled = max(0, self.length - self._back)
        first = None
        for geometry in self._geometries:
            for phase in sorted(geometry.living):
                chain = geometry.living[phase]
                if chain.start < settled:
                    settled, first = max(0, chain.start), chain.first
        if first is not None and settled < self._start + _SLACK:
            return settled, first
        offset = settled
        while self._is_inside(offset):
            offset -= 1
        whole = self._byte(offset) is not None and not self._is_space(offset)
        return settled, self._place(offset) if whole else self._last(offset)
