"""What one worker does: a task becomes segments and spilled keys.

The work is a function of the job and the task alone, so it does not matter who does it, when, or how often.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from indexer.faults import reach
from indexer.known import SortedIds
from indexer.plan import Scratch, Task, TaskResult
from indexer.segments import KeySpiller, SegmentBuilder, held_out
from indexer.sources.base import DocumentSource, Tally
from provenance.manifest import Removed, SegmentEntry
from provenance.parameters import Parameters
from provenance.records import Document
from provenance.segment import SegmentReader
from provenance.store_writer import new_compressor

Heard = Callable[[int, int, int], None]
"""Hears of progress: input bytes, documents and bytes of text since it was last called."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that the tasks of one build have in common; picklable.

    ``group`` is 0 where no samples are wanted. A segment ends at ``segment_bytes`` of text: a quarter more than tasks
    are cut to, so that a task whose text is a little larger than its input gives no second, tiny segment.
    ``known`` names the file of documents that the index holds already.
    """

    root: Path
    number: int
    sources: tuple[DocumentSource, ...]
    parameters: Parameters
    group: int
    segment_bytes: int
    known: Path | None
    removed: Removed

    @property
    def scratch(self) -> Scratch:
        """Return where the job keeps what it will need again."""
        return Scratch(self.root, self.number)


@dataclass(frozen=True, slots=True)
class KeyTask:
    """Regenerate the keys of a segment that stays, for a layer that is built anew."""

    number: int
    segment: SegmentEntry
    weight: int


class Withdrawals:
    """Tells which documents an earlier withdrawal keeps out of the index."""

    def __init__(self, removed: Removed) -> None:
        """Take the names that index.json keeps."""
        self._repositories = frozenset(removed.repositories)
        self._owners = frozenset(removed.owners)
        self._named = frozenset(bytes.fromhex(identity) for identity in removed.named)
        self.any = bool(self._repositories or self._owners or self._named)

    def covers(self, repository: str, identity: bytes) -> bool:
        """Tell whether a document is kept out. An owner is any part of a repository's name but the last."""
        name = repository.casefold()
        if name in self._repositories or identity in self._named:
            return True
        return bool(self._owners) and not self._owners.isdisjoint(name.split("/")[:-1])


class Worker:
    """Does tasks of one job, one after another."""

    def __init__(self, job: Job) -> None:
        """Make ready what all tasks of the job use."""
        self._job = job
        self._compressor = new_compressor()
        self._known = SortedIds(job.known) if job.known is not None else None
        self._withdrawals = Withdrawals(job.removed)

    def run(self, task: Task | KeyTask, heard: Heard) -> TaskResult:
        """Do one task and make its result durable."""
        result = self._gather(task, heard) if isinstance(task, KeyTask) else self._write(task, heard)
        result.peak_memory = peak_memory()
        reach("task-commit")
        self._job.scratch.keep(task.number, result)
        return result

    def _write(self, task: Task, heard: Heard) -> TaskResult:
        job, known, withdrawals = self._job, self._known, self._withdrawals
        result = TaskResult([], [], Tally())
        tally = result.tally
        builder: SegmentBuilder | None = None
        try:
            for position, unit in task.units:
                documents, size = tally.documents, tally.text_bytes
                for item in job.sources[position].read(unit):
                    if not isinstance(item, Document):
                        tally.note(item)
                        continue
                    identity = item.id
                    if withdrawals.any and withdrawals.covers(item.source.repository, identity):
                        result.withdrawn += 1
                        continue
                    if known is not None and identity in known:
                        result.present += 1
                        continue
                    if builder is None:
                        builder = self._begin(task.number, len(result.segments))
                    before = builder.text_bytes
                    if not builder.add(item, identity):
                        result.repeated += 1
                        continue
                    tally.add(item, job.sources[position].location)
                    tally.text_bytes += builder.text_bytes - before
                    if builder.full:
                        self._finish(builder, result)
                        builder = None
                heard(unit.weight, tally.documents - documents, tally.text_bytes - size)
            if builder is not None:
                self._finish(builder, result)
        except BaseException:
            if builder is not None:
                builder.abandon()
            raise
        return result

    def _begin(self, task: int, part: int) -> SegmentBuilder:
        job = self._job
        name = f"{job.number:06d}-{task:06d}-{part:03d}"
        folder = job.root / "segments"
        return SegmentBuilder(
            folder, name, job.scratch.keys, job.parameters, job.group, job.segment_bytes, self._compressor
        )

    def _finish(self, builder: SegmentBuilder, result: TaskResult) -> None:
        entry, spill = builder.finish()
        result.segments.append(entry)
        result.spills.append(spill)
        result.tally.contents += entry.contents
        return_memory()

    def _gather(self, task: KeyTask, heard: Heard) -> TaskResult:
        job = self._job
        spiller = KeySpiller(job.scratch.keys / f"{job.number:06d}-{task.number:06d}", job.parameters, job.group)
        segment = SegmentReader(job.root / "segments" / task.segment.id, task.segment)
        try:
            for content in range(segment.contents):
                text = segment.text(content)
                names: dict[str, str] = {}
                if spiller.samples:
                    for _, source in segment.sources(content):
                        names.setdefault(source.repository.casefold(), source.repository)
                # A text that one repository has which is not held out is not held out.
                repositories = sorted(names.values(), key=held_out)[: job.parameters.common_repositories]
                spiller.add(text, repositories[0] if repositories else "")
                for repository in repositories[1:]:
                    spiller.add_repository(text, repository, repositories[:1])
                heard(len(text), 0, 0)
        finally:
            segment.close()
        spill = spiller.finish()
        spiller.make_durable(spill)
        return TaskResult([], [spill], Tally())


def return_memory() -> None:
    """Give memory that is free back to the system, where the C library is glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def share_arenas() -> None:
    """Let all threads of this process allocate from two arenas, where the C library is glibc.

    The engine starts new threads for every segment, and glibc gives new threads new arenas: 500 MB of fragments after
    ten segments, against 230 with two arenas (measured on the Linux source).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and sys.platform == "linux":
        mallopt(-8, 2)  # M_ARENA_MAX of malloc.h


def peak_memory() -> int:
    """Return the largest resident size that this process had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
