"""Lines that a program owes its user once a run."""

from __future__ import annotations

import sys


def notice_slow_kernel() -> None:
    """Say on stderr that the reference kernel runs, if it runs because the compiled one is missing."""
    from provenance import kernel

    notice = kernel.slow_notice()
    if notice is not None:
        print(f"provenance: {notice}", file=sys.stderr)
