"""Running the server: one process, threads for questions, a clean stop."""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass

import uvicorn

from provenance.server.app import create_app, guarded
from provenance.server.connections import Connection
from provenance.server.listening import listening
from provenance.server.settings import Settings

# Addresses may hold queries, so requests are not logged at all; metrics count them. uvicorn warns of every request that
# is none, and so would let anybody fill a log.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": level, "propagate": False}
        for name, level in (("provenance.server", "INFO"), ("uvicorn.error", "ERROR"), ("uvicorn.access", "CRITICAL"))
    },
}

_FILES = 1 << 16


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str = "127.0.0.1"
    port: int = 8000


def configured(settings: Settings, address: Address) -> uvicorn.Config:
    """Return how uvicorn serves the application. Raises what opening an index raises."""
    return uvicorn.Config(
        guarded(create_app(settings)),
        host=address.host,
        port=address.port,
        access_log=False,
        log_config=LOGGING,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        timeout_keep_alive=15,
        http=Connection,
        ws="none",
    )


def allow_many_connections() -> None:
    """Raise this process' limit of open files to what the system allows, so that idle clients do not use it up."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(settings: Settings, address: Address) -> None:
    """Answer requests until the process is told to stop (SIGINT, SIGTERM); requests under way are finished.

    Raises what opening an index raises, `ParameterError` where the address is taken.
    """
    allow_many_connections()
    server = uvicorn.Server(configured(settings, address))
    sockets = listening(address.host, address.port)
    logging.getLogger("provenance.server").info(
        "serving %s at http://%s:%d", ", ".join(name for name, _ in settings.indexes), address.host, address.port
    )
    server.run(sockets)
