"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.state import INDEX_VARIABLE, STATE, FailOn, Format, ReportFormat, failure_format, index_folder

__all__ = [
    "CLUSTER",
    "Audit",
    "Debug",
    "ElasticsearchReplicas",
    "ElasticsearchShards",
    "ElasticsearchText",
    "ElasticsearchUrl",
    "Exclude",
    "ExcludeRepository",
    "FailOn",
    "FailOnOption",
    "IndexPath",
    "OnError",
    "OutputFormat",
    "Paths",
    "PolicyName",
    "ReportFormatOption",
    "Workers",
    "index_folder",
]

# Section of the help for options of the engine that a new index is loaded into.
CLUSTER = "Search engine"


def _remember_format(value: Format) -> Format:
    STATE.format = value
    return value


def _remember_report(value: ReportFormat) -> ReportFormat:
    STATE.format = failure_format(value)
    return value


def _remember_debug(value: bool) -> bool:
    STATE.debug = STATE.debug or value
    return value


IndexPath = Annotated[
    str | None,
    typer.Option("--index", "-I", metavar="DIR", envvar=INDEX_VARIABLE, help="Folder of the index."),
]
OutputFormat = Annotated[
    Format,
    typer.Option(
        "--format", "-f", callback=_remember_format, is_eager=True, help="For people; one JSON document; JSON Lines."
    ),
]
ReportFormatOption = Annotated[
    ReportFormat,
    typer.Option(
        "--format",
        "-f",
        callback=_remember_report,
        is_eager=True,
        help="For people; one JSON document; JSON Lines; SARIF 2.1.0; SPDX 2.3 (trace); a web page.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", callback=_remember_debug, is_eager=True, help="Show a traceback on failure.")
]
FailOnOption = Annotated[
    FailOn,
    typer.Option("--fail-on", help="Exit with 1 for uncommon spans that reach the verdict, for any span, or never."),
]
Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH…|-]", help="Files and folders; - or nothing: standard input.", show_default=False),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", help="Leave out paths, as .gitignore would; repeatable."),
]
ExcludeRepository = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-repo", metavar="PATTERN", help="Leave out repositories, my own for example; repeatable; * matches."
    ),
]
PolicyName = Annotated[
    str,
    typer.Option("--policy", metavar="NAME|FILE", help="observe, annotate, copyleft, strict, or a TOML/YAML file."),
]
OnError = Annotated[
    str | None,
    typer.Option(
        "--on-error",
        metavar="open|closed",
        help="What happens to text that could not be judged, whatever the policy says: passed on, or kept back.",
    ),
]
Audit = Annotated[
    str | None,
    typer.Option("--audit", metavar="FILE", help="Append a record of every decision, without text."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", "-j", min=1, metavar="N", help="Processes; by default one a CPU.")
]
ElasticsearchUrl = Annotated[
    str | None,
    typer.Option(
        "--elasticsearch-url",
        metavar="URL",
        help="Cluster of a new index; see docs/elasticsearch.md.",
        rich_help_panel=CLUSTER,
    ),
]
ElasticsearchShards = Annotated[
    int | None,
    typer.Option("--elasticsearch-shards", min=1, metavar="N", help="Shards of a new index.", rich_help_panel=CLUSTER),
]
ElasticsearchReplicas = Annotated[
    int | None,
    typer.Option(
        "--elasticsearch-replicas",
        min=0,
        metavar="N",
        help="Copies of every shard of a new index.",
        rich_help_panel=CLUSTER,
    ),
]
ElasticsearchText = Annotated[
    str | None,
    typer.Option(
        "--elasticsearch-text",
        metavar="WHERE",
        help="Where texts of a new index lie: folder or cluster.",
        rich_help_panel=CLUSTER,
    ),
]
