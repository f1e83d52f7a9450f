"""Local alignment of two sequences of symbols in numpy; what is aligned and why: `provenance.lexing.alignment`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from provenance.kernel.reference_lexing import IDENTIFIERS, NUMBERS, gram, symbols_of

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

SEED, LONGEST, MARGIN = 5, 1024, 16
SAME, ALIKE, LOOSE, CONFLICT, UNLIKE = 4, 2, 1, -1, -3
OPEN, EXTEND = -3, -1
_NEVER = -(1 << 20)

Pairs = list[tuple[int, int]]
Symbols = npt.NDArray[np.void]
Scores = npt.NDArray[np.int32]


def align_symbols(query: Buffer, document: Buffer) -> bytes:
    """Return the pairs (query symbol, document symbol) of the best region, ascending, as pairs of u32."""
    one, other = symbols_of(query)[:LONGEST], symbols_of(document)
    best: tuple[int, Pairs, int, int] = (0, [], 0, 0)
    for start, end in _windows(one, other):
        score, pairs = _path(_likeness(one, other[start:end]))
        if score > best[0]:
            best = (score, pairs, start, end)
    _, pairs, start, end = best
    if pairs:
        _, pairs = _path(_by_partner(one, other[start:end], pairs))
    return np.array([(i, j + start) for i, j in pairs], dtype="<u4").tobytes()


def _windows(query: Symbols, document: Symbols) -> list[tuple[int, int]]:
    if len(query) < SEED or len(document) < SEED:
        return []
    windows = _windows_by(query["class"], document["class"], 2)
    for start, end in _windows_by(query["value"], document["value"], 1):
        if not any(low <= start and end <= high for low, high in windows):
            windows.append((start, end))
    return windows


def _windows_by(query: Any, document: Any, most: int) -> list[tuple[int, int]]:
    seeds = set(gram(query, SEED).tolist())
    hits = [(position, seed) for position, seed in enumerate(gram(document, SEED).tolist()) if seed in seeds]
    counts: dict[int, int] = {}
    for _, seed in hits:
        counts[seed] = counts.get(seed, 0) + 1
    weights = [65536 // min(counts[seed], 65536) for _, seed in hits]
    length = len(query) + len(query) // 2 + MARGIN
    found: list[tuple[int, int, int]] = []
    for _ in range(most):
        total = first = 0
        best = (0, 0, 0)
        for (position, _), weight in zip(hits, weights, strict=True):
            total += weight
            while hits[first][0] + length <= position:
                total -= weights[first]
                first += 1
            start = hits[first][0]
            if total > best[0] and all(position < low or start >= high for low, high, _ in found):
                best = (total, start, position + 1)
        if not best[0] or (found and best[0] * 4 < found[0][2] * 3):
            break
        found.append((best[1], best[2], best[0]))
    windows = []
    for start, end, _ in found:
        slack = MARGIN + max(0, len(query) + len(query) // 4 - (end - start))
        windows.append((max(0, start - slack), min(end + SEED + slack, len(document))))
    return windows


def _likeness(query: Symbols, document: Symbols) -> Scores:
    alike = query["class"][:, None] == document["class"][None, :]
    same = query["value"][:, None] == document["value"][None, :]
    named = (query["class"] <= NUMBERS)[:, None]
    return np.where(alike, np.where(named, np.where(same, SAME, LOOSE), ALIKE), UNLIKE).astype(np.int32)


def _by_partner(query: Symbols, document: Symbols, pairs: Pairs) -> Scores:
    partners = _partners(query, document, pairs)
    same = query["value"][:, None] == document["value"][None, :]
    usual = np.zeros_like(same)
    for i, value in enumerate(query["value"].tolist()):
        if value in partners:
            usual[i] = document["value"] == np.uint64(partners[value])
    named = np.where(usual, np.where(same, SAME, ALIKE), np.where(same, LOOSE, CONFLICT))
    both = (query["class"] == IDENTIFIERS)[:, None] & (document["class"] == IDENTIFIERS)[None, :]
    return np.where(both, named, _likeness(query, document)).astype(np.int32)


def _partners(query: Symbols, document: Symbols, pairs: Pairs) -> dict[int, int]:
    counts: dict[tuple[int, int], tuple[int, int]] = {}
    for order, (i, j) in enumerate(pairs):
        if query["class"][i] == IDENTIFIERS:
            key = (int(query["value"][i]), int(document["value"][j]))
            count, first = counts.get(key, (0, -order))
            counts[key] = (count + 1, first)
    forth: dict[int, tuple[tuple[int, int], int]] = {}
    back: dict[int, tuple[tuple[int, int], int]] = {}
    for (one, other), support in counts.items():
        forth[one] = max(forth.get(one, ((0, 0), 0)), (support, other))
        back[other] = max(back.get(other, ((0, 0), 0)), (support, one))
    return {one: other for one, (_, other) in forth.items() if back[other][1] == one}


def _path(scores: Scores) -> tuple[int, Pairs]:
    """Return the best local score and the pairs on its path whose symbols have one class.

    Of equal scores the first cell counts; on the way back a pair comes before a gap in the document, which comes
    before a gap in the query, and short gaps come before long ones.
    """
    rows, columns = scores.shape
    values = np.zeros((rows + 1, columns + 1), dtype=np.int32)
    vertical = np.full(columns, _NEVER, dtype=np.int32)
    steps = np.arange(columns, dtype=np.int32)
    best = (0, 0, 0)
    for i in range(rows):
        vertical = np.maximum(vertical + EXTEND, values[i, 1:] + OPEN)
        without = np.maximum(np.maximum(values[i, :-1] + scores[i], vertical), 0)
        # The best gap that ends at j opens at some k < j and costs OPEN + (j - k - 1) * EXTEND.
        reach = np.maximum.accumulate(without - steps * EXTEND)
        horizontal = np.full(columns, _NEVER, dtype=np.int32)
        horizontal[1:] = reach[:-1] + OPEN + (steps[1:] - 1) * EXTEND
        values[i + 1, 1:] = np.maximum(without, horizontal)
        most = int(values[i + 1].max())
        if most > best[0]:
            best = (most, i + 1, int(values[i + 1].argmax()))
    score, i, j = best
    table: list[list[int]] = values.tolist()
    pairs: Pairs = []
    while table[i][j] > 0:
        value, likeness = table[i][j], int(scores[i - 1, j - 1])
        if value == table[i - 1][j - 1] + likeness:
            if likeness > UNLIKE:
                pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
            continue
        up = (k for k in range(1, i + 1) if value == table[i - k][j] + OPEN + (k - 1) * EXTEND)
        if length := next(up, 0):
            i -= length
        else:
            j -= next(k for k in range(1, j + 1) if value == table[i][j - k] + OPEN + (k - 1) * EXTEND)
    return score, pairs[::-1]
