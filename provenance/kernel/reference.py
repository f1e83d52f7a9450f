"""The kernel in numpy: readable, and identical in every result to the compiled one.

Each function is documented in ``_native.pyi``; the rules and formats are in ARCHITECTURE.md.
This module holds text, windows and `KeyCollector`, and gathers the rest:
`provenance.kernel.reference_filters` and `provenance.kernel.reference_portrait` (membership),
`provenance.kernel.reference_search` (byte search),
`provenance.kernel.reference_grams` (which texts may hold a string),
`provenance.kernel.reference_stream` (texts that grow).
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from provenance.kernel.reference_alignment import align_symbols
from provenance.kernel.reference_arrays import (
    U64,
    Bytes8,
    code_point_starts,
    lanes,
    require_at_least,
    to_bytes,
    u8,
    u64,
)
from provenance.kernel.reference_filters import (
    chains,
    contains,
    hits,
    insert_sorted,
    pybloom_chains,
    pybloom_contains,
    pybloom_hits,
    pybloom_insert,
    random_read_limit,
)
from provenance.kernel.reference_grams import GramLists, holding, wanted_lists
from provenance.kernel.reference_lexing import Lexer, fingerprints
from provenance.kernel.reference_portrait import (
    count_ones,
    portrait_chains,
    portrait_hits,
    portrait_insert,
    portrait_normalise_map,
)
from provenance.kernel.reference_search import common_runs, find_all
from provenance.kernel.reference_stream import TextStream
from provenance.kernel.reference_xxh3 import keys_of

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

__all__ = [
    "GramCollector",
    "KeyCollector",
    "Lexer",
    "TextStream",
    "align_symbols",
    "chains",
    "common_runs",
    "contains",
    "count_ones",
    "find_all",
    "fingerprints",
    "hits",
    "holding",
    "insert_sorted",
    "isa",
    "normalise",
    "normalise_map",
    "portrait_chains",
    "portrait_hits",
    "portrait_insert",
    "portrait_normalise_map",
    "pybloom_chains",
    "pybloom_contains",
    "pybloom_hits",
    "pybloom_insert",
    "random_read_limit",
    "sample_positions",
    "sort_unique",
    "wanted_lists",
    "weighed_words",
    "window_keys",
]

WORD_BYTES = 255
"""Longer words are not indexed (both search engines)."""
LARGEST_GROUP = 1 << 20
RANK_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

_IS_BREAK = np.zeros(256, dtype=bool)
_IS_BREAK[[0x0A, 0x0D]] = True
_IS_SPACE = _IS_BREAK.copy()
_IS_SPACE[[0x09, 0x0B, 0x0C, 0x20]] = True


def isa() -> str:
    """Return ``reference``."""
    return "reference"


def normalise(text: Buffer) -> bytes:
    """Return ``layout-1`` of ``text``."""
    return _normalise(u8(text))[0].tobytes()


def normalise_map(text: Buffer) -> tuple[bytes, bytes, bytes]:
    """Return the normalised text and its breakpoints: normalised offsets, source offsets."""
    normalised, source = _normalise(u8(text))
    jumps = np.ones(len(source), dtype=bool)
    jumps[1:] = np.diff(source) != 1
    at = np.flatnonzero(jumps)
    return normalised.tobytes(), to_bytes(at), to_bytes(source[at])


def _normalise(text: Bytes8) -> tuple[Bytes8, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Return the normalised bytes, and for each the source offset it comes from."""
    kept = np.flatnonzero(~_IS_SPACE[text])
    if not len(kept):
        return text[:0], kept
    first = int(kept[0])
    body = text[first : int(kept[-1]) + 1].copy()
    space = _IS_SPACE[body]
    starts_run = space.copy()
    starts_run[1:] &= ~space[:-1]
    runs = np.flatnonzero(starts_run)
    if len(runs):
        # A segment reaches from one run's start to the next; only the run in it holds line breaks.
        broken = np.logical_or.reduceat(_IS_BREAK[body], runs)
        body[runs] = np.where(broken, 0x0A, 0x20)
    source = np.flatnonzero(~space | starts_run)
    return body[source], source + first


def window_keys(normalised: Buffer, width: int, stride: int, seed: int, *, codepoints: bool = False) -> bytes:
    """Return the key of every window that starts at a multiple of ``stride``."""
    require_at_least(1, width=width, stride=stride)
    text = u8(normalised)
    if not codepoints:
        count = max(0, len(text) - width + 1)
        starts = np.arange(0, count, stride, dtype=np.int64)
        return to_bytes(keys_of(text, starts, starts + width, seed))
    marks = code_point_starts(text)
    count = max(0, len(marks) - width)
    starts = marks[:count:stride]
    ends = marks[width::stride][: len(starts)]
    return to_bytes(keys_of(text, starts, ends, seed))


def sample_positions(normalised: Buffer, width: int, group: int) -> bytes:
    """Return the distinct starts of the sampled windows, ascending."""
    require_at_least(1, width=width, group=group)
    _require_group(group)
    return to_bytes(_sample_positions(u8(normalised), width, group))


def _require_group(group: int) -> None:
    if group > LARGEST_GROUP:
        raise ValueError(f"group is {group}, must be at most {LARGEST_GROUP}")


def _sample_positions(text: Bytes8, width: int, group: int) -> U64:
    count = len(text) - width + 1
    if count < 1:
        return np.zeros(0, dtype=np.uint64)
    first = lanes(text, count)
    if width < 8:
        first &= np.uint64((1 << (8 * width)) - 1)
    # Rank above, position below: the smallest value is the leftmost of the smallest rank.
    ranked = ((first * RANK_MULTIPLIER) & np.uint64(0xFFFFFFFF00000000)) | np.arange(count, dtype=np.uint64)
    group = min(group, count)
    # Minimum of `reach` consecutive values, doubled until one more doubling would pass the group.
    smallest, reach = ranked, 1
    while reach * 2 <= group:
        smallest = np.minimum(smallest[:-reach], smallest[reach:])
        reach *= 2
    rest = group - reach
    if rest:
        smallest = np.minimum(smallest[:-rest], smallest[rest:])
    return np.unique(smallest & np.uint64(0xFFFFFFFF))


def sort_unique(keys: Buffer) -> bytes:
    """Return the distinct keys in ascending order."""
    return to_bytes(np.unique(u64(keys)))


class KeyCollector:
    """What a build gathers from the texts of one segment, in memory."""

    def __init__(
        self, width: int, stride: int, seed: int, group: int, *, words: bool = True, codepoints: bool = False
    ) -> None:
        """``group`` 0 gathers no samples; ``words`` false gathers no words."""
        require_at_least(1, width=width, stride=stride)
        require_at_least(0, group=group)
        _require_group(group)
        self._width = width
        self._stride = stride
        self._seed = seed
        self._group = group
        self._codepoints = codepoints
        self._words: set[str] | None = set() if words else None
        self._tiles: list[U64] = []
        self._sample_keys: list[U64] = []
        self._sample_repositories: list[U64] = []

    def add(self, text: Buffer, repository: int) -> None:
        """Normalise one source text; gather its tile keys, its samples and its words."""
        normalised = normalise(text)
        keys = window_keys(normalised, self._width, self._stride, self._seed, codepoints=self._codepoints)
        self._tiles.append(np.unique(u64(keys)))
        self._gather_samples(normalised, repository)
        if self._words is not None:
            for word in _word_pattern().findall(normalised.decode("utf-8", "replace")):
                if len(word.encode()) <= WORD_BYTES:
                    self._words.add(word)

    def add_samples(self, text: Buffer, repository: int) -> None:
        """Gather samples only: the same content once more, from another repository."""
        self._gather_samples(normalise(text), repository)

    def tiles(self) -> bytes:
        """Return the distinct tile keys in ascending order."""
        return to_bytes(np.unique(np.concatenate(self._tiles))) if self._tiles else b""

    def samples(self) -> tuple[bytes, bytes]:
        """Return the distinct (key, repository) pairs in ascending order: keys u64, repositories u32."""
        if not self._sample_keys:
            return b"", b""
        keys, repositories = np.concatenate(self._sample_keys), np.concatenate(self._sample_repositories)
        order = np.lexsort((repositories, keys))
        keys, repositories = keys[order], repositories[order]
        distinct = np.ones(len(keys), dtype=bool)
        distinct[1:] = (keys[1:] != keys[:-1]) | (repositories[1:] != repositories[:-1])
        return to_bytes(keys[distinct]), repositories[distinct].astype("<u4").tobytes()

    def words(self) -> bytes:
        """Return the distinct words (at most 255 bytes each), sorted bytewise, joined by newlines."""
        return b"\n".join(sorted(word.encode() for word in self._words or ()))

    def _gather_samples(self, normalised: bytes, repository: int) -> None:
        if not 0 <= repository < 1 << 32:
            raise OverflowError(f"repository number {repository} does not fit 32 bits")
        if not self._group:
            return
        text = u8(normalised)
        starts = _sample_positions(text, self._width, self._group).astype(np.int64)
        keys = np.unique(keys_of(text, starts, starts + self._width, self._seed))
        self._sample_keys.append(keys)
        self._sample_repositories.append(np.full(len(keys), repository, dtype=np.uint64))


class GramCollector:
    """Gathers which three bytes stand where in the texts of one segment, in memory."""

    def __init__(self) -> None:
        """Begin with no text."""
        self._lists = GramLists()

    def add(self, text: Buffer) -> None:
        """Normalise the next source text and gather its grams."""
        self._lists.add(bytes(text), normalise(text))

    def finish(self) -> bytes:
        """Return the gram file."""
        return self._lists.finish()


def weighed_words(text: Buffer) -> bytes:
    """Return the distinct words by first place, each as often as its count has binary digits, joined by blanks."""
    words = (word.encode() for word in _word_pattern().findall(bytes(text).decode("utf-8", "replace")))
    counts = Counter(word for word in words if len(word) <= WORD_BYTES)
    return b" ".join(word for word, count in counts.items() for _ in range(count.bit_length()))


@cache
def _word_pattern() -> re.Pattern[str]:
    """Return the pattern of one word; the code points come from the table the compiled kernel has too."""
    ranges = []
    for line in Path(__file__).with_name("alphanumeric.txt").read_text("ascii").splitlines():
        if not line.startswith("#"):
            low, _, high = line.partition("-")
            ranges.append(f"\\U{int(low, 16):08x}-\\U{int(high or low, 16):08x}")
    return re.compile(f"[0-9A-Za-z{''.join(ranges)}]+")
