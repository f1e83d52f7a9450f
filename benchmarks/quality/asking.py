"""Asking many questions with several processes: the index is built once and shared by forking."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence

from benchmarks.quality.tool import Answer

_CHUNK = 32
_asked: tuple[Callable[[bytes], Answer], Sequence[bytes]]


def ask_all(ask: Callable[[bytes], Answer], texts: Sequence[bytes], processes: int) -> tuple[list[Answer], list[float]]:
    """Return the answer to every text, and the seconds each took in its process."""
    global _asked
    _asked = (ask, texts)
    starts = range(0, len(texts), _CHUNK)
    if processes == 1:
        parts = map(_part, starts)
        found = [entry for part in parts for entry in part]
    else:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            found = [entry for part in pool.imap(_part, starts) for entry in part]
    return [answer for answer, _ in found], [seconds for _, seconds in found]


def _part(start: int) -> list[tuple[Answer, float]]:
    ask, texts = _asked
    answers = []
    for text in texts[start : start + _CHUNK]:
        begun = time.perf_counter()
        answers.append((ask(text), time.perf_counter() - begun))
    return answers
