"""What stands in the corpus and yet tells little about where a text comes from: shown as common, with the reason.

- ``repositories``, ``contents``: it stands in many repositories, or its rarest fingerprint or word in many texts.
- ``imports``: import statements and nothing else (`provenance.imports`).
- ``accessors``: getters, setters, delegations and nothing else (`provenance.accessors`).
- ``words``: a short run of words that are all usual: signatures that an interface dictates, idioms.
- ``notice``: a part of the licence header of a file that the corpus has.
- ``short``: a short run in a longer text that has otherwise little in common with any one source.

An open enumeration. Measured on the tuning half of benchmarks/quality: ARCHITECTURE.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from provenance.index import Index
from provenance.lexing.languages import family_of_stored
from provenance.lexing.lexer import COMMENT, lex
from provenance.membership.commonness import Commonness
from provenance.records import ContentRef, Source
from provenance.search.words import is_word_character, words_of

Reason = Literal["repositories", "contents", "imports", "accessors", "words", "notice", "short"]

SAID: Mapping[str, str] = {
    "repositories": "in many repositories",
    "contents": "in many texts",
    "imports": "import statements",
    "accessors": "getters, setters, delegations",
    "words": "short, usual words",
    "notice": "licence header",
    "short": "short, nothing around it",
}
"""Reasons in words, for lists of spans."""
SHORT_CHARS = 150
"""A shorter run, normalised, says little by itself."""
SHORT_SHARE = 0.8
"""A short run of at least this share of its text is all that can be judged."""
SUPPORT = -2.0
"""Evidence (`Evidence.log_odds`) that the text around a short run is a copy, from which the run counts."""
USUAL_CONTENTS = 10
"""In so many contents a word is usual."""
HEADER_BYTES = 4096
"""Where in a file the indexer looks for its licence header."""


def is_in_many_repositories(
    index: Index, commonness: Commonness | None, repositories: int, text: bytes, start: int, end: int
) -> bool:
    """Tell whether as many repositories as make a text common are known, or the filter knows of them.

    The range is one of the normalised text, in bytes; ``commonness`` is None where an index has no such filter.
    """
    return repositories >= index.parameters.common_repositories or (
        commonness is not None and commonness.is_common(text, start, end)
    )


def has_usual_words_alone(index: Index, text: bytes, start: int, end: int) -> bool:
    """Tell whether every whole word of a range, numbers of up to three digits aside, is usual in the corpus."""
    while start < end and _cuts_word(text, start):
        start += 1
    while start < end and _cuts_word(text, end):
        end -= 1
    words = {word for word in words_of(text[start:end].decode("utf-8", "ignore")) if len(word) > 1}
    asked = sorted(word for word in words if not (word.isdigit() and len(word) < 4))
    return all(count >= USUAL_CONTENTS for count in index.engine.frequencies("words", asked))


def is_in_licence_header(index: Index, ref: ContentRef, source: Source, start: int, end: int) -> bool:
    """Tell whether a range of a stored text lies in comments of its head, where the indexer found a licence."""
    if source.license_origin not in ("header", "detected") or source.license_scope != "file" or end > HEADER_BYTES:
        return False
    head = index.text_slice(ref, 0, HEADER_BYTES)
    tokens = lex(head, family_of_stored(head, source))
    return not any(token.start < end and start < token.end for token in tokens if token.kind != COMMENT)


def is_supported(run: tuple[int, int], evidence: Iterable[tuple[int, int]]) -> bool:
    """Tell whether some range for which there is evidence overlaps a run."""
    return any(low < run[1] and run[0] < high for low, high in evidence)


def _cuts_word(text: bytes, at: int) -> bool:
    return is_word_character(text, at, before=True) and is_word_character(text, at, before=False)
