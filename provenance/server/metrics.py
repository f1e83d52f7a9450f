"""Counters in Prometheus' text format (version 0.0.4).

Labels are routes and status codes, never anything a user sent.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one server; usable from many threads."""

    def __init__(self) -> None:
        """Begin with zeros."""
        self._lock = threading.Lock()
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._seconds: dict[str, list[int]] = {}
        self._totals: defaultdict[str, float] = defaultdict(float)
        self._verdicts: defaultdict[str, int] = defaultdict(int)
        self._refused: defaultdict[str, int] = defaultdict(int)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is the route's pattern, or empty where none fits."""
        route = route or "unknown"
        with self._lock:
            self._requests[method, route, status] += 1
            counts = self._seconds.setdefault(route, [0] * (len(BUCKETS) + 1))
            counts[bisect_left(BUCKETS, seconds)] += 1
            self._totals[route] += seconds

    def judged(self, verdict: str) -> None:
        """Count one verdict."""
        with self._lock:
            self._verdicts[verdict] += 1

    def refused(self, reason: str) -> None:
        """Count one request that was turned away to protect the others."""
        with self._lock:
            self._refused[reason] += 1

    def render(self, *, running: int, waiting: int, generations: dict[str, int]) -> str:
        """Return all counters; ``generations`` are those of the indexes by name."""
        with self._lock:
            lines = _head("provenance_requests_total", "counter", "Requests by method, route and status.")
            for (method, route, status), count in sorted(self._requests.items()):
                lines.append(
                    f'provenance_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
                )
            lines += _head("provenance_request_seconds", "histogram", "Time from a request's head to its answer's end.")
            for route, counts in sorted(self._seconds.items()):
                total = 0
                for bound, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
                    total += count
                    lines.append(f'provenance_request_seconds_bucket{{route="{route}",le="{bound}"}} {total}')
                lines.append(f'provenance_request_seconds_sum{{route="{route}"}} {self._totals[route]:.6f}')
                lines.append(f'provenance_request_seconds_count{{route="{route}"}} {total}')
            lines += _head("provenance_verdicts_total", "counter", "Texts judged, by verdict.")
            lines += [
                f'provenance_verdicts_total{{verdict="{name}"}} {n}' for name, n in sorted(self._verdicts.items())
            ]
            lines += _head("provenance_refused_total", "counter", "Requests turned away, by reason.")
            lines += [f'provenance_refused_total{{reason="{name}"}} {n}' for name, n in sorted(self._refused.items())]
        lines += _head("provenance_running", "gauge", "Questions being answered.")
        lines.append(f"provenance_running {running}")
        lines += _head("provenance_waiting", "gauge", "Questions waiting for a worker.")
        lines.append(f"provenance_waiting {waiting}")
        lines += _head("provenance_index_generation", "gauge", "Generation of each index that is being served.")
        lines += [f'provenance_index_generation{{index="{name}"}} {n}' for name, n in sorted(generations.items())]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
