"""What a corpus and a text have in common, found without the library: another normaliser, other anchors, numpy.

The texts are normalised, joined with a byte that no UTF-8 holds, and every 48 bytes that begin at a multiple of 16
are hashed and sorted. A run of 63 bytes holds one of these anchors whole. A query's 48 bytes at every offset are
looked up, compared, and extended byte for byte on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

SPACE = b"\t\n\v\f\r "
STEP = 16
GRAM = 48
SHORTEST = GRAM + STEP - 1
"""Every run of so many bytes is found, shorter ones by luck."""
BETWEEN = 0xFF
AFTER = 0xFE
_PAIRS = 1 << 22
_LONGER = re.compile(rb"[ \n][\t\n\v\f\r ]+|[\t\v\f\r][\t\n\v\f\r ]*")
_MULTIPLIERS = np.random.default_rng(20).integers(1, 1 << 63, GRAM // 8, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def normalise(text: bytes) -> bytes:
    """Return the layout-1 form of a text."""
    shorter = _LONGER.sub(lambda run: b"\n" if b"\n" in run[0] or b"\r" in run[0] else b" ", text)
    return shorter.strip(SPACE)


def origins(text: bytes) -> list[int]:
    """Return where every byte of the layout-1 form comes from: of a run of white space, the first byte."""
    begin, end = len(text) - len(text.lstrip(SPACE)), len(text.rstrip(SPACE))
    return [at for at in range(begin, end) if text[at] not in SPACE or text[at - 1] not in SPACE]


def antichain(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges that no other one holds, ascending."""
    longest: list[tuple[int, int]] = []
    for start, end in sorted(set(ranges), key=lambda each: (each[0], -each[1])):
        if not longest or end > longest[-1][1]:
            longest.append((start, end))
    return longest


