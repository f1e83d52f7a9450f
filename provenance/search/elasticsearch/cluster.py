"""Which index on which cluster belongs to an index folder: recorded, made, checked, and cleaned.

`elasticsearch.json` in the folder says where the cluster is; the address may change. What each segment loaded is
recorded in its own folder, with checksums like all of a segment, so that another index that answers is noticed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from provenance.errors import CorruptFile, EngineUnavailable, IndexMissing, MismatchError, ParameterError
from provenance.manifest import read_json
from provenance.search.elasticsearch import mapping
from provenance.search.elasticsearch.client import (
    URL,
    answering,
    check_url,
    connect,
    finished_task,
    patiently,
)
from provenance.storage import refusals_named, write_durably

NAME = "elasticsearch.json"
_SMALL = 32 << 20
"""Bytes of text that were added, for less of which merging is not worth the wait."""
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What a build is told: the address of the cluster, and for a new index its shards and their copies."""

    url: str | None = None
    shards: int = 1
    replicas: int = 0

    def __post_init__(self) -> None:
        """Raise `ParameterError` where a value is out of range."""
        for name, low, high in (("shards", 1, 1024), ("replicas", 0, 16)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ParameterError(f"{name} is {value}: it must be from {low} to {high}")
        if self.url is not None:
            check_url(self.url)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The index of a folder: address, name, and the id that the cluster gave it."""

    url: str
    index: str
    uuid: str

    @classmethod
    def of(cls, root: Path, environment_url: str | None = None) -> Cluster:
        """Return what a folder records, at another address if one is given. Raises `IndexMissing`, `CorruptFile`."""
        value = _read(root / NAME)
        try:
            return cls(check_url(environment_url or value["url"]), value["index"], value["uuid"])
        except (KeyError, AttributeError, TypeError):
            raise CorruptFile(root / NAME, "an entry is missing or of the wrong kind") from None

    def keep(self, root: Path) -> None:
        """Record it in a folder."""
        value = {"format": FORMAT, **asdict(self)}
        with refusals_named(root / NAME):
            write_durably(root / NAME, json.dumps(value, indent=1).encode("ascii") + b"\n")

    def check(self, client: Elasticsearch) -> None:
        """Compare the index that answers with the one that was made. Raises `MismatchError`, `EngineUnavailable`."""
        with answering(self.url):
            found = client.indices.get(index=self.index, expand_wildcards="none")
            about = found.get(self.index)
        if about is None or about["settings"]["index"]["uuid"] != self.uuid:
            raise MismatchError(
                f"{self.url}: {self.index} is another index than the one that was loaded; is this the right cluster?"
            )
        version = about["mappings"].get("_meta", {}).get("provenance")
        if version != mapping.VERSION:
            raise MismatchError(
                f"{self.url}: {self.index} has a mapping of version {version}, this release asks {mapping.VERSION}; "
                "build the index again into another folder"
            )


@dataclass(frozen=True, slots=True)
class Part:
    """What one segment has on the cluster: contents, and engine documents; None while it is loaded."""

    part: str
    index: str
    uuid: str
    contents: int | None
    documents: int | None

    @classmethod
    def of(cls, search_folder: Path) -> Part:
        """Return what is recorded. Raises `IndexMissing`, `CorruptFile`."""
        value = _read(search_folder / NAME)
        try:
            return cls(value["part"], value["index"], value["uuid"], value["contents"], value["documents"])
        except KeyError:
            raise CorruptFile(search_folder / NAME, "an entry is missing") from None

    def keep(self, search_folder: Path) -> None:
        """Record it, durably."""
        value = {"format": FORMAT, **asdict(self)}
        with refusals_named(search_folder):
            write_durably(search_folder / NAME, json.dumps(value, indent=1).encode("ascii") + b"\n")


def prepare(root: Path, settings: ClusterSettings) -> None:
    """Make the index that segments of a folder are loaded into, or check the one that is there.

    Raises `ParameterError` where no address is known, `MismatchError`, `EngineUnavailable`.
    """
    if (root / NAME).exists():
        cluster = Cluster.of(root, settings.url)
        cluster.check(connect(cluster.url))
        cluster.keep(root)
        return
    if settings.url is None:
        raise ParameterError("the engine elasticsearch needs the address of a cluster (--elasticsearch-url)")
    url = check_url(settings.url)
    client = connect(url)
    folder = re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-")[:40]
    name = f"provenance-{folder or 'index'}-{secrets.token_hex(4)}"
    with answering(url):
        body = mapping.index_body(settings.shards, settings.replicas)
        client.indices.create(index=name, settings=body["settings"], mappings=body["mappings"])
        about = client.indices.get(index=name)
    Cluster(url, name, about[name]["settings"]["index"]["uuid"]).keep(root)


def tidy(root: Path, text_bytes: int) -> None:
    """Make what was loaded small and fast to ask, once it is complete: one Lucene segment a shard.

    A cluster keeps a copy of everything it was sent until all replicas are known to have it, which it looks at every
    30 seconds; a merge after that leaves the copies out (0.8 of the text's size). So this waits that long, for all but
    small additions.
    """
    if text_bytes < _SMALL:
        return
    cluster = Cluster.of(root, os.environ.get(URL))
    client = connect(cluster.url)
    with answering(cluster.url):
        patiently(lambda: client.indices.flush(index=cluster.index, wait_if_ongoing=True))
        _await_leases(client, cluster.index)
        patiently(lambda: client.indices.flush(index=cluster.index, wait_if_ongoing=True, force=True))
        _merge(client, cluster.index, max_num_segments=1)


def _await_leases(client: Elasticsearch, index: str) -> None:
    """Wait until nothing that was sent is kept for a replica; gives up after a minute, which only costs space."""
    for _ in range(120):
        shards = client.indices.stats(index=index, level="shards", metric="docs")["indices"][index]["shards"]
        copies = [copy for copies in shards.values() for copy in copies if copy["routing"]["primary"]]
        if all(
            lease["retaining_seq_no"] > copy["seq_no"]["global_checkpoint"]
            for copy in copies
            for lease in copy["retention_leases"]["leases"]
        ):
            return
        time.sleep(0.5)


def _merge(client: Elasticsearch, index: str, **how: Any) -> None:
    answer = patiently(lambda: client.indices.forcemerge(index=index, wait_for_completion=False, **how))
    finished_task(client, answer["task"])


def discard(folders: Iterable[Path]) -> None:
    """Delete what segments have on the cluster, before their folders go; returns when none of it is left.

    Raises `EngineUnavailable`.
    """
    for root, parts in _loaded(folders).items():
        if not (root / NAME).exists():
            continue
        cluster = Cluster.of(root, os.environ.get(URL))
        client = connect(cluster.url)
        query = {"terms": {"part": [part.part for part in parts if part.uuid == cluster.uuid]}}
        with answering(cluster.url):
            if not client.indices.exists(index=cluster.index):
                continue
            patiently(lambda index=cluster.index, client=client: client.indices.refresh(index=index))  # type: ignore[misc]
            answer = client.delete_by_query(
                index=cluster.index, query=query, conflicts="proceed", refresh=True, wait_for_completion=False
            )
            finished_task(client, answer["task"])
            left = client.count(index=cluster.index, query=query)["count"]
            if left:
                raise EngineUnavailable(f"{cluster.url}: {left} documents to delete are still there; try again")
            _merge(client, cluster.index, only_expunge_deletes=True)


def _loaded(folders: Iterable[Path]) -> dict[Path, list[Part]]:
    found: dict[Path, list[Part]] = {}
    for folder in folders:
        if (folder / "search" / NAME).exists():
            found.setdefault(folder.parent.parent, []).append(Part.of(folder / "search"))
    return found


def check_parts(cluster: Cluster, directories: Sequence[Path], parts: Sequence[Part]) -> None:
    """Raise `MismatchError` for parts of another index, or that do not ascend as their segments do."""
    for directory, part in zip(directories, parts, strict=True):
        if (part.index, part.uuid) != (cluster.index, cluster.uuid) or part.documents is None:
            raise MismatchError(f"{directory}: this segment was loaded into {part.index}, not {cluster.index}")
    if [part.part for part in parts] != sorted({part.part for part in parts}):
        raise MismatchError(f"{cluster.index}: the parts of the segments are not in order; build the index again")


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
