"""Byte search of the reference kernel: maximal common runs, and all occurrences of a literal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from provenance.kernel.reference_arrays import lanes, require_at_least, to_bytes, u8

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer

_FOLD = bytes(range(256)).lower()


def common_runs(query: Buffer, document: Buffer, minimum: int) -> list[tuple[int, int, int]]:
    """Return the maximal common runs of at least ``minimum`` bytes: (query start, document start, length)."""
    require_at_least(1, minimum=minimum)
    wanted, text = bytes(query), bytes(document)
    runs = []
    end = 0
    for start in _possible_starts(wanted, text, minimum):
        if start + minimum > len(wanted):
            break
        known = end  # [start, known) is part of an earlier run, so it stands in the document
        if known < start + minimum:
            known = start + minimum
            if text.find(wanted[start:known]) < 0:
                continue
        longest = _longest(wanted, text, start, known)
        if longest > end:
            runs.append((start, text.find(wanted[start:longest]), longest - start))
            end = longest
    return runs


def _longest(query: bytes, document: bytes, start: int, known: int) -> int:
    """Return the largest end for which query[start:end] stands in the document; ``known`` is one such end.

    Doubling steps, then halving: a run of n bytes costs O(log n) searches.
    """
    step = 1
    while known + step <= len(query) and document.find(query[start : known + step]) >= 0:
        known += step
        step *= 2
    while step:
        if known + step <= len(query) and document.find(query[start : known + step]) >= 0:
            known += step
        step //= 2
    return known


def _possible_starts(query: bytes, document: bytes, minimum: int) -> list[int]:
    """Return the query offsets whose next eight bytes stand somewhere in the document."""
    count = len(query) - minimum + 1
    if count < 1 or len(document) < minimum:
        return []
    if minimum < 8:
        return list(range(count))
    present = np.isin(lanes(u8(query), count), lanes(u8(document), len(document) - 7))
    return np.flatnonzero(present).tolist()


def find_all(haystack: Buffer, needle: Buffer, *, fold_case: bool = False, limit: int = 0) -> bytes:
    """Return the offsets of the non-overlapping occurrences, ascending."""
    text, wanted = bytes(haystack), bytes(needle)
    if not wanted:
        raise ValueError("the needle is empty")
    require_at_least(0, limit=limit)
    if fold_case:
        text, wanted = text.translate(_FOLD), wanted.translate(_FOLD)
    offsets = []
    at = text.find(wanted)
    while at >= 0:
        offsets.append(at)
        if len(offsets) == limit:
            break
        at = text.find(wanted, at + len(wanted))
    return to_bytes(np.array(offsets, dtype=np.uint64))
