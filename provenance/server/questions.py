"""What can be asked over HTTP, and the answers as the JSON contract has them; runs in the gate's threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from provenance.checking import check
from provenance.errors import ParameterError
from provenance.index import Index
from provenance.records import KINDS, ContentRef, Source
from provenance.reports import contract
from provenance.search.base import Filters
from provenance.search.collecting import Reach
from provenance.search.literal import search_literal
from provenance.search.names import refuse_unknown_names
from provenance.search.ranked import search_words
from provenance.search.results import SearchResults
from provenance.server.failures import Refusal
from provenance.tracing import LEVELS, Level, trace
from provenance.verdict import DEFAULT_MIN_CHARS
from provenance.verification import Limits

MOST_SOURCES = 100
MOST_HITS = 100
_COUNTED = 1_000
"""Documents counted, at least, where facets are asked for."""
TRACE_LIMITS = Limits(queries=2_000, runs=1_000, work=2 << 30, units=100)
"""Fewer questions to the engine than on one's own machine: nobody may keep a worker for long."""
_UNKNOWN = "422 where nothing is found and neither the index nor the server knows one; the message has the nearest."
Short = Annotated[str, Field(max_length=500)]
IndexName = Annotated[str | None, Field(max_length=64, description="Name of the index; the server's first without.")]


