"""The proxy, asked by the official client: valid objects, no copies past the policy, nothing lost on the way."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from provenance.errors import IndexMissing, ParameterError
from provenance.guard.policy_file import PRESETS
from provenance.guard.proxy import ProxySettings, create_proxy
from tests.elasticsearch.node import free_port

from .upstream import Upstream, running

PROSE = "Here is what was wanted, with an umlaut \u00e4 and a duck \U0001f986:\n\n"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    yield Upstream()


@contextmanager
def asked(upstream: Upstream, index: Path, policy: str, **settings: Any) -> Iterator[openai.OpenAI]:
    with ExitStack() as stack:
        address = stack.enter_context(running(upstream.app))
        proxy = create_proxy(ProxySettings(address, index, PRESETS[policy], **settings))
        mine = stack.enter_context(running(proxy))
        client = openai.OpenAI(base_url=mine, api_key="key-of-a-user", max_retries=0, _strict_response_validation=True)
        yield stack.enter_context(client)


def chat(client: openai.OpenAI, text: str = "p", **more: Any) -> Any:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)


def lenient(client: openai.OpenAI) -> openai.OpenAI:
    """The client's strict validation knows no chunk of a completion that goes on: its finish_reason is null."""
    return client.copy(_extra_kwargs={"_strict_response_validation": False})


def collected(stream: Any) -> tuple[dict[int, str], dict[int, str], list[dict[str, Any]], list[Any]]:
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    found: list[dict[str, Any]] = []
    chunks = list(stream)
    for chunk in chunks:
        for choice in chunk.choices:
            piece = choice.delta.content if hasattr(choice, "delta") else choice.text
            texts[choice.index] = texts.get(choice.index, "") + (piece or "")
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
        if (chunk.model_extra or {}).get("attribution"):
            found += chunk.model_extra["attribution"]["choices"]
    return texts, reasons, found, chunks


def test_a_chat_answer_is_annotated_and_valid(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    copied = licensed_rows[0]["content"].strip()
    upstream.script = lambda body, index: PROSE + copied
    with asked(upstream, licensed_folder, "annotate") as client:
        answer = chat(client)
        assert answer.choices[0].message.content == PROSE + copied and answer.usage.total_tokens == 8
        (span,) = answer.model_extra["attribution"]["choices"][0]["fields"]["content"]["spans"]
        (citation,) = answer.choices[0].message.annotations
        assert span["evidence"][0]["sources"][0]["repository"] == "github.com/owner0/code"
        place = citation.url_citation
        assert answer.choices[0].message.content[place.start_index : place.end_index] == copied
        assert place.url.startswith("https://github.com/owner0") and place.model_extra["license"] == "MIT"
        assert chat(client, extra_body={"attribution": False}).model_extra.get("attribution") is None
        assert all("attribution" not in each for each in upstream.asked)
        answer = client.completions.create(model="m", prompt="p")
        assert answer.choices[0].text == PROSE + copied
        assert answer.model_extra["attribution"]["choices"][0]["fields"]["text"]["spans"]
        assert client.models.list().data[0].id == "m"


def test_a_stream_is_annotated_with_its_last_chunk(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    copied = licensed_rows[0]["content"].strip()
    upstream.script = lambda body, index: PROSE + copied + "\n" if index == 0 else PROSE
    with asked(upstream, licensed_folder, "annotate", attach="request") as client:
        options = {"stream": True, "stream_options": {"include_usage": True}, "n": 2}
        texts, reasons, found, chunks = collected(chat(client, extra_body={"attribution": True}, **options))
        assert texts == {0: PROSE + copied + "\n", 1: PROSE} and reasons == {0: "stop", 1: "stop"}
        accounts = {each["index"]: each["fields"]["content"]["spans"] for each in found}
        assert len(accounts[0]) == 1 and accounts[1] == []
        assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [8]
        assert collected(chat(client, **options))[2] == []
        made = lenient(client).completions.create(model="m", prompt=["a", "b"], stream=True)
        assert collected(made)[0] == {0: PROSE + copied + "\n", 1: PROSE + copied + "\n"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["chat", "text"])
def test_strict_ends_an_answer_before_the_copy(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]], stream: bool, kind: str
) -> None:
    copied = licensed_rows[1]["content"]
    upstream.script = lambda body, index: PROSE + copied + PROSE
    with asked(upstream, licensed_folder, "strict") as client:
        if kind == "chat":
            answer = chat(client, stream=stream)
        else:
            answer = (lenient(client) if stream else client).completions.create(model="m", prompt="p", stream=stream)
        if stream:
            texts, reasons, found, _ = collected(answer)
            text, reason, account = texts[0], reasons[0], found[0]
        else:
            (choice,) = answer.choices
            text = choice.message.content if kind == "chat" else choice.text
            reason, account = choice.finish_reason, answer.model_extra["attribution"]["choices"][0]
    assert reason == "content_filter" and text.startswith(PROSE.strip()) and len(text) < len(PROSE) + 64
    (span,) = account["fields"]["content" if kind == "chat" else "text"]["spans"]
    assert span["action"] == "block" and span["evidence"][0]["licenses"] == ["GPL-3.0-only"] and not span["emitted"]
    # Another sample is drawn where nothing has been said yet; it says the same here.
    assert len(upstream.asked) == (1 if stream else 3)


