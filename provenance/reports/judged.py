"""What the reports are made of: the answers about some texts, as the contract words them, beside the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from provenance.reports.wording import percent

VERBATIM = ("exact", "layout")
"""Kinds of spans that stand in the corpus as they are, white space aside."""


class Judged(NamedTuple):
    """One text and its answer: its bytes as they were found, its UTF-8, and a result of `contract`."""

    path: str
    raw: bytes
    utf8: bytes
    result: Mapping[str, Any]


class Judgement(NamedTuple):
    """All answers of one question: `contract.head`, the texts, and what stands in ``errors`` of the contract."""

    head: Mapping[str, Any]
    texts: Sequence[Judged]
    errors: Sequence[Mapping[str, Any]]

    @property
    def corpus(self) -> str:
        """Return the name and revision of the corpus."""
        corpus = self.head["index"]["corpus"]
        return " ".join(part for part in (corpus["name"], corpus["revision"]) if part) or "unnamed"


def counted(count: int, noun: str, *, at_least: bool = False) -> str:
    """Return ``1 document``, ``at least 2,000 repositories``."""
    plural = noun if count == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{'at least ' if at_least else ''}{count:,} {plural}"


def spread(span: Mapping[str, Any]) -> str:
    """Return in how many documents and repositories a traced span stands."""
    at_least = not span["counts_exact"]
    return (
        f"{counted(span['documents'], 'document', at_least=at_least)} of {counted(span['repositories'], 'repository')}"
    )


def claim(span: Mapping[str, Any]) -> str:
    """Return how a traced span stands in the corpus: as it is, or so much alike."""
    if span["kind"] in VERBATIM:
        return f"stands in {spread(span)} ({span['kind']})"
    return f"resembles code in {spread(span)} ({span['kind']}, {percent(span['similarity'])} alike)"


def place(source: Mapping[str, Any]) -> str:
    """Return repository, path, lines and revision of a matching source in one line."""
    lines = f"{source['start_line']}-{source['end_line']}"
    revision = f" @{source['revision']}" if source["revision"] else ""
    return f"{source['repository']} {source['path']}:{lines}{revision}"
