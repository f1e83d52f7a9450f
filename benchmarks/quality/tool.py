"""The toolkit under test, with its shipped defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.quality.corpus import File, split
from benchmarks.quality.memory import MemoryIndex
from provenance.attribution import attribute
from provenance.lexing.evidence import Evidence
from provenance.records import ContentRef


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system says of a snippet: ranked places (file number, byte range), and whether it raises an alarm."""

    places: tuple[tuple[int, int, int], ...]
    alarm: bool
    evidence: Evidence | None = None


class Toolkit:
    """Attribution over the indexed part of the files."""

    name = "toolkit"

    def __init__(self, files: Sequence[File], indexed: Callable[[File], bool] | None = None) -> None:
        chosen = indexed or (lambda file: split(file.repository).indexed)
        self._numbers = [number for number, file in enumerate(files) if chosen(file)]
        self.index = MemoryIndex([files[number] for number in self._numbers])

    def ref(self, number: int) -> ContentRef:
        """Return the address of an indexed file."""
        return ContentRef(0, self._numbers.index(number))

    def ask(self, text: bytes) -> Answer:
        found = attribute(self.index, text)
        if not found:
            return Answer((), False)
        best = max(found, key=lambda result: (result.verdict == "match", result.matches[0].evidence.strength))
        places = tuple((self._numbers[m.ref.content], *m.alignment.document_bytes) for m in best.matches)
        return Answer(places, best.verdict == "match" and not best.common, best.matches[0].evidence)
