"""`provenance compact`: merge segments and filters."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Debug, IndexPath, OutputFormat, index_folder
from cli.state import Format


def command(
    index: IndexPath = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", min=1, metavar="N", help="Processes; by default one a CPU.")
    ] = None,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Merge the segments and filters of an index, and make withdrawals physical.

    Answers stay the same. Readers of the old state may go on; what they read is removed by the next writer.

    Example:

        provenance compact --index corpus.idx
    """
    from cli.building import building, finish
    from indexer.compact import compact

    folder = index_folder(index)
    with building() as listener:
        report = compact(folder, workers=workers, progress=listener)
    return finish(folder, report, format)
