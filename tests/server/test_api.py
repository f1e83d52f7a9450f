"""The API: the contract of the command line, batches, several indexes, and every way to be refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli.main import main
from provenance.errors import ParameterError
from provenance.reports import contract
from provenance.server.settings import Settings, named_indexes

Asked = Any


def valid(name: str, value: Any) -> None:
    jsonschema.validate(value, contract.schema(name))


@pytest.mark.parametrize("verb", ["check", "trace"])
def test_an_answer_is_the_one_of_the_command_line(
    client: Asked, demo_index: Path, snippet: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "asked.py").write_text(snippet)
    main([verb, str(tmp_path / "asked.py"), "--index", str(demo_index), "--format", "json", "--fail-on", "never"])
    expected = json.loads(capsys.readouterr().out)
    answer = client.post(f"/api/v1/{verb}", {"text": snippet, "path": expected["results"][0]["path"]})
    assert answer.status == 200
    assert answer.json == expected
    valid(verb, answer.json)


def test_a_search_is_the_one_of_the_command_line(
    client: Asked, demo_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["search", "def _get_kwargs", "--index", str(demo_index), "--format", "json"])
    expected = json.loads(capsys.readouterr().out)
    answer = client.post("/api/v1/search", {"query": "def _get_kwargs"}).json
    assert answer == expected and answer["results"]
    valid("search", answer)


def test_facets_and_filters_agree(client: Asked) -> None:
    everything = client.post("/api/v1/search", {"query": "import", "facets": True, "limit": 100}).json
    for entry in everything["facets"]["repositories"]:
        body = {"query": "import", "repositories": [entry["value"]], "limit": 0, "facets": True}
        assert client.post("/api/v1/search", body).json["total"] == {"value": entry["documents"], "exact": True}


@pytest.mark.parametrize(("field", "option"), [("languages", "--language"), ("kinds", "--kind")])
def test_a_name_that_nobody_knows_is_refused_as_on_the_command_line(
    client: Asked, demo_index: Path, capsys: pytest.CaptureFixture[str], field: str, option: str
) -> None:
    assert main(["search", "import", option, "Pyhton", "--index", str(demo_index)]) == 2
    line = capsys.readouterr().err
    for mode in ("literal", "regex", "words"):
        answer = client.post("/api/v1/search", {"query": "import", "mode": mode, field: ["Pyhton"]})
        assert answer.status == 422 and answer.json["error"]["message"] in line and "Pyhton" not in line
    # Known names are answered, whether or not anything is found.
    body = {"query": "no such text", "languages": ["cobol", "python"], "kinds": ["issue"]}
    assert client.post("/api/v1/search", body).json["total"] == {"value": 0, "exact": True}


def test_a_batch_is_answered_in_order_with_its_paths(client: Asked, snippet: str) -> None:
    texts = [{"path": "a", "text": snippet}, {"path": "b", "text": "short"}, {"path": "c", "text": snippet * 2}]
    results = client.post("/api/v1/check", {"texts": texts}).json["results"]
    assert [(each["path"], each["verdict"]) for each in results] == [
        ("a", "possible_match"),
        ("b", "too_short"),
        ("c", "possible_match"),
    ]
    answer = client.post("/api/v1/check", {"texts": [{"text": "x"}] * 21})
    assert (answer.status, answer.json["error"]["kind"]) == (422, "parameter")
    assert "20 are the most" in answer.json["error"]["message"]


def test_documents_come_whole_and_in_lines(client: Asked, snippet: str, demo_sources: Path) -> None:
    source = client.post("/api/v1/trace", {"text": snippet}).json["results"][0]["spans"][0]["sources"][0]
    stored = (demo_sources / "cpython" / "argparse.py").read_text("utf-8")
    whole = client.get(f"/api/v1/documents/{source['document']}").json
    assert whole["text"] == stored
    valid("show", whole)
    first, last = source["start_line"], source["end_line"]
    part = client.get(f"/api/v1/documents/{source['document']}?start_line={first}&end_line={last}").json
    assert part["text"] == "".join(stored.splitlines(keepends=True)[first - 1 : last])
    assert (part["first_line"], part["lines"]) == (first, len(stored.splitlines()))


def test_indexes_are_asked_by_name(client: Asked, snippet: str) -> None:
    assert client.get("/api/v1/indexes").json["indexes"] == ["demo", "portrait", "hostile"]
    for name in ("demo", "portrait", "hostile"):
        answer = client.get(f"/api/v1/index?index={name}")
        assert answer.status == 200
        valid("info", answer.json)
    answer = client.post("/api/v1/check", {"text": snippet, "index": "portrait"}).json
    assert answer["index"]["normaliser"] == "portrait-1"
    assert answer["results"][0]["verdict"] == "possible_match"
    missing = client.post("/api/v1/check", {"text": snippet, "index": "none"})
    assert (missing.status, missing.json["error"]["kind"]) == (404, "index")


def test_a_portrait_has_no_texts_to_trace(client: Asked, snippet: str) -> None:
    answer = client.post("/api/v1/trace", {"text": snippet, "index": "portrait"})
    assert (answer.status, answer.json["error"]["kind"]) == (422, "mismatch")
    assert "imported portrait" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("text", "start", "end", "start_byte", "start_utf16"),
    [
        ("plain ", 6, None, 6, 6),
        ("naïve é ", 8, None, 10, 8),
        ("漢字 ", 3, None, 7, 3),
        ("😀😀 ", 3, None, 9, 5),
        ("a\r\n\r\n", 5, None, 5, 5),
    ],
)
def test_offsets_hold_whatever_stands_before(
    client: Asked, snippet: str, text: str, start: int, end: int | None, start_byte: int, start_utf16: int
) -> None:
    body = snippet.strip().replace("\n", "\r\n") if "\r" in text else snippet.strip()
    span = client.post("/api/v1/trace", {"text": text + body}).json["results"][0]["spans"][0]
    assert (span["start"], span["start_byte"], span["start_utf16"]) == (start, start_byte, start_utf16)
    assert span["end"] == len(text + body)


@pytest.mark.parametrize("text", ["", " \r\n\t", "\ud800", "\x00\x01", "\ufeff", "a" * 20_000, "é" * 5_000])
def test_odd_texts_are_judged(client: Asked, text: str) -> None:
    for verb in ("check", "trace"):
        answer = client.post(f"/api/v1/{verb}", {"text": text})
        assert answer.status == 200
        assert answer.json["results"][0]["verdict"] in ("too_short", "no_match")


BAD: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 422),
    "not JSON": (b"{secret", 400),
    "invalid UTF-8": (b'{"text": "secret\xff\xfe"}', 400),
    "deep": (b'{"text":' + b"[" * 100_000, 400),
    "a list": (b'["secret"]', 422),
    "no text": (b"{}", 422),
    "both": (b'{"text":"secret","texts":[{"text":"secret"}]}', 422),
    "a number": (b'{"text":17}', 422),
    "an unknown field": (b'{"text":"x","secret":1}', 422),
    "a negative length": (b'{"text":"secret","min_chars":-1}', 422),
    "a string for a number": (b'{"text":"secret","min_chars":"secret"}', 422),
    "a long path": (b'{"text":"x","path":"' + b"secret" * 1000 + b'"}', 422),
    "an unknown index": (b'{"text":"x","index":"secret"}', 404),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_bodies_are_refused_in_one_shape_without_an_echo(client: Asked, kind: str) -> None:
    body, status = BAD[kind]
    answer = client.ask("POST", "/api/v1/check", body, Content_Type="application/json")
    assert answer.status == status
    valid("error", answer.json)
    assert set(answer.json["error"]) == {"kind", "message", "request_id"}
    assert answer.json["error"]["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text and "\n" not in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nowhere/secret", 404),
        ("GET", "/api/v1/check", 405),
        ("DELETE", "/api/v1/index", 405),
        ("GET", "/api/v1/documents/secret", 422),
        ("GET", "/api/v1/documents/" + "0" * 32, 404),
        ("GET", "/api/v1/documents/..%2f..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/api/v1/documents/" + "0" * 32 + "?start_line=0", 422),
        ("GET", "/static/..%2f..%2fapp.py", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/api/v1/index?index=secret", 404),
    ],
)
def test_bad_addresses_are_refused_in_the_same_shape(client: Asked, method: str, path: str, status: int) -> None:
    answer = client.ask(method, path)
    assert answer.status == status
    valid("error", answer.json)
    assert "secret" not in answer.text and "root:" not in answer.text


@pytest.mark.parametrize("query", ["(", "a" * 5000, "", "(?=look)", "x{1001}", "[[:secret:]]", "(?<"])
def test_expressions_that_cannot_run_are_refused(client: Asked, query: str) -> None:
    answer = client.post("/api/v1/search", {"query": query, "mode": "regex"})
    assert (answer.status, answer.json["error"]["kind"]) == (422, "query")
    assert "secret" not in answer.text


@pytest.mark.parametrize("query", ["(a+)+$", "(.*)*x", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a|a)*b{50}"])
def test_catastrophic_expressions_are_answered(client: Asked, query: str) -> None:
    answer = client.post("/api/v1/search", {"query": query, "mode": "regex", "limit": 3})
    assert answer.status in (200, 422)


def test_keys_are_asked_for_where_they_are_set(
    start: Callable[[Settings], Any], settings: Settings, demo_index: Path
) -> None:
    key = "a-key-of-some-length"
    with start(replace(settings, indexes=(("demo", demo_index),), api_keys=(key, "another-long-enough-key"))) as client:
        for path in ("/api/v1/index", "/", "/overlap", "/api/v1/openapi.json"):
            answer = client.get(path)
            assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Basic")
        for path in ("/healthz", "/readyz", "/metrics", "/static/style.css"):
            assert client.get(path).status == 200
        assert client.get("/api/v1/index", X_API_Key=key).status == 200
        assert client.get("/api/v1/index", Authorization=f"Bearer {key}").status == 200
        assert client.get("/", Authorization="Basic eDphLWtleS1vZi1zb21lLWxlbmd0aA==").status == 200
        for wrong in ("", "a-key-of-some-lengt", "A-KEY-OF-SOME-LENGTH", "é"):
            assert client.get("/api/v1/index", X_API_Key=wrong.encode().decode("latin-1")).status == 401
        assert client.get("/", Authorization="Basic %%%").status == 401


def test_other_web_pages_ask_only_where_they_may(
    client: Asked, start: Callable[[Settings], Any], settings: Settings, demo_index: Path
) -> None:
    origin = "https://editor.example"
    assert "access-control-allow-origin" not in client.get("/api/v1/index", Origin=origin).headers
    with start(replace(settings, indexes=(("demo", demo_index),), origins=(origin,))) as open_client:
        assert open_client.get("/api/v1/index", Origin=origin).headers["access-control-allow-origin"] == origin
        assert "access-control-allow-origin" not in open_client.get("/api/v1/index", Origin="https://x.example").headers


def test_metrics_count_requests_by_route_alone(client: Asked, snippet: str) -> None:
    client.post("/api/v1/trace", {"text": snippet})
    client.get("/api/v1/documents/" + "1" * 32)
    client.get("/no-such-secret-address")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? [0-9.e+-]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)
    assert any('route="/api/v1/documents/{document}",status="404"' in line for line in lines)
    assert any(line.startswith('provenance_verdicts_total{verdict="match"}') for line in lines)
    assert "secret" not in answer.text and "1" * 32 not in answer.text


def test_indexes_are_named_after_their_folders(tmp_path: Path) -> None:
    assert named_indexes([f"{tmp_path}/one.idx", "two=/x/y"]) == (
        ("one.idx", tmp_path / "one.idx"),
        ("two", Path("/x/y")),
    )
    with pytest.raises(ParameterError, match="two indexes are named"):
        named_indexes(["a=/x", "a=/y"])
    with pytest.raises(ParameterError, match="no index is named"):
        Settings(indexes=())
    with pytest.raises(ParameterError, match="API key"):
        Settings(indexes=(("a", tmp_path),), api_keys=("short",))
