"""`provenance portrait`: published portraits in and out."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Debug, IndexPath, index_folder

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Import published portraits, or export one.")


@app.command("import")
def import_(
    dumps: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="NAME.<width>-<stride>.bf; its parts stand beside.")
    ],
    index: IndexPath = None,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Name of the corpus.")] = None,
    revision: Annotated[str | None, typer.Option("--revision", metavar="TEXT", help="Revision of the corpus.")] = None,
    debug: Debug = False,
) -> int:
    """Make an index of published portraits, for `check` and the server; several are asked as one.

    Example:

        provenance portrait import stack.50-50.bf --index stack.idx
    """
    from cli.terminal import plural
    from indexer.portraits import import_portraits
    from provenance.reports.wording import size

    folder = index_folder(index)
    report = import_portraits(folder, dumps, corpus_name=name, corpus_revision=revision)
    print(f"{folder}: {plural(report.layers, 'portrait')} with {report.keys:,} windows imported ({size(report.bytes)})")
    return 0


@app.command("export")
def export(
    target: Annotated[str, typer.Argument(metavar="PATH", help="NAME.<width>-<stride>.bf, 50-50 for example.")],
    index: IndexPath = None,
    error_rate: Annotated[
        float, typer.Option("--error-rate", metavar="P", help="False positives a window, between 0 and 1.")
    ] = 0.001,
    debug: Debug = False,
) -> int:
    """Write the texts of an index as a portrait that Data Portraits and RedisBloom load.

    Example:

        provenance portrait export ours.50-50.bf --index corpus.idx
    """
    from indexer.portraits import export_portrait
    from provenance.index import Index

    with Index.open(index_folder(index)) as opened:
        head = export_portrait(opened, target, error_rate=error_rate)
    print(f"{target}: {head.elements:,} windows in {head.links[0].bytes:,} bytes")
    return 0
