"""`provenance attach`: filters made elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from cli.options import Debug, IndexPath, OutputFormat, index_folder
from cli.state import Format
from provenance.errors import ParameterError


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A filter file: blocked, or of pybloomfiltermmap3.")],
    index: IndexPath = None,
    keys: Annotated[
        str, typer.Option("--keys", metavar="KIND", help="What a pybloom file holds: strings or integers (XXH3-64).")
    ] = "strings",
    width: Annotated[int | None, typer.Option("--width", metavar="N", help="Units of a window.")] = None,
    stride: Annotated[int | None, typer.Option("--stride", metavar="N", help="Units between stored windows.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", metavar="NAME", help="utf8 (bytes) or codepoint.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of integer keys.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Ask this filter no more.")] = False,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Let `check` ask a filter made elsewhere, too; what is not said of its windows is as in the index.

    The file stays where it is. It must hold windows of text that was normalised by layout-1.

    Example:

        provenance attach others.bloom --keys strings --width 50 --stride 50 --index corpus.idx
    """
    from cli.terminal import plural
    from indexer.attaching import attach, detach
    from provenance.index import Index
    from provenance.reports import contract

    folder = index_folder(index)
    if keys not in ("strings", "integers"):
        raise ParameterError(f"--keys is {keys!r}: it must be 'strings' or 'integers'")
    if remove:
        detach(folder, file)
    else:
        with Index.open(folder) as opened:
            given: dict[str, Any] = {"width": width, "stride": stride, "unit": unit, "seed": seed}
            geometry = replace(opened.geometry, **{name: value for name, value in given.items() if value is not None})
        attach(folder, file, geometry, keys="strings" if keys == "strings" else "integers")
    with Index.open(folder) as opened:
        details = contract.index_details(opened, verified=False)
    if format is Format.human:
        print(f"{'detached' if remove else 'attached'}; {plural(len(details['filters']), 'filter')} are asked")
    else:
        print(contract.render(details) if format is Format.json else contract.render_line(details))
    return 0
