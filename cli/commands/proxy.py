"""`provenance proxy`: an OpenAI-compatible server that guards what another one says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Audit, Debug, IndexPath, OnError, PolicyName, index_folder
from provenance.errors import ParameterError


def command(
    upstream: Annotated[
        str, typer.Option("--upstream", "-u", metavar="URL", help="The server with the model, up to and with /v1.")
    ],
    index: IndexPath = None,
    policy: PolicyName = "annotate",
    on_error: OnError = None,
    attach: Annotated[
        str, typer.Option("--attach", metavar="WHEN", help="Put `attribution` in answers: always, or on request.")
    ] = "always",
    audit: Audit = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, metavar="N", help="Port.")] = 8800,
    debug: Debug = False,
) -> int:
    """Guard what a model says: an OpenAI-compatible server in front of another one.

    Completions and chat completions are compared with the corpus while they are written; a policy says what is passed
    on, annotated, redacted or ended. Point a client's base URL at http://ADDRESS:PORT/v1.

    Examples:

        provenance proxy --upstream http://127.0.0.1:8080/v1 --index corpus.idx

        provenance proxy --upstream https://models.example/v1 --index corpus.idx --policy copyleft --audit audit.jsonl
    """
    import sys

    from cli.notices import notice_slow_kernel
    from provenance.guard.policy_file import load_policy

    try:
        from provenance.guard.proxy import ProxySettings
        from provenance.guard.run import serve_proxy
    except ModuleNotFoundError as error:
        raise ParameterError(
            f"the proxy needs {error.name}; install it with `pip install 'corpus-provenance[guard]'`"
        ) from None
    if attach not in ("always", "request"):
        raise ParameterError(f"--attach is {attach!r}: it must be 'always' or 'request'")
    settings = ProxySettings(
        upstream=upstream,
        index=Path(index_folder(index)),
        policy=load_policy(policy, on_error=on_error),
        attach="always" if attach == "always" else "request",
    )
    notice_slow_kernel()
    said = f"guarding {upstream} at http://{host}:{port}/v1, policy {settings.policy.name}"
    serve_proxy(
        settings,
        host=host,
        port=port,
        ready=lambda: print(said, file=sys.stderr),
        audit=Path(audit) if audit else None,
    )
    return 0
