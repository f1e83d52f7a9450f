"""The findings of a whole run as one web page: what was asked, counts, and the evidence problem by problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provenance.decontamination.reporting import SENTENCES, covered, summary
from provenance.decontamination.searching import Finding, ProblemReport
from provenance.reports.judged import counted
from provenance.reports.page import escaped, facts, page, table
from provenance.reports.wording import percent
from provenance.traced import SourceMatch

_CONTEXT = 2
"""Lines shown around a range."""


def decontamination_page(head: Mapping[str, Any], rules: Sequence[str], reports: Sequence[ProblemReport]) -> str:
    """Return the HTML document; ``head`` is that of the JSON contract."""
    index = head["index"]
    corpus = index["corpus"]
    name = corpus["name"] + (f" {corpus['revision']}" if corpus["revision"] else "")
    found = [report for report in reports if report.findings]
    return page(
        f"Benchmarks in {name}",
        [
            f"<h1>Benchmarks in {escaped(name)}</h1>",
            facts(
                (
                    ("documents", f"{index['documents']:,}{'' if corpus['complete'] else ', not complete'}"),
                    ("built", corpus["built"]),
                    ("opt-out version", corpus["optout_version"]),
                    ("digest", index["digest"]),
                    ("rules", ", ".join(rules)),
                    ("made by", f"{head['tool']['name']} {head['tool']['version']}"),
                )
            ),
            "<p><small>Sources are matching sources; none is claimed to be the origin. That a problem stands in a "
            "corpus is no statement about what a model has learnt from it, and that it was not found none that "
            "nothing like it is there.</small></p>",
            table(
                ("benchmark", "problems", *(verdict.replace("_", " ") for verdict in SENTENCES), "levels"),
                (
                    (
                        escaped(row["benchmark"]),
                        f"{row['problems']:,}",
                        *(f"{row['verdicts'][verdict]:,}" for verdict in SENTENCES),
                        ", ".join(f"{escaped(level)} {count:,}" for level, count in row["levels"].items()),
                    )
                    for row in summary(reports)
                ),
            ),
            *(part for report in found for part in _problem(report)),
        ],
    )


def _problem(report: ProblemReport) -> Iterator[str]:
    problem = report.problem
    yield f"<h2>{escaped(problem.benchmark)} {escaped(problem.id)}</h2>"
    yield f"<p><strong>{report.verdict.replace('_', ' ')}</strong>: {SENTENCES[report.verdict]}.</p>"
    if not report.complete:
        yield "<p>More may be found: a bound on the work for one problem was met.</p>"
    for finding in report.findings:
        yield _heading(finding)
        yield _excerpt(problem.text, finding)
        yield table(
            ("repository, revision", "path", "licence"), (_source(each) for each in finding.sources), numbers=False
        )


def _heading(finding: Finding) -> str:
    documents = counted(finding.documents, "document", at_least=not finding.counts_exact)
    alike = f", similarity {percent(finding.similarity)}" if finding.similarity < 1 else ""
    return (
        f"<h3>{escaped(finding.level)}: {escaped(covered(finding))}{alike}"
        f"{', common' if finding.span.common else ''}; in {documents} of "
        f"{counted(finding.repositories, 'repository')}</h3>"
    )


def _excerpt(text: str, finding: Finding) -> str:
    start, end = finding.span.start, finding.span.end
    before = "\n".join(text[:start].split("\n")[-_CONTEXT - 1 :])
    after = "\n".join(text[end:].split("\n")[: _CONTEXT + 1])
    kind = ' class="common"' if finding.span.common else ""
    return f"<pre>{escaped(before)}<mark{kind}>{escaped(text[start:end])}</mark>{escaped(after)}</pre>"


def _source(match: SourceMatch) -> tuple[str, ...]:
    source, span = match.source, match.span
    path = f"{source.path}:{span.start_line}-{span.end_line}"
    # Only what a browser opens as a page becomes a link: a corpus may say anything.
    linked = (source.url or "").startswith(("https://", "http://"))
    where = f'<a href="{escaped(source.url)}" rel="noreferrer">{escaped(path)}</a>' if linked else escaped(path)
    return (
        f"{escaped(source.repository)}<br><small>{escaped(source.revision or '')}</small>",
        where,
        escaped(source.license),
    )
