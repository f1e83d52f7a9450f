"""Worker processes: spawned, fed one task at a time, never outliving their master.

Not concurrent.futures: a worker that dies must be named with its cause, progress must stream, Ctrl-C must end the
work at once, and a worker whose master was killed must neither go on writing nor let the next writer in before it
has stopped. It therefore watches its master, and holds a copy of the writer's lock as long as it lives.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import reduction
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from indexer.plan import Task, TaskResult
from indexer.sources.base import DocumentSource
from indexer.worker import Heard, Job, KeyTask, Worker, share_arenas
from provenance.errors import ProvenanceError

Work = Task | KeyTask


class Crew:
    """The worker processes of one run of a writer; stopped where its ``with`` ends."""

    def __init__(self, workers: int, lock: int) -> None:
        """Start nothing yet. ``lock`` is the descriptor of the writer's lock; with one worker there are no others."""
        self.workers = workers
        self._lock = lock
        self._members: dict[Any, BaseProcess] = {}

    def __enter__(self) -> Crew:
        """Return the crew itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all workers."""
        self.stop()

    def gather(self, tasks: int, kinds: Iterable[type[DocumentSource]] = ()) -> None:
        """Start as many workers as can have one of ``tasks``, those of before counted.

        A worker takes a third of a second to be there, so it pays to start it while tasks are still being planned.
        It loads the modules of ``kinds`` at once.
        """
        while self.workers > 1 and len(self._members) < min(self.workers, tasks):
            context = multiprocessing.get_context("spawn")
            # A worker that is interrupted, or left alone, before it is up would complain at length; so an
            # interrupt waits until it is. The worker inherits the mask, and ignores interrupts later on.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                ours, theirs = context.Pipe()
                arguments = (theirs, _Inherited(self._lock), tuple(kinds))
                process = context.Process(target=_serve, args=arguments, daemon=True)
                process.start()
                theirs.close()
                self._members[ours] = process
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def run(self, job: Job, tasks: Sequence[Work], heard: Heard) -> Iterator[tuple[Work, TaskResult]]:
        """Do all tasks and yield their results as they finish, in any order.

        One worker, or one task, is this very process. Raises what a task raises. All workers are stopped afterwards.
        """
        try:
            if min(self.workers, len(tasks)) <= 1:
                self.stop()
                worker = Worker(job)
                for task in tasks:
                    yield task, worker.run(task, heard)
                return
            self.gather(len(tasks))
            for connection in self._members:
                self._send(connection, job)
            yield from self._run(tasks, heard)
        finally:
            self.stop()

    def _run(self, tasks: Sequence[Work], heard: Heard) -> Iterator[tuple[Work, TaskResult]]:
        waiting = list(reversed(tasks))
        working: dict[Any, Work] = {}
        for connection in self._members:
            if waiting:
                working[connection] = self._give(connection, waiting.pop())
        while working:
            ready: list[Any] = wait(list(working))
            for connection in ready:
                try:
                    kind, value = connection.recv()
                except (EOFError, ConnectionResetError):
                    raise self._death(connection) from None
                if kind == "progress":
                    heard(*value)
                elif kind == "error":
                    raise value
                elif kind == "crash":
                    raise RuntimeError(f"a build worker failed:\n{value}")
                else:
                    task = working.pop(connection)
                    if waiting:
                        working[connection] = self._give(connection, waiting.pop())
                    yield task, value

    def _give(self, connection: Connection[Any, Any], task: Work) -> Work:
        self._send(connection, task)
        return task

    def _send(self, connection: Connection[Any, Any], what: Job | Work) -> None:
        try:
            connection.send(what)
        except (BrokenPipeError, ConnectionResetError):
            raise self._death(connection) from None

    def _death(self, connection: Connection[Any, Any]) -> ProvenanceError:
        process = self._members[connection]
        process.join(10)
        code = process.exitcode
        cause = f"exit code {code}"
        if code is not None and code < 0:
            cause = f"killed by {signal.Signals(-code).name}"
            if code == -signal.SIGKILL:
                cause += ", by the system for want of memory if by nobody else"
        return ProvenanceError(f"a build worker ended early ({cause}); run the same command again to resume")

    def stop(self) -> None:
        """End all workers, whatever they do."""
        for connection, process in self._members.items():
            connection.close()
            process.terminate()
        for process in self._members.values():
            process.join()
        self._members.clear()


class _Inherited:
    """A descriptor that the child process of a spawn gets a copy of."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._descriptor)

    def __setstate__(self, state: Any) -> None:
        self._descriptor = state.detach()


def _serve(connection: Connection[Any, Any], lock: _Inherited, kinds: tuple[type[DocumentSource], ...]) -> None:
    """Take a job, and do its tasks until the connection ends.

    ``lock`` keeps the writer's lock held while this process lives; ``kinds`` have loaded their modules by coming.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the master ends its workers
    share_arenas()
    gc.disable()  # what a task makes has no cycles, and is a million objects to look through
    threading.Thread(target=_follow_master, daemon=True).start()
    report = _Reporter(connection)
    try:
        worker = Worker(connection.recv())
        while True:
            task = connection.recv()
            result = worker.run(task, report.add)
            report.flush()
            connection.send(("done", result))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except ProvenanceError as error:
        connection.send(("error", error))
    except BaseException as error:
        connection.send(("crash", "".join(traceback.format_exception(error))))


def _follow_master() -> None:
    master = multiprocessing.parent_process()
    if master is not None:
        wait([master.sentinel])
        os._exit(1)


class _Reporter:
    """Sends progress, not more often than every 4 MiB."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._send: Callable[[Any], None] = connection.send
        self._sums = [0, 0, 0]

    def add(self, weight: int, documents: int, text_bytes: int) -> None:
        for at, value in enumerate((weight, documents, text_bytes)):
            self._sums[at] += value
        if max(self._sums) >= 4 << 20:
            self.flush()

    def flush(self) -> None:
        if any(self._sums):
            self._send(("progress", tuple(self._sums)))
            self._sums = [0, 0, 0]
