"""The playground: a model behind an OpenAI-compatible server writes, and what it copies is marked while it is written.

    browser -> question -> upstream
    browser <- guarded events, with the copies that are being written <- upstream

A page of a browser's script: answers come in events. Nothing of questions or answers is kept or logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Literal

import httpx2
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response, StreamingResponse

from provenance.errors import MismatchError
from provenance.guard.assistant import ASSISTANT
from provenance.guard.decisions import Tally
from provenance.guard.exchange import Exchange, while_wanted
from provenance.guard.fim import fim_prompt
from provenance.guard.guarded import Guard, lookups
from provenance.guard.scanner import require_streamable
from provenance.guard.upstream import require_address
from provenance.server.failures import Refusal
from provenance.server.questions import Body, IndexName
from provenance.server.rendering import rendered
from provenance.server.serving import serving_of
from provenance.server.settings import UpstreamSettings
from provenance.server.snapshots import Snapshot

MOST_TOKENS = 4096
_MOST_TURNS = 100
router = APIRouter(include_in_schema=False)


class Turn(Body):
    """What was said before in a chat."""

    role: Literal["user", "assistant"]
    content: str


class Question(Body):
    """What a browser asks: code to go on from, both sides of a hole, or a chat whose last turn is a question."""

    mode: Literal["complete", "fill", "chat"] = "complete"
    prompt: str = ""
    suffix: str = ""
    turns: list[Turn] = Field(default=[], max_length=_MOST_TURNS)
    max_tokens: int = Field(256, ge=1, le=MOST_TOKENS)
    temperature: float = Field(0.2, ge=0, le=2)
    index: IndexName = None

    def asked(self, model: str) -> tuple[str, dict[str, Any]]:
        """Return the route of the upstream and what is sent there. Raises `Refusal` for a chat without a question."""
        drawn = {"model": model, "stream": True, "max_tokens": self.max_tokens, "temperature": self.temperature}
        if self.mode == "chat":
            if not self.turns or self.turns[-1].role != "user":
                raise Refusal(422, "a chat ends with a question")
            turns = [{"role": each.role, "content": each.content} for each in self.turns]
            return "chat/completions", {**drawn, "messages": [{"role": "system", "content": ASSISTANT}, *turns]}
        prompt = fim_prompt(self.prompt, self.suffix) if self.mode == "fill" else self.prompt
        return "completions", {**drawn, "prompt": prompt}


class Playground:
    """A server's way to its model; used from its event loop."""

    def __init__(self, settings: UpstreamSettings, seconds: float) -> None:
        """Ask an upstream that may be silent for ``seconds``. Raises `ParameterError` for an address that is none."""
        self.settings = settings
        self.tally = Tally()
        self.lookups = lookups()
        self._running = 0
        self.client = httpx2.AsyncClient(
            base_url=require_address(settings.address),
            timeout=httpx2.Timeout(seconds, connect=min(10.0, seconds)),
            headers={"authorization": f"Bearer {settings.key}"} if settings.key else {},
            limits=httpx2.Limits(max_connections=None),
        )

    async def model(self) -> str:
        """Return the name of the model that is asked. Raises `Refusal`, and what the client raises."""
        if self.settings.model is not None:
            return self.settings.model
        answer = await self.client.get("models")
        if answer.status_code != 200:
            raise Refusal(502, f"the model's server refuses the question ({answer.status_code})")
        try:
            return str(answer.json()["data"][0]["id"])
        except (ValueError, KeyError, IndexError, TypeError):
            raise Refusal(502, "the model's server names no model; its operator has to name one") from None

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places for answers. Raises `Refusal` where all are taken."""
        if self._running >= self.settings.streams:
            raise Refusal(429, "the model writes as many answers as it may; try again later", retry_after=5)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def close(self) -> None:
        """Let go of connections and threads."""
        await self.client.aclose()
        self.lookups.shutdown(wait=False, cancel_futures=True)


@router.get("/playground")
async def start(request: Request, index: str | None = None) -> HTMLResponse:
    """Show where to ask."""
    serving, playground = serving_of(request), _of(request)

    def show() -> HTMLResponse:
        names = []
        for name, slot in serving.snapshots.slots.items():
            with slot.lease() as snapshot:
                if _streamable(snapshot):
                    names.append(name)
        if not names:
            raise Refusal(422, "no index of this server can be asked while a text is written: portraits cannot")
        return rendered(
            request,
            "playground.html",
            name=index if index in names else names[0],
            choices=names,
            model=playground.settings.model,
            policy=playground.settings.policy.name,
            most_tokens=MOST_TOKENS,
            assistant=ASSISTANT,
        )

    return await serving.gate.run(show)


@router.post("/playground/answer")
async def answer(request: Request, question: Question) -> Response:
    """Answer in server-sent events: OpenAI's chunks, with ``attribution`` whenever a copy was judged."""
    playground = _of(request)
    slot = serving_of(request).snapshots.slot(question.index)
    stack = AsyncExitStack()
    try:
        stack.enter_context(playground.place())
        snapshot = await asyncio.to_thread(stack.enter_context, slot.lease())
        if not _streamable(snapshot):
            raise Refusal(422, f"the index {snapshot.name} cannot be asked while a text is written: it is a portrait")
        guard = Guard(snapshot.index, playground.settings.policy, tally=playground.tally, pool=playground.lookups)
        path, body = question.asked(await playground.model())
        exchange = Exchange(playground.client, guard, path, body, headers={}, attach=True, followed=True)
        events = await while_wanted(request, exchange.streamed(stack))
    except httpx2.RequestError:
        await stack.aclose()
        raise Refusal(502, "the model's server does not answer; try again later") from None
    except BaseException:
        await stack.aclose()
        raise
    if events is None:
        await stack.aclose()
        return Response(status_code=499)  # the browser is not there any more
    if not isinstance(events, StreamingResponse):
        said = "does not stream" if events.status_code == 200 else f"refuses the question ({events.status_code})"
        raise Refusal(502, f"the model's server {said}")
    return events


def _of(request: Request) -> Playground:
    playground = serving_of(request).playground
    assert playground is not None, "the routes exist only with a model"
    return playground


def _streamable(snapshot: Snapshot) -> bool:
    """Tell whether an index can be asked while a text is written."""
    try:
        for each in snapshot.index.filters:
            require_streamable(each.geometry)
    except MismatchError:
        return False
    return True
