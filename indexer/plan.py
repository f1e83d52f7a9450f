"""What a build will do, decided before anything is read: tasks cut by input order, and what resumption needs.

A task is a run of units, cut where their weights add up to a segment's size; who works on it does not matter.
The fingerprint of a plan covers all that decides the result: parameters, rules, sources and the stamps of all
units. A build that was killed resumes where the same command gives the same fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path, PurePath
from typing import Any

from indexer.commit import remove_tree
from indexer.segments import Spill
from indexer.sources.base import DocumentSource, Tally, Unit
from provenance.manifest import SegmentEntry
from provenance.parameters import canonical_json
from provenance.storage import refusals_named, write_durably

_LEAST_TASKS = 8
_SMALLEST_TASK = 8 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """A run of units, each with the position of its source; the work of one worker at a time."""

    number: int
    units: tuple[tuple[int, Unit], ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All tasks of a build in input order; ``repositories`` is how many there are at most, None if unknown."""

    tasks: tuple[Task, ...]
    weight: int
    fingerprint: str
    repositories: int | None


@dataclass(slots=True)
class TaskResult:
    """What one task wrote and counted. ``present`` documents were in the index already, ``repeated`` ones
    earlier in the same segment, ``withdrawn`` ones are kept out by an earlier withdrawal."""

    segments: list[SegmentEntry]
    spills: list[Spill]
    tally: Tally
    present: int = 0
    repeated: int = 0
    withdrawn: int = 0
    peak_memory: int = 0

    def to_bytes(self) -> bytes:
        """Return the result as it is kept for resumption."""
        return json.dumps(asdict(self), ensure_ascii=True).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> TaskResult:
        """Return a result that was kept. Raises `ValueError`, `TypeError` or `KeyError` for anything else."""
        value = json.loads(data)
        value["segments"] = [SegmentEntry(**entry) for entry in value["segments"]]
        value["spills"] = [Spill(**{k: tuple(names) for k, names in entry.items()}) for entry in value["spills"]]
        value["tally"] = Tally(**value["tally"])
        return cls(**value)


def make_plan(
    sources: Sequence[DocumentSource],
    segment_bytes: int,
    decisive: Iterable[object],
    planned: Callable[[int, int], None] | None = None,
    *,
    spread: bool = True,
) -> Plan:
    """Return the tasks of all sources. ``decisive`` goes into the fingerprint; ``planned`` hears units and bytes.

    ``spread`` makes more and smaller tasks than segments of that size need, where one would leave workers idle.
    Raises `CorpusError` where a source cannot be read at all.
    """
    digest = hashlib.sha256()
    for value in decisive:
        digest.update(canonical_json(plain(value)) + b"\n")
    units: list[tuple[int, Unit]] = []
    names: set[str] | None = set()
    total = 0
    for position, source in enumerate(sources):
        digest.update(canonical_json(["source", source.location, plain(source)]) + b"\n")
        for unit in source.plan():
            digest.update(canonical_json([unit.weight, unit.stamp]) + b"\n")
            units.append((position, unit))
            total += unit.weight
            if names is not None and unit.repositories is not None:
                names.update(unit.repositories)
            else:
                names = None
            if planned is not None:
                planned(len(units), total)
    tasks = tuple(_cut(units, -(-total // count_tasks(total, segment_bytes, spread=spread))))
    return Plan(tasks, total, digest.hexdigest(), len(names) if names is not None else None)


def count_tasks(total: int, segment_bytes: int, *, spread: bool = True) -> int:
    """Return in how many tasks units of that weight are cut: none heavier than a segment, and with ``spread`` so many
    that a few workers end at about the same time."""
    count = max(-(-total // segment_bytes), 1)
    if spread:
        count = max(count, min(_LEAST_TASKS, total // _SMALLEST_TASK))
    if spread and count > 4:
        count = -(-count // 4) * 4
    return count


def _cut(units: Iterable[tuple[int, Unit]], task_bytes: int) -> Iterator[Task]:
    """Yield tasks that end where all units so far weigh about a multiple of ``task_bytes``: what one is too heavy by
    does not add up to a small task at the end."""
    held: list[tuple[int, Unit]] = []
    weight = before = number = 0
    end = task_bytes
    for position, unit in units:
        if held and before + weight + unit.weight // 2 > end:
            yield Task(number, tuple(held), weight)
            before += weight
            held, weight, number = [], 0, number + 1
            end = (round(before / task_bytes) + 1) * task_bytes
        held.append((position, unit))
        weight += unit.weight
    if held:
        yield Task(number, tuple(held), weight)


def plain(value: object) -> Any:
    """Return a value as JSON can say it, the same in every process: sets sorted, objects by what they hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(str(entry) for entry in value)
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, PurePath):
        return str(value)
    return [type(value).__qualname__, plain(getattr(value, "__dict__", None))]


class Scratch:
    """``build/<number>/``: what a build under way keeps, and finds again after it was killed."""

    def __init__(self, root: Path, number: int) -> None:
        """Name the folder of the build that makes generation ``number``; `begin` makes it."""
        self.folder = root / "build" / f"{number:06d}"
        self.keys = self.folder / "keys"
        self._segments = root / "segments"

    def begin(self, plan: Plan) -> tuple[dict[int, TaskResult], bool]:
        """Make ready for a plan.

        Returns the results of finished tasks of the same plan, and whether another plan's work was thrown away.
        """
        with refusals_named(self.folder):
            path = self.folder / "plan.json"
            found = _json(path)
            other = self.folder.parent.is_dir() and any(self.folder.parent.iterdir())
            if isinstance(found, dict) and found.get("fingerprint") == plan.fingerprint:
                return self._finished(len(plan.tasks)), False
            remove_tree(self.folder.parent)
            self.keys.mkdir(parents=True)
            (self.folder / "tasks").mkdir()
            value = {"fingerprint": plan.fingerprint, "tasks": len(plan.tasks), "weight": plan.weight}
            write_durably(path, json.dumps(value).encode("ascii"))
            return {}, other

    def keep(self, number: int, result: TaskResult) -> None:
        """Record that a task is finished: its segments and spills are durable."""
        with refusals_named(self.folder):
            write_durably(self.folder / "tasks" / f"{number:06d}.json", result.to_bytes())

    def remove(self) -> None:
        """Forget the build: it is committed."""
        with refusals_named(self.folder):
            remove_tree(self.folder.parent)

    def _finished(self, tasks: int) -> dict[int, TaskResult]:
        results = {}
        for number in range(tasks):
            path = self.folder / "tasks" / f"{number:06d}.json"
            try:
                result = TaskResult.from_bytes(path.read_bytes())
            except FileNotFoundError:
                continue
            except (ValueError, TypeError, KeyError):
                path.unlink()
                continue
            if self._complete(result):
                results[number] = result
        return results

    def _complete(self, result: TaskResult) -> bool:
        spilled = [name for spill in result.spills for name in spill.names]
        return all((self.keys / name).is_file() for name in spilled) and all(
            (self._segments / entry.id / "manifest.json").is_file() for entry in result.segments
        )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
