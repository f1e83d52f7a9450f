"""`provenance proxy` on the command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest

from cli.main import main
from tests.elasticsearch.node import free_port

from .upstream import Upstream, running

ROOT = Path(__file__).parents[2]
UPSTREAM = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--index", "x"], "upstream"),
        (["--upstream", "localhost:1", "--index", "x"], "an address like"),
        (["--upstream", UPSTREAM], "no index is named"),
        (["--upstream", UPSTREAM, "--index", "nowhere"], "no such folder"),
        (["--upstream", UPSTREAM, "--index", "x", "--policy", "lenient"], "no such policy"),
        (["--upstream", UPSTREAM, "--index", "x", "--policy", "none.toml"], "cannot be read"),
        (["--upstream", UPSTREAM, "--index", "x", "--attach", "never"], "--attach"),
    ],
)
def test_what_cannot_be_guarded_is_one_line_and_two(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROVENANCE_INDEX", raising=False)
    assert main(["proxy", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and said in told.err and told.err.count("\n") == 1


def test_an_address_that_is_taken_is_told(licensed_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["proxy", "--upstream", UPSTREAM, "--index", str(licensed_folder), "--port", port]) == 2
    told = capsys.readouterr().err
    assert "Address already in use; choose another --port" in told and told.count("\n") == 1


def test_the_command_guards_records_without_text_and_stops_cleanly(
    licensed_folder: Path, licensed_rows: list[dict[str, str]], tmp_path: Path
) -> None:
    upstream = Upstream()
    copied = licensed_rows[1]["content"]
    upstream.script = lambda body, index: copied
    port = free_port()
    audit = tmp_path / "audit.jsonl"
    code = "import sys; from cli.main import main; sys.exit(main())"
    with running(upstream.app) as address:
        command = [sys.executable, "-c", code, "proxy", "--upstream", address, "--index", str(licensed_folder)]
        command += ["--policy", "strict", "--audit", str(audit), "--port", str(port)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ})
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            with openai.OpenAI(
                base_url=f"http://127.0.0.1:{port}/v1", api_key="key-of-a-user", max_retries=0
            ) as client:
                prompt = "a prompt that nobody else should read"
                client.completions.create(model="m", prompt=prompt)
        finally:
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=60)
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [each["action"] for each in records] == ["block"] * 3 and records[0]["documents"]
    for hidden in (prompt, "key-of-a-user", copied[40:90]):
        assert hidden not in audit.read_text() and hidden.encode() not in told
    assert b"Traceback" not in told
