"""The one contract of all full-text engines.

An engine finds *candidates*: stored contents that may hold what is asked for. Whoever asks verifies every candidate
on the stored text. Nothing that matches is ever missing from the candidates, but candidates need not match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from provenance.records import ContentRef, Source

Field = Literal["words", "fingerprints"]
"""What contents are found by: words of the text, and fingerprints of its code (`provenance.lexing.fingerprints`)."""
Counted = Field | Literal["language"]
"""What words can be counted in; the word of a language is its name as `filtering.fold_keyword` gives it."""
TIED = 1024
"""Contents of one part of an index looked at to find all with equal sums of weights."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a document must be for its content to count; empty means anything.

    Values of one field are alternatives, fields are joined by and; all must hold for one and the same document.
    ``repositories``, ``owners`` (`filtering.owners_of`) and ``languages`` compare whole, ignoring ASCII case;
    ``licenses`` are SPDX ids, each a member of the document's expression; ``paths`` are shell patterns over the
    whole path (``*`` crosses ``/``); ``kinds`` are kinds of text (``file``, ``commit``, ``issue``, ``notebook``);
    ``exclude_repositories`` are shell patterns, ignoring ASCII case.
    """

    languages: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    exclude_repositories: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Candidates:
    """Contents that may match: best first from `SearchEngine.ranked`, else ascending by address.

    ``complete`` is true when nothing that can match is missing from ``refs``; otherwise there may be more,
    all of them behind the last one. ``places``, where an engine knows them, goes with ``refs``: the ranges of bytes
    of the source text in one of which the match, or some byte of it, begins.
    """

    refs: tuple[ContentRef, ...]
    complete: bool
    places: tuple[tuple[tuple[int, int], ...], ...] = ()


class SearchEngine(Protocol):
    """The search parts of one index snapshot; usable from many threads.

    All methods raise `EngineUnavailable` when a part of the index does not answer: never fewer candidates.
    Of ``filters`` an engine uses what it has keywords for.
    """

    @property
    def name(self) -> str:
        """Return the engine's name: ``tantivy`` or ``elasticsearch``."""
        ...

    def holding(
        self,
        part: bytes,
        filters: Filters,
        limit: int,
        after: ContentRef | None = None,
        *,
        fold_case: bool = False,
        verbatim: bool = False,
    ) -> Candidates:
        """Find contents whose normalised text may hold ``part``, a range of some normalised text.

        ``verbatim``: the text itself may hold ``part``, a range of some source text; white space counts as it stands.
        ``after`` asks for contents behind an address only. ``fold_case``: ASCII letters match in either case, and
        any other character matches any. What is shorter than three bytes may stand everywhere.
        """
        ...

    def ranked(self, words: Sequence[str], filters: Filters, limit: int) -> Candidates:
        """Find the ``limit`` best contents of every part of the index by BM25 over any of the words.

        Scores of different parts do not compare: whoever asks ranks again.
        """
        ...

    def frequencies(self, field: Counted, words: Sequence[str]) -> list[int]:
        """Return for each word how many contents hold it; one text in several segments counts in each.

        Fingerprints are asked for only where the index has them (`Parameters.fingerprints`).
        """
        ...

    def weighted(self, field: Field, weights: Mapping[str, float], limit: int) -> list[tuple[ContentRef, float]]:
        """Return the contents with the largest sums of the weights of the words they hold, with these sums.

        Weights are multiples of 1/64 below 2^10, so that sums do not depend on their order. Best first, equal sums by
        address; all that have as much as the last one are there, even if they are more than ``limit``, up to `TIED`.
        """
        ...

    def verify(self) -> None:
        """Compare what lies outside of the index folder with what the folder records, all of it.

        Raises `CorruptFile`, `MismatchError`.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def best(found: list[tuple[ContentRef, float]], limit: int) -> list[tuple[ContentRef, float]]:
    """Return contents with sums of weights as `SearchEngine.weighted` orders and cuts them."""
    found.sort(key=lambda entry: (-entry[1], entry[0]))
    if len(found) <= limit:
        return found
    least = found[limit - 1][1]
    return [entry for entry in found if entry[1] >= least]


class SegmentWriter(Protocol):
    """Builds the search part of one segment, in ``search/`` of the segment's directory; one thread."""

    takes_texts: bool
    """Whether `finish` takes over the frames of the block file of texts, too, which may go then."""

    def read(self, text: bytes, fingerprints: str = "") -> None:
        """Take from the UTF-8 text of the next content what it is found by; contents count from 0 as they come.

        ``fingerprints`` are those of its code, with blanks between them.
        """
        ...

    def add(self, content: int, sources: Sequence[Source]) -> None:
        """Index a content that was read with all its documents; contents come in ascending order from 0."""
        ...

    def finish(self) -> list[str]:
        """Make everything durable and return the names of the files written, relative to the segment."""
        ...

    def abandon(self) -> None:
        """Stop and release locks; what was written is removed by the caller."""
        ...
