"""What a server is started with."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provenance.errors import ParameterError
from provenance.guard.policy import Policy
from provenance.guard.policy_file import PRESETS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """The model of the playground: an OpenAI-compatible server's ``address`` up to and with ``/v1``.

    Without ``model`` the first that it names is asked; ``key`` is its bearer token. ``policy`` is what the answers are
    guarded with; ``streams`` of them are written at a time.
    """

    address: str
    policy: Policy = PRESETS["annotate"]
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    streams: int = 8

    def __post_init__(self) -> None:
        """Raise `ParameterError` where a value is out of range."""
        if self.streams < 1:
            raise ParameterError(f"streams is {self.streams}: it must be 1 or more")


@dataclass(frozen=True, slots=True)
class Settings:
    """Indexes by name (the first one is asked where none is named), and limits.

    ``body_bytes``: largest request; ``body_seconds``: time a client has to send it. ``workers`` questions are answered
    at a time, ``queue`` more may wait, and one is given up after ``answer_seconds``. ``batch``: most texts a request.
    ``scan_bytes``: stored text one search reads at most. ``api_keys``: empty for an open server.
    ``origins``: other web pages that may ask (CORS). ``poll_seconds``: how often a new version of an index is looked
    for. ``drain_seconds``: how long a stopping server lets requests finish. ``upstream``: the model of the playground.
    """

    indexes: tuple[tuple[str, Path], ...]
    body_bytes: int = 4 << 20
    body_seconds: float = 20.0
    workers: int = max(1, os.cpu_count() or 1)
    queue: int = 64
    answer_seconds: float = 30.0
    batch: int = 100
    scan_bytes: int = 1 << 30
    api_keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    poll_seconds: float = 1.0
    drain_seconds: float = 10.0
    upstream: UpstreamSettings | None = None

    def __post_init__(self) -> None:
        """Raise `ParameterError` where a value is out of range."""
        if not self.indexes:
            raise ParameterError("no index is named; say --index DIR or --index NAME=DIR at least once")
        for name, value, least in (
            ("body_bytes", self.body_bytes, 1024),
            ("workers", self.workers, 1),
            ("queue", self.queue, 0),
            ("batch", self.batch, 1),
            ("scan_bytes", self.scan_bytes, 1 << 20),
        ):
            if value < least:
                raise ParameterError(f"{name} is {value}: it must be {least} or more")
        for name, seconds in (("body_seconds", self.body_seconds), ("answer_seconds", self.answer_seconds)):
            if not 0 < seconds <= 3600:
                raise ParameterError(f"{name} is {seconds}: it must be above 0, at most 3600")
        if any(len(key) < 16 or not key.isascii() or not key.isprintable() for key in self.api_keys):
            raise ParameterError(
                "an API key is shorter than 16 characters or not plain ASCII; choose a longer random one"
            )


def named_indexes(values: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """Return indexes by name from ``DIR`` or ``NAME=DIR``; without a name the folder's own is taken.

    Raises `ParameterError` for names that repeat or cannot stand in an address.
    """
    found: dict[str, Path] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not equals or not _NAME.fullmatch(name):
            folder = value
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(value).resolve().name).strip(".-_")[:64] or "index"
        if name in found:
            raise ParameterError(f"two indexes are named {name!r}; say --index NAME=DIR to tell them apart")
        found[name] = Path(folder)
    return tuple(found.items())
