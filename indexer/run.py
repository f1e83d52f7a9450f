"""One run of a writer: what building, adding and compacting have in common, from the plan to the new index.json."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from indexer.commit import replace_manifest, sweep
from indexer.known import unique_sorted, write_known
from indexer.plan import Plan, Scratch, TaskResult
from indexer.pool import Crew, Work
from indexer.removals import after_adding
from indexer.report import BuildReport, Listener, Phase, Progress, filter_facts, part_sizes
from indexer.sources.base import DocumentSource
from indexer.worker import Job, KeyTask, peak_memory
from provenance.errors import CorpusError, MismatchError, ParameterError, SearchError
from provenance.manifest import Coincidence, Corpus, LayerEntry, Manifest, Removed, SegmentEntry, file_sha256
from provenance.parameters import Parameters
from provenance.removal import DOCUMENTS, read_documents
from provenance.search import discard, settle, tidy
from provenance.segment import SegmentReader
from provenance.storage import refusals_named

LAYER_SHARES = (0.85, 0.05, 0.05, 0.05)
"""What part of the false-positive rate each layer may use up: a query asks all of them, and their rates add up.
The first layer, or the only one after compaction, is the large one."""
MAX_LAYERS = len(LAYER_SHARES)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Spilled keys of one layer to be: ``held`` are tiles of repositories that are held out of ``tiles``."""

    tiles: list[Path]
    samples: list[Path]
    held: list[Path]
    snippets: list[Path]

    def __add__(self, other: _Keys) -> _Keys:
        return _Keys(
            self.tiles + other.tiles,
            self.samples + other.samples,
            self.held + other.held,
            self.snippets + other.snippets,
        )


