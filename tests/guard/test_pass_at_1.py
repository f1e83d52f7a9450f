"""The harness that runs what a model wrote: right from wrong, and nothing that lasts, grows or calls home."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks.guard.pass_at_1 import isolation, passes


@pytest.mark.parametrize("program", ["x = [1]\nassert sum(x) == 1\n", "import re, json\nprint('out')\n"])
def test_a_right_program_passes(program: str) -> None:
    assert passes(program, isolation())


@pytest.mark.parametrize(
    "program",
    [
        "assert 1 == 2\n",
        "def f(:\n",
        "x = bytearray(4 << 30)\n",
        "with open('big', 'wb') as file:\n    file.write(bytes(8 << 20))\n",
        "files = [open('program.py') for _ in range(500)]\n",
        "raise SystemExit(3)\n",
    ],
)
def test_a_wrong_or_greedy_program_fails(program: str) -> None:
    assert not passes(program, isolation())


def test_a_program_leaves_nothing_behind_and_sees_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "hunter2")
    program = (
        "import os\nassert os.listdir() == ['program.py'] and 'A_SECRET' not in os.environ\nopen('left', 'w').close()\n"
    )
    assert passes(program, isolation()) and passes(program, isolation())


def test_a_program_has_no_network_where_the_system_can_take_it_away() -> None:
    alone = isolation()
    if not alone:
        pytest.skip("this system lets nobody make a network of its own")
    with socket.create_server(("127.0.0.1", 0)) as ours:
        program = f"import socket\nsocket.create_connection(('127.0.0.1', {ours.getsockname()[1]}), timeout=2)\n"
        assert not passes(program, alone) and passes(program, [])
