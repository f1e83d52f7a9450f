"""`provenance compact`: merge segments and filters."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Debug, IndexPath, OutputFormat, index_folder
from cli.state import Format

_CLUSTER = "Another search engine"


def command(
    index: IndexPath = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", min=1, metavar="N", help="Processes; by default one a CPU.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="NAME", help="Change to another search engine.", rich_help_panel=_CLUSTER),
    ] = None,
    elasticsearch_new: Annotated[
        bool,
        typer.Option(
            "--elasticsearch-new",
            help="Load a new index on the cluster, beside the one in force.",
            rich_help_panel=_CLUSTER,
        ),
    ] = False,
    elasticsearch_url: Annotated[
        str | None,
        typer.Option(
            "--elasticsearch-url", metavar="URL", help="A new index on this cluster.", rich_help_panel=_CLUSTER
        ),
    ] = None,
    elasticsearch_shards: Annotated[
        int | None,
        typer.Option(
            "--elasticsearch-shards",
            min=1,
            metavar="N",
            help="A new index of so many shards.",
            rich_help_panel=_CLUSTER,
        ),
    ] = None,
    elasticsearch_replicas: Annotated[
        int | None,
        typer.Option(
            "--elasticsearch-replicas",
            min=0,
            metavar="N",
            help="A new index with so many copies.",
            rich_help_panel=_CLUSTER,
        ),
    ] = None,
    elasticsearch_text: Annotated[
        str | None,
        typer.Option(
            "--elasticsearch-text",
            metavar="WHERE",
            help="A new index with texts in folder or cluster.",
            rich_help_panel=_CLUSTER,
        ),
    ] = None,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Merge the segments and filters of an index, and make withdrawals physical.

    Answers stay the same. Readers of the old state may go on; what they read is removed by the next writer.
    A new index on a cluster takes over when it is complete; `provenance cluster drop` deletes the one before.

    Examples:

        provenance compact --index corpus.idx

        provenance compact --index corpus.idx --engine elasticsearch --elasticsearch-url https://host:9200
    """
    from cli.building import building, cluster_settings, finish
    from indexer.compact import compact

    folder = index_folder(index)
    cluster = cluster_settings(
        url=elasticsearch_url,
        shards=elasticsearch_shards,
        replicas=elasticsearch_replicas,
        texts=elasticsearch_text,
    )
    if elasticsearch_new and cluster is None:
        from provenance.search.elasticsearch.cluster import ClusterSettings

        cluster = ClusterSettings()
    with building() as listener:
        report = compact(folder, workers=workers, progress=listener, engine=engine, cluster=cluster)
    return finish(folder, report, format)
