"""An index in memory for attribution alone: postings of words and fingerprints as Python dictionaries."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

from benchmarks.quality.corpus import File
from provenance.lexing.alignment import Code
from provenance.lexing.fingerprints import fingerprint_text
from provenance.lexing.languages import family_of
from provenance.records import ContentRef
from provenance.search.base import Field

_WORD = re.compile(r"[^\W_]+")


class MemoryIndex:
    """Fulfils `provenance.attribution.CodeIndex` for a list of files."""

    def __init__(self, files: Sequence[File]) -> None:
        self._files = files
        self._postings: dict[Field, dict[str, list[int]]] = {
            "words": defaultdict(list),
            "fingerprints": defaultdict(list),
        }
        for number, file in enumerate(files):
            text = file.text.decode()
            family = family_of(text, file.path)
            for word in set(_WORD.findall(text)):
                self._postings["words"][word].append(number)
            for word in fingerprint_text(file.text, family).split():
                self._postings["fingerprints"][word].append(number)
        self.code = lru_cache(maxsize=256)(self._code)

    @property
    def contents(self) -> int:
        return len(self._files)

    def frequencies(self, field: Field, words: Sequence[str]) -> list[int]:
        return [len(self._postings[field].get(word, ())) for word in words]

    def weighted(self, field: Field, weights: Mapping[str, float], limit: int) -> list[ContentRef]:
        scores: Counter[int] = Counter()
        for word, weight in weights.items():
            for number in self._postings[field].get(word, ()):
                scores[number] += weight  # type: ignore[assignment]
        best = sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
        return [ContentRef(0, number) for number, _ in best[:limit]]

    def _code(self, ref: ContentRef) -> Code:
        file = self._files[ref.content]
        return Code.of(file.text, family_of(file.text.decode(), file.path))
