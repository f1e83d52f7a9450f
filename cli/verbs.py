"""The table of verbs. A verb's module is imported when the verb is used or its help is shown."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from cli.state import STATE

VERBS = {
    "index": "Build an index of source code, or add to one.",
    "check": "Tell whether texts occur in the corpus, from the filter alone.",
    "trace": "Find where texts come from: repository, path, lines, licence; verified on the stored text.",
    "decontaminate": "Tell which problems of benchmarks stand in the corpus, with evidence.",
    "search": "Find a literal, a regular expression or words in the stored texts.",
    "show": "Print a stored document.",
    "info": "Describe an index, and verify its files.",
    "withdraw": "Withdraw repositories, owners or documents (opt-out).",
    "compact": "Merge the segments and filters of an index.",
    "attach": "Let check ask a filter made elsewhere, too.",
    "serve": "Serve indexes over HTTP: web pages, an API, the routes of Data Portraits.",
    "generate": "Let a model write, and show what of it stands in the corpus.",
    "proxy": "Guard what a model says: an OpenAI-compatible server in front of another one.",
    "portrait": "Import published portraits, or export one.",
    "cluster": "Show what an index has on an Elasticsearch cluster, and drop what is in force no more.",
}


class Verbs(TyperGroup):
    """A group that imports its commands one by one."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs in the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a verb, or None."""
        if cmd_name not in VERBS:
            return None
        module = import_module(f"cli.commands.{cmd_name}")
        if hasattr(module, "app"):
            group = get_command(module.app)
            group.name = cmd_name
            return group
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        single.command(cmd_name, short_help=VERBS[cmd_name], no_args_is_help=False)(module.command)
        return get_command(single)


app = typer.Typer(cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")


def _version(value: bool) -> None:
    if value:
        from provenance import __version__, kernel

        print(f"corpus-provenance {__version__} (kernel {kernel.name})")
        raise typer.Exit


@app.callback()
def provenance(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show version and kernel, and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """Attribution and membership testing for the training corpora of code models.

    Three questions about a piece of code: does it occur in the corpus (check), where does it come from and under
    which licence (trace), where else does something stand (search)? Begin with `provenance index FOLDER --index DIR`.
    """
    STATE.debug = STATE.debug or debug
