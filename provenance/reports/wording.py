"""Numbers in words for people, wherever they are shown."""

from __future__ import annotations


def size(count: float) -> str:
    """Return a number of bytes with a decimal unit: ``999 B``, ``1.0 kB``, ``12.3 MB``."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        # What would be rounded to 1000.0 is one of the next unit.
        if count < (999.5 if unit == "B" else 999.95):
            break
        count, unit = count / 1000, larger
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def percent(share: float) -> str:
    """Return a share in whole percent, cut rather than rounded: less than all is never 100%."""
    return f"{int(100 * share)}%"
