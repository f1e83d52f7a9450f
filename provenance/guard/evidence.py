"""What the corpus knows of a span: looked up within a budget of time, and only as far as a policy needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from provenance import kernel
from provenance.checking import check
from provenance.errors import ProvenanceError
from provenance.guard.policy import Facts, Kind, Policy
from provenance.guard.positions import Position
from provenance.index import Index
from provenance.membership.commonness import Commonness
from provenance.records import Span
from provenance.reports.contract import trace_result
from provenance.tracing import TracedSpan, TraceResult, trace

_ALL = 1000
"""Sources looked at where a policy speaks of repositories."""
_OTHERS = "(others)"
"""Stands for repositories that were not looked at; no pattern that names an owner matches it."""


class OverBudget(ProvenanceError):
    """A check took longer than the policy allows."""

    kind = "timeout"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A span of an answer with some text before it: ``text`` begins at ``at``; the span is ``text[start:end]``."""

    text: str
    at: Position
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Facts about a span, and what was found, in the JSON contract's form; ranges count the whole answer."""

    facts: Facts
    spans: tuple[Mapping[str, Any], ...] = ()


class Examiner:
    """Looks spans up in one index. Usable from many threads."""

    def __init__(self, index: Index, policy: Policy, pool: ThreadPoolExecutor) -> None:
        """Examine with the threads of ``pool``, which stays the caller's to shut down."""
        self._index = index
        self._policy = policy
        self._commonness = Commonness.of(index, policy.min_chars)
        self._pool = pool
        self._texts = bool(index.segments)
        named = bool(policy.allow) or any(rule.repositories for rule in policy.rules)
        self._looked_at = _ALL if named else max(policy.sources, 1)

    def examine(self, excerpt: Excerpt, facts: Facts, *, sources: bool) -> Evidence:
        """Return what is known of a span; with ``sources``, who has it.

        Raises `OverBudget` where that takes too long, and whatever asking the index raises.
        """
        cancelled = threading.Event()
        future = self._pool.submit(self._examine, excerpt, facts, sources and self._texts, cancelled)
        try:
            return future.result(self._policy.budget_seconds)
        except TimeoutError:
            cancelled.set()
            future.cancel()
            raise OverBudget(f"a check took longer than {self._policy.budget_seconds:g} s") from None

    def _examine(self, excerpt: Excerpt, facts: Facts, sources: bool, cancelled: threading.Event) -> Evidence:
        part = excerpt.text[excerpt.start : excerpt.end]
        normalised = kernel.normalise(part.encode("utf-8", "replace"))
        common = self._commonness is not None and self._commonness.is_common(normalised, 0, len(normalised))
        facts = replace(facts, common=common)
        if sources and not cancelled.is_set():
            found = trace(
                self._index,
                excerpt.text,
                min_chars=self._policy.min_chars,
                sources_limit=self._looked_at,
                levels=("exact", "layout"),
            )
            spans = [each for each in found.spans if each.span.end > excerpt.start and each.span.start < excerpt.end]
            if spans:
                return _traced(excerpt, facts, found, spans, self._policy.sources)
            if not found.complete:
                raise OverBudget("a bound on the work of one check was met before an answer")
        if self._index.removed_keys is not None:
            left = check(self._index, part, min_chars=self._policy.min_chars)
            if left.verdict != "possible_match":
                return Evidence(replace(facts, kind="withdrawn"))
        return Evidence(facts)


def _traced(excerpt: Excerpt, facts: Facts, found: TraceResult, spans: Sequence[TracedSpan], sources: int) -> Evidence:
    kind: Kind = "exact" if any(each.kind == "exact" for each in spans) else "layout"
    lengths = [
        len(kernel.normalise(excerpt.text[each.span.start : each.span.end].encode("utf-8", "replace")))
        for each in spans
    ]
    fields = trace_result("", replace(found, spans=tuple(spans)))["spans"]
    for each in fields:
        each["sources"] = each["sources"][:sources]
        move(each, excerpt.at)
    return Evidence(
        replace(
            facts,
            length=max(lengths),
            kind=kind,
            # Of several runs in one span the rarest decides.
            common=all(each.span.common for each in spans),
            licenses=tuple(sorted({name for each in spans for name in each.licenses})),
            repositories=tuple(sorted({name for each in spans for name in _repositories(each)})),
        ),
        tuple(fields),
    )


def _repositories(traced: TracedSpan) -> Iterator[str]:
    yield from (match.source.repository for match in traced.sources)
    if traced.documents > len(traced.sources) or not traced.counts_exact:
        yield _OTHERS


def move(fields: dict[str, Any], by: Position) -> None:
    """Let the range in a span's fields count from ``by`` before its own beginning."""
    for unit, offset in (("", by.code_point), ("_byte", by.byte), ("_utf16", by.utf16), ("_line", by.lines)):
        fields[f"start{unit}"] += offset
        fields[f"end{unit}"] += offset


def moved(span: Span, by: Position) -> Span:
    """Return a span that counts from an earlier place, ``by`` before its own beginning."""
    return replace(
        span,
        start=span.start + by.code_point,
        end=span.end + by.code_point,
        start_byte=span.start_byte + by.byte,
        end_byte=span.end_byte + by.byte,
        start_utf16=span.start_utf16 + by.utf16,
        end_utf16=span.end_utf16 + by.utf16,
        start_line=span.start_line + by.lines,
        end_line=span.end_line + by.lines,
    )
