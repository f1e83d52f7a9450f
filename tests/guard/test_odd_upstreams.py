"""Upstreams that answer what nobody expects: nothing of it gets past a policy that keeps text back, nothing is lost."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from provenance.guard.policy_file import PRESETS
from provenance.guard.proxy import ProxySettings, create_proxy
from provenance.guard.sampling import Sampling
from provenance.guard.upstream import Upstream

from .upstream import running

Ask = Callable[..., tuple[int, str]]


class Raw:
    """Answers with the bytes it was given, in the pieces it was given."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.kind = "application/json"
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[Any] = []
        self.paths: list[str] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request: Request) -> Response:
        self.paths.append(request.scope["raw_path"].decode())
        self.asked.append(json.loads(await request.body() or "null"))
        headers = {"content-type": self.kind, **self.headers}
        return StreamingResponse(self._sent(), self.status, headers)

    async def _sent(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
            await asyncio.sleep(0.002)

    def says(self, answer: Any, status: int = 200, **headers: str) -> None:
        """Answer with one JSON document."""
        self.pieces, self.kind, self.status, self.headers = [_utf8(answer)], "application/json", status, headers

    def streams(self, *chunks: Any, cut: int = 0) -> None:
        """Answer with an event a chunk, in pieces of ``cut`` bytes where that is more than 0."""
        whole = b"".join(b"data: " + _utf8(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
        step = cut or len(whole)
        self.pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
        self.kind, self.status, self.headers = "text/event-stream", 200, {}


def _utf8(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()  # as many servers write it: what may stay raw is raw
    except UnicodeEncodeError:
        return json.dumps(value).encode()


@pytest.fixture(scope="module")
def raw() -> Raw:
    return Raw()


@pytest.fixture(scope="module")
def ask(raw: Raw, licensed_folder: Path) -> Iterator[Ask]:
    """Ask the proxy with a policy; a body is sent as it is, or as JSON."""
    with ExitStack() as stack:
        address = stack.enter_context(running(raw.app))
        ports = {}
        for policy in ("annotate", "strict"):
            proxy = create_proxy(ProxySettings(address, licensed_folder, PRESETS[policy]))
            ports[policy] = int(stack.enter_context(running(proxy)).rsplit(":", 1)[1].partition("/")[0])

        def asked(policy: str, body: Any, path: str = "chat/completions", method: str = "POST") -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", ports[policy], timeout=30)
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, f"/v1/{path}", sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read().decode()
            connection.close()
            return answer.status, said

        yield asked


CHAT = {"model": "m", "messages": [{"role": "user", "content": "p"}]}


def events(said: str) -> list[Any]:
    return [json.loads(line[6:]) for line in said.splitlines() if line.startswith("data: {")]


def text_of(said: str) -> str:
    return "".join(
        choice["delta"].get("content") or "" for event in events(said) for choice in event.get("choices", ())
    )


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_line_ends_of_unicode_end_no_event(raw: Raw, ask: Ask, cut: int, licensed_folder: Path) -> None:
    text = "a\u2028b\u2029c\x85d \U0001f986 \xe4\n"
    raw.streams(
        *({"id": "x", "choices": [{"index": 0, "delta": {"content": each}}]} for each in (text, "end")), cut=cut
    )
    status, said = ask("annotate", {**CHAT, "stream": True})
    assert (status, text_of(said)) == (200, text + "end")
    assert said.endswith("data: [DONE]\n\n")
    with running(raw.app) as address:
        model = Upstream(address, "m")
        assert "".join(model.answering(Sampling(), chat=True)("p")) == text + "end"
        model.close()


def test_halves_of_a_surrogate_pair_meet_again(raw: Raw, ask: Ask) -> None:
    raw.streams(
        *({"choices": [{"index": 0, "delta": {"content": each}}]} for each in ("duck \ud83e", "\udd86 \ud83e", "!"))
    )
    for policy in ("annotate", "strict"):
        status, said = ask(policy, {**CHAT, "stream": True})
        assert (status, text_of(said)) == (200, "duck \U0001f986 \ufffd!")


def test_text_that_is_no_unicode_and_numbers_that_are_none_are_answered(raw: Raw, ask: Ask) -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "x \ud800 y"},
        "logprobs": {"content": [float("nan")]},
    }
    raw.says({"id": "x", "choices": [choice]})
    status, said = ask("annotate", CHAT)
    assert status == 200 and json.loads(said)["choices"][0]["message"]["content"] == "x \ufffd y"


def test_prompts_are_passed_on_whatever_they_are_made_of(raw: Raw, ask: Ask) -> None:
    raw.says({"choices": [{"index": 0, "message": {"content": "ok"}}]})
    status, _ = ask("annotate", b'{"messages": [{"role": "user", "content": "\\ud800"}], "top_p": NaN}')
    assert status == 200
    assert raw.asked[-1]["messages"][0]["content"] == "\ud800"


def forms(copied: str) -> Iterator[dict[str, Any]]:
    """The choices of a chat in which a copy stands where no rule of OpenAI's puts generated text."""
    said = {"role": "assistant", "content": "fine"}
    yield {"message": {**said, "reasoning_details": [{"type": "reasoning.text", "text": copied}]}}
    yield {"message": {**said, "thinking": copied}}
    yield {"message": {**said, "audio": {"transcript": copied}}}
    yield {"message": {**said, "content": {"text": copied}}}
    yield {"message": said, "text": copied}
    yield {"message": said, "raw_output": copied}
    for calls in (
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"code": copied})}},
        [{"id": "1", "type": "function", "function": {"name": "f", "arguments": {"code": copied}}}],
        [{"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"code": copied})[:-5]}}],
        [{"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"code": copied}) + "{}"}}],
        [{"id": "1", "type": "function", "function": {"name": copied, "arguments": "{}"}}],
        [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}", "said": copied}}],
        [{"id": copied, "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        [copied],
    ):
        yield {"message": {**said, "tool_calls": calls}}


def test_no_copy_leaves_in_a_field_that_nobody_guards(raw: Raw, ask: Ask, licensed_rows: list[dict[str, str]]) -> None:
    copied = licensed_rows[1]["content"]
    told = json.dumps(copied)[100:160]
    for form in forms(copied):
        raw.says({"id": "x", "choices": [{"index": 0, "finish_reason": "stop", **form}]})
        status, said = ask("annotate", CHAT)
        assert status == 200 and told in said.replace("\\\\", "\\"), form
        status, said = ask("strict", CHAT)
        assert status == 200 and told not in said.replace("\\\\", "\\"), form
        if isinstance(form["message"]["content"], str) and "tool_calls" not in form["message"]:
            assert json.loads(said)["choices"][0]["message"]["content"] == "fine"
        delta = {"delta" if name == "message" else name: value for name, value in form.items()}
        raw.streams(
            {"choices": [{"index": 0, **delta}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        )
        status, said = ask("strict", {**CHAT, "stream": True})
        assert told not in said.replace("\\\\", "\\"), form


def test_no_copy_leaves_beside_the_choices(raw: Raw, ask: Ask, licensed_rows: list[dict[str, str]]) -> None:
    copied = licensed_rows[1]["content"]
    told = json.dumps(copied)[100:160]
    choice = {"index": 0, "message": {"content": "fine"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    raw.says({"id": "x", "choices": [choice], "usage": usage, "__verbose": {"content": copied}})
    status, said = ask("strict", CHAT)
    assert status == 200 and told not in said and json.loads(said)["usage"] == usage
    raw.streams(
        {"choices": [{"index": 0, "delta": {"content": "fine"}, "message": {"content": copied}}], "content": copied},
        {"choices": [], "usage": usage, "timings": {"t": copied}},
    )
    status, said = ask("strict", {**CHAT, "stream": True})
    assert told not in said and text_of(said) == "fine" and usage in [event.get("usage") for event in events(said)]


@pytest.mark.parametrize("status", [201, 206, 226, 302])
def test_an_answer_with_another_status_is_guarded_or_refused(
    raw: Raw, ask: Ask, licensed_rows: list[dict[str, str]], status: int
) -> None:
    copied = licensed_rows[1]["content"]
    raw.says({"choices": [{"index": 0, "message": {"content": copied}, "finish_reason": "stop"}]}, status)
    for stream in (False, True):
        _, said = ask("strict", {**CHAT, "stream": stream})
        assert json.dumps(copied)[100:160] not in said


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"index": 0, "message": "text"}]},
        {"choices": ["text"]},
        {"choices": {"index": 0}},
        {"choices": [{"index": [], "message": {}}]},
        [],
        "text",
        None,
    ],
)
def test_what_is_no_completion_is_502_or_an_error_in_the_stream(raw: Raw, ask: Ask, answer: Any) -> None:
    raw.says(answer)
    status, said = ask("annotate", CHAT)
    assert (status, json.loads(said)["error"]["code"]) == (502, "upstream_invalid")
    raw.streams(answer)
    status, said = ask("annotate", {**CHAT, "stream": True})
    assert status == 200 and (
        events(said)[-1]["error"]["code"] == "cut" if events(said) else said.endswith("[DONE]\n\n")
    )


def test_a_damaged_body_is_the_upstreams_fault(raw: Raw, ask: Ask) -> None:
    for stream in (False, True):
        raw.says({"choices": []}, 200, **{"content-encoding": "gzip"})
        if stream:
            raw.kind = "text/event-stream"
        status, said = ask("annotate", {**CHAT, "stream": stream})
        assert "upstream" in said and status in (200, 502)
        deep = b'{"choices": ' + b"[" * 100_000
        raw.pieces, raw.headers = [b"data: " + deep + b"\n\n" if stream else deep], {}
        status, said = ask("annotate", {**CHAT, "stream": stream})
        assert "upstream" in said and status in (200, 502)


def test_a_name_of_a_model_leads_nowhere_else(raw: Raw, ask: Ask) -> None:
    raw.says({"id": "m"})
    raw.paths.clear()
    for name in (
        "models/../../slots",
        "models/%2e%2e/%2e%2e/slots",
        "models/x/../../completions",
        "models//../../slots",
    ):
        status, _ = ask("annotate", b"", name, "GET")
        assert status == 404
    assert raw.paths == []
    assert ask("annotate", b"", "models/org/name-1.5", "GET")[0] == 200
    assert raw.paths == ["/v1/models/org/name-1.5"]
