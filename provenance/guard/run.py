"""Running the proxy: one process, a clean stop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import uvicorn

from provenance.guard.decisions import AuditFile
from provenance.guard.proxy import ProxySettings, create_proxy
from provenance.server.listening import listening


def serve_proxy(
    settings: ProxySettings, *, host: str, port: int, ready: Callable[[], None], audit: Path | None = None
) -> None:
    """Answer until the process is told to stop (SIGINT, SIGTERM); answers under way are finished.

    ``ready`` is called when clients can connect. ``audit`` is a file of JSON Lines to which every decision is appended;
    nothing else is logged.
    Raises what opening the index raises, `StorageError` for the audit file, `ParameterError` for an address that is
    taken.
    """
    with contextlib.ExitStack() as stack:
        record = None
        if audit is not None:
            record = stack.enter_context(contextlib.closing(AuditFile(audit)))
        config = uvicorn.Config(
            create_proxy(settings, audit=record),
            host=host,
            port=port,
            access_log=False,
            # A traceback could hold text of an answer.
            log_level="critical",
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=10,
            ws="none",
        )
        sockets = listening(host, port)
        ready()
        uvicorn.Server(config).run(sockets)
