"""Asking several filters about one text, as if they were one.

A window hits if any filter of its geometry holds it. Blocked filters of one geometry are asked together in one pass
over the text; the answers of others are united afterwards. Chains are the same either way: a chain is a set of
windows one stride apart, and every hit belongs to exactly one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from provenance import kernel
from provenance.errors import MismatchError
from provenance.membership.base import Geometry, Hits, MembershipFilter
from provenance.text import Offsets
from provenance.windows import window_count

if TYPE_CHECKING:
    from provenance.membership.blocked import BlockedFilter

_FETCHED_BYTES = 1 << 16
"""How much of a text is looked at before a filter is asked that may lie on disk."""
_PAIR = struct.Struct("<QQ")
Operands: TypeAlias = tuple[
    int, int, int, list[tuple[memoryview, int, int]], list[tuple[memoryview, int, tuple[int, ...], int | None]]
]
"""Width, stride and seed of windows, and the filters that know them."""


def ask(filters: Iterable[MembershipFilter], normalised: bytes) -> list[tuple[Geometry, Hits]]:
    """Return one answer a geometry, in the order in which the filters name them; ranges count its units.

    ``normalised`` is UTF-8 after the normaliser that all filters share. Raises `MismatchError` where they do not.
    """
    groups: dict[Geometry, list[MembershipFilter]] = {}
    for each in filters:
        groups.setdefault(each.geometry, []).append(each)
    names = {geometry.normaliser for geometry in groups}
    if len(names) > 1:
        raise MismatchError(f"filters of several normalisers cannot be asked together: {', '.join(sorted(names))}")
    return [(geometry, _ask_equal(geometry, group, normalised)) for geometry, group in groups.items()]


def _ask_equal(geometry: Geometry, filters: Sequence[MembershipFilter], normalised: bytes) -> Hits:
    from provenance.membership.blocked import BlockedFilter

    together = [each for each in filters if isinstance(each, BlockedFilter)]
    answers = [ask_blocked(together, normalised)] if together else []
    answers.extend(each.test(normalised) for each in filters if not isinstance(each, BlockedFilter))
    return answers[0] if len(answers) == 1 else unite(answers, geometry)


def ask_blocked(filters: Sequence[BlockedFilter], normalised: bytes) -> Hits:
    """Return the answer of blocked filters of one geometry, asked in one pass."""
    geometry = filters[0].geometry
    codepoints = geometry.unit == "codepoint"
    _fetch(geometry, filters, normalised)
    count, chains = kernel.chains(
        [each.operand for each in filters],
        normalised,
        geometry.width,
        geometry.stride,
        geometry.seed,
        codepoints=codepoints,
    )
    return Hits(window_count(normalised, geometry), count, chain_pairs(chains))


def fetch(filters: Iterable[MembershipFilter], piece: str) -> None:
    """Tell the system what a piece of a text will ask, so that filters on a disk are not waited for key by key."""
    from provenance.membership.blocked import BlockedFilter

    large = [each for each in filters if isinstance(each, BlockedFilter) and each.large]
    normalised = kernel.normalise(piece.encode()) if large else b""
    for geometry in {each.geometry for each in large}:
        _fetch(geometry, [each for each in large if each.geometry == geometry], normalised)


def _fetch(geometry: Geometry, filters: Sequence[BlockedFilter], normalised: bytes) -> None:
    if any(each.large for each in filters):
        part, codepoints = normalised[:_FETCHED_BYTES], geometry.unit == "codepoint"
        keys = kernel.window_keys(part, geometry.width, 1, geometry.seed, codepoints=codepoints)
        for each in filters:
            each.fetch(keys)


def operands(geometry: Geometry, filters: Iterable[MembershipFilter]) -> Operands:
    """Return what `kernel.TextStream` takes for one geometry.

    Raises `MismatchError` for a filter that is neither blocked nor of pybloomfiltermmap3.
    """
    from provenance.membership.blocked import BlockedFilter
    from provenance.membership.pybloom import PybloomFilter

    blocked, others = [], []
    for each in filters:
        if each.geometry != geometry:
            continue
        if isinstance(each, BlockedFilter):
            blocked.append(each.operand)
        elif isinstance(each, PybloomFilter):
            others.append(each.operand)
        else:
            raise MismatchError(f"a filter of kind {each.kind} cannot be asked while a text is written")
    return geometry.width, geometry.stride, geometry.seed, blocked, others


def chain_pairs(packed: bytes) -> tuple[tuple[int, int], ...]:
    """Return the kernel's chains as pairs."""
    return tuple(_PAIR.iter_unpack(packed))


def unite(answers: Sequence[Hits], geometry: Geometry) -> Hits:
    """Return the answer that one filter with the keys of all would have given."""
    width, stride = geometry.width, geometry.stride
    by_phase = sorted((start % stride, start, end) for answer in answers for start, end in answer.chains)
    united: list[tuple[int, int]] = []
    last_phase = -1
    for phase, start, end in by_phase:
        # The next hit of an unbroken chain stands one stride after the last, which is at end - width.
        if phase == last_phase and start <= united[-1][1] - width + stride:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
            last_phase = phase
    hits = sum((end - start - width) // stride + 1 for start, end in united)
    return Hits(answers[0].windows, hits, tuple(sorted(united)))


def byte_chains(chains: Sequence[tuple[int, int]], geometry: Geometry, normalised: bytes) -> list[tuple[int, int]]:
    """Return chains as ranges of bytes of the normalised text, whatever the unit of the geometry."""
    if geometry.unit == "utf8" or normalised.isascii():
        return list(chains)
    offsets = Offsets(normalised)
    return [(offsets.byte(start), offsets.byte(end)) for start, end in chains]
