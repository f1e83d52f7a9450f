"""The entry point: finds the verb, imports it alone, and turns every failure into one line and an exit code.

Exit codes: 0 done; 1 an uncommon span reached the verdict (``--fail-on``); 2 it could not be done;
130 interrupted. Data goes to stdout; everything else to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.state import State

EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    from cli.shadowing import complaint

    words = list(sys.argv[1:] if arguments is None else arguments)
    shadowed = complaint()
    if shadowed is not None:
        print(f"provenance: {shadowed.message}", file=sys.stderr)
        if shadowed.fatal:
            return EXIT_FAILED
    from cli.state import STATE

    STATE.reset()
    try:
        code = _run(words, STATE)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        print("provenance: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(words: list[str], state: State) -> int:
    try:
        return _dispatch(words, state)
    except BrokenPipeError:
        raise
    except Exception as error:
        if state.debug:
            raise
        return _explained(error, state)


def _dispatch(words: list[str], state: State) -> int:
    asked_by_shell = "_PROVENANCE_COMPLETE" in os.environ
    if words[:1] == ["check"] and not asked_by_shell:
        from cli.checks import answer, understood

        question = understood(words[1:])
        if question is not None:
            state.debug, state.format = question.debug, question.format
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


def _explained(error: Exception, state: State) -> int:
    """Say in one line what went wrong, and return the exit code."""
    from provenance.errors import ProvenanceError

    if isinstance(error, ProvenanceError):
        return _failed(error.kind, str(error), state)
    # What typer raises for a wrong command line has had several homes; its name has stayed.
    if any(base.__name__ == "ClickException" for base in type(error).__mro__):
        return _usage(error, state)
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return _failed("storage", f"{named}{error.strerror or error}", state)
    if isinstance(error, MemoryError):
        return _failed("memory", "out of memory; ask about smaller pieces", state)
    return _failed("internal", f"unexpected {type(error).__name__}; --debug shows where", state)


def _usage(error: BaseException, state: State) -> int:
    # typer prints the help itself where a command needs arguments and has none; the error then has no words.
    message = " ".join(str(getattr(error, "format_message", lambda: error)()).split())
    if not message:
        return EXIT_FAILED
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "provenance"
    return _failed("usage", f"{message} (`{where} --help` explains)", state)


def _failed(kind: str, message: str, state: State) -> int:
    print(f"provenance: {message}", file=sys.stderr)
    if state.machine_readable:
        from provenance.reports.contract import error_document, render

        print(render(error_document(kind, message)))
        sys.stdout.flush()
    return EXIT_FAILED
