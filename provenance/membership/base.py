"""The one contract of all membership filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal["utf8", "codepoint"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """What must agree between a filter and a query: window, unit, hash seed, normaliser."""

    width: int
    stride: int
    unit: Unit
    seed: int
    normaliser: str

    def __str__(self) -> str:
        """Return it in the words of the command line's options."""
        return f"width {self.width}, stride {self.stride}, unit {self.unit}, seed {self.seed}, {self.normaliser}"


@dataclass(frozen=True, slots=True)
class Hits:
    """Answer to one text: how many windows were asked, how many hit, and the chains.

    ``chains`` are maximal runs of hits one stride apart, as half-open ranges of normalised
    units, ascending by (start, end); chains of different phase may overlap.
    """

    windows: int
    hits: int
    chains: tuple[tuple[int, int], ...]


class MembershipFilter(Protocol):
    """One immutable filter; usable from many threads."""

    geometry: Geometry

    @property
    def kind(self) -> str:
        """Return ``blocked``, ``pybloom`` or ``portrait``."""
        ...

    @property
    def keys(self) -> int | None:
        """Return how many distinct keys were inserted, if the file says so."""
        ...

    @property
    def expected_false_positive_rate(self) -> float:
        """Return the rate that follows from the filter's size and fill."""
        ...

    @property
    def fill(self) -> float:
        """Return the share of bits that are set, from the number of keys or from a sample of the bits."""
        ...

    def test(self, normalised: bytes) -> Hits:
        """Ask every window of a normalised text."""
        ...

    def verify(self) -> None:
        """Read the whole file against its checksum; raises `CorruptFile`."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
