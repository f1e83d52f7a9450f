"""Filters made elsewhere, asked together with those of an index."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.commit import WriterLock, read_manifest, replace_manifest, sweep
from provenance.errors import IndexMissing, ParameterError
from provenance.manifest import NAME, Manifest
from provenance.membership import describe_attached
from provenance.membership.base import Geometry

if TYPE_CHECKING:
    from provenance.membership.pybloom import KeyKind

Attached = tuple[dict[str, Any], ...]


def attach(
    directory: str | os.PathLike[str],
    path: str | os.PathLike[str],
    geometry: Geometry | None = None,
    *,
    keys: KeyKind = "strings",
) -> None:
    """Let an index ask one more filter file from now on; one attached before is described anew.

    ``geometry`` tells its windows, by default those of the index; ``keys`` what a pybloom file was made with
    (`provenance.membership.open_filter`). The file stays where it is: a path inside of the index's folder is kept
    relative to it, any other absolute. `check` counts its hits; texts and digest are as before.

    Raises `IndexMissing`, `IndexBusy`, and what `describe_attached` raises.
    """

    def with_it(root: Path, old: Manifest) -> Attached:
        entry = describe_attached(root, _kept(root, path), geometry or old.parameters.geometry, keys=keys)
        return (*_others(old, entry["path"]), entry)

    _change(directory, with_it)


def detach(directory: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Ask a filter no more; its file stays. Raises `ParameterError` where it is not attached, else as `attach`."""

    def without_it(root: Path, old: Manifest) -> Attached:
        left = _others(old, _kept(root, path))
        if len(left) == len(old.attached):
            raise ParameterError(f"{path}: this filter is not attached; the index has {len(old.attached)} such")
        return left

    _change(directory, without_it)


def _change(directory: str | os.PathLike[str], attached: Callable[[Path, Manifest], Attached]) -> None:
    root = Path(directory)
    missing = IndexMissing(f"{root}: there is no index in this folder (no {NAME})")
    if not (root / NAME).exists():
        raise missing
    with WriterLock(root):
        old = read_manifest(root)
        if old is None:
            raise missing
        changed = replace(old, attached=attached(root, old), generation=old.generation + 1)
        sweep(root, old)
        replace_manifest(root, changed)


def _kept(root: Path, path: str | os.PathLike[str]) -> str:
    """Return a path as index.json keeps it."""
    whole, base = os.path.abspath(path), os.path.abspath(root)
    return os.path.relpath(whole, base) if whole.startswith(base + os.sep) else whole


def _others(manifest: Manifest, path: str) -> Attached:
    return tuple(dict(entry) for entry in manifest.attached if entry["path"] != path)
