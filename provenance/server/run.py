"""Running the server: one process, threads for questions, a clean stop."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import uvicorn

from provenance.server.app import create_app, guarded
from provenance.server.settings import Settings

# Addresses may hold queries, so requests are not logged at all; metrics count them.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": level, "propagate": False}
        for name, level in (("provenance.server", "INFO"), ("uvicorn.error", "WARNING"), ("uvicorn.access", "CRITICAL"))
    },
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str = "127.0.0.1"
    port: int = 8000


def serve(settings: Settings, address: Address) -> None:
    """Answer requests until the process is told to stop (SIGINT, SIGTERM); requests under way are finished.

    Raises what opening an index raises, `OSError` where the address is taken.
    """
    app = create_app(settings)
    config = uvicorn.Config(
        guarded(app),
        host=address.host,
        port=address.port,
        access_log=False,
        log_config=LOGGING,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=64 << 10,
        http="h11",  # its limits on heads are those that are tested, whatever else is installed
        ws="none",
    )
    server = uvicorn.Server(config)
    logging.getLogger("provenance.server").info(
        "serving %s at http://%s:%d", ", ".join(name for name, _ in settings.indexes), address.host, address.port
    )
    server.run()
