"""`provenance generate`: let a model write, and see what of it stands in the corpus."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Audit,
    Debug,
    FailOn,
    FailOnOption,
    IndexPath,
    OnError,
    OutputFormat,
    PolicyName,
    index_folder,
)
from cli.state import UPSTREAM_KEY_VARIABLE, Format
from provenance.errors import ParameterError

if TYPE_CHECKING:
    from provenance.guard.local import LocalModel
    from provenance.guard.upstream import Upstream


def command(
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROMPT|-]", help="What to go on from; - or nothing: standard input.", show_default=False
        ),
    ] = None,
    index: IndexPath = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="DIR|NAME", help="Folder of a model, or its name on the hub.")
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option("--upstream", "-u", metavar="URL", help="In place of --model: a server, up to and with /v1."),
    ] = None,
    upstream_model: Annotated[
        str | None, typer.Option("--upstream-model", metavar="NAME", help="Which model of the server; else its first.")
    ] = None,
    prompt_file: Annotated[
        str | None, typer.Option("--prompt-file", metavar="FILE", help="Read the prompt from a file.")
    ] = None,
    suffix_file: Annotated[
        str | None,
        typer.Option("--suffix-file", metavar="FILE", help="Fill in the middle: what follows (StarCoder's tokens)."),
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="The prompt is a question; a technical assistant answers it.")
    ] = False,
    policy: PolicyName = "annotate",
    on_error: OnError = None,
    audit: Audit = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, metavar="N", help="Longest answer.")] = 512,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0, max=2, metavar="T", help="0: the likeliest token each time.")
    ] = 0.2,
    top_p: Annotated[float, typer.Option("--top-p", metavar="P", help="Choose among the likeliest.")] = 0.95,
    seed: Annotated[int | None, typer.Option("--seed", min=0, metavar="N", help="Makes choices repeatable.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps; else the fastest there is.")
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="Of weights: auto, float32, bfloat16, float16.")
    ] = "auto",
    format: OutputFormat = Format.human,
    fail_on: FailOnOption = FailOn.match,
    debug: Debug = False,
) -> int:
    """Let a model write, and show what of it stands in the corpus while it is written.

    On a terminal copies are marked as they are recognised, with matching sources beside; elsewhere the text alone goes
    to standard output. A policy says what is passed on. Ctrl-C ends the answer and keeps what is there.

    Examples:

        provenance generate --model bigcode/starcoder2-3b --index corpus.idx 'def quicksort('

        provenance generate --upstream http://127.0.0.1:8080/v1 --chat --policy copyleft 'Parse INI files in Python.'
    """
    from cli.generation import ask, question
    from cli.notices import notice_slow_kernel
    from provenance.guard.decisions import AuditFile
    from provenance.guard.guarded import Guard
    from provenance.guard.policy_file import load_policy
    from provenance.guard.sampling import Sampling
    from provenance.index import Index

    if (model is None) == (upstream is None):
        raise ParameterError("name a model: either --model DIR|NAME or --upstream URL")
    if chat and suffix_file:
        raise ParameterError("--chat and --suffix-file exclude each other: a chat has no middle to fill in")
    rules = load_policy(policy, on_error=on_error)
    sampling = Sampling(max_tokens, temperature, top_p, seed)
    if not temperature:
        # The likeliest tokens are the same each time, and so would another sample be.
        rules = replace(rules, attempts=0)
    with ExitStack() as stack:
        opened = stack.enter_context(Index.open(index_folder(index)))
        record = stack.enter_context(closing(AuditFile(Path(audit)))) if audit else None
        guard = stack.enter_context(Guard(opened, rules, audit=record))
        notice_slow_kernel()
        if model is not None:
            local = _local(model, device, dtype)
            asked = question(prompt, prompt_file, suffix_file)
            generate = local.answering(guard, sampling, chat=chat)
            return ask(generate, guard, asked, model=local.name, format=format, fail_on=fail_on)
        server = stack.enter_context(closing(_server(upstream or "", upstream_model)))
        asked = question(prompt, prompt_file, suffix_file)
        generate = server.answering(sampling, chat=chat)
        return ask(generate, guard, asked, model=server.name, format=format, fail_on=fail_on)


def _local(model: str, device: str | None, dtype: str) -> LocalModel:
    if sys.stderr.isatty():
        print(f"loading {model}", file=sys.stderr)
    try:
        from provenance.guard.local import LocalModel
    except ModuleNotFoundError as error:
        raise ParameterError(
            f"a model on this machine needs {error.name}; install it with "
            "`pip install 'corpus-provenance[transformers]'`, or name a server with --upstream"
        ) from None
    return LocalModel.load(model, device=device, dtype=dtype)


def _server(address: str, model: str | None) -> Upstream:
    try:
        from provenance.guard.upstream import Upstream
    except ModuleNotFoundError as error:
        raise ParameterError(
            f"a server is asked with {error.name}; install it with `pip install 'corpus-provenance[guard]'`"
        ) from None
    return Upstream(address, model, key=os.environ.get(UPSTREAM_KEY_VARIABLE))
