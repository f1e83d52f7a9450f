"""The playground: a scripted model behind the page, asked by programs and by a real browser."""

from __future__ import annotations

import http.client
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from cli.main import main
from provenance.errors import ParameterError
from provenance.guard.assistant import ASSISTANT
from provenance.guard.policy_file import PRESETS
from provenance.server.settings import Settings, UpstreamSettings
from tests.elasticsearch.node import free_port
from tests.guard.upstream import Upstream, running

from .test_browser import CHROMIUM, VIEWS, browser, judge  # noqa: F401

Start = Callable[[Settings], AbstractContextManager[Any]]
AFTER = "\n\nThat is all of it; what follows stands nowhere else in the world.\n"


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def asking(
    start: Start, demo_index: Path, portrait_index: Path, upstream: Upstream
) -> Callable[..., AbstractContextManager[Any]]:
    """What runs a server with a playground before the scripted model; settings may be changed."""
    from contextlib import contextmanager

    @contextmanager
    def run(policy: str = "annotate", streams: int = 8, **changes: Any) -> Iterator[Any]:
        with running(upstream.app) as address:
            behind = UpstreamSettings(address, PRESETS[policy], streams=streams)
            settings = Settings((("demo", demo_index), ("portrait", portrait_index)), upstream=behind)
            with start(replace(settings, **changes)) as client:
                yield client

    return run


