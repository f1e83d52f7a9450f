"""Texts to measure with: Python's own library, and whatever folder is named as a corpus."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from indexer.sources import open_source
from provenance.records import Document


def standard_library(size: int) -> bytes:
    """Return ``size`` bytes of the standard library's sources, repeated if there are fewer; ASCII."""
    root = Path(sysconfig.get_path("stdlib"))
    parts: list[bytes] = []
    held = 0
    for path in sorted(root.rglob("*.py")):
        if "site-packages" not in path.parts:
            parts.append(path.read_bytes())
            held += len(parts[-1])
            if held >= size:
                break
    text = b"\n".join(parts).decode("utf-8", "replace").encode("ascii", "replace")
    return (text * (size // len(text) + 1))[:size]


def documents(folder: str, at_most: int | None = None) -> Iterator[Document]:
    """Yield the documents of a folder as a build reads them, up to so many bytes of text."""
    source = open_source(folder)
    held = 0
    for unit in source.plan():
        for item in source.read(unit):
            if isinstance(item, Document):
                yield item
                held += len(item.utf8)
                if at_most is not None and held >= at_most:
                    return


def folder_bytes(folder: str | Path) -> int:
    """Return the size of all files below a folder."""
    return sum(os.lstat(os.path.join(root, name)).st_size for root, _, names in os.walk(folder) for name in names)


def folder_read(folder: str | Path) -> None:
    """Read all files below a folder once, so that the system has them in memory."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if not os.path.islink(path):
                with open(path, "rb", buffering=0) as file:
                    while file.read(1 << 20):
                        pass