class Body(BaseModel):
    """What is sent as JSON: fields of the right types, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Text(Body):
    """One text of a batch; ``path`` comes back with its result, and its extension tells the language."""

    text: str
    path: Short = "-"


class CheckBody(Body):
    """One ``text``, or a batch of ``texts``."""

    text: str | None = Field(None, description="The text to judge.")
    path: Short = Field("-", description="Comes back with the result of `text`; tells the language.")
    texts: list[Text] | None = Field(None, min_length=1, description="Several texts at once.")
    index: IndexName = None
    min_chars: int = Field(DEFAULT_MIN_CHARS, ge=0, le=1_000_000, description="Run that makes a verdict.")

    @model_validator(mode="after")
    def _one_of_both(self) -> CheckBody:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self

    def all_texts(self, most: int) -> list[Text]:
        """Return the texts. Raises `ParameterError` for more than ``most``."""
        texts = self.texts if self.texts is not None else [Text(text=self.text or "", path=self.path)]
        if len(texts) > most:
            raise ParameterError(f"{len(texts)} texts in one request; {most} are the most here")
        return texts


class TraceBody(CheckBody):
    """As for check, and how many sources to list."""

    sources: int = Field(5, ge=0, le=MOST_SOURCES, description="Sources listed a span.")
    exclude_repositories: list[Short] = Field(default=[], max_length=100, description="Shell patterns, ignoring case.")
    levels: list[Level] = Field(default=list(LEVELS), min_length=1, max_length=5, description="What to look for.")


class SearchBody(Body):
    """A literal, a regular expression (RE2) or words, and what the documents must be."""

    query: str = Field(max_length=100_000, description="What to find, as it stands in the text.")
    mode: Literal["literal", "regex", "words"] = Field("literal", description="What the query is; regex: RE2.")
    ignore_case: bool = Field(False, description="Letters match in either case; not for words.")
    languages: list[Short] = Field(default=[], max_length=100, description=f"Any of these. {_UNKNOWN}")
    repositories: list[Short] = Field(default=[], max_length=100, description="Any of these, whole.")
    owners: list[Short] = Field(default=[], max_length=100, description="Any of these, whole.")
    licenses: list[Short] = Field(default=[], max_length=100, description="Any of these SPDX ids.")
    paths: list[Short] = Field(default=[], max_length=100, description="Shell patterns over the whole path.")
    kinds: list[Short] = Field(
        default=[], max_length=100, description=f"Any of {', '.join(KINDS)}, or of the corpus' own. {_UNKNOWN}"
    )
    exclude_repositories: list[Short] = Field(default=[], max_length=100, description="Shell patterns, ignoring case.")
    limit: int = Field(10, ge=0, le=MOST_HITS, description="Texts on the page.")
    offset: int = Field(0, ge=0, le=10_000, description="Texts passed over first.")
    context: int = Field(2, ge=0, le=20, description="Lines shown around a place that matches.")
    facets: bool = Field(False, description="Count matching documents by language, licence and repository.")
    index: IndexName = None

    def filters(self) -> Filters:
        """Return what the documents must be."""
        return Filters(
            languages=tuple(self.languages),
            repositories=tuple(self.repositories),
            owners=tuple(self.owners),
            licenses=tuple(self.licenses),
            paths=tuple(self.paths),
            kinds=tuple(self.kinds),
            exclude_repositories=tuple(self.exclude_repositories),
        )


def _in_time(texts: Sequence[Text], until: float) -> Iterator[Text]:
    """Yield texts; when ``until`` (of `time.monotonic`) is past, nobody waits any more."""
    for each in texts:
        if time.monotonic() > until:
            raise Refusal(503, "the answer takes too long; ask for less")
        yield each


def answer_check(
    index: Index, body: CheckBody, most: int, judged: Callable[[str], None], until: float
) -> dict[str, Any]:
    """Return the answer of `check`."""
    results = []
    for each in _in_time(body.all_texts(most), until):
        result = check(index, each.text, min_chars=body.min_chars)
        judged(result.verdict)
        results.append(contract.check_result(each.path, result))
    return contract.results_document(contract.head(index), results, [], {})


def answer_trace(
    index: Index, body: TraceBody, most: int, judged: Callable[[str], None], until: float
) -> dict[str, Any]:
    """Return the answer of `trace`."""
    results = []
    for each in _in_time(body.all_texts(most), until):
        result = trace(
            index,
            each.text,
            min_chars=body.min_chars,
            sources_limit=body.sources,
            exclude_repositories=body.exclude_repositories,
            path=each.path,
            levels=body.levels,
            limits=TRACE_LIMITS,
        )
        judged(result.verdict)
        results.append(contract.trace_result(each.path, result))
    return contract.results_document(contract.head(index), results, [], {})


def run_search(index: Index, body: SearchBody, scan_bytes: int) -> SearchResults:
    """Return what a search finds. Raises `QueryRejected`, `SearchError`."""
    # Facets of the first page alone would say little of the rest.
    counted = _COUNTED if body.facets else 0
    reach = Reach(count=counted, facets=body.facets, scan_bytes=scan_bytes, context=body.context)
    page: dict[str, Any] = {"filters": body.filters(), "limit": body.limit, "offset": body.offset, "reach": reach}
    if body.mode == "words":
        return search_words(index, body.query, **page)
    if body.mode == "regex":
        from provenance.search.regex import search_regex

        return search_regex(index, body.query, fold_case=body.ignore_case, **page)
    return search_literal(index, body.query, fold_case=body.ignore_case, **page)


def answer_search(index: Index, body: SearchBody, scan_bytes: int) -> dict[str, Any]:
    """Return the answer of `search`, with ``facets`` where they were asked for.

    Raises what `run_search` raises, and `ParameterError` where nothing was found of a kind or language nobody knows.
    """
    found = run_search(index, body, scan_bytes)
    refuse_unknown_names(index, body.filters(), found)
    answer = {**contract.search_head(index, found), "results": [contract.search_result(hit) for hit in found.hits]}
    if found.facets is not None:
        answer["facets"] = {
            name: [{"value": value, "documents": count} for value, count in counts]
            for name, counts in (
                ("languages", found.facets.languages),
                ("licenses", found.facets.licenses),
                ("repositories", found.facets.repositories),
            )
        }
    return answer


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document of the index and lines of its text; ``last_line`` is the number of the last one of the whole text."""

    identity: bytes
    source: Source
    ref: ContentRef
    lines: Sequence[str]
    first_line: int
    last_line: int


def stored_document(index: Index, document: str, first: int, last: int | None) -> StoredDocument | None:
    """Return lines ``first`` to ``last`` (1-based, inclusive) of a document, or None where there is none."""
    try:
        identity = bytes.fromhex(document)
    except ValueError:
        return None
    found = index.find(identity) if len(identity) == 16 else []
    if not found:
        return None
    ref, source = found[0]
    lines = split_lines(index.text(ref).decode("utf-8"))
    return StoredDocument(identity, source, ref, lines[first - 1 : last], first, len(lines))


def split_lines(text: str) -> list[str]:
    """Return the lines with their ends: LF, CRLF, or CR alone, as spans count them."""
    lines, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\n" or text[at] == "\r" and text[at + 1 : at + 2] != "\n":
            lines.append(text[start : at + 1])
            start = at + 1
        at += 1
    return [*lines, text[start:]] if start < len(text) or not lines else lines


def answer_document(index: Index, found: StoredDocument) -> dict[str, Any]:
    """Return the answer of `show`, and how many lines the whole text has."""
    return {
        **contract.head(index),
        **contract.source_fields(found.identity, found.source, index.content_id(found.ref)),
        "first_line": found.first_line,
        "text": "".join(found.lines),
        "lines": found.last_line,
    }
