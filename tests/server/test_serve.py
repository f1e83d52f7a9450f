"""`provenance serve` on the command line: what cannot be served is one line and exit code 2; a real stop is clean."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.main import main
from provenance.errors import ParameterError
from provenance.server.listening import listening
from tests.elasticsearch.node import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no index is named"),
        (["--index", "nowhere"], "there is no such folder"),
        (["--index", "a=x", "--index", "a=y"], "two indexes are named 'a'"),
        (["--index", "x", "--key-file", "nowhere.txt"], "nowhere.txt"),
        (["--index", "x", "--port", "0"], "port"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_two(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROVENANCE_INDEX", raising=False)
    assert main(["serve", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and said in told.err and told.err.count("\n") == 1


@pytest.mark.parametrize("content", ["", "# only a comment\n", "short\n"])
def test_a_key_file_that_would_leave_the_server_open_is_refused(
    content: str, demo_index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").write_text(content)
    assert main(["serve", "--index", str(demo_index), "--key-file", str(tmp_path / "keys")]) == 2
    assert "key" in capsys.readouterr().err


def test_an_address_that_is_taken_is_told(demo_index: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = _serve(demo_index, taken.getsockname()[1])
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and said.count(b"\n") == 1
    assert b"Address already in use; choose another --port" in said


def test_a_name_is_listened_at_wherever_it_leads() -> None:
    sockets = listening("localhost", 0)
    assert socket.AF_INET in {each.family for each in sockets}
    for each in sockets:
        each.close()
    with pytest.raises(ParameterError, match="name an address of this machine with --host"):
        listening("nowhere.invalid", 8000)
    with pytest.raises(ParameterError, match="192.0.2.1:8000: cannot be listened at: Cannot assign"):
        listening("192.0.2.1", 8000)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_requests_finish(demo_index: Path, stop: signal.Signals) -> None:
    port = free_port()
    process = _serve(demo_index, port)
    try:
        _wait(port)
        # The head and half of the body are sent, then the server is told to stop, then the rest follows. The server
        # says when it has read the head, and what ends its listening is that nobody is let in any more.
        body = b'{"text": "' + b"x" * 1000 + b'"}'
        with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
            head = "POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            head += f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
            raw.sendall(head.encode() + body[:500])
            assert raw.recv(4096).startswith(b"HTTP/1.1 100 ")
            process.send_signal(stop)
            _wait(port, closed=True)
            raw.sendall(body[500:])
            assert b" 200 " in raw.recv(4096).split(b"\r\n", 1)[0]
        assert process.wait(60) in (0, 130, -stop)
    finally:
        process.kill()
        _, told = process.communicate()
    assert b"Traceback" not in told


def _serve(index: Path, port: int) -> subprocess.Popen[bytes]:
    code = "import sys; from cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "serve", "--index", str(index), "--port", str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ})


def _wait(port: int, closed: bool = False) -> None:
    """Return when a connection is made, or is ``closed`` to everybody."""
    until = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if (probe.connect_ex(("127.0.0.1", port)) == 0) != closed:
                return
        assert time.monotonic() < until
        time.sleep(0.02)