def test_another_sample_takes_the_place_of_a_copy(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    upstream.script = lambda body, index: licensed_rows[1]["content"] if body.get("seed") == 5 else "all my own work"
    with asked(upstream, licensed_folder, "strict") as client:
        answer = chat(client, seed=5)
    assert answer.choices[0].message.content == "all my own work" and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 16 and [each["seed"] for each in upstream.asked] == [5, 6]


def test_where_nothing_is_left_the_answer_says_so(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    upstream.script = lambda body, index: licensed_rows[1]["content"]
    with asked(upstream, licensed_folder, "strict") as client:
        answer = chat(client)
        assert answer.choices[0].finish_reason == "content_filter" and answer.choices[0].message.content
        texts, reasons, _, _ = collected(chat(client, stream=True))
    assert reasons == {0: "content_filter"} and texts[0]
    assert licensed_rows[1]["content"][64:96] not in texts[0] + answer.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("policy", ["annotate", "strict"])
def test_code_in_the_arguments_of_tools_is_checked(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]], stream: bool, policy: str
) -> None:
    upstream.tools = True
    said = licensed_rows[1]["content"]
    upstream.script = lambda body, index: said

    def arguments(client: openai.OpenAI) -> tuple[str, str, list[Any]]:
        answer = chat(client, stream=stream)
        if not stream:
            calls = answer.choices[0].message.tool_calls or []
            account = answer.model_extra["attribution"]["choices"][0]["fields"].get("tool_calls", {"spans": []})
            return "".join(each.function.arguments for each in calls), answer.choices[0].finish_reason, account["spans"]
        _, reasons, found, chunks = collected(answer)
        deltas = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
        spans = found[0]["fields"].get("tool_calls", {"spans": []})["spans"]
        return "".join(each.function.arguments or "" for each in deltas), reasons[0], spans

    with asked(upstream, licensed_folder, policy) as client:
        made, reason, spans = arguments(client)
        assert len(spans) == 1 and spans[0]["evidence"][0]["licenses"] == ["GPL-3.0-only"]
        if policy == "strict":
            assert made == "" and reason == "content_filter"
        else:
            assert json.loads(made) == {"code": said} and reason == "tool_calls"
        said = "print('my own')\n"
        made, reason, spans = arguments(client)
        assert json.loads(made) == {"code": said} and reason == "tool_calls" and spans == []