def trimmed(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Return a range without cut characters and without white space at its ends."""
    whole = text[start:end].decode("utf-8", "ignore").encode()
    start += len(text[start:end]) - len(text[start:end].lstrip(bytes(range(0x80, 0xC0))))
    inner = whole.lstrip(SPACE)
    start += len(whole) - len(inner)
    return start, start + len(inner.rstrip(SPACE))


def words(data: bytes) -> U64:
    """Return the eight bytes at every offset, as little-endian numbers; eight bytes more must follow."""
    size = len(data) - 8
    view = np.frombuffer(data, dtype=np.uint8)
    found = np.zeros(size, dtype=np.uint64)
    for shift in range(8):
        found |= view[shift : shift + size].astype(np.uint64) << np.uint64(8 * shift)
    return found


def hashed(grams: Sequence[U64]) -> U64:
    """Return a hash of each row of words."""
    total = np.zeros_like(grams[0])
    for word, multiplier in zip(grams, _MULTIPLIERS, strict=False):
        total = (total ^ (total >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + word * multiplier
    total ^= total >> np.uint64(32)
    return total * np.uint64(0x94D049BB133111EB)


class Scan:
    """The anchors of a corpus."""

    def __init__(self, normalised: Sequence[bytes]) -> None:
        joined = bytes([BETWEEN]).join([*normalised, b""])
        joined += bytes([BETWEEN]) * (GRAM + STEP - len(joined) % STEP)
        self._words = np.frombuffer(joined, dtype="<u8")
        count = len(joined) // STEP - GRAM // STEP
        rows = [self._words[shift : shift + 2 * count : 2] for shift in range(GRAM // 8)]
        unsorted = hashed(rows)
        self._order = np.argsort(unsorted, kind="stable").astype(np.int64)
        self._sorted = unsorted[self._order]

    def runs(self, query: bytes) -> list[tuple[int, int]]:
        """Return the maximal runs of ``query`` that stand in some text, of at least `SHORTEST` bytes, not trimmed."""
        size = len(query) - GRAM + 1
        if size <= 0:
            return []
        own = words(query + bytes([AFTER]) * (GRAM + 16))
        grams = hashed([own[shift : shift + size] for shift in range(0, GRAM, 8)])
        low = np.searchsorted(self._sorted, grams, "left")
        counts = np.searchsorted(self._sorted, grams, "right") - low
        found: set[tuple[int, int]] = set()
        for offsets in _chunks(counts):
            many = counts[offsets]
            at = np.repeat(offsets, many)
            rank = np.arange(len(at)) - np.repeat(np.cumsum(many) - many, many)
            place = self._order[np.repeat(low[offsets], many) + rank] * STEP
            found.update(self._extended(own, query, at, place))
        return [(start, end) for start, end in antichain(found) if end - start >= SHORTEST]

    def _extended(self, own: U64, query: bytes, at: I64, place: I64) -> Iterator[tuple[int, int]]:
        """Yield the runs around pairs of equal anchors."""
        corpus = self._words
        # Where the sixteen bytes before are equal too, the pair before this one leads to the same run.
        earlier = np.minimum(at, place) >= STEP
        before_at, before = np.where(earlier, at - STEP, 0), np.where(earlier, place - STEP, 0) // 8
        earlier &= (own[before_at] == corpus[before]) & (own[before_at + 8] == corpus[before + 1])
        at, place = at[~earlier], place[~earlier]
        equal = np.ones(len(at), dtype=bool)
        for shift in range(0, GRAM, 8):
            equal &= own[at + shift] == corpus[(place + shift) // 8]
        at, place = at[equal], place[equal]
        end = at + GRAM
        active = np.arange(len(at))
        while len(active):
            here = end[active]
            differing = own[here] ^ corpus[(place[active] + here - at[active]) // 8]
            whole = differing == 0
            lowest = differing & (~differing + np.uint64(1))
            same = np.where(whole, 8, np.log2(np.where(whole, 1, lowest).astype(np.float64)).astype(np.int64) // 8)
            end[active] += same
            active = active[whole]
        text = np.frombuffer(query, dtype=np.uint8)
        flat = corpus.view(np.uint8)
        start, behind = at.copy(), place.copy()
        active = np.arange(len(at))
        while len(active):
            active = active[(start[active] > 0) & (behind[active] > 0)]
            active = active[text[start[active] - 1] == flat[behind[active] - 1]]
            start[active] -= 1
            behind[active] -= 1
        pairs = np.unique(np.stack((start, end), axis=1), axis=0)
        return ((int(first), int(last)) for first, last in pairs)


def _chunks(counts: npt.NDArray[np.int64]) -> Iterator[I64]:
    """Yield the offsets that found something, in lots of some pairs."""
    hits = np.flatnonzero(counts)
    if len(hits):
        lots = np.cumsum(counts[hits]) // _PAIRS
        yield from np.split(hits, np.flatnonzero(np.diff(lots)) + 1)


def present_grams(normalised: Iterable[bytes], wanted: U64, width: int) -> U64:
    """Return those of ``wanted`` (hashes of `gram_hashes`, ascending) that some text has at some offset."""
    sieve = np.zeros(1 << 26, dtype=bool)
    sieve[(wanted >> np.uint64(38)).astype(np.int64)] = True
    present = np.zeros(len(wanted), dtype=bool)
    for block in _blocks(normalised, 16 << 20):
        grams = gram_hashes(block, width)
        grams = grams[sieve[(grams >> np.uint64(38)).astype(np.int64)]]
        at = np.minimum(np.searchsorted(wanted, grams), len(wanted) - 1)
        present[at[wanted[at] == grams]] = True
    return wanted[present]


def gram_hashes(text: bytes, width: int) -> U64:
    """Return a hash of the ``width`` bytes (a multiple of eight) at every offset at which so many stand."""
    size = max(0, len(text) - width + 1)
    own = words(text + bytes(8))
    return hashed([own[shift : shift + size] for shift in range(0, width, 8)])


def _blocks(normalised: Iterable[bytes], size: int) -> Iterator[bytes]:
    lot: list[bytes] = []
    total = 0
    for text in normalised:
        lot.append(text)
        total += len(text)
        if total >= size:
            yield bytes([BETWEEN]).join(lot)
            lot, total = [], 0
    if lot:
        yield bytes([BETWEEN]).join(lot)
