"""Portraits in and out: a published dump becomes an index that `check` can ask, an index becomes a dump.

An imported portrait is an index without texts: each dump is one layer, its files under their own names, with a
checksum of each in the layer's manifest. Partitions of one corpus, published as several dumps, are imported together
and asked together: what any of them holds is in the corpus.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from indexer.commit import WriterLock, read_manifest, replace_manifest
from indexer.layers import FORMAT, described_file
from indexer.run import utc_now
from provenance import kernel
from provenance.errors import MismatchError, ParameterError
from provenance.index import Index
from provenance.manifest import Corpus, LayerEntry, Manifest, file_sha256
from provenance.membership import LAYER_MANIFEST
from provenance.membership.base import Geometry
from provenance.membership.portrait import PortraitFilter, write_portrait
from provenance.membership.portrait_format import Head, block_layout, geometry_of, read_index
from provenance.parameters import Parameters
from provenance.storage import fsync, refusals_named, rename_durably, write_durably
from provenance.windows import window_count


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: ``layers`` added, windows in them (as their heads say), bytes copied."""

    layers: int
    keys: int
    bytes: int
    digest: str


def import_portraits(
    directory: str | os.PathLike[str],
    dumps: Sequence[str | os.PathLike[str]],
    *,
    corpus_name: str | None = None,
    corpus_revision: str | None = None,
) -> ImportReport:
    """Make an index of published dumps (their ``.bf`` files), or add them to one made so.

    The files are copied; the dumps may go afterwards.

    Raises:
        ParameterError: none named, or a name that does not tell its windows. CorruptFile: a dump is damaged.
        MismatchError: windows differ among the dumps, or from the index's. IndexBusy: another process writes it.
        StorageError: no space, no permission.
    """
    if not dumps:
        raise ParameterError("no portrait is named; name the .bf file of at least one dump")
    paths = [Path(dump) for dump in dumps]
    heads = [_inspected(path) for path in paths]
    geometry = geometry_of(paths[0])
    for path in paths[1:]:
        if geometry_of(path) != geometry:
            raise MismatchError(
                f"{path}: its windows are not those of {paths[0]}; import them into indexes of their own"
            )
    root = Path(directory)
    with WriterLock(root):
        old = read_manifest(root)
        parameters = _parameters(geometry, max(head.links[0].error_rate for head in heads))
        if old is not None and old.parameters.geometry != geometry:
            raise MismatchError(f"{root}: the index there has other windows or texts; name another folder")
        before = old or Manifest(parameters, Corpus(corpus_name or paths[0].name.rsplit(".", 2)[0]))
        number = before.generation + 1
        layers, copied = [], 0
        for place, (path, head) in enumerate(zip(paths, heads, strict=True)):
            entry, size = _write_layer(root / "layers" / f"portrait-{number:06d}-{place}", path, head, geometry)
            layers.append(entry)
            copied += size
        corpus = replace(
            before.corpus,
            name=corpus_name or before.corpus.name,
            revision=corpus_revision or before.corpus.revision,
            built=utc_now(),
        )
        manifest = replace(before, generation=number, layers=(*before.layers, *layers), corpus=corpus)
        manifest = replace(manifest, digest=_digest(root, manifest))
        replace_manifest(root, manifest)
    return ImportReport(len(layers), sum(head.elements for head in heads), copied, manifest.digest)


def export_portrait(index: Index, target: str | os.PathLike[str], *, error_rate: float = 0.001) -> Head:
    """Write the texts of an index as a dump, and return its head; ``target`` is ``NAME.<width>-<stride>.bf``.

    Withdrawn documents are left out. Texts are normalised as portraits are (``portrait-1``), whatever the index's own
    windows; the size is for ``error_rate`` and all windows of all texts, those that repeat counted each time.

    Raises:
        ParameterError: a name of another kind, a rate out of range, or an index without texts.
        StorageError: no space, no permission, or something stands there already.
    """
    path = Path(target)
    geometry = geometry_of(path)
    if not index.segments:
        raise ParameterError("the index has no texts to export; an imported portrait is copied as it is")
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        open(path, "xb").close()
    try:
        tiles = sum(
            -(-window_count(kernel.portrait_normalise_map(text)[0], geometry) // geometry.stride)
            for text in _texts(index)
        )
        return write_portrait(path, _texts(index), capacity=max(1, tiles), error_rate=error_rate)
    except BaseException:
        for leftover in (path, *path.parent.glob(f"{path.name}.part*.bin")):
            leftover.unlink(missing_ok=True)
        raise


def _texts(index: Index) -> Iterator[bytes]:
    for ref in index.refs():
        if index.sources(ref):
            yield index.text(ref)


def _inspected(path: Path) -> Head:
    opened = PortraitFilter.open(path)
    opened.close()
    return opened.head


def _parameters(geometry: Geometry, error_rate: float) -> Parameters:
    return Parameters(
        width=geometry.width,
        stride=geometry.stride,
        unit=geometry.unit,
        seed=geometry.seed,
        normaliser=geometry.normaliser,
        false_positive_rate=min(0.1, max(1e-12, error_rate)),
        engine="none",
        filter="portrait",
        fingerprints="none",
    )


def _write_layer(directory: Path, dump: Path, head: Head, geometry: Geometry) -> tuple[LayerEntry, int]:
    """Copy a dump into a new layer, durably; return its entry and the bytes copied."""
    beside = directory.with_name(f".{directory.name}.part")
    files = {}
    with refusals_named(beside):
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for name in (dump.name, *block_layout(read_index(dump), dump)):
            shutil.copyfile(dump.with_name(name), beside / name)
            fsync(beside / name)
            files[name] = described_file(beside / name)
        PortraitFilter.open(beside / dump.name, geometry).close()
        manifest = {
            "format": FORMAT,
            "id": directory.name,
            "kind": "portrait",
            "segments": [],
            "keys": head.elements,
            "geometry": asdict(geometry),
            "files": files,
        }
        write_durably(beside / LAYER_MANIFEST, json.dumps(manifest, indent=1).encode("ascii") + b"\n")
        rename_durably(beside, directory)
    entry = LayerEntry(directory.name, (), head.elements, "portrait", file_sha256(directory / LAYER_MANIFEST))
    return entry, sum(int(file["bytes"]) for file in files.values())


def _digest(root: Path, manifest: Manifest) -> str:
    """Return SHA-256 over what decides answers: the windows, and the files of bits whatever their order."""
    digest = hashlib.sha256(manifest.parameters.deciding_answers())
    files = []
    for layer in manifest.layers:
        described = json.loads((root / "layers" / layer.id / LAYER_MANIFEST).read_bytes())["files"]
        files.append("".join(entry["xxh3"] for name, entry in described.items() if name.endswith(".bin")))
    for each in sorted(files):
        digest.update(each.encode("ascii"))
    return digest.hexdigest()
