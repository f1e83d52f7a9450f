"""Limits: size, time, number of questions, slow clients, and that the server is well again afterwards."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provenance.server import api, questions
from provenance.server.failures import Refusal
from provenance.server.gate import Gate
from provenance.server.metrics import Metrics
from provenance.server.settings import Settings

Asked = Any


@pytest.mark.parametrize("path", ["/api/v1/check", "/api/v1/trace", "/overlap", "/q", "/quip", "/", "/search"])
def test_a_request_past_the_limit_is_refused_whole(client: Asked, path: str) -> None:
    answer = client.ask("POST", path, b"a" * (5 << 20), Content_Type="application/json")
    assert (answer.status, answer.json["error"]["kind"]) == (413, "too_large")
    assert "1048576 bytes" in answer.json["error"]["message"]


def test_a_body_without_a_length_is_measured_as_it_comes(client: Asked) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
        raw.sendall(b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            for _ in range(20):
                raw.sendall(chunk)
        except OSError:
            pass  # the server has heard enough
        assert b" 413 " in raw.recv(4096).split(b"\r\n", 1)[0]


def test_a_text_of_the_largest_size_is_answered(client: Asked, snippet: str) -> None:
    text = (snippet * 1000)[: 700 << 10]
    answer = client.post("/api/v1/check", {"text": text})
    assert answer.status == 200 and answer.json["results"][0]["verdict"] == "possible_match"


def test_a_client_that_sends_a_byte_at_a_time_starves_nobody(
    start: Callable[[Settings], Any], settings: Settings, demo_index: Path
) -> None:
    with start(replace(settings, indexes=(("demo", demo_index),), workers=1, queue=4, body_seconds=3.0)) as client:
        slow = [socket.create_connection(("127.0.0.1", client.port), timeout=30) for _ in range(20)]
        for raw in slow:
            raw.sendall(b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        for _ in range(3):
            for raw in slow:
                raw.sendall(b" ")
            assert client.post("/api/v1/check", {"text": "x"}).status == 200
        for raw in slow:
            assert b" 408 " in raw.recv(4096).split(b"\r\n", 1)[0]
            raw.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Questions to /api/v1/index wait until this event is set."""
    release = threading.Event()
    original = api.contract.index_details

    def waiting(index: Any, *, verified: bool) -> dict[str, Any]:
        assert release.wait(60)
        return original(index, verified=verified)

    monkeypatch.setattr(api.contract, "index_details", waiting)
    return release


def test_overload_is_refused_at_once_and_recovered_from(
    start: Callable[[Settings], Any], settings: Settings, demo_index: Path, held: threading.Event
) -> None:
    with start(replace(settings, indexes=(("demo", demo_index),), workers=2, queue=3)) as client:
        with ThreadPoolExecutor(5) as pool:
            inside = [pool.submit(client.get, "/api/v1/index") for _ in range(5)]
            until = time.monotonic() + 60
            while "provenance_waiting 3" not in client.get("/metrics").text and time.monotonic() < until:
                time.sleep(0.01)
            for _ in range(10):
                refused = client.get("/api/v1/index")
                assert (refused.status, refused.json["error"]["kind"]) == (429, "busy")
                assert int(refused.headers["retry-after"]) >= 1
            assert client.get("/healthz").status == client.get("/readyz").status == 200
            held.set()
            assert [answer.result().status for answer in inside] == [200] * 5
        assert client.get("/api/v1/index").status == 200
        assert 'provenance_refused_total{reason="queue"} 10' in client.get("/metrics").text


def test_an_answer_that_takes_too_long_is_given_up(
    start: Callable[[Settings], Any], settings: Settings, demo_index: Path, held: threading.Event
) -> None:
    changed = replace(settings, indexes=(("demo", demo_index),), workers=1, queue=5, answer_seconds=1.0)
    with start(changed) as client:
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(client.get, "/api/v1/index") for _ in range(2)]
            answers = [each.result() for each in both]
        assert [answer.status for answer in answers] == [503, 503]
        assert all("retry-after" in answer.headers for answer in answers)
        messages = {answer.json["error"]["message"] for answer in answers}
        assert len(messages) == 2, "the one that began and the one that waited are told apart"
        held.set()
        until = time.monotonic() + 60
        while "provenance_running 0" not in client.get("/metrics").text and time.monotonic() < until:
            time.sleep(0.01)
        assert client.get("/api/v1/index").status == 200


def test_a_batch_that_nobody_waits_for_ends_with_the_text_it_is_at(
    start: Callable[[Settings], Any], settings: Settings, demo_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def slow(*_: Any, **__: Any) -> Any:
        asked.append(1)
        time.sleep(0.2)
        return original(*_, **__)

    original = questions.check
    monkeypatch.setattr(questions, "check", slow)
    with start(replace(settings, indexes=(("demo", demo_index),), answer_seconds=0.3)) as client:
        assert client.post("/api/v1/check", {"texts": [{"text": "x"}] * 20}).status == 503
        until = time.monotonic() + 60
        while "provenance_running 0" not in client.get("/metrics").text and time.monotonic() < until:
            time.sleep(0.05)
    assert 0 < len(asked) < 20


def test_a_failure_of_ours_is_told_without_its_cause(
    client: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret text of the user")

    monkeypatch.setattr(api.contract, "index_details", broken)
    answer = client.get("/api/v1/index")
    assert (answer.status, answer.json["error"]["kind"]) == (500, "internal")
    logged = caplog.text
    assert "secret" not in answer.text + logged
    assert answer.json["error"]["request_id"] in logged and "RuntimeError" in logged


def test_the_gate_counts_every_question_out_again() -> None:
    async def scenario() -> None:
        gate = Gate(2, 1, 5.0, Metrics())
        release = threading.Event()
        asked = [asyncio.create_task(gate.run(release.wait)) for _ in range(3)]
        while (gate.running, gate.waiting) != (2, 1):
            await asyncio.sleep(0.01)
        with pytest.raises(Refusal) as caught:
            await gate.run(lambda: None)
        assert caught.value.status == 429
        release.set()
        assert all(await asyncio.gather(*asked))
        with pytest.raises(ZeroDivisionError):
            await gate.run(lambda: 1 // 0)
        while (gate.running, gate.waiting) != (0, 0):
            await asyncio.sleep(0.01)
        gate.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.parametrize("text", ["0, " * 80_000, "a" * 250_000, "-" * 100_000 + "\n" + "= " * 60_000])
def test_a_text_that_repeats_itself_gets_an_answer_of_bounded_size(client: Asked, hostile_code: str, text: str) -> None:
    for index in ("demo", "hostile"):
        answer = client.post("/api/v1/trace", {"text": text + hostile_code, "index": index, "min_chars": 0})
        assert answer.status == 200 and len(answer.body) < 20 << 20
        assert len(answer.json["results"][0]["spans"]) <= 1_000 + 100
