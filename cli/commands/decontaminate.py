"""`provenance decontaminate`: which problems of a benchmark stand in the corpus?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Debug, ExcludeRepository, FailOn, FailOnOption, IndexPath, OutputFormat, index_folder
from cli.state import Format
from provenance.decontamination.searching import RULES
from provenance.errors import ParameterError, StorageError
from provenance.verdict import DEFAULT_MIN_CHARS

if TYPE_CHECKING:
    from provenance.decontamination.searching import ProblemReport, Rule


def command(
    benchmarks: Annotated[
        list[str], typer.Argument(metavar="BENCHMARK…", help="JSON Lines (.gz, .zst), JSON arrays, folders of files.")
    ],
    index: IndexPath = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="RULE",
            help="levels (as trace does; the default), alike (weaker evidence), substring, 10-gram; repeatable.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="NAME", help="Column with a part of the problem, where unknown; repeatable."),
    ] = None,
    min_chars: Annotated[
        int, typer.Option("--min-chars", min=0, metavar="N", help="Shortest exact span shown, normalised.")
    ] = DEFAULT_MIN_CHARS,
    sources: Annotated[int, typer.Option("--sources", "-n", min=0, metavar="N", help="Sources listed a finding.")] = 5,
    exclude_repo: ExcludeRepository = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a table of all findings.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a web page with evidence.")] = None,
    format: OutputFormat = Format.human,
    fail_on: FailOnOption = FailOn.match,
    debug: Debug = False,
) -> int:
    """Tell which problems of benchmarks stand in the corpus, at which level, with evidence.

    HumanEval, HumanEvalPack and MBPP are known by their columns; of other tables `--column` names the parts of a
    problem. In a folder each file is a problem.

    Examples:

        provenance decontaminate HumanEval.jsonl.gz mbpp.jsonl --index corpus.idx --html report.html

        provenance decontaminate tasks.jsonl --column question --column answer --rule substring --rule 10-gram
    """
    from cli.notices import notice_slow_kernel
    from provenance.decontamination.problems import problems
    from provenance.decontamination.reporting import problem_fields, summary, table
    from provenance.decontamination.searching import search_problem
    from provenance.index import Index
    from provenance.reports import contract

    rules = _rules(rule or ())
    for file in (csv, html):
        if file is not None and not file.absolute().parent.is_dir():
            raise ParameterError(f"{file}: there is no folder {file.absolute().parent} to write it to")
    with Index.open(index_folder(index)) as opened:
        notice_slow_kernel()
        head = {**contract.head(opened), "rules": list(rules)}
        if format is Format.jsonl:
            print(contract.render_line(head))
        reports: list[ProblemReport] = []
        for benchmark in benchmarks:
            for problem in problems(benchmark, column or ()):
                report = search_problem(
                    opened,
                    problem,
                    rules=rules,
                    min_chars=min_chars,
                    sources_limit=sources,
                    exclude_repositories=exclude_repo or (),
                )
                reports.append(report)
                if format is Format.jsonl:
                    print(contract.render_line(problem_fields(report)))
                elif format is Format.human and report.findings:
                    _show(report)
        if format is Format.json:
            fields = [problem_fields(report) for report in reports]
            print(contract.render({**head, "summary": summary(reports), "problems": fields}))
        elif format is Format.human:
            _sum_up(reports)
        if csv is not None:
            _write(csv, table(reports))
        if html is not None:
            from provenance.decontamination.page import decontamination_page

            _write(html, decontamination_page(head, rules, reports))
    return int(any(_fails(report, fail_on) for report in reports))


def _rules(named: list[str] | tuple[str, ...]) -> list[Rule]:
    for name in named:
        if name not in RULES:
            raise ParameterError(f"--rule is {name!r}; known are {', '.join(RULES)}")
    return [rule for rule in RULES if rule in named] or ["levels"]


def _fails(report: ProblemReport, fail_on: FailOn) -> bool:
    return report.verdict == "found" and fail_on is not FailOn.never or bool(report.findings) and fail_on is FailOn.any


def _show(report: ProblemReport) -> None:
    from cli.terminal import one_line, plural, styled
    from provenance.decontamination.reporting import covered

    styles = ("bold", "yellow") if report.verdict == "found" else ("bold",)
    name = one_line(f"{report.problem.benchmark} {report.problem.id}")
    print(f"{styled(name, 'bold')}: {styled(report.verdict.replace('_', ' '), *styles)}")
    for finding in report.findings:
        bound = "" if finding.counts_exact else "at least "
        alike = f", similarity {finding.similarity:.0%}" if finding.similarity < 1 else ""
        print(
            f"  {finding.level}: {one_line(covered(finding))}{alike}"
            f"{', common' if finding.span.common else ''}; in {bound}{plural(finding.documents, 'document')} of "
            f"{plural(finding.repositories, 'repository')}; {one_line(', '.join(finding.licenses))}"
        )
        for match in finding.sources:
            place = f"{match.source.repository} {match.source.path}:{match.span.start_line}-{match.span.end_line}"
            print(f"    {one_line(place)}  {one_line(match.source.license)}")


def _sum_up(reports: list[ProblemReport]) -> None:
    from cli.terminal import one_line, plural
    from provenance.decontamination.reporting import summary

    for row in summary(reports):
        verdicts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in row["verdicts"].items() if count)
        levels = ", ".join(f"{level} {count:,}" for level, count in row["levels"].items())
        print(
            f"{one_line(row['benchmark'])}: {plural(row['problems'], 'problem')}: {verdicts}"
            f"{f' ({levels})' if levels else ''}"
        )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8", newline="")
    except OSError as error:
        raise StorageError(f"{file}: cannot be written: {error.strerror}") from error
