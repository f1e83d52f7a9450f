"""Making, tidying and dropping indices on a cluster, for a writer that holds an index folder's lock.

Readers ask the index that their generation's segments name. So a rebuild - after a change of mapping, or to other
shards or another cluster - loads a new index beside the one in force, index.json changes over, and only then the alias
moves. The index before stays as long as nobody drops it: it may hold what was withdrawn since.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from provenance.errors import EngineUnavailable, IndexBusy, MismatchError, ParameterError
from provenance.search.elasticsearch import mapping
from provenance.search.elasticsearch.client import answering, check_url, connect, finished_task, patiently
from provenance.search.elasticsearch.cluster import (
    NAME,
    Cluster,
    ClusterSettings,
    Part,
    Record,
    parts_of,
    segments_of,
    version_of,
)

_SMALL = 32 << 20
"""Bytes of text that were added, for less of which merging is not worth the wait."""


def prepare(root: Path, settings: ClusterSettings, segments: Sequence[Path], *, new: bool = False) -> None:
    """Make ready the index that segments are loaded into: the one that ``segments``, those in force, are in.

    There is a new one where there was none, or where ``new`` asks for it; a ``new`` one that an earlier run has begun
    goes on. Raises `ParameterError` where no address is known or a setting contradicts the index, `MismatchError`,
    `EngineUnavailable`.
    """
    parts = parts_of(segments)
    record = Record.of(root) if (root / NAME).exists() else None
    if new or record is None or not parts:
        record = _with_new(root, record, settings, {part.uuid for part in parts})
    else:
        current = record.holder(parts[0])
        if current is None:
            raise MismatchError(f"{root}: {NAME} does not name {parts[0].index}, which its segments were loaded into")
        current = replace(current, url=check_url(settings.url or current.url))
        _agree(current, settings, current.check(connect(current.url)))
        record = record.loaded(current)
    record.keep(root)


def _with_new(root: Path, record: Record | None, settings: ClusterSettings, used: set[str]) -> Record:
    """Return a record whose last index is used by no segment in force: one that was begun, or a new one."""
    if record is not None and record.loading.uuid not in used:
        begun = replace(record.loading, url=check_url(settings.url or record.loading.url))
        try:
            _agree(begun, settings, begun.check(connect(begun.url)))
            return record.loaded(begun)
        except (ParameterError, MismatchError):
            pass  # it stays as it is, to be dropped
    url = settings.url or (record.loading.url if record is not None else None)
    if url is None:
        raise ParameterError("the engine elasticsearch needs the address of a cluster (--elasticsearch-url)")
    folder = re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-")[:40] or "index"
    alias = record.alias if record is not None else f"provenance-{folder}-{secrets.token_hex(4)}"
    name = f"{mapping.PREFIX}{alias.removeprefix('provenance-')}-{secrets.token_hex(3)}"
    texts = settings.texts or (record.loading.texts if record is not None else "folder")
    client = connect(url)
    with answering(url):
        client.indices.put_index_template(name=mapping.TEMPLATE, **mapping.template())
        client.indices.create(
            index=name,
            settings={"number_of_shards": settings.shards or 1, "number_of_replicas": settings.replicas or 0},
        )
        uuid = client.indices.get(index=name)[name]["settings"]["index"]["uuid"]
    made = Cluster(check_url(url), name, uuid, texts)
    made.check(client)
    return Record(alias, (*(record.indices if record is not None else ()), made))


def _agree(cluster: Cluster, settings: ClusterSettings, about: Any) -> None:
    """Raise `ParameterError` where settings are not those of an index."""
    found = about["settings"]["index"]
    for name, wanted, has in (
        ("shards", settings.shards, int(found["number_of_shards"])),
        ("replicas", settings.replicas, int(found["number_of_replicas"])),
        ("texts", settings.texts, cluster.texts),
    ):
        if wanted is not None and wanted != has:
            raise ParameterError(
                f"{cluster.index} has {name} {has}, not {wanted}; `provenance compact --elasticsearch-new` makes an "
                "index with other settings"
            )


def is_outdated(root: Path, segments: Sequence[Path]) -> bool:
    """Tell whether the index of the segments in force has the mapping of another release. `EngineUnavailable`."""
    parts = parts_of(segments)
    if not parts:
        return False
    holder = Record.of(root).holder(parts[0])
    return holder is not None and version_of(holder.found(connect(holder.url))) != mapping.VERSION


def tidy(root: Path, text_bytes: int) -> None:
    """Make what was loaded small and fast to ask, once it is complete: one Lucene segment a shard.

    Small additions are left to the cluster's own merging.
    """
    if text_bytes < _SMALL:
        return
    cluster = Record.of(root).loading
    client = connect(cluster.url)
    with answering(cluster.url):
        _merge(client, cluster.index, max_num_segments=1)


def _merge(client: Elasticsearch, index: str, **how: Any) -> None:
    """Merge an index, leaving out what it keeps for replicas alone.

    A cluster keeps a copy of everything it was sent (0.8 of the text's size), and what was deleted, until all replicas
    are known to have it; it looks at that every 30 seconds.
    """
    patiently(lambda: client.indices.flush(index=index, wait_if_ongoing=True))
    _await_leases(client, index)
    patiently(lambda: client.indices.flush(index=index, wait_if_ongoing=True, force=True))
    answer = patiently(lambda: client.indices.forcemerge(index=index, wait_for_completion=False, **how))
    finished_task(client, answer["task"])


def _await_leases(client: Elasticsearch, index: str) -> None:
    """Wait until nothing that was sent is kept for a replica; gives up after a minute, which only costs space."""
    for _ in range(240):
        answer = patiently(lambda: client.indices.stats(index=index, level="shards", metric="docs"))
        shards = answer["indices"][index]["shards"]
        copies = [copy for copies in shards.values() for copy in copies if copy["routing"]["primary"]]
        if all(
            lease["retaining_seq_no"] > copy["seq_no"]["global_checkpoint"]
            for copy in copies
            for lease in copy["retention_leases"]["leases"]
        ):
            return
        time.sleep(0.25)


def settle(root: Path) -> None:
    """Let the alias name the index that was loaded last, in one step. Raises `EngineUnavailable`."""
    record = Record.of(root)
    current = record.loading
    client = connect(current.url)
    with answering(current.url):
        try:
            holders = set(client.indices.get_alias(name=record.alias))
        except NotFoundError:
            holders = set()
        if holders != {current.index}:
            removed = [{"remove": {"index": index, "alias": record.alias}} for index in sorted(holders)]
            added = {"add": {"index": current.index, "alias": record.alias, "is_write_index": False}}
            patiently(lambda: client.indices.update_aliases(actions=[*removed, added]))


def discard(folders: Iterable[Path]) -> None:
    """Delete what segments have on the cluster, before their folders go; returns when none of it is left.

    What lies in an index that no other segment is in, nor the next to come, goes with that index (`drop`).
    Raises `EngineUnavailable`.
    """
    for root, doomed in _by_root(folders).items():
        if not (root / NAME).exists():
            continue
        record = Record.of(root)
        others = [segment for segment in segments_of(root) if segment not in doomed]
        alive = {record.loading.uuid, *(part.uuid for part in parts_of(others))}
        parts = parts_of(doomed)
        for cluster in record.indices:
            ours = [part for part in parts if part.uuid == cluster.uuid]
            if ours and cluster.uuid in alive:
                _delete(cluster, ours)


def _by_root(segments: Iterable[Path]) -> dict[Path, set[Path]]:
    found: dict[Path, set[Path]] = {}
    for segment in segments:
        found.setdefault(segment.parent.parent, set()).add(segment)
    return found


def _delete(cluster: Cluster, parts: list[Part]) -> None:
    client = connect(cluster.url)
    index, query = cluster.index, {"terms": {"part": [part.part for part in parts]}}
    with answering(cluster.url):
        if not client.indices.exists(index=index):
            return
        patiently(lambda: client.indices.refresh(index=index))
        answer = client.delete_by_query(
            index=index, query=query, conflicts="proceed", refresh=True, wait_for_completion=False
        )
        finished_task(client, answer["task"])
        left = client.count(index=index, query=query)["count"]
        if left:
            raise EngineUnavailable(f"{cluster.url}: {left} documents to delete are still there; try again")
        if any(part.documents is not None for part in parts):
            # They may have been in force, and hold what was withdrawn: it is to be gone, not only marked.
            _merge(client, index, only_expunge_deletes=True)


@dataclass(frozen=True, slots=True)
class OnCluster:
    """An index as the cluster has it; ``there`` is false where it has it no more. ``bytes`` counts copies, too.

    ``away`` says why the cluster could not be asked.
    """

    url: str
    index: str
    texts: str
    there: bool = False
    away: str = ""
    version: object = None
    shards: int = 0
    replicas: int = 0
    documents: int = 0
    bytes: int = 0


def described(root: Path, segments: Sequence[Path]) -> tuple[str, OnCluster | None, tuple[OnCluster, ...]]:
    """Return the alias, the index that ``segments``, those in force, are in, and all others that are recorded.

    Raises `IndexMissing`.
    """
    record = Record.of(root)
    used = {part.uuid for part in parts_of(segments)}
    found = [(cluster.uuid in used, _seen(cluster)) for cluster in record.indices]
    current = next((about for is_used, about in found if is_used), None)
    return record.alias, current, tuple(about for is_used, about in found if not is_used)


def drop(root: Path, segments: Sequence[Path], *, forget: bool = False) -> tuple[OnCluster, ...]:
    """Delete the indices that none of ``segments``, those in force, is in; returns them.

    For a writer that holds the lock. ``forget`` takes those whose cluster does not answer from the record, and leaves
    them there. Raises `IndexBusy` where a reader of an older generation may still ask one, `EngineUnavailable`.
    """
    if not (root / NAME).exists():
        return ()
    used = {part.uuid for part in parts_of(segments)}
    unused = [cluster for cluster in Record.of(root).indices if cluster.uuid not in used]
    named = {part.uuid for part in parts_of(segments_of(root))}
    for cluster in unused:
        if cluster.uuid in named:
            raise IndexBusy(
                f"{root}: {cluster.index} belongs to an older generation that is being read, or to a rebuild that was "
                "interrupted; try again when readers are gone, or after the next `provenance index` or `compact`"
            )
    found = tuple(_seen(cluster) if forget else _as_there(cluster) for cluster in unused)
    for cluster, about in zip(unused, found, strict=True):
        if about.there:
            client = connect(cluster.url)
            with answering(cluster.url):
                client.indices.delete(index=cluster.index)
                if client.indices.exists(index=cluster.index):
                    raise EngineUnavailable(f"{cluster.url}: {cluster.index} was deleted and is still there; try again")
        record = Record.of(root)
        left = tuple(each for each in record.indices if each.uuid != cluster.uuid)
        if left:
            replace(record, indices=left).keep(root)
        else:
            (root / NAME).unlink()
    if found and used:
        settle(root)  # a writer that was killed before it came to that has left the alias to what is gone now
    return found


def _seen(cluster: Cluster) -> OnCluster:
    try:
        return _as_there(cluster)
    except EngineUnavailable as error:
        return OnCluster(cluster.url, cluster.index, cluster.texts, away=str(error))


def _as_there(cluster: Cluster) -> OnCluster:
    client = connect(cluster.url)
    absent = OnCluster(cluster.url, cluster.index, cluster.texts)
    with answering(cluster.url):
        if not client.indices.exists(index=cluster.index):
            return absent
    try:
        about = cluster.found(client)
    except MismatchError:
        return absent  # another one of this name: not ours to delete
    with answering(cluster.url):
        stats = client.indices.stats(index=cluster.index, metric=["docs", "store"])["_all"]
    settings = about["settings"]["index"]
    return replace(
        absent,
        there=True,
        version=version_of(about),
        shards=int(settings["number_of_shards"]),
        replicas=int(settings["number_of_replicas"]),
        documents=stats["primaries"]["docs"]["count"],
        bytes=stats["total"]["store"]["size_in_bytes"],
    )
