"""Open indexes by name, replaced by their next generation while requests go on.

A request leases one snapshot and keeps it to its end, so that no answer mixes two generations. The old snapshot is
closed when its last lease ends. Looking for a new generation is one `stat` of index.json, at most once a second.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from provenance.errors import EngineUnavailable, ParameterError, ProvenanceError
from provenance.index import Index
from provenance.manifest import NAME
from provenance.server.statistics import Statistics, gather


class Snapshot:
    """One generation of one index, and what is computed from it once."""

    def __init__(self, name: str, index: Index) -> None:
        """Take over ``index``."""
        self.name = name
        self.index = index
        self._computing = threading.Lock()

    @property
    def holds_texts(self) -> bool:
        """Tell whether trace and search can be asked; an imported portrait has filters only."""
        return bool(self.index.parameters.engine != "none")

    def require_texts(self) -> None:
        """Raise `FiltersOnly` for an index without texts."""
        if not self.holds_texts:
            raise FiltersOnly(
                f"the index {self.name} is an imported portrait, a filter without texts: check can ask it"
            )

    @cached_property
    def _statistics(self) -> Statistics:
        return gather(self.index)

    def statistics(self) -> Statistics:
        """Return counts by language, licence and so on; computed once."""
        with self._computing:
            return self._statistics


class Slot:
    """One index by its name: the current snapshot and how to get the next."""

    def __init__(self, name: str, path: Path, poll_seconds: float) -> None:
        """Open the index; raises what `Index.open` and its parts raise."""
        self.name = name
        self.failure: ProvenanceError | None = None
        self._path = path
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._leases: dict[Snapshot, int] = {}
        self._stamp = self._stamped()
        self._current: Snapshot | None = self._open()
        self._looked = time.monotonic()

    @contextmanager
    def lease(self) -> Iterator[Snapshot]:
        """Give the current snapshot; it stays open until the block ends."""
        self._refresh()
        with self._lock:
            snapshot = self._current
            if snapshot is None:
                raise EngineUnavailable("the server is stopping")
            self._leases[snapshot] = self._leases.get(snapshot, 0) + 1
        try:
            yield snapshot
        finally:
            with self._lock:
                self._leases[snapshot] -= 1
                unused = not self._leases[snapshot] and snapshot is not self._current
                if unused:
                    del self._leases[snapshot]
            if unused:
                snapshot.index.close()

    @property
    def generation(self) -> int:
        """Return the generation that is being served."""
        current = self._current
        return current.index.manifest.generation if current is not None else 0

    def close(self) -> None:
        """Take no more leases, and close the index with the last one."""
        self._replace(None)

    def _refresh(self) -> None:
        if time.monotonic() - self._looked < self._poll_seconds or not self._refreshing.acquire(blocking=False):
            return
        try:
            self._looked = time.monotonic()
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            try:
                self._replace(self._open())
                self.failure = None
            except EngineUnavailable as error:
                # A cluster that is away may be back: the next look tries again.
                self.failure = error
                return
            except ProvenanceError as error:
                # The last good generation goes on answering; `readyz` tells.
                self.failure = error
            self._stamp = stamp
        finally:
            self._refreshing.release()

    def _replace(self, snapshot: Snapshot | None) -> None:
        with self._lock:
            old, self._current = self._current, snapshot
            if old is None or self._leases.get(old):
                return
            self._leases.pop(old, None)
        old.index.close()

    def _open(self) -> Snapshot:
        index = Index.open(self._path)
        try:
            # What is damaged should be known now, not with the first question.
            for part in (*index.filters, *index.common_filters):
                part.expected_false_positive_rate  # noqa: B018
            if index.parameters.engine != "none":
                index.engine.frequencies("words", ["a"])
        except BaseException:
            index.close()
            raise
        return Snapshot(self.name, index)

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path / NAME)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


class Snapshots:
    """All indexes of a server."""

    def __init__(self, indexes: tuple[tuple[str, Path], ...], poll_seconds: float) -> None:
        """Open every index; raises for the first that cannot be opened."""
        self.slots: dict[str, Slot] = {}
        try:
            for name, path in indexes:
                self.slots[name] = Slot(name, path, poll_seconds)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names; the first is asked where none is given."""
        return tuple(self.slots)

    def slot(self, name: str | None) -> Slot:
        """Return the index of a name, the first for None. Raises `UnknownIndex`."""
        if not name:
            return next(iter(self.slots.values()))
        if name not in self.slots:
            raise UnknownIndex(f"no index has this name; there is {', '.join(self.slots)}")
        return self.slots[name]

    def generations(self) -> dict[str, int]:
        """Return the generation that each index is at."""
        return {name: slot.generation for name, slot in self.slots.items()}

    def close(self) -> None:
        """Close all indexes as soon as nobody uses them."""
        for slot in self.slots.values():
            slot.close()


class FiltersOnly(ParameterError):
    """A request needs texts, and the index has none."""

    kind = "mismatch"


class UnknownIndex(ParameterError):
    """A request names an index that the server does not have."""

    kind = "index"