def events(body: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def texts(chunks: list[dict[str, Any]]) -> list[str]:
    shown, text = [], ""
    for chunk in chunks:
        for choice in chunk["choices"]:
            text += choice.get("text") or choice.get("delta", {}).get("content") or ""
        shown.append(text)
    return shown


def test_an_answer_comes_in_events_that_tell_of_copies_as_they_grow(
    asking: Callable[..., Any], upstream: Upstream, snippet: str
) -> None:
    upstream.script = lambda body, index: f"é\U0001f986\n{snippet}{AFTER}"
    with asking() as client:
        reply = client.post("/playground/answer", {"prompt": "import argparse\n", "temperature": 0, "max_tokens": 99})
        metrics = client.get("/metrics").text
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/event-stream")
    chunks = events(reply.body)
    shown = texts(chunks)
    assert shown[-1] == upstream.script({}, 0)
    told = [
        (len(text), chunk["attribution"]["choices"][0]["fields"]["text"])
        for text, chunk in zip(shown, chunks, strict=True)
        if "attribution" in chunk
    ]
    assert len(told) < len(chunks) / 10, "the account comes with every piece"
    first, account = told[0]
    assert first < 250 and account["growing"][0]["evidence"][0]["sources"][0]["path"] == "argparse.py"
    last = told[-1][1]
    exact = last["spans"][0]["evidence"][0]
    assert last["growing"] == [] and last["ending"] == "complete"
    assert shown[-1][exact["start"] : exact["end"]].strip() == snippet.strip()
    asked = upstream.asked[0]
    assert asked == {
        "model": "m", "stream": True, "max_tokens": 99, "temperature": 0, "prompt": "import argparse\n",
    }  # fmt: skip
    assert 'provenance_guard_decisions_total{action="annotate",reason="default"} 1' in metrics


def test_a_policy_that_keeps_text_back_keeps_it_back_here(
    asking: Callable[..., Any], upstream: Upstream, snippet: str
) -> None:
    upstream.script = lambda body, index: f"Here it is.\n{snippet}{AFTER}"
    with asking("strict") as client:
        chunks = events(client.post("/playground/answer", {"prompt": "p"}).body)
    text = texts(chunks)[-1]
    # The first window of a copy may begin a stride behind the copy.
    assert upstream.script({}, 0).startswith(text) and len("Here it is.") < len(text) < 12 + 2 * 32
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"
    account = chunks[-1]["attribution"]["choices"][0]["fields"]["text"]
    assert account["ending"] == "ended" and account["spans"][0]["action"] == "block"


def test_both_sides_of_a_hole_and_chats_are_put_as_models_know_them(
    asking: Callable[..., Any], upstream: Upstream, snippet: str
) -> None:
    half = len(snippet) // 2
    upstream.script = lambda body, index: snippet
    turns = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    with asking() as client:
        fill = {"mode": "fill", "prompt": snippet[:half], "suffix": snippet[half:]}
        chunks = events(client.post("/playground/answer", fill).body)
        chat = client.post("/playground/answer", {"mode": "chat", "turns": turns, "index": "demo"})
        assert client.post("/playground/answer", {"mode": "chat", "turns": turns[:2]}).status == 422
    assert upstream.asked[0]["prompt"] == f"<fim_prefix>{snippet[:half]}<fim_suffix>{snippet[half:]}<fim_middle>"
    # What stood in the question is not counted, on either side; but for the window across both it is all there is.
    assert chunks[-1]["attribution"]["choices"][0]["fields"]["text"]["spans"] == []
    assert upstream.asked[1]["messages"] == [{"role": "system", "content": ASSISTANT}, *turns]
    assert events(chat.body)[-1]["attribution"]["choices"][0]["fields"]["content"]["spans"]


def test_what_cannot_be_answered_says_so(asking: Callable[..., Any], upstream: Upstream) -> None:
    def ask(client: Any, **body: Any) -> tuple[int, str]:
        reply = client.post("/playground/answer", {"prompt": "secret words", **body})
        assert "secret" not in reply.text and reply.headers["content-type"] == "application/json"
        return reply.status, reply.json["error"]["message"]

    with asking(body_bytes=1024) as client:
        assert ask(client, index="portrait") == (
            422,
            "the index portrait cannot be asked while a text is written: it is a portrait",
        )
        assert ask(client, index="other")[0] == 404
        assert ask(client, max_tokens=10**6)[0] == 422 and ask(client, secret=1)[0] == 422
        assert ask(client, suffix="x" * 1024)[0] == 413
        upstream.status = 429
        assert ask(client) == (502, "the model's server refuses the question (429)")
        page = client.get("/playground", Accept="text/html")
        assert page.status == 200 and "portrait" not in page.text.split('id="question"')[1]
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    with asking(upstream=UpstreamSettings(nowhere)) as client:
        assert ask(client) == (502, "the model's server does not answer; try again later")
    with pytest.raises(ParameterError, match="streams is 0"):
        UpstreamSettings(nowhere, streams=0)


def test_there_is_no_playground_without_a_model(client: Any) -> None:
    assert client.get("/playground").status == 404 and client.post("/playground/answer", {}).status == 404
    assert "Playground" not in client.get("/").text


def test_only_so_many_answers_are_written_at_a_time_and_who_leaves_makes_room(
    asking: Callable[..., Any], upstream: Upstream
) -> None:
    upstream.script = lambda body, index: "word " * 20_000
    upstream.pause = 0.01
    with asking(streams=2) as client:
        body = json.dumps({"prompt": "p"}).encode()
        open_ones = []
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
            connection.request("POST", "/playground/answer", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read(20)
            open_ones.append((connection, answer))
        refused = client.post("/playground/answer", {"prompt": "p"})
        assert refused.status == 429 and refused.headers["retry-after"] == "5"
        for connection, answer in open_ones:
            answer.close()
            connection.close()
        assert upstream.left.wait(30), "the upstream goes on"
        upstream.left.clear()
        upstream.thinking = 60
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        connection.request("POST", "/playground/answer", body, {"Content-Type": "application/json"})
        until = time.monotonic() + 60
        while len(upstream.asked) < 3:
            assert time.monotonic() < until
            time.sleep(0.02)
        connection.close()
        assert upstream.left.wait(30), "who leaves before the first word is waited for"
        upstream.thinking = 0
        upstream.script = lambda body, index: "done"
        until = time.monotonic() + 60
        while client.post("/playground/answer", {"prompt": "p"}).status != 200:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_a_key_is_asked_for_and_the_upstream_gets_its_own(
    asking: Callable[..., Any], upstream: Upstream, demo_index: Path
) -> None:
    with (
        running(upstream.app) as address,
        asking(
            api_keys=("a-key-of-this-server",), upstream=UpstreamSettings(address, key="key-of-the-upstream")
        ) as client,
    ):
        assert client.get("/playground").status == 401
        assert client.post("/playground/answer", {"prompt": "p"}).status == 401
        told = client.post("/playground/answer", {"prompt": "p"}, Authorization="Bearer a-key-of-this-server")
        assert told.status == 200
    assert {each["authorization"] for each in upstream.headers} == {"Bearer key-of-the-upstream"}
    assert "key-of-the-upstream" not in repr(UpstreamSettings(address, key="key-of-the-upstream"))


def test_nothing_of_questions_and_answers_is_logged(
    asking: Callable[..., Any],
    upstream: Upstream,
    snippet: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    upstream.script = lambda body, index: f"canary_in_the_answer {snippet}"
    with asking() as client:
        client.post("/playground/answer", {"prompt": "canary_in_the_question"})
        upstream.cut_after = 20
        client.post("/playground/answer", {"prompt": "canary_in_the_question"})
        upstream.status = 400
        client.post("/playground/answer", {"prompt": "canary_in_the_question"})
        assert "canary" not in client.get("/metrics").text
    told = capfd.readouterr()
    for each in (caplog.text, told.out, told.err):
        assert "canary" not in each and "argparse" not in each


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policy", "strict"], "are for the playground: say --upstream URL"),
        (["--upstream-model", "m"], "are for the playground: say --upstream URL"),
        (["--upstream", "localhost"], "it must be an address like"),
        (["--upstream", "http://127.0.0.1:1/v1", "--policy", "lenient"], "no such policy"),
    ],
)
def test_a_playground_that_cannot_be_is_one_line_and_two(
    words: list[str], said: str, demo_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--index", str(demo_index), *words]) == 2
    told = capsys.readouterr()
    assert told.out == "" and said in told.err and told.err.count("\n") == 1


walk = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:  # noqa: F811
    """What opens the playground; afterwards nothing may have been complained of, and no other host asked."""
    complaints: list[str] = []
    hosts: set[str] = set()
    contexts: list[Any] = []
    bases: set[str] = set()

    def open_page(client: Any, view: str = "light") -> Page:
        context = browser.new_context(base_url=client.base, **VIEWS[view])
        contexts.append(context)
        bases.add(urlsplit(client.base).netloc)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto("/playground")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # A failure that the page tells of is noted by chromium, too.
    assert not [each for each in complaints if "502" not in each] and hosts == bases


@walk
@pytest.mark.parametrize("view", VIEWS)
def test_copies_are_marked_while_they_are_written_with_their_sources_beside(
    asking: Callable[..., Any], visit: Callable[..., Page], upstream: Upstream, snippet: str, view: str
) -> None:
    upstream.script = lambda body, index: f"<b>not markup</b> \U0001f986\n{snippet}{AFTER}"
    upstream.rest = AFTER
    with asking() as client:
        page = visit(client, view)
        judge(page, f"{view}-playground")
        page.get_by_label("Code to go on from").fill("import argparse\n")
        page.get_by_role("button", name="Write").click()
        region = page.get_by_role("region", name="Answer, copies marked")
        expect(region.locator("mark")).to_be_visible()
        expect(page.get_by_role("link", name="stored text").first).to_be_visible()
        assert AFTER.strip() not in region.inner_text(), "it was marked only when all was over"
        judge(page, f"{view}-playground-writing")
        upstream.go_on.set()
        expect(page.get_by_text("The answer is complete; 1 copy.")).to_be_visible()
        assert region.locator("mark").inner_text().strip() == snippet.strip()
        assert region.inner_text().startswith("<b>not markup</b> \U0001f986")
        expect(page.get_by_text(re.compile(r"argparse\.py, lines \d+ to \d+"))).to_be_visible()
        judge(page, f"{view}-playground-written")
        page.get_by_role("link", name="Sources of copy 1").click()
        expect(page.locator(".copy:target")).to_be_in_viewport()
        page.get_by_role("link", name="stored text").first.click()
        expect(page.locator(".line.marked").first).to_be_in_viewport()


@walk
def test_a_chat_goes_on_and_everything_is_reached_by_keyboard(
    asking: Callable[..., Any], visit: Callable[..., Page], upstream: Upstream, snippet: str
) -> None:
    upstream.script = lambda body, index: f"Answer to {body['messages'][-1]['content']}."
    with asking() as client:
        page = visit(client)
        page.get_by_label("Go on from code").focus()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_label("What follows")).to_be_visible()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_label("What follows")).to_be_hidden()
        page.get_by_label("Your question").focus()
        for question in ("first", "second"):
            page.keyboard.insert_text(question)
            page.keyboard.press("Control+Enter")
            expect(page.get_by_text(f"Answer to {question}.")).to_be_visible()
            expect(page.get_by_label("Your question")).to_have_value("")
            expect(page.get_by_label("Your question")).to_be_focused()
        judge(page, "light-playground-chat")
        assert [each["role"] for each in upstream.asked[1]["messages"]] == ["system", "user", "assistant", "user"]
        expect(page.get_by_text(re.compile("no copy of 127 or more normalised characters"))).to_be_visible()
        upstream.script = lambda body, index: "word " * 20_000
        upstream.pause = 0.01
        page.keyboard.insert_text("at length")
        page.keyboard.press("Tab")  # what the assistant is told
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_text("word word word")).to_be_visible()
        page.get_by_role("button", name="Stop").press("Enter")
        expect(page.get_by_text("Stopped.")).to_be_visible()
        assert upstream.left.wait(30), "the upstream goes on"
        page.get_by_role("button", name="New chat").press("Enter")
        expect(page.get_by_text("Answer to first.")).to_have_count(0)
        upstream.status = 500
        page.get_by_label("Your question").fill("again")
        page.get_by_label("Your question").press("Control+Enter")
        page.wait_for_function("document.getElementById('state').textContent.startsWith('It failed')")


@walk
def test_a_hostile_answer_does_nothing(
    asking: Callable[..., Any], visit: Callable[..., Page], upstream: Upstream
) -> None:
    upstream.script = lambda body, index: "<script>alert(1)</script><img src=x onerror=alert(2)>" * 20
    with asking("strict") as client:
        page = visit(client)
        alarms: list[str] = []
        page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
        page.get_by_label("Fill in the middle").check()
        page.get_by_label("What comes before").fill("a")
        page.get_by_label("What follows").fill("b")
        page.get_by_role("button", name="Write").click()
        expect(page.get_by_text("The answer is complete")).to_be_visible()
        assert "onerror=alert(2)" in page.get_by_role("region").inner_text() and not alarms
    assert threading.active_count() < 100
