"""Writing the removal set that a generation of an index names (`provenance.removal`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.commit import remove_tree
from provenance.manifest import Removed
from provenance.removal import DOCUMENTS, KEYS, read_set, write_set
from provenance.storage import fsync, refusals_named

if TYPE_CHECKING:
    from numpy import uint64
    from numpy.typing import NDArray


def write_removal_set(root: Path, generation: int, rules: Removed, documents: bytes, keys: bytes) -> Removed:
    """Write the set of a generation durably, from ascending ids and ascending keys; returns its entry."""
    folder = root / "removed" / f"{generation:06d}"
    with refusals_named(folder):
        remove_tree(folder)
        folder.mkdir(parents=True)
        write_set(folder / DOCUMENTS, documents, 16)
        write_set(folder / KEYS, keys, 8)
        fsync(folder)
        fsync(folder.parent)
    return replace(rules, path=f"removed/{folder.name}", documents=len(documents) // 16, keys=len(keys) // 8)


def after_adding(root: Path, generation: int, removed: Removed, tiles: Iterable[Path]) -> Removed:
    """Return the removal set once documents with the keys in ``tiles`` are in the index: they are hidden no more."""
    import numpy

    if not removed.keys:
        return removed
    folder = root / removed.path
    before: NDArray[uint64] = numpy.frombuffer(read_set(folder / KEYS, 8, removed.keys), dtype="<u8")
    left = before
    for path in tiles:
        with refusals_named(path):
            left = absent(left, numpy.fromfile(path, dtype="<u8"))
    if len(left) == len(before):
        return removed
    documents = read_set(folder / DOCUMENTS, 16, removed.documents)
    return write_removal_set(root, generation, removed, documents, left.tobytes())


def absent(keys: NDArray[uint64], held: NDArray[uint64]) -> NDArray[uint64]:
    """Return those of ``keys`` that are not in ``held``, which is ascending."""
    import numpy

    if not len(held) or not len(keys):
        return keys
    at = numpy.searchsorted(held, keys)
    at[at == len(held)] = 0
    left: NDArray[uint64] = keys[held[at] != keys]
    return left
