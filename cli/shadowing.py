"""PyPI has another distribution, `provenance`, with the same import name: found out before it does harm."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

_OURS = ("errors.py", "records.py")
_REMEDY = "pip uninstall provenance && pip install --force-reinstall --no-deps corpus-provenance"


class Complaint(NamedTuple):
    """What is wrong in one line; ``fatal`` when our own modules cannot be imported."""

    message: str
    fatal: bool


def complaint(path: list[str] | None = None) -> Complaint | None:
    """Return what stands in the way of our package on the import path, or None.

    Folders are listed and nothing is imported: the other package may fail or take long.
    """
    other = next((folder for folder in path or sys.path if _holds_other(folder)), None)
    package = _package()
    if package is not None and not all(os.path.exists(os.path.join(package, name)) for name in _OURS):
        return Complaint(
            f"the import package `provenance` at {package} is not this project's (PyPI has another distribution "
            f"named provenance); remedy: {_REMEDY}",
            fatal=True,
        )
    if other is not None:
        return Complaint(
            f"the distribution `provenance` from PyPI is installed too ({other}) and uses the same import name; "
            f"remedy: {_REMEDY}",
            fatal=False,
        )
    return None


def _package() -> str | None:
    from importlib.util import find_spec

    spec = find_spec("provenance")
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(iter(spec.submodule_search_locations))


def _holds_other(folder: str) -> bool:
    try:
        names = os.listdir(folder or os.curdir)
    except OSError:
        return False
    return any(name.startswith("provenance-") and name.endswith((".dist-info", ".egg-info")) for name in names)
