"""The entry point: finds the verb, imports it alone, and turns every failure into one line and an exit code.

Exit codes: 0 done; 1 an uncommon span reached the verdict (``--fail-on``); 2 it could not be done;
130 interrupted. Data goes to stdout; everything else to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.state import Format, State

EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    from cli.shadowing import complaint

    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:
        # It was closed by whoever started us; `print` would take stdout instead.
        sys.stderr = open(os.devnull, "w")
    shadowed = complaint()
    if shadowed is not None:
        print(f"provenance: {shadowed.message}", file=sys.stderr)
        if shadowed.fatal:
            return EXIT_FAILED
    from cli.state import STATE

    STATE.reset()
    if sys.stdout is None:
        return _failed("storage", "standard output is closed; let it go to a file or to /dev/null", STATE)
    if isinstance(sys.stdout, TextIOWrapper):
        # Names and texts have characters that not every locale has.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(words, STATE)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        _drop_output()
        return 0
    except KeyboardInterrupt:
        print("provenance: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(words: list[str], state: State) -> int:
    try:
        code = _dispatch(words, state)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except Exception as error:
        if state.debug:
            raise
        return _explained(error, words, state)


def _dispatch(words: list[str], state: State) -> int:
    asked_by_shell = "_PROVENANCE_COMPLETE" in os.environ
    if words[:1] == ["check"] and not asked_by_shell:
        from cli.checks import answer, understood
        from cli.state import failure_format

        question = understood(words[1:])
        if question is not None:
            state.debug, state.format = question.debug, failure_format(question.format)
            return answer(
                question.paths,
                index=question.index,
                min_chars=question.min_chars,
                exclude=question.exclude,
                format=question.format,
                fail_on=question.fail_on,
            )
    from typer import Abort, Exit
    from typer.main import get_command

    from cli.verbs import app

    try:
        group = get_command(app)
        if asked_by_shell:
            # A shell asks what could come next; typer answers and ends the process.
            group.main(words, prog_name="provenance")
        with group.make_context("provenance", words) as context:
            result: Any = group.invoke(context)
        return result if isinstance(result, int) else 0
    except Exit as stop:
        return stop.exit_code
    except Abort:
        raise KeyboardInterrupt from None


def _explained(error: Exception, words: list[str], state: State) -> int:
    """Say in one line what went wrong, and return the exit code."""
    from provenance.errors import ProvenanceError

    if isinstance(error, ProvenanceError):
        return _failed(error.kind, str(error), state)
    # What typer raises for a wrong command line has had several homes; its name has stayed.
    if any(base.__name__ == "ClickException" for base in type(error).__mro__):
        return _usage(error, words, state)
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return _failed("storage", f"{named}{error.strerror or error}", state)
    if isinstance(error, MemoryError):
        return _failed("memory", "out of memory; ask about smaller pieces", state)
    return _failed("internal", f"unexpected {type(error).__name__}; --debug shows where", state)


def _usage(error: BaseException, words: list[str], state: State) -> int:
    # typer prints the help itself where a command needs arguments and has none; the error then has no words.
    message = " ".join(str(getattr(error, "format_message", lambda: error)()).split())
    if not message:
        return EXIT_FAILED
    if not state.machine_readable:
        state.format = _asked_format(words)
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "provenance"
    return _failed("usage", f"{message} (`{where} --help` explains)", state)


def _asked_format(words: list[str]) -> Format:
    """Return the format that a command line names, although it is wrong elsewhere."""
    from cli.state import Format

    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if name in ("--format", "-f") and (value if equals else following) in Format.__members__:
            return Format(value if equals else following)
    return Format.human


def _failed(kind: str, message: str, state: State) -> int:
    from cli.terminal import one_line

    print(f"provenance: {one_line(message)}", file=sys.stderr)
    if sys.stdout is None:
        return EXIT_FAILED
    try:
        if state.machine_readable:
            from cli.state import Format
            from provenance.reports.contract import error_document, render, render_line

            document = error_document(kind, message)
            print(render(document) if state.format is Format.json else render_line(document))
        sys.stdout.flush()
    except OSError:
        _drop_output()
    return EXIT_FAILED


def _drop_output() -> None:
    """Send what is left of stdout nowhere: Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
