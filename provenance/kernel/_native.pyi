"""The compiled kernel; `provenance.kernel.reference` has the same names and identical results.

Buffers in, bytes out. Arrays are little-endian ``u64`` as bytes unless said. The GIL is released in every call.
Offsets are bytes; ranges are half-open. Formats and rules: ARCHITECTURE.md.
"""

from collections.abc import Sequence
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Anything with the buffer protocol, `mmap.mmap` included."""

def isa() -> str:
    """Return the instruction set in use: ``avx512``, ``avx2`` or ``portable``."""

def normalise(text: Buffer) -> bytes:
    """Return ``layout-1`` of ``text``."""

def normalise_map(text: Buffer) -> tuple[bytes, bytes, bytes]:
    """Return the normalised text and its breakpoints: normalised offsets, source offsets."""

def window_keys(normalised: Buffer, width: int, stride: int, seed: int) -> bytes:
    """Return the key of every window that starts at a multiple of ``stride``."""

def sample_positions(normalised: Buffer, width: int, group: int) -> bytes:
    """Return the distinct starts of the sampled windows, ascending."""

def sort_unique(keys: Buffer) -> bytes:
    """Return the distinct keys in ascending order."""

class KeyCollector:
    """What a build gathers from the texts of one segment, in memory."""

    def __init__(self, width: int, stride: int, seed: int, group: int, *, words: bool = True) -> None:
        """``group`` 0 gathers no samples; ``words`` false gathers no words."""
    def add(self, text: Buffer, repository: int) -> None:
        """Normalise one source text; gather its tile keys, its samples and its words."""
    def add_samples(self, text: Buffer, repository: int) -> None:
        """Gather samples only: the same content once more, from another repository."""
    def tiles(self) -> bytes:
        """Return the distinct tile keys in ascending order."""
    def samples(self) -> tuple[bytes, bytes]:
        """Return the distinct (key, repository) pairs in ascending order: keys u64, repositories u32."""
    def words(self) -> bytes:
        """Return the distinct words (at most 255 bytes each), sorted bytewise, joined by newlines."""

def insert_sorted(body: Buffer, regions: int, halves: int, first_region: int, region_count: int, keys: Buffer) -> None:
    """Set the bits of ``keys`` in ``body``: the lines of regions [first, first + count), first half then second half.

    ``regions`` is the whole filter's. Raises ValueError if a key falls outside of the regions, or a size is off.
    """

def contains(body: Buffer, regions: int, halves: int, keys: Buffer) -> bytes:
    """Return one byte a key: 1 where the filter body holds it, else 0."""

def hits(filters: Sequence[tuple[Buffer, int, int]], normalised: Buffer, width: int, seed: int) -> bytes:
    """Return one bit a window at every offset (LSB first): set where any (body, regions, halves) holds it."""

def chains(
    filters: Sequence[tuple[Buffer, int, int]], normalised: Buffer, width: int, stride: int, seed: int
) -> tuple[int, bytes]:
    """Return the number of hits, and the maximal chains as pairs (start, end), ascending by (start, end).

    A chain is a maximal run of hits ``stride`` apart; it covers [first hit, last hit + width).
    """

def pybloom_contains(bits: Buffer, bit_count: int, hash_seeds: Sequence[int], keys: Buffer, *, strings: bool) -> bytes:
    """Return one byte a key, as pybloomfiltermmap3 itself answers; see `provenance.membership.pybloom`."""

def common_runs(query: Buffer, document: Buffer, minimum: int) -> list[tuple[int, int, int]]:
    """Return all maximal common runs of at least ``minimum`` bytes: (query start, document start, length).

    A run is maximal on its diagonal: the byte before differs and the byte after differs (or a text ends).
    For every run of the query that stands in the document at least one occurrence is returned (the earliest);
    further occurrences in the document of a run already returned may be left out, so that time and
    memory stay near-linear whatever the texts. Runs contained in another returned run of the query are left out.
    Ascending by query start.
    """

def find_all(haystack: Buffer, needle: Buffer, *, fold_case: bool = False, limit: int = 0) -> bytes:
    """Return the offsets of the non-overlapping occurrences, ascending; ``fold_case`` folds ASCII letters only."""