def test_errors_of_the_upstream_come_through(upstream: Upstream, licensed_folder: Path) -> None:
    upstream.status = 429
    with asked(upstream, licensed_folder, "strict") as client:
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError) as told:
                chat(client, stream=stream)
            assert told.value.code == "rate_limit_exceeded" and told.value.response.headers["retry-after"] == "7"


def test_an_upstream_that_is_down_is_502_in_the_usual_shape(licensed_folder: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    with running(create_proxy(ProxySettings(address, licensed_folder, PRESETS["strict"]))) as mine:
        client = openai.OpenAI(base_url=mine, api_key="k", max_retries=0)
        for ask in (lambda: chat(client), lambda: chat(client, stream=True), lambda: client.models.list()):
            with pytest.raises(openai.InternalServerError) as told:
                ask()
            assert told.value.status_code == 502 and told.value.code == "upstream_unavailable"
        client.close()


def test_what_is_not_guarded_is_not_passed_on(upstream: Upstream, licensed_folder: Path) -> None:
    with asked(upstream, licensed_folder, "strict") as client:
        with pytest.raises(openai.NotFoundError, match="not guarded"):
            client.responses.create(model="m", input="p")
        where = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=10)
        for body in (b"", b"[1]", b"{", b"\xff"):
            where.request("POST", "/v1/chat/completions", body)
            reply = where.getresponse()
            assert reply.status == 400 and json.loads(reply.read())["error"]["code"] == "invalid_json"
        where.close()
    assert upstream.asked == []


def test_authorization_is_passed_on(upstream: Upstream, licensed_folder: Path) -> None:
    with asked(upstream, licensed_folder, "annotate") as client:
        chat(client)
        client.models.list()
    assert [each["authorization"] for each in upstream.headers] == ["Bearer key-of-a-user"] * 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_who_leaves_ends_the_question_upstream(
    upstream: Upstream, licensed_folder: Path, stream: bool
) -> None:
    upstream.script = lambda body, index: "word " * 5000
    upstream.pause = 0.02 if stream else 60.0
    with asked(upstream, licensed_folder, "strict") as client:
        if stream:
            answer = chat(client, stream=True)
            next(iter(answer))
            answer.close()
        else:
            with pytest.raises(openai.APITimeoutError):
                chat(client, timeout=2.0)
        assert upstream.left.wait(30)


def test_an_answer_that_the_guard_ends_is_not_generated_further(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    upstream.script = lambda body, index: licensed_rows[1]["content"] + "word " * 5000
    upstream.pause = 0.001
    with asked(upstream, licensed_folder, "strict") as client:
        assert collected(chat(client, stream=True))[1] == {0: "content_filter"}
        assert upstream.left.wait(30)


def test_an_upstream_killed_in_the_middle_is_an_error_after_what_was_said(
    upstream: Upstream, licensed_folder: Path
) -> None:
    upstream.script = lambda body, index: "nothing of note " * 100
    upstream.cut_after = 50
    with asked(upstream, licensed_folder, "strict") as client:
        seen = ""
        with pytest.raises(openai.APIError, match="middle of the answer"):
            for chunk in chat(client, stream=True):
                seen += chunk.choices[0].delta.content or ""
    assert seen == ("nothing of note " * 100)[:200]


def test_an_index_replaced_while_an_answer_streams_serves_it_to_the_end(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]], tmp_path: Path
) -> None:
    from indexer.withdrawal import withdraw

    folder = tmp_path / "index"
    shutil.copytree(licensed_folder, folder)
    upstream.script = lambda body, index: PROSE + licensed_rows[0]["content"]
    upstream.pause = 0.003
    with asked(upstream, folder, "annotate") as client:
        stream = iter(chat(client, stream=True))
        next(stream)
        withdraw(folder, repositories=["github.com/owner0/code"])
        _, reasons, found, _ = collected(stream)
        sources = found[0]["fields"]["content"]["spans"][0]["evidence"][0]["sources"]
        assert reasons == {0: "stop"} and sources[0]["repository"] == "github.com/owner0/code"
        until = time.monotonic() + 30
        while True:  # the proxy looks for another generation now and then
            later = chat(client).model_extra["attribution"]["choices"][0]["fields"]["content"]["spans"]
            if [each["evidence"] for each in later] == [[]]:
                break
            assert time.monotonic() < until
            time.sleep(0.1)
        assert later[0]["kind"] == "withdrawn"


