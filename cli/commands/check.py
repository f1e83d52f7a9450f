"""`provenance check`: does this occur in the corpus?"""

from __future__ import annotations

from typing import Annotated

import typer

from cli.inputs import Inputs, Text
from cli.judging import judge
from cli.options import (
    Debug,
    Exclude,
    FailOn,
    FailOnOption,
    IndexPath,
    OutputFormat,
    Paths,
    index_folder,
)
from cli.state import Format
from cli.terminal import lines, plural, printable, styled
from provenance.checking import CheckResult, check
from provenance.index import Index
from provenance.reports import contract
from provenance.verdict import DEFAULT_MIN_CHARS, sentence


def command(
    paths: Paths = None,
    index: IndexPath = None,
    min_chars: Annotated[
        int, typer.Option("--min-chars", min=0, metavar="N", help="Shortest run that makes a verdict, normalised.")
    ] = DEFAULT_MIN_CHARS,
    exclude: Exclude = None,
    format: OutputFormat = Format.human,
    fail_on: FailOnOption = FailOn.match,
    debug: Debug = False,
) -> int:
    """Tell whether texts occur in the corpus, from the filter alone: fast, and nothing is verified.

    `possible_match` means that a run of windows is in the filter; `provenance trace` shows where it stands.

    Examples:

        provenance check answer.py --index corpus.idx

        git diff | provenance check - --format json
    """
    from cli.notices import notice_slow_kernel

    with Index.open(index_folder(index)) as opened:
        notice_slow_kernel()
        return judge(
            opened,
            Inputs(paths or (), exclude or ()),
            ask=lambda text: check(opened, text, min_chars=min_chars),
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
    print(f"{styled(printable(text.path), 'bold')}: {verdict}: {sentence(result.verdict, floor=result.floor)}")
    for span in result.spans:
        size = plural(span.end - span.start, "character")
        print(f"  {lines(span.start_line, span.end_line)}: {size}{', common' if span.common else ''}")
    if result.spans:
        print(
            f"  {result.coverage:.0%} of the text; {result.hits:,} of {plural(result.windows, 'window')} hit, "
            f"{result.expected_false_hits:.2g} expected by error of the filter; of unrelated snippets "
            f"{result.coincidence_rate:.1%} hold such a run by coincidence"
        )
