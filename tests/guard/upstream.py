"""A scripted OpenAI-compatible server and what runs an application on the loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Script = Callable[[dict[str, Any], int], str]
"""Says what the model answers to a request, for each choice."""


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Run an application in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, access_log=False, log_config=None, lifespan="on", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


class Upstream:
    """Answers by script, and remembers what it was asked.

    A stream that ends with ``rest`` waits before it, where there is one, until ``go_on`` is set.
    """

    def __init__(self) -> None:
        self.script: Script = lambda body, index: "hello"
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = threading.Event()
        self.rest = ""
        self.waiting = threading.Event()
        self.go_on = threading.Event()
        self.cut_after: int | None = None
        self.pause = 0.0
        self.status = 200
        self.tools = False
        self.streams = True
        self.thinking = 0.0
        self.parts = False
        self.stray: list[Any] = []
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self.answer, methods=["POST"]),
                Route("/v1/completions", self.answer, methods=["POST"]),
                Route("/v1/models", self.models),
            ]
        )

    async def models(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        return JSONResponse({"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]})

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        if self.status != 200:
            error = {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
            return JSONResponse({"error": error}, self.status, headers={"retry-after": "7"})
        chat = "messages" in body
        prompts = body["prompt"] if isinstance(body.get("prompt"), list) else [None]
        texts = [
            self.script({**body, "prompt": prompt} if prompt is not None else body, index)
            for prompt in prompts
            for index in range(body.get("n") or 1)
        ]
        until = time.monotonic() + self.thinking
        while time.monotonic() < until:
            if await request.is_disconnected():
                self.left.set()
                break
            await asyncio.sleep(0.05)
        if body.get("stream") and self.streams:
            return StreamingResponse(self.events(body, texts, chat), media_type="text/event-stream")
        until = time.monotonic() + self.pause
        while time.monotonic() < until:
            if await request.is_disconnected():
                self.left.set()
                break
            await asyncio.sleep(0.05)
        choices = [self.whole(index, text, chat) for index, text in enumerate(texts)]
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        return JSONResponse({**self.frame(chat, False), "choices": choices, "usage": usage})

    def whole(self, index: int, text: str, chat: bool) -> dict[str, Any]:
        if not chat:
            return {"index": index, "text": text, "logprobs": None, "finish_reason": "stop"}
        message: dict[str, Any] = {"role": "assistant", "content": self.said(text), "refusal": None}
        if self.tools:
            message.update(content=None, tool_calls=[self.call(json.dumps({"code": text}))])
        reason = "tool_calls" if self.tools else "stop"
        return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}

    def said(self, text: str) -> Any:
        return [{"type": "text", "text": text}, {"type": "mood"}] if self.parts else text

    @staticmethod
    def call(arguments: str) -> dict[str, Any]:
        return {"id": "c1", "type": "function", "function": {"name": "write_file", "arguments": arguments}}

    @staticmethod
    def frame(chat: bool, stream: bool) -> dict[str, Any]:
        kind = ("chat.completion.chunk" if stream else "chat.completion") if chat else "text_completion"
        return {"id": "x1", "object": kind, "created": 1, "model": "m"}

    async def events(self, body: dict[str, Any], texts: list[str], chat: bool) -> AsyncIterator[str]:
        frame = self.frame(chat, True)

        def event(*choices: dict[str, Any], **more: Any) -> str:
            return f"data: {json.dumps({**frame, 'choices': list(choices), **more})}\n\n"

        sent = 0
        try:
            yield ": a comment\n\n"
            for each in self.stray:
                yield f"data: {json.dumps(each)}\n\n"
            if chat:
                for index in range(len(texts)):
                    yield event({"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
            if self.tools:
                texts = [json.dumps({"code": text}) for text in texts]
            for at in range(0, max(map(len, texts)), 4):
                while self.rest and at + 4 > len(texts[0]) - len(self.rest) and not self.go_on.is_set():
                    self.waiting.set()
                    await asyncio.sleep(0.01)
                for index, text in enumerate(texts):
                    piece = text[at : at + 4]
                    if not piece:
                        continue
                    if self.tools:
                        call = self.call(piece) if at == 0 else {"function": {"arguments": piece}}
                        delta: dict[str, Any] = {"tool_calls": [{"index": 0, **call}]}
                    else:
                        delta = {"content": self.said(piece)}
                    choice = {"delta": delta} if chat else {"text": piece, "logprobs": None}
                    yield event({"index": index, **choice, "finish_reason": None})
                    sent += 1
                    if self.cut_after is not None and sent >= self.cut_after:
                        raise ConnectionError("killed")
                await asyncio.sleep(self.pause)
            for index in range(len(texts)):
                last = {"delta": {}} if chat else {"text": "", "logprobs": None}
                yield event({"index": index, **last, "finish_reason": "tool_calls" if self.tools else "stop"})
            if (body.get("stream_options") or {}).get("include_usage"):
                yield event(usage={"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8})
            yield "data: [DONE]\n\n"
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise
