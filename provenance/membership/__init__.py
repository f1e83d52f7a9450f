"""Filters: which windows stand in the corpus, and which of them in many repositories.

Opening imports no more than the kind of filter found needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import CorruptFile, MismatchError, ParameterError
from provenance.membership.base import Geometry
from provenance.storage import refusals_named
from provenance.windows import validated

if TYPE_CHECKING:
    from provenance.membership.base import MembershipFilter
    from provenance.membership.blocked import BlockedFilter
    from provenance.membership.pybloom import KeyKind

MEMBERSHIP_FILE = "membership.flt"
COMMON_FILE = "common.flt"
LAYER_MANIFEST = "manifest.json"
PAGE_BYTES = 4096
"""How much of the beginning of a layer's file its manifest has a checksum of."""
_NO_MANIFEST = "not a layer's manifest: truncated or damaged"
_BLOCKED_MAGIC = b"PROVFLT\x01"
_PYBLOOM_MAGIC = b"MBITARRAY"


def open_filter(
    path: str | os.PathLike[str],
    geometry: Geometry | None = None,
    *,
    keys: KeyKind = "integers",
    recorded: int | None = None,
) -> MembershipFilter:
    """Return the membership filter in a file of any kind, told by its first bytes.

    A file that does not say its geometry (pybloom) needs ``geometry``, and ``keys`` as the file was made with;
    one that does must agree with it where it is given. ``recorded`` is the XXH3-64 of the whole file, if known.

    Raises:
        CorruptFile, IncompatibleVersion: the file is damaged or none of the known kinds.
        MismatchError: it was made for another geometry. ParameterError: a geometry is needed and was not given.
        StorageError: it cannot be read.
    """
    path = Path(path)
    with refusals_named(path), open(path, "rb") as file:
        magic = file.read(16)
    if magic.startswith(_BLOCKED_MAGIC):
        from provenance.membership.blocked import MEMBERSHIP, BlockedFilter

        return BlockedFilter.open(path, geometry, MEMBERSHIP)
    if magic.startswith(_PYBLOOM_MAGIC):
        from provenance.membership.pybloom import PybloomFilter

        if geometry is None:
            raise ParameterError(f"{path}: a pybloom file does not say its window; state width, stride, unit and seed")
        return PybloomFilter.open(path, geometry, keys=keys, recorded=recorded)
    raise CorruptFile(path, "not a filter file of any known kind (magic)")


def open_layer(directory: Path, geometry: Geometry) -> MembershipFilter:
    """Return the membership filter of a layer.

    Raises as `open_filter` does, and `CorruptFile` where the file is not the one that the layer's manifest names.
    """
    if geometry.normaliser == "portrait-1":
        return _open_portrait(directory, geometry)
    recorded = _recorded(directory, MEMBERSHIP_FILE)
    if recorded is None:
        raise CorruptFile(directory / LAYER_MANIFEST, f"names no {MEMBERSHIP_FILE}")
    return open_filter(directory / MEMBERSHIP_FILE, geometry, recorded=recorded)


def _open_portrait(directory: Path, geometry: Geometry) -> MembershipFilter:
    """Return the filter of a layer that is an imported portrait: its files keep the names they came with."""
    from provenance.membership.portrait import PortraitFilter

    recorded = {name: _recorded(directory, name) for name in _files(directory)}
    index = [name for name in recorded if name.endswith(".bf")]
    if len(index) != 1:
        raise CorruptFile(directory / LAYER_MANIFEST, "names no portrait")
    return PortraitFilter.open(directory / index[0], geometry, recorded=recorded)


def open_common(directory: Path, geometry: Geometry) -> BlockedFilter | None:
    """Return the commonness filter of a layer, or None where it has none. Raises as `open_layer` does."""
    from provenance.membership.blocked import COMMONNESS, BlockedFilter

    if _recorded(directory, COMMON_FILE) is None:
        return None
    return BlockedFilter.open(directory / COMMON_FILE, geometry, COMMONNESS)


def open_attached(root: Path, entry: Mapping[str, Any]) -> MembershipFilter:
    """Return a filter that the index was told of; ``entry`` is what `describe_attached` returned.

    A relative path counts from ``root``. Raises as `open_filter` does.
    """
    try:
        geometry = Geometry(*(entry[name] for name in ("width", "stride", "unit", "seed", "normaliser")))
        path, keys, recorded = root / entry["path"], entry["keys"], int(entry["xxh3"], 16)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFile(root / "index.json", f"an attached filter's entry is incomplete ({error})") from None
    return open_filter(path, geometry, keys=keys, recorded=recorded)


def describe_attached(root: Path, path: str, geometry: Geometry, *, keys: KeyKind = "strings") -> dict[str, Any]:
    """Return the entry of index.json for a filter file made elsewhere, after opening it once.

    ``path`` counts from ``root`` unless absolute. ``keys`` tells what a pybloom file was made with: the text of
    the windows, or their XXH3-64 as integers. Raises as `open_filter` does; `ParameterError` for a geometry that
    no query can ask.
    """
    from provenance.membership.pybloom import file_checksum

    if keys not in ("strings", "integers"):
        raise ParameterError(f"keys is {keys!r}; it must be 'strings' or 'integers'")
    if geometry.normaliser != "layout-1":
        raise MismatchError(f"{path}: made with normaliser {geometry.normaliser!r}; this release asks with 'layout-1'")
    opened = open_filter(root / path, validated(geometry), keys=keys)
    opened.close()
    return {
        "path": path,
        "kind": opened.kind,
        "keys": keys,
        "width": geometry.width,
        "stride": geometry.stride,
        "unit": geometry.unit,
        "seed": geometry.seed,
        "normaliser": geometry.normaliser,
        "xxh3": f"{file_checksum(root / path):016x}",
    }


def _recorded(directory: Path, name: str) -> int | None:
    """Return the checksum of a layer's file after comparing its length and first page with the layer's manifest."""
    from provenance.membership.blocked import checksum

    try:
        entry = _files(directory).get(name)
        if entry is None:
            return None
        size, page, whole = int(entry["bytes"]), int(entry["page"], 16), int(entry["xxh3"], 16)
    except (ValueError, KeyError, TypeError):
        raise CorruptFile(directory / LAYER_MANIFEST, _NO_MANIFEST) from None
    path = directory / name
    with refusals_named(path), open(path, "rb") as file:
        found = os.fstat(file.fileno()).st_size
        head = file.read(PAGE_BYTES)
    if found != size:
        raise CorruptFile(path, f"{found} bytes long, the layer's manifest says {size}")
    if checksum(head) != page:
        raise CorruptFile(path, "not the file that the layer's manifest names: damaged or from another index")
    return whole


def _files(directory: Path) -> dict[str, Any]:
    """Return the entries of the files that a layer's manifest names."""
    manifest = directory / LAYER_MANIFEST
    with refusals_named(manifest):
        data = manifest.read_bytes()
    try:
        return dict(json.loads(data)["files"])
    except (ValueError, KeyError, TypeError):
        raise CorruptFile(manifest, _NO_MANIFEST) from None
