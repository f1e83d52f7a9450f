"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.state import INDEX_VARIABLE, STATE, FailOn, Format, ReportFormat, failure_format, index_folder

__all__ = [
    "Audit",
    "Debug",
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
    "index_folder",
]


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
