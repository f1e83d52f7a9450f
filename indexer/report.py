"""What a build says of itself: while it runs and when it is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from indexer.sources.base import Tally
from provenance.manifest import Manifest
from provenance.storage import refusals_named

Phase = Literal["planning", "reading", "filter", "finishing"]


@dataclass(slots=True)
class Progress:
    """State of a build under way; ``done`` and ``total`` are input bytes of the phase ``reading``."""

    phase: Phase = "planning"
    done: int = 0
    total: int = 0
    documents: int = 0
    text_bytes: int = 0


Listener: TypeAlias = Callable[[Progress], None]


@dataclass(slots=True)
class BuildReport:
    """What a build, an addition or a compaction did; sizes in bytes, times in seconds.

    ``tally`` counts what this run put in: documents already ``present``, ``repeated`` in a segment or ``withdrawn``
    earlier are not in it. ``sizes`` are those of the whole index by part. ``peak_memory`` bounds the resident size of
    all processes together. ``kept_for_readers`` names parts of older generations that are still being read; the next
    writer removes them.
    """

    directory: str
    digest: str = ""
    generation: int = 0
    documents: int = 0
    segments: int = 0
    tally: Tally = field(default_factory=Tally)
    present: int = 0
    repeated: int = 0
    withdrawn: int = 0
    input_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    layer: Any = None
    peak_memory: int = 0
    workers: int = 1
    tasks: int = 0
    resumed_tasks: int = 0
    notices: list[str] = field(default_factory=list)
    kept_for_readers: list[str] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Return bytes of text a second, over the whole run; 0 where nothing was read in this run."""
        total = sum(self.seconds.values())
        return self.tally.text_bytes / total if total > 0 and self.resumed_tasks < self.tasks else 0.0


def part_sizes(root: Path, manifest: Manifest) -> dict[str, int]:
    """Return the bytes of each part of an index: text, sources, search, tables, membership and commonness filters."""
    sizes = dict.fromkeys(("text", "sources", "search", "tables", "membership", "common"), 0)
    with refusals_named(root):
        for segment in manifest.segments:
            for path, size in _files(root / "segments" / segment.id):
                name = path.split(os.sep)[0]
                part = {"text.blk": "text", "text.tables": "text", "sources.blk": "sources", "search": "search"}
                sizes[part.get(name, "tables")] += size
        for layer in manifest.layers:
            for path, size in _files(root / "layers" / layer.id):
                sizes["common" if path.startswith("common") else "membership"] += size
    return sizes


def _files(folder: Path) -> list[tuple[str, int]]:
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            found.append((os.path.relpath(path, folder), os.stat(path).st_size))
    return found
