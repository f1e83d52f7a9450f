"""`provenance cluster`: what an index has on an Elasticsearch cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Debug, IndexPath, index_folder

if TYPE_CHECKING:
    from provenance.search.elasticsearch.upkeep import OnCluster

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show what an index has on a cluster, and tidy up.")


@app.command("info")
def info(index: IndexPath = None, debug: Debug = False) -> int:
    """Show the index in force, and those that a rebuild left.

    Example:

        provenance cluster info --index corpus.idx
    """
    from cli.terminal import one_line
    from indexer.cluster import indices

    found = indices(index_folder(index))
    print(one_line(f"alias    {found.alias}"))
    if found.current is not None:
        print(one_line(f"current  {_line(found.current)}"))
    for each in found.former:
        print(one_line(f"former   {_line(each)}"))
    return 0


@app.command("drop")
def drop(
    index: IndexPath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Of a cluster that is gone for good, forget what was there.")
    ] = False,
    debug: Debug = False,
) -> int:
    """Delete the indices on the cluster that are in force no more, with all they hold.

    Example:

        provenance cluster drop --index corpus.idx
    """
    from cli.terminal import one_line
    from indexer.cluster import drop_former, indices

    folder = index_folder(index)
    former = indices(folder).former
    if not former:
        print("nothing to drop")
        return 0
    if not yes:
        for each in former:
            print(one_line(f"former   {_line(each)}"))
        typer.confirm("Delete for good?", abort=True)
    for each in drop_former(folder, forget=forget):
        print(one_line(f"dropped  {_line(each)}"))
    return 0


def _line(found: OnCluster) -> str:
    from cli.terminal import plural
    from provenance.reports.wording import size

    if found.away:
        return f"{found.index}: {found.away}"
    if not found.there:
        return f"{found.index} at {found.url}: not there"
    return (
        f"{found.index} at {found.url}: {plural(found.documents, 'document')}, {size(found.bytes)}, "
        f"{plural(found.shards, 'shard')}, {plural(found.replicas, 'copy')}, texts in the {found.texts}, "
        f"mapping {found.version}"
    )
