"""`provenance serve`: the HTTP API and the web pages."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cli.options import Debug, OnError, PolicyName
from cli.state import UPSTREAM_KEY_VARIABLE
from provenance.errors import ParameterError


def command(
    index: Annotated[
        list[str] | None,
        typer.Option(
            "--index", "-I", metavar="[NAME=]DIR", help="Index to serve; repeatable, the first is asked first."
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, metavar="N", help="Port.")] = 8000,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", min=1, metavar="N", help="Questions answered at a time.")
    ] = None,
    queue: Annotated[int, typer.Option("--queue", min=0, metavar="N", help="Questions that may wait.")] = 64,
    body_limit: Annotated[int, typer.Option("--body-limit", min=1024, metavar="BYTES", help="Largest request.")] = 4
    << 20,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=0.1, metavar="SECONDS", help="Longest wait for an answer.")
    ] = 30.0,
    key_file: Annotated[
        str | None,
        typer.Option("--key-file", metavar="FILE", help="API keys, one a line; without one the server is open."),
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", metavar="URL", help="Web page that may ask (CORS); repeatable.")
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option("--upstream", "-u", metavar="URL", help="Playground: a server with a model, up to and with /v1."),
    ] = None,
    upstream_model: Annotated[
        str | None, typer.Option("--upstream-model", metavar="NAME", help="Which model of it; else its first.")
    ] = None,
    policy: PolicyName = "annotate",
    on_error: OnError = None,
    streams: Annotated[
        int, typer.Option("--streams", min=1, metavar="N", help="Answers that the model writes at a time.")
    ] = 8,
    debug: Debug = False,
) -> int:
    """Serve indexes over HTTP: web pages, an API, and the routes of Data Portraits' server.

    What is asked is neither logged nor kept. Stop with Ctrl-C: requests under way are finished.

    Examples:

        provenance serve --index corpus.idx

        provenance serve --index stack=stack.idx --index ours=ours.idx --host 0.0.0.0 --key-file keys.txt

        provenance serve --index corpus.idx --upstream http://127.0.0.1:8080/v1 --policy copyleft
    """
    from cli.notices import notice_slow_kernel
    from provenance.guard.policy_file import load_policy

    if upstream is None and (upstream_model is not None or policy != "annotate" or on_error is not None):
        raise ParameterError("--upstream-model, --policy and --on-error are for the playground: say --upstream URL")
    try:
        from provenance.server.run import Address, serve

        if upstream is not None:
            import provenance.server.playground  # noqa: F401
    except ModuleNotFoundError as error:
        parts = "server" if upstream is None else "guard,server"
        raise ParameterError(
            f"the server needs {error.name}; install it with `pip install 'corpus-provenance[{parts}]'`"
        ) from None
    from provenance.server.settings import Settings, UpstreamSettings, named_indexes

    behind = None
    if upstream is not None:
        key = os.environ.get(UPSTREAM_KEY_VARIABLE)
        behind = UpstreamSettings(
            upstream, load_policy(policy, on_error=on_error), model=upstream_model, key=key, streams=streams
        )
    named = index or [value for value in (os.environ.get("PROVENANCE_INDEX"),) if value]
    settings = Settings(
        indexes=named_indexes(named),
        queue=queue,
        body_bytes=body_limit,
        answer_seconds=time_limit,
        api_keys=_keys(key_file),
        origins=tuple(origin or ()),
        upstream=behind,
        **({"workers": workers} if workers else {}),
    )
    notice_slow_kernel()
    serve(settings, Address(host, port))
    return 0


def _keys(path: str | None) -> tuple[str, ...]:
    if path is None:
        return ()
    with open(path, encoding="utf-8") as file:
        keys = tuple(line.strip() for line in file if line.strip() and not line.startswith("#"))
    if not keys:
        raise ParameterError(f"{path}: there is no key in this file; the server would be open to all")
    return keys
