"""Compaction: fewer and larger segments, one layer, nothing withdrawn and nothing twice.

The stored documents are a source like any other: the same workers write them into new segments with their keys, so
that the layer, the commonness of windows and everything else come out as if the index were built anew. The digest
stays what it was, unless a document stood twice with different licences: the first one stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.cluster import left_over
from indexer.commit import WriterLock, read_manifest
from indexer.known import SortedIds, write_repeated
from indexer.plan import make_plan
from indexer.pool import Crew
from indexer.report import BuildReport, Listener
from indexer.run import Run, count_repositories, count_workers, readers, require_documents
from indexer.sources.base import Item, Unit
from provenance.errors import IndexMissing, ParameterError
from provenance.manifest import NAME, SegmentEntry
from provenance.records import Document
from provenance.search import is_outdated, place, prepare
from provenance.segment import SegmentReader

if TYPE_CHECKING:
    from provenance.search.elasticsearch.cluster import ClusterSettings

LARGER = 4
"""How many times larger than those of a build the segments of a compaction are."""


def compact(
    directory: str | os.PathLike[str],
    *,
    segment_bytes: int | None = None,
    workers: int | None = None,
    progress: Listener | None = None,
    engine: str | None = None,
    cluster: ClusterSettings | None = None,
) -> BuildReport:
    """Rewrite an index as few segments and one layer; returns the report.

    ``engine`` puts another one in place of the index's own. ``cluster`` asks for a new index on a cluster, with these
    settings, beside the one in force, which stays until `indexer.cluster.drop`: to change shards, place of texts or
    cluster. An index with the mapping of another release is replaced like that without being asked.
    ``segment_bytes`` is how much text a new segment holds, by default four times what those of a build hold.
    What was withdrawn is gone from the disk afterwards, except from parts that an open reader still uses
    (``kept_for_readers`` in the report). Killed at any moment, the index is as it was, and the next call resumes.

    Raises `IndexMissing`, `IndexBusy`, `CorruptFile`, `StorageError`.
    """
    root = Path(directory)
    if not (root / NAME).exists():
        raise IndexMissing(f"{root}: there is no index in this folder (no {NAME})")
    if segment_bytes is not None and not 1 << 10 <= segment_bytes <= 1 << 32:
        raise ParameterError(f"segment_bytes is {segment_bytes}: it must be from {1 << 10} to {1 << 32}")
    with WriterLock(root) as lock, Crew(count_workers(workers), lock.descriptor) as crew:
        old = read_manifest(root)
        if old is None:
            raise IndexMissing(f"{root}: there is no index in this folder (no {NAME})")
        require_documents(root, old.parameters)
        parameters = replace(old.parameters, engine=engine or old.parameters.engine)
        in_force = [entry.id for entry in old.segments]
        new = cluster is not None or is_outdated(parameters.as_dict(), root, in_force)
        prepare(parameters.as_dict(), root, cluster, in_force, new=new)
        run = Run(root, crew, old, parameters, progress)
        size = segment_bytes or min(LARGER * old.parameters.segment_bytes, 1 << 32)
        repeated = run.scratch.folder / "repeated.bin"
        stored = StoredDocuments(root, old.segments, repeated)
        decisive = ("compact", parameters, place(parameters.as_dict(), root), old.digest, old.removed)
        with run.phase("planning"):
            plan = make_plan([stored], size, decisive, run.planned, spread=False)
            limit = old.parameters.common_repositories
            plan = replace(plan, repositories=count_repositories(root, old.segments, limit))
        results = run.write_segments(
            plan,
            [stored],
            old,
            segment_bytes=size,
            prepare=lambda _: write_repeated(repeated, readers(root, old.segments)),
        )
        segments = tuple(entry for result in results for entry in result.segments)
        removed = replace(old.removed, path="", documents=0, keys=0)
        report = run.commit(old, segments, results, old.corpus, rebuild=(), removed=removed)
        done = read_manifest(root)
        assert done is not None
        report.notices.extend(left_over(root, done))
        return report


@dataclass(frozen=True, slots=True)
class StoredDocuments:
    """The documents of an index as a source: a unit a segment; those that stood in an earlier one are left out.

    ``repeated`` names a file of `write_repeated`, written before anything is read.
    """

    root: Path
    entries: tuple[SegmentEntry, ...]
    repeated: Path

    @property
    def location(self) -> str:
        """Return the folder of the index."""
        return os.fspath(self.root)

    def plan(self) -> Iterator[Unit]:
        """Yield one unit a segment."""
        for number, entry in enumerate(self.entries):
            yield Unit(entry.text_bytes, number, entry.manifest)

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the documents of one segment, content by content. Raises `CorruptFile`."""
        number: Any = unit.payload
        entry = self.entries[number]
        repeated = SortedIds(self.repeated, 20)
        segment = SegmentReader(self.root / "segments" / entry.id, entry)
        try:
            for content in range(segment.contents):
                text, identity, encoding = segment.text(content), segment.content_id(content), segment.encoding(content)
                for document, source in segment.sources(content):
                    if len(repeated) and repeated.value(document) not in (None, number):
                        continue
                    yield Document(text, identity, source, encoding)
        finally:
            segment.close()
