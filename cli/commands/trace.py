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
from provenance.verdict import DEFAULT_MIN_CHARS


def command(
    paths: Paths = None,
    index: IndexPath = None,
    min_chars: Annotated[
        int, typer.Option("--min-chars", min=0, metavar="N", help="Shortest span shown, normalised.")
    ] = DEFAULT_MIN_CHARS,
    sources: Annotated[int, typer.Option("--sources", "-n", min=0, metavar="N", help="Sources listed a span.")] = 5,
    exclude_repo: ExcludeRepository = None,
    exclude: Exclude = None,
    format: ReportFormatOption = ReportFormat.human,
    fail_on: FailOnOption = FailOn.match,
    debug: Debug = False,
) -> int:
    """Find where texts come from: repository, path, lines and licence of every matching source.

    Every span shown stands in a stored text; its ends are exact on both sides. Sources are matching sources:
    none is claimed to be the origin.

    Examples:

        provenance trace answer.py --index corpus.idx

        provenance trace src/ --exclude-repo 'github.com/me/*' --format jsonl --fail-on never
    """
    from cli.notices import notice_slow_kernel
    from cli.sources_view import SourcesView
    from provenance.tracing import trace

    with Index.open(index_folder(index)) as opened:
        notice_slow_kernel()
        return judge(
            opened,
            Inputs(paths or (), exclude or ()),
            ask=lambda text: trace(
                opened,
                text,
                min_chars=min_chars,
                sources_limit=sources,
                exclude_repositories=exclude_repo or (),
            ),
            fields=contract.trace_result,
            show=SourcesView(opened),
            spans=lambda result: [traced.span for traced in result.spans],
            format=format,
            fail_on=fail_on,
        )
