"""The one contract of all sources of documents.

A source is planned once, cheaply, in one process: `plan` yields units of work in a fixed order. Units are
picklable and small; worker processes `read` them. Segments are cut from the plan by input order, so that the
index does not depend on the number of workers. A unit that cannot be read yields `Skipped`, never raises,
unless nothing of the source can be read (`CorpusError`, from `plan`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from provenance.records import Document, Skipped


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of a source: a run of files, a row group, a byte range, a run of git objects.

    ``weight`` is its size in input bytes as far as known beforehand; ``payload`` is picklable and
    belongs to the source; ``stamp`` changes whenever what will be read changes (sizes, times, revision).
    """

    weight: int
    payload: Any
    stamp: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What is skipped, and what is looked for; recorded in the build report.

    Sizes are bytes of the file as found. ``max_line`` and ``max_average_line`` (characters) tell minified text.
    """

    max_file_bytes: int = 1 << 20
    min_file_bytes: int = 1
    max_line: int = 100_000
    max_average_line: int = 1_000
    exclude: tuple[str, ...] = ()
    include_hidden: bool = False
    follow_ignore_files: bool = False


class DocumentSource(Protocol):
    """A place documents come from."""

    @property
    def location(self) -> str:
        """Return what the user named, for messages and the report."""
        ...

    def plan(self) -> Iterator[Unit]:
        """Yield the units in a fixed order. Raises `CorpusError`."""
        ...

    def read(self, unit: Unit) -> Iterator[Document | Skipped]:
        """Yield what one unit holds, in a fixed order."""
        ...


@dataclass(slots=True)
class Tally:
    """Counts of one build, by what was kept and why things were not."""

    documents: int = 0
    contents: int = 0
    text_bytes: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
