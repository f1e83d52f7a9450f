"""The one contract of all full-text engines.

An engine finds *candidates*: stored contents that may hold what is asked for. Whoever asks verifies
every candidate on the stored text. The engine indexes words (ARCHITECTURE.md, Words) with positions,
and keyword fields of the documents of each content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from provenance.records import ContentRef, Source


@dataclass(frozen=True, slots=True)
class Filters:
    """What a document must be for its content to count; empty means anything.

    Values of one field are alternatives, fields are joined by and; all must hold for one and the same document.
    ``repositories`` and ``languages`` compare whole, ignoring ASCII case; ``licenses`` are SPDX ids, each a member
    of the document's expression; ``paths`` are shell patterns over the whole path; ``exclude_repositories``
    are shell patterns, ignoring case.
    """

    languages: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    exclude_repositories: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(
            self.languages or self.repositories or self.licenses or self.paths or self.exclude_repositories
        )


@dataclass(frozen=True, slots=True)
class Phrase:
    """Consecutive words of a literal text.

    ``first_cut``: the literal begins inside a word, so ``words[0]`` is the end of some word;
    ``last_cut``: it ends inside a word, so ``words[-1]`` is the beginning of some word. One word with both
    is the inside of a word. Whether a literal's edge is a cut cannot be known: a literal that begins (ends)
    with a letter or digit has ``first_cut`` (``last_cut``), and then a whole word is one of the possibilities.
    """

    words: tuple[str, ...]
    first_cut: bool = False
    last_cut: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """Contents that may match, best first where the query ranks, else ascending by address.

    ``complete`` is true when nothing that can match is missing from ``refs``; otherwise there are more
    (or the engine bounded its own work) and ``total`` is a lower bound.
    """

    refs: tuple[ContentRef, ...]
    total: int
    complete: bool
    scores: tuple[float, ...] = ()


class SearchEngine(Protocol):
    """The search parts of one index snapshot; usable from many threads."""

    @property
    def name(self) -> str:
        """Return the engine's name: ``tantivy`` or ``elasticsearch``."""
        ...

    def phrase(self, phrase: Phrase, filters: Filters, limit: int) -> Candidates:
        """Find contents in which the words stand one after another. Raises `EngineUnavailable`."""
        ...

    def all_words(self, words: Sequence[str], filters: Filters, limit: int) -> Candidates:
        """Find contents that hold every word, in any order."""
        ...

    def ranked(self, words: Sequence[str], filters: Filters, limit: int) -> Candidates:
        """Find contents by BM25 over any of the words, best first; ties by address."""
        ...

    def matching(self, filters: Filters, limit: int) -> Candidates:
        """Find contents with a document that passes the filters, ascending by address."""
        ...

    def expand(self, part: str, *, first_cut: bool, last_cut: bool, fold_case: bool, limit: int) -> tuple[list[str], bool]:
        """Return indexed words that end with, begin with or hold ``part``, and whether that is all of them."""
        ...

    def document_frequency(self, word: str) -> int:
        """Return how many contents hold the word."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class SegmentWriter(Protocol):
    """Builds the search part of one segment; one thread.

    The engine's own files go to ``search/`` in the segment's directory, the words to ``words.txt``.
    """

    def add(self, content: int, text: str, sources: Sequence[Source]) -> None:
        """Index one content with all its documents; contents come in ascending order."""
        ...

    def finish(self, words: bytes) -> list[str]:
        """Make everything durable and return the names of the files written, relative to the segment.

        ``words`` are the segment's distinct words as `KeyCollector.words` gives them.
        """
        ...

    def abandon(self) -> None:
        """Stop and release locks; what was written is removed by the caller."""
        ...
