"""What was decided about spans: for the reader, for the counters and for the audit."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.guard.policy import Action, Facts
from provenance.records import Span
from provenance.reports.contract import range_fields
from provenance.storage import refusals_named

Audit = Callable[[Mapping[str, Any]], None]
"""Takes one record a decision; it holds no text."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One action, its reason and its evidence.

    ``span`` counts in the text that was passed on: of a redacted span it is the marker's place, of one that was kept
    back the place where the text ends. ``evidence`` are traced spans as `provenance trace` reports them, empty
    where nobody looked or nothing may be shown. ``failure`` is the kind of failure where the guard could not judge.
    """

    action: Action
    rule: str
    reason: str
    span: Span
    emitted: bool
    facts: Facts
    evidence: tuple[Mapping[str, Any], ...] = ()
    failure: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for machine-readable answers."""
        return {
            **range_fields(self.span),
            "action": self.action,
            "rule": self.rule,
            "reason": self.reason,
            "emitted": self.emitted,
            "length": self.facts.length,
            "common": self.facts.common,
            "kind": self.facts.kind,
            "place": self.facts.place,
            "language": self.facts.language,
            "licenses": list(self.facts.licenses),
            "failure": self.failure,
            "evidence": [dict(each) for each in self.evidence],
        }

    def record(self, *, answer: str, policy: str, digest: str) -> dict[str, Any]:
        """Return the audit record: what, when, why, which documents; nothing of the text."""
        documents = [source["document"] for found in self.evidence for source in found["sources"]]
        return {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "answer": answer,
            "policy": policy,
            "index": digest,
            "action": self.action,
            "rule": self.rule,
            "reason": self.reason,
            "emitted": self.emitted,
            "start": self.span.start,
            "end": self.span.end,
            "length": self.facts.length,
            "common": self.facts.common,
            "kind": self.facts.kind,
            "licenses": list(self.facts.licenses),
            "documents": list(dict.fromkeys(documents)),
            "failure": self.failure,
        }


class Tally:
    """Counts decisions by action and rule, and answers by how they ended. Usable from many threads."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._lock = threading.Lock()
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._answers: Counter[str] = Counter()

    def decided(self, decision: Decision) -> None:
        """Count a decision."""
        with self._lock:
            self._decisions[decision.action, decision.failure or decision.rule] += 1

    def answered(self, ending: str) -> None:
        """Count an answer."""
        with self._lock:
            self._answers[ending] += 1

    def decisions(self) -> dict[tuple[str, str], int]:
        """Return how often each action was taken, by (action, rule or kind of failure)."""
        with self._lock:
            return dict(self._decisions)

    def answers(self) -> dict[str, int]:
        """Return how many answers ended in each way."""
        with self._lock:
            return dict(self._answers)

    def render(self) -> str:
        """Return the counters in Prometheus' text format 0.0.4."""
        lines = ["# TYPE provenance_guard_decisions_total counter"]
        for (action, reason), count in sorted(self.decisions().items()):
            lines.append(f'provenance_guard_decisions_total{{action="{action}",reason={json.dumps(reason)}}} {count}')
        lines.append("# TYPE provenance_guard_answers_total counter")
        lines += [
            f'provenance_guard_answers_total{{ending="{name}"}} {n}' for name, n in sorted(self.answers().items())
        ]
        return "\n".join(lines) + "\n"


class AuditFile:
    """Appends audit records to a file of JSON Lines; each line is written at once and whole."""

    def __init__(self, path: Path) -> None:
        """Open ``path`` for appending. Raises `StorageError`."""
        self._path = path
        self._lock = threading.Lock()
        with refusals_named(path):
            self._file = open(path, "a", encoding="utf-8", buffering=1)

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Append a record. Raises `StorageError`."""
        line = json.dumps(record, separators=(",", ":")) + "\n"
        with self._lock, refusals_named(self._path):
            self._file.write(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
