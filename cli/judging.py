"""What `check` and `trace` share: ask about every text, write the answers, choose the exit code."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cli.inputs import Failure, Inputs, Text
from cli.state import FailOn, ReportFormat
from provenance.index import Index
from provenance.records import Span
from provenance.reports import contract
from provenance.reports.judged import Judged, Judgement

if TYPE_CHECKING:
    from provenance.checking import CheckResult
    from provenance.tracing import TraceResult

R = TypeVar("R", "CheckResult", "TraceResult")

_REACHED = ("match", "possible_match")
EXIT_FOUND = 1
EXIT_FAILED = 2


def judge(
    index: Index,
    inputs: Inputs,
    *,
    ask: Callable[[Text], R],
    fields: Callable[[str, R], dict[str, Any]],
    show: Callable[[Text, R], None],
    spans: Callable[[R], Sequence[Span]],
    format: ReportFormat,
    fail_on: FailOn,
) -> int:
    """Ask about every text and return the exit code.

    ``fields`` renders an answer for machines, ``show`` prints it for people, ``spans`` returns what reached it.
    """
    verdicts: Counter[str] = Counter()
    judged: list[Judged] = []
    errors: list[dict[str, Any]] = []
    found = False
    if format is ReportFormat.jsonl:
        print(contract.render_line(contract.head(index)))
    for text in inputs:
        if isinstance(text, Failure):
            from cli.terminal import one_line

            print(f"provenance: {one_line(str(text.error))}", file=sys.stderr)
            errors.append(contract.failure(text.path, text.error.kind, str(text.error)))
            if format is ReportFormat.jsonl:
                print(contract.render_line(errors[-1]))
            continue
        answer = ask(text)
        verdicts[answer.verdict] += 1
        found = found or _fails(answer, spans, fail_on)
        if format is ReportFormat.human:
            show(text, answer)
        elif format is ReportFormat.jsonl:
            print(contract.render_line(fields(text.path, answer)))
        else:
            judged.append(Judged(text.path, text.raw, text.utf8, fields(text.path, answer)))
    if format not in (ReportFormat.human, ReportFormat.jsonl):
        document = _document(format, Judgement(contract.head(index), judged, errors), inputs.skipped)
        sys.stdout.buffer.write(f"{document}\n".encode())  # in UTF-8, as it says itself, whatever the locale
    _account(verdicts, len(errors), inputs.skipped)
    return EXIT_FAILED if errors else EXIT_FOUND if found else 0


def _document(format: ReportFormat, judgement: Judgement, skipped: Counter[str]) -> str:
    if format is ReportFormat.sarif:
        from provenance.reports.sarif import sarif_log

        return contract.render(sarif_log(judgement))
    if format is ReportFormat.spdx:
        from provenance.reports.spdx import spdx_document

        return contract.render(spdx_document(judgement))
    if format is ReportFormat.html:
        from provenance.reports.trace_page import trace_page

        return trace_page(judgement)
    results = [each.result for each in judgement.texts]
    return contract.render(contract.results_document(judgement.head, results, judgement.errors, skipped))


def _fails(answer: R, spans: Callable[[R], Sequence[Span]], fail_on: FailOn) -> bool:
    if fail_on is FailOn.never or answer.verdict not in _REACHED:
        return False
    return any(fail_on is FailOn.any or not span.common for span in spans(answer))


def _account(verdicts: Counter[str], failed: int, skipped: Counter[str]) -> None:
    """Say on stderr what became of everything that was named, where that is more than one text."""
    from cli.terminal import plural

    total = sum(verdicts.values()) + failed
    if total == 1 and not skipped:
        return
    parts = [f"{count:,} {verdict.replace('_', ' ')}" for verdict, count in verdicts.most_common()]
    if failed:
        parts.append(f"{failed:,} could not be judged")
    line = f"{plural(total, 'text')}: {', '.join(parts)}" if parts else plural(total, "text")
    if skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.most_common())
        line += f"; skipped {reasons}"
    print(f"provenance: {line}", file=sys.stderr)
