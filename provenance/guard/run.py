"""Running the proxy: one process, a clean stop."""

from __future__ import annotations

import contextlib
from pathlib import Path

import uvicorn

from provenance.guard.decisions import AuditFile
from provenance.guard.proxy import ProxySettings, create_proxy


def serve_proxy(settings: ProxySettings, *, host: str, port: int, audit: Path | None = None) -> None:
    """Answer until the process is told to stop (SIGINT, SIGTERM); answers under way are finished.

    ``audit`` is a file of JSON Lines to which every decision is appended. Nothing else is logged.
    Raises what opening the index raises, `StorageError` for the audit file, `OSError` where the address is taken.
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
        uvicorn.Server(config).run()
