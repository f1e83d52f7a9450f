"""`provenance compact`: merge segments and filters."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import (
    CLUSTER,
    Debug,
    ElasticsearchReplicas,
    ElasticsearchShards,
    ElasticsearchText,
    ElasticsearchUrl,
    IndexPath,
    OutputFormat,
    Workers,
    index_folder,
)
from cli.state import Format


def command(
    index: IndexPath = None,
    workers: Workers = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="NAME", help="Change to another search engine.", rich_help_panel=CLUSTER),
    ] = None,
    elasticsearch_new: Annotated[
        bool,
        typer.Option(
            "--elasticsearch-new",
            help="Load a new index on the cluster, beside the one in force.",
            rich_help_panel=CLUSTER,
        ),
    ] = False,
    elasticsearch_url: ElasticsearchUrl = None,
    elasticsearch_shards: ElasticsearchShards = None,
    elasticsearch_replicas: ElasticsearchReplicas = None,
    elasticsearch_text: ElasticsearchText = None,
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
