"""Who is let in: how many questions are answered at a time, how many wait, and how long.

Questions are answered by threads (the kernel lets go of the interpreter lock). One that has to wait too long is given
up before it begins; one that runs too long is answered with 503, and its thread stays counted until it is done, so
that slow questions never pile up. Every question ends by itself: searches and traces have bounds on what they read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from provenance.server.failures import Refusal
from provenance.server.metrics import Metrics

T = TypeVar("T")


class Gate:
    """The threads of one server; used from its event loop."""

    def __init__(self, workers: int, queue: int, seconds: float, metrics: Metrics) -> None:
        """``workers`` answer at a time, ``queue`` more may wait; nobody waits longer than ``seconds``."""
        self._workers = workers
        self._most = workers + queue
        self._seconds = seconds
        self._metrics = metrics
        self._inside = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="answer")

    @property
    def running(self) -> int:
        """Return how many questions are being answered."""
        return min(self._inside, self._workers)

    @property
    def waiting(self) -> int:
        """Return how many questions wait."""
        return max(0, self._inside - self._workers)

    async def run(self, question: Callable[[], T]) -> T:
        """Return what ``question`` returns in a thread. Raises `Refusal` where it is not let in or takes too long."""
        if self._inside >= self._most:
            self._metrics.refused("queue")
            raise Refusal(429, "the server has more questions than it can answer; try again later", retry_after=1)
        self._inside += 1
        loop = asyncio.get_running_loop()
        future: Future[T] = self._pool.submit(question)
        future.add_done_callback(lambda _: self._left(loop))
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), self._seconds)
        except TimeoutError:
            begun = not future.cancel()
            self._metrics.refused("slow" if begun else "waited")
            message = "the answer takes too long; ask for less" if begun else "the server is busy; try again later"
            raise Refusal(503, message, retry_after=5) from None

    def _left(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._leave)
        except RuntimeError:
            pass  # the loop has ended with its server

    def _leave(self) -> None:
        self._inside -= 1

    def close(self) -> None:
        """Take no more questions; those that have not begun are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
