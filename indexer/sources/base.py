"""The one contract of all sources of documents.

A source is planned once, cheaply, in one process: `plan` yields units of work in a fixed order. Units and the
source itself are picklable and small; worker processes `read` them. Segments are cut from the plan by input order,
so that the index does not depend on the number of workers. A unit that cannot be read yields `Skipped`, never
raises, unless nothing of the source can be read (`CorpusError`, from `plan`).

What is found wanting already at planning (a symlink, a file too large) travels in a unit and comes out of `read`
as `Skipped`, so that every count passes through one door.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import xxhash

from indexer.rules import Rules
from provenance.records import Document, Skipped

__all__ = ["DocumentSource", "Item", "Remark", "Rules", "SourceOptions", "Tally", "Unit", "skipped_unit"]

UNIT_BYTES = 6 << 20
"""Input bytes after which a unit ends: small enough to share among workers, large enough to cost nothing."""
UNIT_ENTRIES = 4096
"""Entries after which a unit ends, whatever their size."""
EXAMPLES = 5
"""How many examples of each reason a tally keeps."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of a source: a run of files, a row group, a byte range, a run of git objects.

    ``weight`` is its size in input bytes as far as known beforehand; ``payload`` is picklable and
    belongs to the source; ``stamp`` changes whenever what will be read changes (sizes, times, revision).
    ``repositories`` are all that its documents can name, or None if that is not known before reading.
    """

    weight: int
    payload: Any
    stamp: str
    repositories: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Something worth counting about a document that *was* yielded: a licence nobody knows, replaced surrogates."""

    path: str
    reason: str
    detail: str = ""


def skipped_unit(skipped: list[Skipped], weight: int = 0) -> Unit:
    """Return a unit that yields nothing but what was found wanting at planning: its payload is the list."""
    said = xxhash.xxh3_128(repr(skipped).encode("utf-8", "surrogatepass"))
    return Unit(weight, skipped, said.hexdigest(), frozenset())


Item: TypeAlias = Document | Skipped | Remark
"""What `DocumentSource.read` yields; remarks may be counted and otherwise ignored."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user says about a source; None means that the source finds out.

    ``license`` (an SPDX expression) is what holds where nothing nearer to the file speaks. ``each_folder``: every
    folder directly inside is a repository of its own. ``columns`` maps fields of `indexer.sources.row_values.FIELDS` to
    column names, as pairs. ``url`` is a template with ``{repository}``, ``{revision}`` and ``{path}``.
    ``format`` forces what `indexer.sources.open_source` would otherwise recognise.
    """

    rules: Rules = field(default_factory=Rules)
    repository: str | None = None
    revision: str | None = None
    license: str | None = None
    url: str | None = None
    format: str | None = None
    each_folder: bool = False
    columns: tuple[tuple[str, str], ...] = ()


class DocumentSource(Protocol):
    """A place documents come from; picklable."""

    @property
    def location(self) -> str:
        """Return what the user named, for messages and the report."""
        ...

    def plan(self) -> Iterator[Unit]:
        """Yield the units in a fixed order. Raises `CorpusError`."""
        ...

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield what one unit holds, in a fixed order."""
        ...


@dataclass(slots=True)
class Tally:
    """Counts of one build, by what was kept and why things were not.

    ``languages``, ``licenses``, ``origins``, ``kinds``, ``encodings`` and ``places`` (the sources as the user named
    them) map a value to [documents, bytes of text].
    """

    documents: int = 0
    contents: int = 0
    text_bytes: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_bytes: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    languages: dict[str, list[int]] = field(default_factory=dict)
    licenses: dict[str, list[int]] = field(default_factory=dict)
    origins: dict[str, list[int]] = field(default_factory=dict)
    kinds: dict[str, list[int]] = field(default_factory=dict)
    encodings: dict[str, list[int]] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)

    def add(self, document: Document, place: str) -> None:
        """Count one document of the source ``place``; the builder counts ``contents`` and ``text_bytes``."""
        self.documents += 1
        size = len(document.utf8)
        source = document.source
        for table, value in (
            (self.languages, source.language or "unknown"),
            (self.licenses, source.license),
            (self.origins, source.license_origin),
            (self.kinds, source.kind),
            (self.encodings, document.encoding),
            (self.places, place),
        ):
            counts = table.get(value)
            if counts is None:
                table[value] = [1, size]
            else:
                counts[0] += 1
                counts[1] += size

    def note(self, item: Skipped | Remark) -> None:
        """Count something skipped or remarked, keeping the first few as examples."""
        if isinstance(item, Skipped):
            self.skipped[item.reason] = self.skipped.get(item.reason, 0) + 1
            self.skipped_bytes[item.reason] = self.skipped_bytes.get(item.reason, 0) + item.size
        else:
            self.remarks[item.reason] = self.remarks.get(item.reason, 0) + 1
        examples = self.examples.setdefault(item.reason, [])
        if len(examples) < EXAMPLES:
            examples.append(f"{item.path}: {item.detail}" if item.detail else item.path)

    def merge(self, other: Tally) -> None:
        """Add the counts of another tally; its examples come after those already here."""
        self.documents += other.documents
        self.contents += other.contents
        self.text_bytes += other.text_bytes
        for mine, theirs in (
            (self.skipped, other.skipped),
            (self.skipped_bytes, other.skipped_bytes),
            (self.remarks, other.remarks),
        ):
            for reason, count in theirs.items():
                mine[reason] = mine.get(reason, 0) + count
        for reason, examples in other.examples.items():
            kept = self.examples.setdefault(reason, [])
            kept.extend(examples[: EXAMPLES - len(kept)])
        for table, added in (
            (self.languages, other.languages),
            (self.licenses, other.licenses),
            (self.origins, other.origins),
            (self.kinds, other.kinds),
            (self.encodings, other.encodings),
            (self.places, other.places),
        ):
            for value, (documents, size) in added.items():
                counts = table.setdefault(value, [0, 0])
                counts[0] += documents
                counts[1] += size