def test_many_streams_at_once_are_not_mixed_up(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]], function_of: Callable[[int], str]
) -> None:
    def script(body: dict[str, Any], index: int) -> str:
        number = int(body["messages"][0]["content"])
        copied = licensed_rows[number % 6]["content"] if number % 2 else ""
        return function_of(2000 + number) + "\n" + copied

    upstream.script = script
    told: dict[int, tuple[str, str]] = {}
    with asked(upstream, licensed_folder, "strict") as client:

        def ask(number: int) -> None:
            texts, reasons, _, _ = collected(chat(client, str(number), stream=True))
            told[number] = (texts[0], reasons[0])

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
    for number in range(32):
        text, reason = told[number]
        own = function_of(2000 + number)
        assert text.startswith(own.strip()) and reason == ("content_filter" if number % 2 else "stop")
        assert number % 2 == 0 or len(text) < len(own) + 64


def test_the_counters_are_told_without_text(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    upstream.script = lambda body, index: licensed_rows[1]["content"]
    with asked(upstream, licensed_folder, "annotate") as client:
        chat(client)
        where = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=10)
        where.request("GET", "/metrics")
        told = where.getresponse().read().decode()
        where.close()
    assert 'provenance_guard_decisions_total{action="annotate",reason="default"} 1' in told
    assert 'provenance_guard_answers_total{ending="complete"} 1' in told


def test_settings_that_cannot_work_are_refused(licensed_folder: Path, tmp_path: Path) -> None:
    for upstream in ("", "localhost:8080", "ftp://x/v1", "http://"):
        with pytest.raises(ParameterError, match="upstream"):
            ProxySettings(upstream, licensed_folder, PRESETS["strict"])
    with pytest.raises(IndexMissing):
        create_proxy(ProxySettings("http://127.0.0.1:1/v1", tmp_path, PRESETS["strict"]))


def test_nothing_gets_past_the_guard_in_a_form_that_was_not_asked_for(
    upstream: Upstream, licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    copied = licensed_rows[1]["content"]
    upstream.script = lambda body, index: PROSE + copied
    upstream.stray = [{"content": copied}, {"error": {"message": "busy"}, "choices": [{"delta": {"content": copied}}]}]

    def sent(stream: bool, kind: str) -> str:
        body: dict[str, Any] = {"model": "m", "stream": stream}
        body |= {"messages": [{"role": "user", "content": "p"}]} if kind == "chat/completions" else {"prompt": "p"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", f"/v1/{kind}", json.dumps(body), {"Content-Type": "application/json"})
        said = connection.getresponse().read().decode()
        connection.close()
        return said

    with asked(upstream, licensed_folder, "strict") as client:
        port = client.base_url.port
        for upstream.streams, upstream.parts in ((False, False), (False, True), (True, True), (True, False)):
            for stream in (True, False):
                for kind in ("completions", "chat/completions"):
                    said = sent(stream, kind)
                    assert copied[40:90] not in said and "content_filter" in said
        upstream.stray = [["no", "object"]]
        assert '"code":"cut"' in sent(True, "completions")


def test_who_leaves_before_the_first_word_ends_the_question_upstream(upstream: Upstream, licensed_folder: Path) -> None:
    upstream.thinking = 60
    with asked(upstream, licensed_folder, "annotate") as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.base_url.port, timeout=60)
        body = json.dumps({"model": "m", "prompt": "p", "stream": True})
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        until = time.monotonic() + 60
        while not upstream.asked:
            assert time.monotonic() < until
            time.sleep(0.02)
        connection.close()
        assert upstream.left.wait(30)
