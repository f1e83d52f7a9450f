"""The indices that an index folder has on a cluster: which there are, and dropping those that are in force no more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.commit import WriterLock, read_manifest
from provenance.errors import IndexMissing
from provenance.manifest import NAME, Manifest
from provenance.search import uses_cluster

if TYPE_CHECKING:
    from provenance.search.elasticsearch.upkeep import OnCluster


@dataclass(frozen=True, slots=True)
class Indices:
    """``current`` is None for an index with another engine; ``former`` are in force no more, or not yet."""

    alias: str
    current: OnCluster | None
    former: tuple[OnCluster, ...]


def indices(directory: str | os.PathLike[str]) -> Indices:
    """Return what a folder has on its cluster. Raises `IndexMissing`."""
    from provenance.search.elasticsearch.upkeep import described

    root = Path(directory)
    return Indices(*described(root, _segments(root, _manifest(root))))


def drop_former(directory: str | os.PathLike[str], *, forget: bool = False) -> tuple[OnCluster, ...]:
    """Delete the former indices with all they hold, and return them.

    ``forget`` is for a cluster that is gone for good: what is recorded of it goes, and nothing is deleted there.
    Raises `IndexBusy` where a reader of an older generation still asks one or another process writes, `IndexMissing`,
    `EngineUnavailable`.
    """
    from provenance.search.elasticsearch.upkeep import drop

    root = Path(directory)
    _manifest(root)
    with WriterLock(root):
        return drop(root, _segments(root, _manifest(root)), forget=forget)


def left_over(root: Path, manifest: Manifest) -> list[str]:
    """Return what a report says about former indices."""
    if not uses_cluster(root):
        return []
    from provenance.search.elasticsearch.upkeep import described

    _, _, former = described(root, _segments(root, manifest))
    return [
        f"{each.index} is in force no more, and keeps its {each.documents} documents until `provenance cluster drop`"
        for each in former
        if each.there
    ]


def _manifest(root: Path) -> Manifest:
    manifest = read_manifest(root)
    if manifest is None:
        raise IndexMissing(f"{root}: there is no index in this folder (no {NAME})")
    return manifest


def _segments(root: Path, manifest: Manifest) -> Sequence[Path]:
    return [root / "segments" / entry.id for entry in manifest.segments]