class Run:
    """One run of a writer that holds the lock: what `build` and `indexer.compact` share."""

    def __init__(
        self,
        root: Path,
        crew: Crew,
        old: Manifest | None,
        parameters: Parameters,
        progress: Listener | None,
    ) -> None:
        """``crew`` does the work, ``old`` is what index.json says now."""
        self.root = root
        self.number = old.generation + 1 if old is not None else 1
        self.scratch = Scratch(root, self.number)
        self.report = BuildReport(directory=os.fspath(root), workers=crew.workers)
        self._crew = crew
        self._old = old
        self._parameters = parameters
        self._progress = progress
        self._state = Progress()
        self._job: Job | None = None

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Tell the listener which phase begins, and time it."""
        self._state.phase = name
        self._tell()
        begun = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - begun
            self.report.seconds[name] = self.report.seconds.get(name, 0.0) + spent

    def planned(self, units: int, weight: int) -> None:
        """Hear of the plan as it grows."""
        self._state.total = weight
        if units % 64 == 0:
            self._tell()

    def write_segments(
        self,
        plan: Plan,
        sources: Sequence[DocumentSource],
        before: Manifest,
        *,
        segment_bytes: int,
        known: bool = False,
        prepare: Callable[[Path], None] | None = None,
    ) -> list[TaskResult]:
        """Do all tasks of a plan that are not done yet; returns the results of all, in input order.

        ``known`` leaves out documents that ``before`` holds. ``prepare`` is called with the scratch folder first.
        """
        finished, other = self.scratch.begin(plan)
        if other:
            self.report.notices.append("an unfinished build of another plan was found and thrown away")
        if finished:
            self.report.notices.append(f"resumed: {len(finished)} of {len(plan.tasks)} tasks were done already")
        kept = {f"segments/{entry.id}" for result in finished.values() for entry in result.segments}
        sweep(self.root, self._old, kept)
        known_path = self.scratch.folder / "known.bin" if known else None
        if known_path is not None:
            write_known(known_path, readers(self.root, before.segments))
        if prepare is not None:
            prepare(self.scratch.folder)
        parameters = self._parameters
        few = plan.repositories is not None and plan.repositories < parameters.common_repositories
        self._job = Job(
            root=self.root,
            number=self.number,
            sources=tuple(sources),
            parameters=parameters,
            group=0 if few else parameters.group,
            segment_bytes=segment_bytes * 5 // 4,
            known=known_path,
            removed=before.removed,
        )
        self._state.total = plan.weight
        self._state.done = sum(task.weight for task in plan.tasks if task.number in finished)
        self.report.input_bytes = plan.weight
        self.report.tasks = len(plan.tasks)
        self.report.resumed_tasks = len(finished)
        with self.phase("reading"):
            todo = [task for task in plan.tasks if task.number not in finished]
            finished |= self._work(self._job, todo)
        results = [finished[task.number] for task in plan.tasks]
        for result in results:
            self.report.tally.merge(result.tally)
            self.report.present += result.present
            self.report.repeated += result.repeated
            self.report.withdrawn += result.withdrawn
        return results

    def nothing_new(self, old: Manifest | None, results: Sequence[TaskResult]) -> BuildReport:
        """Return the report of a run that found nothing to add. Raises `CorpusError` where there is no index yet."""
        if old is None:
            tally = self.report.tally
            skipped = ", ".join(
                f"{count} {reason}, {'as' if count > 1 else 'that is'} {tally.examples[reason][0]}"
                for reason, count in sorted(tally.skipped.items())
            )
            places = ", ".join(source.location for source in (self._job.sources if self._job is not None else ())[:3])
            raise CorpusError(f"{places}: nothing to index: no text was found (skipped: {skipped or 'nothing'})")
        self.report.digest, self.report.generation = old.digest, old.generation
        self.report.documents, self.report.segments = old.documents, len(old.segments)
        self.report.sizes, self.report.coincidence = part_sizes(self.root, old), old.coincidence
        self.report.filters = filter_facts(self.root)
        return self.report

    def commit(
        self,
        before: Manifest,
        segments: tuple[SegmentEntry, ...],
        results: Sequence[TaskResult],
        corpus: Corpus,
        *,
        rebuild: tuple[SegmentEntry, ...] | None,
        removed: Removed | None = None,
    ) -> BuildReport:
        """Build the layer, replace index.json and return the report.

        ``rebuild`` None means that the new segments get a layer of their own - or, where that were one layer too
        many, that one layer over all is made; else it names the old segments whose keys join the new layer,
        which replaces all others.
        """
        report = self.report
        with self.phase("filter"):
            layers = before.layers
            if rebuild is None and len(layers) >= MAX_LAYERS:
                rebuild = before.segments
            keys = self._spilled(results)
            if removed is None:
                removed = after_adding(self.root, self.number, before.removed, keys.tiles + keys.held)
            added = [entry for result in results for entry in result.segments]
            new = [entry.id for entry in added]
            if rebuild is not None:
                layers = ()
                keys, new = self._with_old_keys(keys, new, rebuild)
            coincidence = before.coincidence
            if new:
                if not layers:
                    coincidence = self._coincidence(keys)
                layers = (*layers, self._build_layer(keys, new, LAYER_SHARES[len(layers)]))
        with self.phase("finishing"):
            draft = replace(
                before,
                parameters=self._parameters,
                generation=self.number,
                segments=segments,
                layers=layers,
                removed=removed,
                coincidence=coincidence,
            )
            manifest = with_digest(self.root, draft, replace(corpus, built=utc_now()))
            report.kept_for_readers = replace_manifest(self.root, manifest)
            self.scratch.remove()
            try:
                settle(self._parameters.as_dict(), self.root)
            except SearchError as error:
                report.notices.append(f"the alias on the cluster still names the index before ({error})")
            # The index is in force from here on, and what was taken out of it is gone: this may take its time.
            try:
                tidy(self._parameters.as_dict(), self.root, sum(entry.text_bytes for entry in added))
            except SearchError as error:
                report.notices.append(f"the index on the cluster is larger than it need be, until it merges ({error})")
        report.digest, report.generation, report.documents = manifest.digest, self.number, manifest.documents
        report.segments = len(segments)
        report.sizes, report.coincidence = part_sizes(self.root, manifest), manifest.coincidence
        report.filters = filter_facts(self.root)
        report.peak_memory = max(report.peak_memory, peak_memory())
        return report

    def _work(self, job: Job, tasks: Sequence[Work]) -> dict[int, TaskResult]:
        done: dict[int, TaskResult] = {}
        if not tasks:
            return done
        peaks: list[int] = []
        try:
            for task, result in self._crew.run(job, tasks, self._heard):
                done[task.number] = result
                peaks.append(result.peak_memory)
        except BaseException:
            _remove_unfinished(self.root / "segments")
            raise
        if self._crew.workers > 1 and len(tasks) > 1:
            together = max(peaks) * min(self._crew.workers, len(tasks)) + peak_memory()
            self.report.peak_memory = max(self.report.peak_memory, together)
        return done

    def _spilled(self, results: Sequence[TaskResult]) -> _Keys:
        folder = self.scratch.keys
        spills = [spill for result in results for spill in result.spills]
        return _Keys(
            [folder / name for spill in spills for name in spill.tiles],
            [folder / name for spill in spills for name in spill.samples],
            [folder / name for spill in spills for name in spill.held],
            [folder / name for spill in spills for name in spill.snippets],
        )

    def _with_old_keys(self, keys: _Keys, new: list[str], rebuild: Sequence[SegmentEntry]) -> tuple[_Keys, list[str]]:
        assert self._job is not None
        job = self._job
        limit = self._parameters.common_repositories
        if count_repositories(self.root, rebuild, limit) >= limit:
            job = replace(job, group=self._parameters.group)
        first = self.report.tasks
        tasks = [KeyTask(first + at, entry, entry.text_bytes) for at, entry in enumerate(rebuild)]
        done = self._work(job, tasks)
        old = self._spilled([done[task.number] for task in tasks])
        return old + keys, [entry.id for entry in rebuild] + new

    def _coincidence(self, keys: _Keys) -> Coincidence | None:
        if not keys.snippets:
            return None
        from indexer.coincidence import measured

        return measured(keys.tiles, keys.snippets, self._parameters.geometry)

    def _build_layer(self, keys: _Keys, segments: list[str], share: float) -> LayerEntry:
        from indexer.layers import build_layer

        parameters = self._parameters
        name = f"{self.number:06d}"
        with refusals_named(self.root):
            (self.root / "layers").mkdir(exist_ok=True)
        folder = self.root / "layers" / name
        report = build_layer(
            folder,
            keys.tiles + keys.held,
            keys.samples,
            geometry=parameters.geometry,
            target=parameters.false_positive_rate * share,
            common_repositories=parameters.common_repositories,
            kind=parameters.filter,
            workers=self._crew.workers,
            segments=segments,
        )
        self.report.layer = report
        return LayerEntry(name, tuple(segments), report.keys, parameters.filter, file_sha256(folder / "manifest.json"))

    def _heard(self, weight: int, documents: int, text_bytes: int) -> None:
        self._state.done += weight
        self._state.documents += documents
        self._state.text_bytes += text_bytes
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(replace(self._state))


def with_digest(root: Path, manifest: Manifest, corpus: Corpus) -> Manifest:
    """Return a manifest with its digest and count of documents, merged from the rows of its segments."""
    digest = hashlib.sha256(manifest.parameters.deciding_answers())
    hidden: frozenset[bytes] = frozenset()
    if manifest.removed.path and manifest.removed.documents:
        hidden = read_documents(root / manifest.removed.path / DOCUMENTS, manifest.removed.documents)
    documents = 0
    previous = b""
    for row in unique_sorted(segment.digest_rows() for segment in readers(root, manifest.segments)):
        identity = row[:16]
        if identity in hidden:
            continue
        digest.update(row)
        if identity != previous:
            documents += 1
            previous = identity
    return replace(manifest, digest=digest.hexdigest(), documents=documents, corpus=corpus)


def utc_now() -> str:
    """Return the time as index.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def readers(root: Path, segments: Sequence[SegmentEntry]) -> list[SegmentReader]:
    """Return readers of segments that index.json names."""
    return [SegmentReader(root / "segments" / entry.id, entry) for entry in segments]


