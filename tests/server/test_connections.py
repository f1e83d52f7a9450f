"""Below the routes: requests that are none, two requests in one, clients that stop in the middle, odd JSON."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provenance.server.connections import Connection
from provenance.server.settings import Settings

Asked = Any
HEAD = b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'{"text":"x"}'
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def exchanged(port: int, data: bytes) -> list[bytes]:
    """Send bytes, read until the server ends the connection, and return the answers, one after another."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        received = b""
        try:
            raw.sendall(data)
            while more := raw.recv(1 << 16):
                received += more
        except ConnectionError:
            pass
    return [b"HTTP/1.1 " + each for each in received.split(b"HTTP/1.1 ")[1:]]


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: 12\r\nContent-Length: 5\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 12, 12\r\n\r\n" + BODY,
        HEAD + b"Content-Length: +12\r\n\r\n" + BODY,
        HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n" + BODY,
        HEAD + b"Content-Length: \xb2\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + NEXT,
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + NEXT,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + NEXT,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" + NEXT,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n" + NEXT,
        HEAD + b"X: a\0b\r\n\r\n" + NEXT,
        HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 12\n\n" + BODY,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        bytes(range(256)) * 10,
    ],
)
def test_what_is_no_single_request_is_refused_once_and_the_connection_ends(client: Asked, request_bytes: bytes) -> None:
    answers = exchanged(client.port, request_bytes)
    assert [status(each) for each in answers] == [400]
    head, body = answers[0].split(b"\r\n\r\n", 1)
    assert b"connection: close" in head and json.loads(body)["error"]["kind"] == "request"


def test_requests_in_a_row_are_answered_in_their_order(client: Asked) -> None:
    one = HEAD + b"Content-Length: 12\r\n\r\n" + BODY
    answers = exchanged(client.port, one + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT)
    assert [status(each) for each in answers] == [200, 404, 200]


@pytest.mark.parametrize("head", [b"X: " + b"a" * 200_000, b"a: b\r\n" * 50_000, b"X" * 200_000])
def test_a_head_without_end_is_refused(client: Asked, head: bytes) -> None:
    answers = exchanged(client.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + head)
    assert [status(each) for each in answers] in ([431], [])  # none where the end of the connection overtook it
    answers = exchanged(client.port, b"GET /" + b"a" * 200_000)
    assert [status(each) for each in answers] in ([431], [])
    assert client.get("/healthz").status == 200


@pytest.fixture
def impatient(
    start: Callable[[Settings], Any], settings: Settings, demo_index: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Asked]:
    """A server that waits half a second for a client."""
    monkeypatch.setattr(Connection, "seconds", 0.5)
    with start(replace(settings, indexes=(("demo", demo_index),), body_seconds=0.5)) as client:
        yield client


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_that_does_not_come_ends_the_connection(impatient: Asked, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as raw:
        raw.sendall(beginning)
        assert raw.recv(100) == b""
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as raw:
        with pytest.raises(ConnectionError):
            for _ in range(200):
                raw.sendall(b"G")
                time.sleep(0.05)


def test_a_refused_body_that_does_not_end_ends_the_connection(impatient: Asked) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as raw:
        raw.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with pytest.raises(ConnectionError):
            for _ in range(2_000):
                raw.sendall(chunk)
                time.sleep(0.01)


def test_an_answer_that_nobody_reads_ends_the_connection(
    impatient: Asked, snippet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    before = Connection.connection_lost
    monkeypatch.setattr(Connection, "connection_lost", lambda *given: (before(*given), ended.set()))
    body = json.dumps({"documents": [snippet * 20] * 5}).encode()
    question = b"POST /quip HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", impatient.port))
        raw.settimeout(30)
        raw.sendall(question)
        assert ended.wait(60)
        received = 0
        try:
            while more := raw.recv(1 << 16):
                received += len(more)
        except ConnectionError:
            pass
    whole = impatient.ask("POST", "/quip", body)
    assert whole.status == 200 and len(whole.body) > 4 << 20 and received < len(whole.body) // 2


def test_an_upgrade_is_not_made(client: Asked) -> None:
    for protocol in (b"websocket", b"h2c"):
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
            raw.sendall(head + b"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            assert status(raw.recv(4096)) == 200


def test_heads_and_methods(client: Asked) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/", "/index", "/api/v1/index", "/static/style.css"):
        whole, head = client.get(path), client.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"") and head.headers["content-type"] == whole.headers["content-type"]
    for method in ("OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND"):
        refused = client.ask(method, "/api/v1/check")
        assert (refused.status, refused.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    [
        "/%00", "/documents/%00?lines=%00", "/api/v1/documents/%00", "/static/%00", "/static/style.css%00",
        "/static/%2e%2e/app.py", "/static/..%5capp.py", "/static//etc/passwd", "/static", "/lookup?owner=%00",
        "/search?q=%00", "/search?q=%ff%fe", "/search?q=%ed%a0%80", "/lookup?repository=%ff", "/?index=%00",
        "/api/v1/index?index=%ff", "/search?q=x&page=%C2%B2", "/search?" + "q=x&" * 1500, "/search?q=import&owners=%00",
        "//other.example/", "/?%", "/documents/x?lines=99999999999999999-1", "/lookup?owner=" + "a" * 40_000,
    ],
)  # fmt: skip
def test_odd_addresses_are_answered_and_lead_nowhere(client: Asked, path: str) -> None:
    answer = client.get(path, Accept="text/html")
    assert answer.status < 500 and "location" not in answer.headers
    assert "root:" not in answer.text and "import" not in answer.text.partition("<main")[0]


ODD = {
    "a lone surrogate": b'{"F":"\\ud800"}',
    "surrogates the wrong way round": b'{"F":"\\udc00\\ud800"}',
    "NUL escaped": b'{"F":"\\u0000"}',
    "NUL": b'{"F":"a\0b"}',
    "not a number": b'{"F":"x","N":NaN}',
    "infinite": b'{"F":"x","N":1e999}',
    "minus infinite": b'{"F":"x","N":-Infinity}',
    "a float": b'{"F":"x","N":1e2}',
    "many digits": b'{"F":"x","N":' + b"9" * 5000 + b"}",
    "a key twice": b'{"F":"x","F":"y"}',
    "a byte order mark": b'\xef\xbb\xbf{"F":"x"}',
    "UTF-16": '{"F":"x"}'.encode("utf-16"),
    "a surrogate for a key": b'{"F":"x","\\ud800":1}',
    "deep objects": b'{"F":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "more behind": b'{"F":"x"}garbage',
    "a string": b'"' + b"a" * 100_000 + b'"',
    "true": b'{"F":true,"N":true}',
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize(
    ("path", "field", "number"),
    [
        ("/api/v1/check", b"text", b"min_chars"),
        ("/api/v1/trace", b"text", b"sources"),
        ("/api/v1/search", b"query", b"limit"),
        ("/overlap", b"document", b"seq_id"),
        ("/q", b"document", b"seq_id"),
        ("/quip", b"documents", b"format_quotes"),
    ],
)
def test_odd_json_is_answered_or_refused(client: Asked, path: str, field: bytes, number: bytes, kind: str) -> None:
    body = ODD[kind].replace(b"F", field).replace(b"N", number, 1) if kind != "UTF-16" else ODD[kind]
    answer = client.ask("POST", path, body, Content_Type="application/json")
    assert answer.status < 500
    value = json.loads(answer.body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    if answer.status >= 400:
        assert set(value["error"]) == {"kind", "message", "request_id"}
