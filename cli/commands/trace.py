"""`provenance trace`: where does this come from, and under which licence?"""

from __future__ import annotations

from typing import Annotated

import typer

from cli.inputs import Inputs
from cli.judging import judge
from cli.options import (
    Debug,
    Exclude,
    ExcludeRepository,
    FailOn,
    FailOnOption,
    IndexPath,
    Paths,
    ReportFormatOption,
    index_folder,
)
from cli.state import ReportFormat
from provenance.index import Index
from provenance.reports import contract
from provenance.traced import LEVELS, check_levels
from provenance.verdict import DEFAULT_MIN_CHARS


def command(
    paths: Paths = None,
    index: IndexPath = None,
    min_chars: Annotated[
        int, typer.Option("--min-chars", min=0, metavar="N", help="Shortest span shown, normalised.")
    ] = DEFAULT_MIN_CHARS,
    sources: Annotated[int, typer.Option("--sources", "-n", min=0, metavar="N", help="Sources listed a span.")] = 5,
    exclude_repo: ExcludeRepository = None,
    levels: Annotated[
        str | None,
        typer.Option(
            "--levels",
            metavar="LIST",
            help=f"What to look for, with commas: {', '.join(LEVELS)}.",
            show_default="all that the index knows",
        ),
    ] = None,
    exclude: Exclude = None,
    format: ReportFormatOption = ReportFormat.human,
    fail_on: FailOnOption = FailOn.match,
    debug: Debug = False,
) -> int:
    """Find where texts come from: repository, path, lines and licence of every matching source.

    Exact spans stand in a stored text as they are, exact on both sides. Edited copies - other comments, other names,
    other statements - are shown where enough is alike, with what was renamed. Sources are matching sources: none is
    claimed to be the origin.

    Examples:

        provenance trace answer.py --index corpus.idx

        provenance trace src/ --exclude-repo 'github.com/me/*' --format jsonl --fail-on never
    """
    from cli.notices import notice_slow_kernel
    from cli.sources_view import SourcesView
    from provenance.tracing import trace

    wanted = LEVELS if levels is None else [level.strip() for level in levels.split(",")]
    check_levels(wanted)
    with Index.open(index_folder(index)) as opened:
        notice_slow_kernel()
        return judge(
            opened,
            Inputs(paths or (), exclude or ()),
            ask=lambda text: trace(
                opened,
                text.utf8,
                min_chars=min_chars,
                sources_limit=sources,
                exclude_repositories=exclude_repo or (),
                path=text.path,
                levels=wanted,
            ),
            fields=contract.trace_result,
            show=SourcesView(opened),
            spans=lambda result: [traced.span for traced in result.spans],
            format=format,
            fail_on=fail_on,
        )
