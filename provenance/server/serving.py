"""What all routes share: settings, indexes, the gate, the counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from provenance.server.gate import Gate
from provenance.server.metrics import Metrics
from provenance.server.settings import Settings
from provenance.server.snapshots import Snapshots

if TYPE_CHECKING:
    from provenance.server.playground import Playground


@dataclass(slots=True)
class Serving:
    """The parts of a running server; ``stopping`` is set when it takes no new work.

    ``playground``: the way to a model, where one is configured.
    """

    settings: Settings
    snapshots: Snapshots
    gate: Gate
    metrics: Metrics
    playground: Playground | None = None
    stopping: bool = False


def serving_of(request: Request) -> Serving:
    """Return the server that a request came to."""
    serving: Serving = request.app.state.serving
    return serving
