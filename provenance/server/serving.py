"""What all routes share: settings, indexes, the gate, the counters."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from provenance.server.gate import Gate
from provenance.server.metrics import Metrics
from provenance.server.settings import Settings
from provenance.server.snapshots import Snapshots


@dataclass(slots=True)
class Serving:
    """The parts of a running server; ``stopping`` is set when it takes no new work."""

    settings: Settings
    snapshots: Snapshots
    gate: Gate
    metrics: Metrics
    stopping: bool = False


def serving_of(request: Request) -> Serving:
    """Return the server that a request came to."""
    serving: Serving = request.app.state.serving
    return serving
