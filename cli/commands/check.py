"""`provenance check`: does this occur in the corpus?"""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Debug, Exclude, FailOn, FailOnOption, IndexPath, Paths, ReportFormatOption
from cli.state import ReportFormat
from provenance.verdict import DEFAULT_MIN_CHARS


def command(
    paths: Paths = None,
    index: IndexPath = None,
    min_chars: Annotated[
        int, typer.Option("--min-chars", min=0, metavar="N", help="Shortest run that makes a verdict, normalised.")
    ] = DEFAULT_MIN_CHARS,
    exclude: Exclude = None,
    format: ReportFormatOption = ReportFormat.human,
    fail_on: FailOnOption = FailOn.match,
    debug: Debug = False,
) -> int:
    """Tell whether texts occur in the corpus, from the filter alone: fast, and nothing is verified.

    `possible_match` means that a run of windows is in the filter; `provenance trace` shows where it stands.

    Examples:

        provenance check answer.py --index corpus.idx

        git diff | provenance check - --format json
    """
    from cli.checks import answer

    return answer(paths or (), index=index, min_chars=min_chars, exclude=exclude or (), format=format, fail_on=fail_on)
