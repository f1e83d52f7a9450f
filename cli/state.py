"""What one run of the command line knows from its options before a command begins."""

from __future__ import annotations

import os
from enum import StrEnum

INDEX_VARIABLE = "PROVENANCE_INDEX"
UPSTREAM_KEY_VARIABLE = "PROVENANCE_UPSTREAM_KEY"


class Format(StrEnum):
    """How answers are written."""

    human = "human"
    json = "json"
    jsonl = "jsonl"


class ReportFormat(StrEnum):
    """How answers of `check` and `trace` are written."""

    human = "human"
    json = "json"
    jsonl = "jsonl"
    sarif = "sarif"
    spdx = "spdx"
    html = "html"


class FailOn(StrEnum):
    """What exit code 1 stands for."""

    match = "match"
    any = "any"
    never = "never"


class State:
    """The options that decide how a failure is shown."""

    # No dataclass here, nor elsewhere on the way to an answer of `check`: each costs a millisecond at start.

    def __init__(self) -> None:
        """Begin as a run without options."""
        self.debug = False
        self.format = Format.human

    @property
    def machine_readable(self) -> bool:
        """Tell whether stdout is read by a program."""
        return self.format is not Format.human

    def reset(self) -> None:
        """Forget the last run."""
        self.debug = False
        self.format = Format.human


STATE = State()


def failure_format(format: ReportFormat) -> Format:
    """Return how a failure is written where answers would have been written in ``format``."""
    return Format(format) if format in Format.__members__ else Format.human


def index_folder(value: str | None) -> str:
    """Return the folder of the index. Raises `ParameterError` where none was named."""
    folder = value or os.environ.get(INDEX_VARIABLE)
    if not folder:
        from provenance.errors import ParameterError

        raise ParameterError(f"no index is named; say --index DIR or set {INDEX_VARIABLE}")
    return folder
