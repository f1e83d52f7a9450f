"""Death at a chosen moment, for the tests of resumption.

``PROVENANCE_FAULT=POINT`` or ``POINT:N`` makes the process that reaches the point (for the Nth time) kill itself
with SIGKILL, as a power failure would. Points: ``spill``, ``segment-commit``, ``task-commit``, ``layer-rename``,
``manifest-write``, ``sweep``.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_reached: Counter[str] = Counter()


def reach(point: str) -> None:
    """Die here if the environment says so."""
    wanted = os.environ.get("PROVENANCE_FAULT")
    if wanted is None:
        return
    name, _, count = wanted.partition(":")
    if name == point:
        _reached[point] += 1
        if _reached[point] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
