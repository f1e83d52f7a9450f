"""`provenance index`: build an index, or add to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import (
    CLUSTER,
    Debug,
    ElasticsearchReplicas,
    ElasticsearchShards,
    ElasticsearchText,
    ElasticsearchUrl,
    Exclude,
    IndexPath,
    OutputFormat,
    Workers,
    index_folder,
)
from cli.state import Format
from provenance.errors import ParameterError

if TYPE_CHECKING:
    from provenance.parameters import Parameters

# Sections of the help.
_READ = "What is read"
_FORM = "Form of a new index"


def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…",
            help="Folders, git repositories (PATH@REVISION), archives and packages, .jsonl[.gz|.zst], .parquet, "
            "datasets:NAME, addresses such as s3://…; see docs/sources.md.",
            show_default=False,
        ),
    ],
    index: IndexPath = None,
    corpus_name: Annotated[
        str | None, typer.Option("--corpus-name", metavar="NAME", help="What answers call the corpus.")
    ] = None,
    corpus_revision: Annotated[
        str | None, typer.Option("--corpus-revision", metavar="TEXT", help="Which state of the corpus this is.")
    ] = None,
    workers: Workers = None,
    repository: Annotated[
        str | None,
        typer.Option(
            "--repository", metavar="NAME", help="Repository of what does not say it itself.", rich_help_panel=_READ
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option("--revision", metavar="TEXT", help="Revision to read or to record.", rich_help_panel=_READ),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="SPDX", help="Licence of what does not say it itself.", rich_help_panel=_READ
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", metavar="TEMPLATE", help="Address with {repository}, {revision} and {path}.", rich_help_panel=_READ
        ),
    ] = None,
    each_folder: Annotated[
        bool,
        typer.Option(
            "--each-folder", help="Every folder directly inside is a repository of its own.", rich_help_panel=_READ
        ),
    ] = False,
    source_format: Annotated[
        str | None,
        typer.Option(
            "--source-format", metavar="NAME", help="Say what a source is instead of guessing.", rich_help_panel=_READ
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column", metavar="FIELD=NAME", help="Where a field stands in rows; repeatable.", rich_help_panel=_READ
        ),
    ] = None,
    exclude: Exclude = None,
    include_hidden: Annotated[
        bool, typer.Option("--include-hidden", help="Read names that begin with a dot.", rich_help_panel=_READ)
    ] = False,
    ignore_files: Annotated[
        bool, typer.Option("--gitignore", help="Obey .gitignore files.", rich_help_panel=_READ)
    ] = False,
    max_file_bytes: Annotated[
        int | None,
        typer.Option("--max-file-bytes", min=1, metavar="N", help="Larger files are skipped.", rich_help_panel=_READ),
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", metavar="KIND", help="Membership filter: blocked or pybloom.", rich_help_panel=_FORM),
    ] = None,
    false_positive_rate: Annotated[
        float | None,
        typer.Option("--false-positive-rate", metavar="P", help="Target of one window.", rich_help_panel=_FORM),
    ] = None,
    width: Annotated[
        int | None, typer.Option("--width", metavar="N", help="Bytes of a window.", rich_help_panel=_FORM)
    ] = None,
    stride: Annotated[
        int | None, typer.Option("--stride", metavar="N", help="Bytes between stored windows.", rich_help_panel=_FORM)
    ] = None,
    common_repositories: Annotated[
        int | None,
        typer.Option(
            "--common-repositories",
            metavar="N",
            help="What stands in so many repositories is common.",
            rich_help_panel=_FORM,
        ),
    ] = None,
    segment_bytes: Annotated[
        int | None,
        typer.Option("--segment-bytes", metavar="N", help="Text in one segment, about.", rich_help_panel=_FORM),
    ] = None,
    fingerprints: Annotated[
        bool | None,
        typer.Option(
            "--fingerprints/--no-fingerprints",
            help="Of code, so that edited copies are found.",
            show_default="on",
            rich_help_panel=_FORM,
        ),
    ] = None,
    page: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write the report as a web page, too.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", metavar="NAME", help="Search engine: tantivy or elasticsearch.", rich_help_panel=CLUSTER
        ),
    ] = None,
    elasticsearch_url: ElasticsearchUrl = None,
    elasticsearch_shards: ElasticsearchShards = None,
    elasticsearch_replicas: ElasticsearchReplicas = None,
    elasticsearch_text: ElasticsearchText = None,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Build an index of source code, or add to the one that is there.

    Stopped at any moment, it leaves the index as it was, and the same command goes on where it stopped.
    What is skipped (binary, minified, too large, unreadable) is counted in the report.

    Examples:

        provenance index src/ vendor/ --index corpus.idx

        provenance index linux.git@v6.1 --index corpus.idx --corpus-name linux

        provenance index rows.parquet --column text=content --column path=file --index corpus.idx
    """
    from cli.building import building, cluster_settings, finish, write_page
    from indexer.build import build
    from indexer.rules import Rules
    from indexer.sources import open_source
    from indexer.sources.base import SourceOptions

    folder = index_folder(index)
    rules = Rules(
        **_given(max_file_bytes=max_file_bytes),
        exclude=tuple(exclude or ()),
        include_hidden=include_hidden,
        follow_ignore_files=ignore_files,
    )
    options = SourceOptions(
        rules=rules,
        repository=repository,
        revision=revision,
        license=license,
        url=url,
        format=source_format,
        each_folder=each_folder,
        columns=_pairs(columns or ()),
    )
    opened = [open_source(location, options) for location in sources]
    parameters = _parameters(
        folder,
        width=width,
        stride=stride,
        filter=filter,
        false_positive_rate=false_positive_rate,
        common_repositories=common_repositories,
        segment_bytes=segment_bytes,
        engine=engine,
        fingerprints=None if fingerprints is None else "syncmers-1" if fingerprints else "none",
    )
    with building() as listener:
        report = build(
            opened,
            folder,
            parameters=parameters,
            corpus_name=corpus_name,
            corpus_revision=corpus_revision,
            workers=workers,
            rules=rules,
            progress=listener,
            cluster=cluster_settings(
                url=elasticsearch_url,
                shards=elasticsearch_shards,
                replicas=elasticsearch_replicas,
                texts=elasticsearch_text,
            ),
        )
    if page is not None:
        write_page(report, page)
    return finish(folder, report, format)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _pairs(columns: list[str] | tuple[()]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for column in columns:
        field, equals, name = column.partition("=")
        if not (field and equals and name):
            raise ParameterError(f"--column {column!r} is not FIELD=NAME; for example text=content")
        pairs.append((field, name))
    return tuple(pairs)


def _parameters(folder: str, **options: Any) -> Parameters | None:
    """Return what the options ask for on top of the existing index's parameters; None where they ask for nothing."""
    given = _given(**options)
    if not given:
        return None
    from dataclasses import replace

    from provenance.errors import IndexMissing
    from provenance.index import Index
    from provenance.parameters import Parameters

    try:
        with Index.open(folder) as existing:
            return replace(existing.parameters, **given)
    except IndexMissing:
        return Parameters(**given)
