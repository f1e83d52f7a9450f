"""What a build says of itself: while it runs and when it is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from indexer.sources.base import Tally
from provenance.index import Index
from provenance.manifest import Coincidence, Manifest
from provenance.membership import MEMBERSHIP_FILE, PAGE_BYTES
from provenance.storage import refusals_named

_SAMPLED = 64
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


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """One membership filter of the index: its kind, distinct keys, size, share of bits set, and the error to expect.

    ``fill`` is counted on 64 blocks evenly spaced over a large file, else on all of it; None for a filter that was
    made elsewhere. ``expected_false_positive_rate`` is that of one window.
    """

    kind: str
    keys: int | None
    bytes: int | None
    fill: float | None
    expected_false_positive_rate: float


@dataclass(slots=True)
class BuildReport:
    """What a build, an addition or a compaction did; sizes in bytes, times in seconds.

    ``tally`` counts what this run put in: documents already ``present``, ``repeated`` in a segment or ``withdrawn``
    earlier are not in it. ``sizes`` are those of the whole index by part, ``filters`` all that it asks.
    ``coincidence`` is None where it could not be measured (`indexer.coincidence`): the figures of
    `provenance.verdict` hold then. ``peak_memory`` bounds the resident size of all processes together.
    ``kept_for_readers`` names parts of older generations that are still being read; the next writer removes them.
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
    filters: list[FilterFacts] = field(default_factory=list)
    coincidence: Coincidence | None = None
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


def filter_facts(root: Path) -> list[FilterFacts]:
    """Return what there is to say of every membership filter of an index, the attached ones last."""
    facts = []
    with Index.open(root) as index:
        files = [root / "layers" / entry.id / MEMBERSHIP_FILE for entry in index.manifest.layers]
        for number, each in enumerate(index.filters):
            path = files[number] if number < len(files) and files[number].exists() else None
            size, fill = (path.stat().st_size, _fill(path)) if path is not None else (None, None)
            facts.append(FilterFacts(each.kind, each.keys, size, fill, each.expected_false_positive_rate))
    return facts


def together(filters: Sequence[FilterFacts]) -> float:
    """Return the error to expect of one window where all filters are asked."""
    none = 1.0
    for one in filters:
        none *= 1 - one.expected_false_positive_rate
    return 1 - none


def told(measured: Coincidence | None) -> str:
    """Return what the shares of a coincidence curve mean, and what they were measured on."""
    meaning = "Share of unrelated 250-character snippets in which a run of this many normalised characters is found by "
    if measured is None:
        return meaning + "coincidence, as measured on Python packages: this index has too few repositories to tell."
    return meaning + (
        f"coincidence, measured on this corpus: {measured.snippets:,} snippets of {measured.repositories} repositories "
        f"against all others; {measured.copied:,} more were copies and are left out."
    )


def _fill(path: Path) -> float:
    with refusals_named(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        step = max(PAGE_BYTES, (size - PAGE_BYTES) // _SAMPLED // PAGE_BYTES * PAGE_BYTES)
        bits = ones = 0
        for at in range(PAGE_BYTES, size, step):
            file.seek(at)
            block = file.read(PAGE_BYTES)
            bits += 8 * len(block)
            ones += int.from_bytes(block, "little").bit_count()
    return ones / bits if bits else 0.0


def _files(folder: Path) -> list[tuple[str, int]]:
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            found.append((os.path.relpath(path, folder), os.stat(path).st_size))
    return found
