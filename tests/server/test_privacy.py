"""What is asked leaves no trace: a canary through every route, every error and the stop of a real process."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.elasticsearch.node import free_port

CANARY = "canary_7f3a9c_singing"


@pytest.mark.parametrize(("engine", "debug"), [("tantivy", False), ("tantivy", True), ("elasticsearch", True)])
def test_a_canary_is_found_nowhere_after_every_route_and_the_stop(
    request: pytest.FixtureRequest, portrait_index: Path, tmp_path: Path, engine: str, debug: bool
) -> None:
    node = None
    if engine == "tantivy":
        demo_index: Path = request.getfixturevalue("demo_index")
    else:
        demo_index, _ = request.getfixturevalue("cluster_indexes")
        node = request.getfixturevalue("elasticsearch_node")
    log = open(tmp_path / "log", "wb")
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path)}
    (tmp_path / "tmp").mkdir()
    port = free_port()
    command = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())", "serve"]
    command += ["--index", f"demo={demo_index}", "--index", f"portrait={portrait_index}", "--port", str(port)]
    process = subprocess.Popen(
        command + ["--debug"] * debug, stdout=log, stderr=log, env=environment, cwd=Path(__file__).parents[2]
    )

    def ask(method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, {"Content-Type": kind, "User-Agent": CANARY, "Cookie": CANARY})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    try:
        _wait(ask, process)
        code = f"def {CANARY}(argument):\n    return '{CANARY}' * argument\n" * 40
        quoted = code.replace("\n", "\\n")
        for index in ("demo", "portrait"):
            fields = f'"index": "{index}"'
            for body in (
                f'{{"text": "{quoted}", {fields}}}',
                f'{{"texts": [{{"text": "{quoted}", "path": "{CANARY}"}}], {fields}}}',
                f'{{"query": "{CANARY}", {fields}}}',
                f'{{"query": "({CANARY}", "mode": "regex", {fields}}}',
                f'{{"query": "{CANARY}", "mode": "words", "repositories": ["{CANARY}"], {fields}}}',
                f'{{"text": "{CANARY}", "{CANARY}": 1, "min_chars": "{CANARY}"}}',
                f'{{"text": "{CANARY}", "index": "{CANARY}"}}',
                f'{{"text": "{CANARY}',
                f'{{"text": "{CANARY}\udcff"}}',
                f'"{CANARY}"',
            ):
                for verb in ("check", "trace", "search", CANARY):
                    ask("POST", f"/api/v1/{verb}?{CANARY}=1", body.encode("utf-8", "surrogateescape"))
            for route in ("overlap", "q", "quip"):
                for body in (
                    f'{{"document": "{quoted}", "documents": ["{quoted}"], "seq_id": "{CANARY}"}}',
                    f'{{"document": ["{CANARY}"], "documents": "{CANARY}"}}',
                    CANARY,
                ):
                    ask("POST", f"/{route}?index={index}", body.encode())
            form = urlencode({"text": code, "q": CANARY, "index": index, "repositories": CANARY}).encode()
            for page in ("/", "/search", f"/{CANARY}"):
                ask("POST", page, form, "application/x-www-form-urlencoded")
                ask("POST", page, form, f"multipart/form-data; boundary={CANARY}")
                ask("GET", f"{page}?q={CANARY}&owner={CANARY}&index={index}")
            ask("GET", f"/lookup?owner={CANARY}&repository={CANARY}&index={index}")
            ask("GET", f"/documents/{CANARY}?lines={CANARY}&index={CANARY}")
            ask("GET", f"/api/v1/documents/{CANARY}")
        ask("POST", "/api/v1/check", CANARY.encode() * 400_000)
        _raw(port, f"{CANARY} {CANARY} HTTP/9.9\r\n\r\n")
        _raw(port, f"GET / HTTP/1.1\r\n{CANARY}\r\n\r\n")
        _raw(port, f"POST /overlap HTTP/1.1\r\nContent-Length: 100\r\n\r\n{CANARY}")
        _, metrics = ask("GET", "/metrics")
        assert CANARY.encode() not in metrics and b"provenance_requests_total" in metrics
        for mapped in _open_files(process.pid):
            assert CANARY not in mapped
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
        log.close()
    for path in [each for each in tmp_path.rglob("*") if each.is_file()]:
        assert CANARY.encode() not in path.read_bytes(), path
        assert CANARY not in path.name
    # What travels to a node stays out of its logs and files too, as it is set up by default.
    for folder in (demo_index, portrait_index, *((node.data,) if node is not None else ())):
        for path in _files(folder):
            with contextlib.suppress(FileNotFoundError):
                assert CANARY.encode() not in path.read_bytes(), path
    text = (tmp_path / "log").read_text()
    assert "Traceback" not in text and not re.search(r"(GET|POST) /", text)


def _wait(ask: Any, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            if ask("GET", "/readyz")[0] == 200:
                return
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)


def _raw(port: int, text: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(text.encode())
        raw.shutdown(socket.SHUT_WR)
        try:
            while raw.recv(4096):
                pass
        except OSError:
            pass


def _files(folder: Path) -> list[Path]:
    """The files below a folder; a live node may remove some of them, and folders, at any time."""
    return [Path(where, name) for where, _, names in os.walk(folder) for name in names]


def _open_files(process: int) -> list[str]:
    """What a live process holds open: it goes on working, so a file may be closed between listing and reading."""
    names = []
    for each in Path(f"/proc/{process}/fd").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(each))
    return names