def _remove_unfinished(folder: Path) -> None:
    unfinished = list(folder.glob(".*.part"))
    try:
        discard(unfinished)
    except SearchError:
        return  # the next writer finds the folders, and what they have elsewhere
    for part in unfinished:
        shutil.rmtree(part, ignore_errors=True)


def require_documents(root: Path, parameters: Parameters) -> None:
    """Raise `MismatchError` for an index of imported filters: it has no documents, and takes none."""
    if (parameters.unit, parameters.normaliser) != ("utf8", "layout-1"):
        raise MismatchError(
            f"{root}: an index with normaliser {parameters.normaliser} and windows in {parameters.unit} holds imported "
            "filters only; documents go into another folder"
        )


def count_repositories(root: Path, segments: Sequence[SegmentEntry], limit: int) -> int:
    """Return how many repositories segments name, counting no further than ``limit``."""
    if sum(entry.repositories for entry in segments) < limit:
        return sum(entry.repositories for entry in segments)
    names: set[str] = set()
    for segment in readers(root, segments):
        try:
            for content in range(segment.contents):
                names.update(source.repository.casefold() for _, source in segment.sources(content))
                if len(names) >= limit:
                    return limit
        finally:
            segment.close()
    return len(names)


def count_workers(wanted: int | None) -> int:
    """Return a number of workers, by default one a CPU. Raises `ParameterError`."""
    if wanted is None:
        try:
            return len(os.sched_getaffinity(0))
        except AttributeError:
            return os.cpu_count() or 1
    if not 1 <= wanted <= 1024:
        raise ParameterError(f"workers is {wanted}: it must be from 1 to 1024")
    return wanted
