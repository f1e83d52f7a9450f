"""What `provenance check` does, however its command line was read."""

from __future__ import annotations

from collections.abc import Sequence

from cli.inputs import Inputs, Text
from cli.judging import judge
from cli.notices import notice_slow_kernel
from cli.state import FailOn, ReportFormat, index_folder
from cli.terminal import lines, one_line, plural, styled
from provenance.checking import CheckResult, check
from provenance.index import Index
from provenance.reports import contract
from provenance.verdict import DEFAULT_MIN_CHARS, sentence

# The words that `understood` reads; each takes a value, but the last.
VALUED = {
    "--index": "index",
    "-I": "index",
    "--min-chars": "min_chars",
    "--exclude": "exclude",
    "--format": "format",
    "-f": "format",
    "--fail-on": "fail_on",
}
FLAGS = ("--debug",)


class Question:
    """A command line of `check`."""

    def __init__(self) -> None:
        """Begin with the defaults."""
        self.paths: list[str] = []
        self.index: str | None = None
        self.min_chars = DEFAULT_MIN_CHARS
        self.exclude: list[str] = []
        self.format = ReportFormat.human
        self.fail_on = FailOn.match
        self.debug = False


def understood(words: Sequence[str]) -> Question | None:
    """Return the question that plain words after `check` ask, or None where typer must look at them.

    Importing typer takes as long as all the rest of a check. So what is beyond doubt is read here; help,
    abbreviations, several short options in one word and every mistake are left to typer.
    """
    question = Question()
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            question.paths.append(word)
            continue
        name, equals, value = word.partition("=")
        if word in FLAGS:
            question.debug = True
            continue
        if name not in VALUED or equals and not name.startswith("--"):
            return None
        if not equals:
            value = next(rest, "")
        if not value or value.startswith("-") or not _take(question, VALUED[name], value):
            return None
    return question


def _take(question: Question, name: str, value: str) -> bool:
    """Set one option; tell whether its value is right."""
    if name == "exclude":
        question.exclude.append(value)
    elif name == "min_chars":
        if not (value.isascii() and value.isdecimal()):
            return False
        question.min_chars = int(value)
    elif name == "format":
        if value not in ReportFormat.__members__:
            return False
        question.format = ReportFormat(value)
    elif name == "fail_on":
        if value not in FailOn.__members__:
            return False
        question.fail_on = FailOn(value)
    else:
        question.index = value
    return True


def answer(
    paths: Sequence[str],
    *,
    index: str | None,
    min_chars: int,
    exclude: Sequence[str],
    format: ReportFormat,
    fail_on: FailOn,
) -> int:
    """Check every text and return the exit code. Raises `ParameterError` for a format that lists sources."""
    if format is ReportFormat.spdx:
        from provenance.errors import ParameterError
        from provenance.reports.spdx import NO_SOURCES

        raise ParameterError(NO_SOURCES)
    with Index.open(index_folder(index)) as opened:
        notice_slow_kernel()
        return judge(
            opened,
            Inputs(paths, exclude),
            ask=lambda text: check(opened, text.utf8, min_chars=min_chars),
            fields=contract.check_result,
            show=_show,
            spans=lambda result: result.spans,
            format=format,
            fail_on=fail_on,
        )


def _show(text: Text, result: CheckResult) -> None:
    """Print one answer for people."""
    styles = {"possible_match": ("bold", "yellow"), "no_match": ("bold", "green")}.get(result.verdict, ("bold",))
    verdict = styled(result.verdict.replace("_", " "), *styles)
    print(f"{styled(one_line(text.path), 'bold')}: {verdict}: {sentence(result.verdict, floor=result.floor)}")
    for span in result.spans:
        size = plural(span.end - span.start, "character")
        print(f"  {lines(span.start_line, span.end_line)}: {size}{', common' if span.common else ''}")
    if result.spans:
        print(
            f"  {result.coverage:.0%} of the text; {result.hits:,} of {plural(result.windows, 'window')} hit, "
            f"{result.expected_false_hits:.2g} expected by error of the filter; of unrelated snippets "
            f"{result.coincidence_rate:.1%} hold such a run by coincidence"
        )
