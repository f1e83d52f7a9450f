"""What one run of the command line knows from its options before a command begins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """How answers are written."""

    human = "human"
    json = "json"
    jsonl = "jsonl"


@dataclass(slots=True)
class State:
    """The options that decide how a failure is shown."""

    debug: bool = False
    format: Format = Format.human

    @property
    def machine_readable(self) -> bool:
        """Tell whether stdout is read by a program."""
        return self.format is not Format.human

    def reset(self) -> None:
        """Forget the last run."""
        self.debug = False
        self.format = Format.human


STATE = State()
