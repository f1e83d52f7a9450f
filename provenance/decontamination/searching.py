"""What of one problem stands in the corpus: by tracing, and by the rules that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from provenance.decontamination.problems import Problem
from provenance.decontamination.rules import RuleHit, substring, ten_grams
from provenance.edited import EditedCopies
from provenance.errors import MismatchError, ParameterError
from provenance.index import Index
from provenance.lexing.evidence import ALIKE
from provenance.lexing.languages import family_of
from provenance.lexing.lexer import COMMENT, lex
from provenance.membership.commonness import Commonness
from provenance.records import Span
from provenance.search.base import Filters
from provenance.text import NormalisedText
from provenance.traced import BY_FILTER, LEVELS, Catalogue, Level, SourceMatch, TracedSpan
from provenance.tracing import trace
from provenance.verdict import DEFAULT_MIN_CHARS
from provenance.verification import Limits

Rule = Literal["levels", "alike", "substring", "10-gram"]
RULES: tuple[Rule, ...] = get_args(Rule)

ProblemVerdict = Literal["found", "common", "not_found", "too_short"]
"""``found``: something uncommon of it stands in the corpus. ``common``: only what is common does.
``not_found``: nothing was found by the rules that were asked; no statement about what a model was trained on.
``too_short``: nothing was found, and tracing might not have found an exact copy of so short a text; parts that were
joined here, as they are no text in the benchmark, are short each for itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One range of a problem that stands in the corpus.

    ``level`` is the kind of a traced span (``exact``, ``layout``, ``renamed``…) or the name of the rule. ``parts``
    are the parts of the problem that the range touches, with the share of each that it covers, white space aside; of
    edited copies comments and docstrings aside, too, for these are not compared.
    ``similarity`` is that of a traced span, and 1 of what a rule found.
    ``repositories`` and ``documents`` are lower bounds unless ``counts_exact``.
    """

    rule: Rule
    level: str
    parts: tuple[tuple[str, float], ...]
    span: Span
    similarity: float
    documents: int
    repositories: int
    counts_exact: bool
    licenses: tuple[str, ...]
    sources: tuple[SourceMatch, ...]


@dataclass(frozen=True, slots=True)
class ProblemReport:
    """What was found of one problem; ``complete`` is false where a bound on work was met."""

    problem: Problem
    verdict: ProblemVerdict
    findings: tuple[Finding, ...]
    complete: bool


def search_problem(
    index: Index,
    problem: Problem,
    *,
    rules: Sequence[Rule] = ("levels",),
    min_chars: int = DEFAULT_MIN_CHARS,
    sources_limit: int = 5,
    exclude_repositories: Sequence[str] = (),
) -> ProblemReport:
    """Return what stands in the corpus of one problem, in the order of the rules and then of the text.

    Raises:
        ParameterError: a rule is unknown, or none is given. What `trace` and the searches raise.
    """
    if not rules or set(rules) - set(RULES):
        raise ParameterError(f"rules are {', '.join(rules) or 'none'}; known are {', '.join(RULES)}")
    text = NormalisedText(problem.text)
    findings: list[Finding] = []
    complete, short = True, False
    if "levels" in rules:
        traced = trace(
            index,
            problem.text,
            min_chars=min_chars,
            sources_limit=sources_limit,
            exclude_repositories=exclude_repositories,
            path=problem.path or None,
        )
        findings += [_traced(problem, span, "levels") for span in traced.spans]
        complete, short = traced.complete, all(len(text) < traced.floor for text in _texts(problem))
    filters = Filters(exclude_repositories=tuple(exclude_repositories))
    if "alike" in rules:
        known = {(finding.span.start, finding.span.end) for finding in findings}
        alike, whole = _alike(index, problem, text, filters, sources_limit)
        findings += [_traced(problem, s, "alike") for s in alike if (s.span.start, s.span.end) not in known]
        complete = complete and whole
    # As many texts are looked at as tell common from rare.
    limit = max(sources_limit, index.parameters.common_repositories)
    for rule, ask in (("substring", substring), ("10-gram", ten_grams)):
        if rule in rules:
            for hit in ask(index, problem, filters, limit):
                findings.append(_of_rule(index, problem, text, rule, hit, sources_limit))  # type: ignore[arg-type]
                complete = complete and hit.found.complete
    if findings:
        verdict: ProblemVerdict = "common" if all(finding.span.common for finding in findings) else "found"
    else:
        verdict = "too_short" if short else "not_found"
    return ProblemReport(problem, verdict, tuple(findings), complete)


def _alike(
    index: Index, problem: Problem, text: NormalisedText, filters: Filters, sources_limit: int
) -> tuple[list[TracedSpan], bool]:
    """Return code that is alike on weaker evidence than a match asks for, and whether all was looked at."""
    if index.parameters.fingerprints == "none":
        raise MismatchError(
            "this index has no fingerprints: the rule alike needs them; index without --no-fingerprints"
        )
    edited = EditedCopies(
        Catalogue(index, filters),
        text,
        min_chars=0,
        levels=frozenset(LEVELS),
        commonness=Commonness.of(index, 0),
        sources_limit=sources_limit,
        least=ALIKE,
    )
    found = edited.find((), (), problem.path or None, Limits().units)
    return found.spans, found.complete


def _traced(problem: Problem, traced: TracedSpan, rule: Rule) -> Finding:
    compared = problem.text if traced.kind in BY_FILTER else _without_comments(problem)
    return Finding(
        rule=rule,
        level=traced.kind,
        parts=_shares(problem, compared, traced.span.start, traced.span.end),
        span=traced.span,
        similarity=traced.similarity,
        documents=traced.documents,
        repositories=traced.repositories,
        counts_exact=traced.counts_exact,
        licenses=traced.licenses,
        sources=traced.sources,
    )


def _of_rule(
    index: Index, problem: Problem, text: NormalisedText, rule: Rule, hit: RuleHit, sources_limit: int
) -> Finding:
    documents = [
        (document, source, each) for each in hit.found.hits for document, source in each.documents if each.highlights
    ]
    repositories = {source.repository for _, source, _ in documents}
    start, end = (text.offsets.byte(at) for at in (hit.start, hit.end))
    written = problem.text[hit.start : hit.end].encode()
    sources = []
    for document, source, each in documents[:sources_limit]:
        place = each.highlights[0]
        there = index.text(each.ref)[place.start_byte : place.end_byte]
        level: Level = "exact" if there == written else "layout" if there.split() == written.split() else "edited"
        sources.append(SourceMatch(document, source, each.content_id, place, level))
    return Finding(
        rule=rule,
        level=rule,
        parts=_shares(problem, problem.text, hit.start, hit.end),
        span=text.source_span(start, end, common=len(repositories) >= index.parameters.common_repositories),
        similarity=1.0,
        documents=max(hit.found.total.value, len(documents)),
        repositories=len(repositories),
        counts_exact=hit.found.total.exact and hit.found.total.value == len(documents),
        licenses=tuple(sorted({source.license for _, source, _ in documents})),
        sources=tuple(sources),
    )


def _texts(problem: Problem) -> list[bytes]:
    """Return the problem, normalised, as the texts that a copy can hold: what lies between two parts was put there."""
    joints = [(one.end, other.start) for one, other in pairwise(problem.parts) if one.end < other.start]
    starts, ends = [0, *(start for _, start in joints)], [*(end for end, _ in joints), len(problem.text)]
    return [NormalisedText(problem.text[start:end]).normalised for start, end in zip(starts, ends, strict=True)]


def _without_comments(problem: Problem) -> str:
    """Return the problem's text with blanks for comments and docstrings."""
    source = problem.text.encode()
    pieces, at = [], 0
    for token in lex(source, family_of(problem.text, problem.path or None)):
        if token.kind == COMMENT:
            pieces += [source[at : token.start].decode(), " " * len(source[token.start : token.end].decode())]
            at = token.end
    return "".join(pieces) + source[at:].decode()


def _shares(problem: Problem, text: str, start: int, end: int) -> tuple[tuple[str, float], ...]:
    """Return the parts that a range touches, with the share of each that it covers; ``text`` is what counts of them."""
    shares = []
    for part in problem.parts:
        inside = "".join(text[max(start, part.start) : min(end, part.end)].split())
        if part.start < end and start < part.end and inside:
            whole = "".join(text[part.start : part.end].split())
            shares.append((part.name, len(inside) / len(whole)))
    return tuple(shares)
