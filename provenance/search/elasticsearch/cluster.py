"""Which indices on which cluster belong to an index folder: what is recorded, and that it is what answers.

`elasticsearch.json` in the folder names them; its addresses may change. What each segment loaded is recorded in its own
folder, with checksums like all of a segment, so that another index that answers is noticed. One index holds all that a
folder has, unless a rebuild (`upkeep`) is loading the next one, or has left the one before for somebody to drop.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from provenance.errors import CorruptFile, IndexMissing, MismatchError, ParameterError
from provenance.manifest import read_json
from provenance.search.elasticsearch import mapping
from provenance.search.elasticsearch.client import URL, answering, check_url
from provenance.storage import refusals_named, write_durably

NAME = "elasticsearch.json"
FOLDER = "search"
"""Where a segment has its `NAME`."""
FORMAT = 1
TEXTS = ("folder", "cluster")
"""Where stored texts may lie: in the folder's block files, or on the cluster like all the rest."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What a build is told: the address of the cluster, and for a new index its shards, copies and place of texts.

    None leaves a setting as it is, and for a new index means 1 shard, no copies, texts in the folder. ``url`` may name
    several nodes of one cluster, with commas between.
    """

    url: str | None = None
    shards: int | None = None
    replicas: int | None = None
    texts: str | None = None

    def __post_init__(self) -> None:
        """Raise `ParameterError` where a value is out of range."""
        for name, low, high in (("shards", 1, 1024), ("replicas", 0, 16)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ParameterError(f"{name} is {value}: it must be from {low} to {high}")
        if self.texts not in (None, *TEXTS):
            raise ParameterError(f"texts lie in {self.texts!r}: it must be {' or '.join(TEXTS)}")
        if self.url is not None:
            check_url(self.url)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One index on a cluster: address, name, the id that the cluster gave it, and where its texts lie (`TEXTS`)."""

    url: str
    index: str
    uuid: str
    texts: str

    def found(self, client: Elasticsearch) -> Mapping[str, Any]:
        """Return what the cluster says of the index. Raises `MismatchError` for another one, `EngineUnavailable`."""
        with answering(self.url):
            about = client.indices.get(index=self.index, expand_wildcards="none").get(self.index)
        if about is None or about["settings"]["index"]["uuid"] != self.uuid:
            raise MismatchError(
                f"{self.url}: {self.index} is another index than the one that was loaded; is this the right cluster?"
            )
        described: Mapping[str, Any] = about
        return described

    def check(self, client: Elasticsearch) -> Mapping[str, Any]:
        """Return what `found` does, of an index that this release can ask or load. Raises `MismatchError`."""
        about = self.found(client)
        version = version_of(about)
        if version != mapping.VERSION:
            raise MismatchError(
                f"{self.url}: {self.index} has a mapping of version {version}, this release asks {mapping.VERSION}; "
                "`provenance compact --elasticsearch-new` loads the same documents into a new one"
            )
        return about


def version_of(about: Mapping[str, Any]) -> object:
    """Return the version of an index's mapping, None where it is not one of ours."""
    return about["mappings"].get("_meta", {}).get("provenance")


@dataclass(frozen=True, slots=True)
class Part:
    """What one segment has on the cluster: contents, engine documents, frames of texts and of lists of grams.

    None while it is loaded; releases before mapping 4 had no lists.
    """

    part: str
    index: str
    uuid: str
    contents: int | None
    documents: int | None
    frames: int | None
    lists: int | None = None

    @classmethod
    def of(cls, segment: Path) -> Part:
        """Return what is recorded in a segment's folder. Raises `IndexMissing`, `CorruptFile`."""
        path = segment / FOLDER / NAME
        value = _read(path)
        try:
            return cls(**value)
        except TypeError:
            raise CorruptFile(path, "an entry is missing or unknown") from None

    def keep(self, segment: Path) -> None:
        """Record it, durably."""
        value = {"format": FORMAT, **asdict(self)}
        with refusals_named(segment):
            write_durably(segment / FOLDER / NAME, _encoded(value))


@dataclass(frozen=True, slots=True)
class Record:
    """All indices of a folder; segments are loaded into the last. ``alias`` names the one in force, for others."""

    alias: str
    indices: tuple[Cluster, ...]

    @classmethod
    def of(cls, root: Path, environment: Mapping[str, str] | None = None) -> Record:
        """Return what a folder records, at the address in the environment if one is there.

        Raises `IndexMissing`, `CorruptFile`, `ParameterError`.
        """
        value = _read(root / NAME)
        elsewhere = (os.environ if environment is None else environment).get(URL)
        try:
            indices = tuple(Cluster(**entry) for entry in value["indices"])
            if not indices:
                raise KeyError
            found = cls(str(value["alias"]), tuple(replace(each, url=check_url(each.url)) for each in indices))
        except (KeyError, AttributeError, TypeError, ValueError):
            raise CorruptFile(root / NAME, "an entry is missing or of the wrong kind") from None
        if elsewhere:
            found = replace(found, indices=tuple(replace(each, url=check_url(elsewhere)) for each in found.indices))
        return found

    def keep(self, root: Path) -> None:
        """Record it in a folder, durably."""
        value = {"format": FORMAT, "alias": self.alias, "indices": [asdict(each) for each in self.indices]}
        with refusals_named(root / NAME):
            write_durably(root / NAME, _encoded(value))

    @property
    def loading(self) -> Cluster:
        """Return the index that segments are loaded into."""
        return self.indices[-1]

    def loaded(self, cluster: Cluster) -> Record:
        """Return the record with an index as the one that segments are loaded into."""
        others = tuple(each for each in self.indices if each.uuid != cluster.uuid)
        return replace(self, indices=(*others, cluster))

    def holder(self, part: Part) -> Cluster | None:
        """Return the index that a part was loaded into, or None where it is not recorded."""
        return next((each for each in self.indices if (each.index, each.uuid) == (part.index, part.uuid)), None)


def cluster_of(root: Path, parts: Sequence[Part]) -> Cluster:
    """Return the one index that holds all parts of a snapshot, which ascend as its segments do.

    Raises `MismatchError` where there is no such index.
    """
    record = Record.of(root)
    holders = {record.holder(part) for part in parts}
    if len(holders) != 1 or None in holders or any(part.documents is None for part in parts):
        named = ", ".join(sorted({part.index for part in parts}))
        raise MismatchError(f"{root}: its segments were loaded into {named}, which {NAME} does not name together")
    if [part.part for part in parts] != sorted({part.part for part in parts}):
        raise MismatchError(f"{root}: the parts of the segments are not in order; compact the index")
    (holder,) = holders
    assert holder is not None
    return holder


def parts_of(segments: Iterable[Path]) -> list[Part]:
    """Return the parts of those segments that have one; a folder without is of another engine, or unfinished."""
    return [Part.of(segment) for segment in segments if (segment / FOLDER / NAME).exists()]


def segments_of(root: Path) -> list[Path]:
    """Return the folders of all segments that a folder holds, unfinished ones and those kept for readers included."""
    folder = root / "segments"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode("ascii") + b"\n"


def _read(path: Path) -> dict[str, Any]:
    with refusals_named(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise IndexMissing(f"{path}: a file of the index is missing; build the index again") from None
    value = read_json(data, path)
    if value.pop("format", None) != FORMAT:
        raise CorruptFile(path, f"not of format {FORMAT}")
    return value
