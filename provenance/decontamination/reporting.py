"""The findings of a whole run, for programs: fields of the JSON contract, a summary, a CSV table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from typing import Any

from provenance.decontamination.searching import Finding, ProblemReport
from provenance.reports.contract import match_fields, span_fields

COLUMNS = (
    "benchmark problem verdict rule level parts similarity common documents repositories licenses repository"
    " revision path start_line end_line license url"
).split()
"""Columns of the table: one row a finding with its first source, one for every problem without any."""

SENTENCES = {
    "found": "something uncommon of it stands in the corpus",
    "common": "only what is common was found",
    "not_found": "nothing was found by the rules that were asked",
    "too_short": "nothing was found; too short to be certain of",
}
"""What the verdicts on a problem mean, without a full stop."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def problem_fields(report: ProblemReport) -> dict[str, Any]:
    """Return one problem's answer in the JSON contract."""
    return {
        "benchmark": report.problem.benchmark,
        "problem": report.problem.id,
        "verdict": report.verdict,
        "complete": report.complete,
        "findings": [_finding(finding) for finding in report.findings],
    }


def summary(reports: Iterable[ProblemReport]) -> list[dict[str, Any]]:
    """Return for each benchmark, in order, how many problems it has, and of how many what was found."""
    counts: dict[str, Counter[str]] = {}
    levels: dict[str, Counter[str]] = {}
    for report in reports:
        name = report.problem.benchmark
        counts.setdefault(name, Counter())[report.verdict] += 1
        found = {finding.level for finding in report.findings if not finding.span.common}
        levels.setdefault(name, Counter()).update(found)
    return [
        {
            "benchmark": name,
            "problems": sum(verdicts.values()),
            "verdicts": {verdict: verdicts[verdict] for verdict in SENTENCES},
            "levels": dict(sorted(levels[name].items())),
        }
        for name, verdicts in counts.items()
    ]


def table(reports: Iterable[ProblemReport]) -> str:
    """Return a CSV table with `COLUMNS`. What a spreadsheet would read as a formula has an apostrophe before it."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for report in reports:
        start = [report.problem.benchmark, report.problem.id, report.verdict]
        for finding in report.findings:
            writer.writerow([_cell(value) for value in (*start, *_row(finding))])
        if not report.findings:
            writer.writerow([_cell(value) for value in (*start, *[""] * (len(COLUMNS) - len(start)))])
    return written.getvalue()


def covered(finding: Finding, joint: str = ", ") -> str:
    """Return how much of which parts a finding covers."""
    return joint.join(f"{share:.0%} of the {part}" for part, share in finding.parts) or "between the parts"


def _row(finding: Finding) -> list[object]:
    first = finding.sources[0] if finding.sources else None
    place: list[object] = [""] * 7
    if first is not None:
        source, span = first.source, first.span
        place = [
            source.repository, source.revision or "", source.path, span.start_line, span.end_line, source.license,
            source.url or "",
        ]  # fmt: skip
    return [
        finding.rule, finding.level, covered(finding, "; "), f"{finding.similarity:.3f}",
        "yes" if finding.span.common else "no", finding.documents, finding.repositories, "; ".join(finding.licenses),
        *place,
    ]  # fmt: skip


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "level": finding.level,
        "parts": [{"part": part, "share": share} for part, share in finding.parts],
        "similarity": finding.similarity,
        **span_fields(finding.span),
        "documents": finding.documents,
        "repositories": finding.repositories,
        "counts_exact": finding.counts_exact,
        "licenses": list(finding.licenses),
        "sources": [match_fields(match) for match in finding.sources],
    }
