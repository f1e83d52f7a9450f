"""The one contract of all full-text engines.

An engine finds *candidates*: stored contents that may hold what is asked for. Whoever asks verifies
every candidate on the stored text. The engine indexes words (ARCHITECTURE.md, Words) with positions,
keyword fields of the documents of each content, and a mark on contents that hold a word too long to index.

Nothing that matches is ever missing from the candidates, but candidates need not match: an engine may leave
out any condition that costs more than it saves.
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
    ``repositories``, ``owners`` (`filtering.owner_of`) and ``languages`` compare whole, ignoring ASCII case;
    ``licenses`` are SPDX ids, each a member of the document's expression; ``paths`` are shell patterns over the
    whole path (``*`` crosses ``/``); ``exclude_repositories`` are shell patterns, ignoring ASCII case.
    """

    languages: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    exclude_repositories: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return any(
            (self.languages, self.repositories, self.owners, self.licenses, self.paths, self.exclude_repositories)
        )


@dataclass(frozen=True, slots=True)
class Phrase:
    """Consecutive words of a literal text.

    ``first_cut``: the literal begins inside a word, so ``words[0]`` is the end of some word;
    ``last_cut``: it ends inside a word, so ``words[-1]`` is the beginning of some word. One word with both
    is the inside of a word. Whether a literal's edge is a cut cannot be known: a literal that begins (ends)
    with a letter or digit has ``first_cut`` (``last_cut``), and then a whole word is one of the possibilities.
    ``fold_case``: ASCII letters match in either case.
    """

    words: tuple[str, ...]
    first_cut: bool = False
    last_cut: bool = False
    fold_case: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """Contents that may match: best first from `SearchEngine.ranked`, else ascending by address.

    ``complete`` is true when nothing that can match is missing from ``refs``; otherwise there may be more,
    all of them behind the last one. ``scores`` go with ``refs`` where the engine ranks.
    """

    refs: tuple[ContentRef, ...]
    complete: bool
    scores: tuple[float, ...] = ()


class SearchEngine(Protocol):
    """The search parts of one index snapshot; usable from many threads.

    All methods raise `EngineUnavailable` when a part of the index does not answer: never fewer candidates.
    ``after`` asks for candidates behind an address only.
    """

    @property
    def name(self) -> str:
        """Return the engine's name: ``tantivy`` or ``elasticsearch``."""
        ...

    def phrase(self, phrase: Phrase, filters: Filters, limit: int, after: ContentRef | None = None) -> Candidates:
        """Find contents in which the words stand one after another; every content that may for a phrase of none."""
        ...

    def all_words(
        self, words: Sequence[str], filters: Filters, limit: int, after: ContentRef | None = None
    ) -> Candidates:
        """Find contents that hold every word, in any order."""
        ...

    def ranked(self, words: Sequence[str], filters: Filters, limit: int) -> Candidates:
        """Find the ``limit`` best contents of every part of the index by BM25 over any of the words.

        Scores of different parts do not compare: whoever asks ranks again.
        """
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

    def add(self, content: int, text: bytes, sources: Sequence[Source]) -> None:
        """Index one content (its UTF-8 text) with all its documents; contents come in ascending order."""
        ...

    def finish(self, words: bytes) -> list[str]:
        """Make everything durable and return the names of the files written, relative to the segment.

        ``words`` are the segment's distinct words as `KeyCollector.words` gives them.
        """
        ...

    def abandon(self) -> None:
        """Stop and release locks; what was written is removed by the caller."""
        ...
