"""Running the command line as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

_COMMAND = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())"]
_ROOT = Path(__file__).parents[2]
_SETTINGS = ("PROVENANCE", "NO_COLOR", "FORCE_COLOR", "_PROVENANCE")


def _environment(changes: dict[str, str]) -> dict[str, str]:
    """Return a quiet environment: no index, no colour, no kernel forced by whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    return {**kept, "PYTHONPATH": str(_ROOT), **changes}


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """Start `provenance` with words; ``env`` is added to the environment, other keywords go to `subprocess.Popen`.

    ``through``: a command that runs the rest. ``obey_modes``: the process must not pass over file modes, which
    root's capabilities allow.
    """

    def starter(
        *words: str | Path,
        env: dict[str, str] | None = None,
        obey_modes: bool = False,
        through: Sequence[str] = (),
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        prefix = [*through]
        if obey_modes and os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root passes over file modes, and setpriv is not there to stop it")
            prefix += ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen([*prefix, *_COMMAND, *map(os.fspath, words)], env=_environment(env or {}), **options)

    return starter


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run `provenance` to its end, with ``input`` on standard input."""

    def runner(*words: str | Path, input: bytes | None = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
        if input is not None:
            options["stdin"] = subprocess.PIPE
        with start(*words, **options) as process:
            try:
                out, err = process.communicate(input, timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out or b"", err)

    return runner
