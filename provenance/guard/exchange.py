"""A question that goes to an OpenAI-compatible server, and the answer as it may be passed on: whole, or in events."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from provenance.guard.choices import GuardedChoice
from provenance.guard.guarded import Guard
from provenance.guard.openai_shapes import attribution, choices_of, error_body, known_frame, prompts_of
from provenance.guard.wire import EventLines, dumped

_RETURNED = ("content-type", "retry-after", "x-request-id")
_ODD = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading JSON raises that is not what it should be."""


class Exchange:
    """One question and its answer."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        guard: Guard,
        path: str,
        body: dict[str, Any],
        *,
        headers: Mapping[str, str],
        attach: bool,
        followed: bool = False,
    ) -> None:
        """Ask ``path`` of the upstream that ``client`` leads to.

        ``attach``: the answer carries ``attribution``; ``followed``: a stream carries it each time it changes, with
        the copies that are being written.
        """
        self._client = client
        self._guard = guard
        self._path = path
        self._headers = {**headers, "content-type": "application/json"}
        self._body = body
        self._attach = attach
        self._followed = followed
        self._prompts = prompts_of(body)
        self._id = secrets.token_hex(8)
        n = body.get("n")
        self._each = n if isinstance(n, int) and n > 0 else 1

    def _choice(self, index: int) -> GuardedChoice:
        prompt = self._prompts[min(index // self._each, len(self._prompts) - 1)]
        return GuardedChoice(self._guard, prompt, index, self._id, followed=self._followed)

    async def whole(self) -> Response:
        """Return the answer to a question without ``stream``."""
        return await self._judged(await self._asked(self._body))

    async def _asked(self, body: Mapping[str, Any]) -> httpx2.Response:
        return await self._client.post(self._path, content=dumped(body), headers=self._headers)

    async def _judged(self, answer: httpx2.Response) -> Response:
        """Guard an answer that came in one piece."""
        if answer.is_error:
            return same(answer)
        try:
            found = answer.json()
            places = [choice["index"] for choice in choices_of(found)]
            if not answer.is_success:
                raise ValueError(answer.status_code)
        except _ODD:
            return JSONResponse(error_body(_MEANINGLESS, "upstream_error", "upstream_invalid"), 502)
        if self._guard.policy.blocks:
            found = known_frame(found)
        guarded: list[tuple[int, GuardedChoice]] = []
        for number, index in enumerate(places):
            state = await self._settled(found, number, index)
            guarded.append((index, state))
        if self._attach:
            found["attribution"] = attribution([(index, state.sessions) for index, state in guarded])
        return Response(dumped(found), media_type="application/json")

    async def _settled(self, found: dict[str, Any], number: int, index: int) -> GuardedChoice:
        """Guard a choice of a complete answer; ask for other samples as far as the policy wants them."""
        choice = found["choices"][number]
        state = self._choice(index)
        await state.whole(choice)
        for attempt in range(1, self._guard.policy.attempts + 1):
            if not state.wants_another:
                break
            sample = await self._another(index, attempt)
            if sample is None:
                break
            other, usage = sample
            _add_usage(found, usage)
            other["index"] = index
            again = self._choice(index)
            await again.whole(other)
            # Of answers that all end early the first is as good as any; one that does not is better.
            if not again.ended:
                found["choices"][number], state = other, again
        return state

    async def _another(self, index: int, attempt: int) -> tuple[dict[str, Any], Any] | None:
        """Return another sample of one choice and what it used, or None where the upstream has none."""
        body = {**self._body, "n": 1}
        if isinstance(body.get("seed"), int):
            body["seed"] += attempt
        prompt = body.get("prompt")
        if isinstance(prompt, list) and len(self._prompts) > 1:
            body["prompt"] = prompt[min(index // self._each, len(prompt) - 1)]
        try:
            answer = await self._asked(body)
            found = answer.json()
            return (choices_of(found)[0], found.get("usage")) if answer.is_success else None
        except (httpx2.RequestError, IndexError, *_ODD):
            return None

    async def streamed(self, stack: AsyncExitStack) -> Response:
        """Return the answer to a question with ``stream``; ``stack`` is closed with it."""
        question = self._client.build_request("POST", self._path, content=dumped(self._body), headers=self._headers)
        answer = await self._client.send(question, stream=True)
        stack.push_async_callback(answer.aclose)
        if not answer.is_success or not answer.headers.get("content-type", "").startswith("text/event-stream"):
            async with stack:
                await answer.aread()
                # There are servers that do not stream, whatever they are asked.
                return await self._judged(answer)
        return StreamingResponse(
            self._events(answer, stack), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _events(self, answer: httpx2.Response, stack: AsyncExitStack) -> AsyncIterator[str]:
        async with stack:
            states: dict[int, GuardedChoice] = {}
            expected = self._each * len(self._prompts)
            frame: dict[str, Any] = {}
            try:
                async for line in _lines(answer):
                    if not line.startswith("data:"):
                        continue
                    data = line[5:].strip()
                    if data == "[DONE]":
                        break
                    chunk = json.loads(data)
                    if "error" in chunk:
                        yield _event({"error": chunk["error"]})
                        continue
                    if not isinstance(chunk.get("choices"), list):
                        continue  # what is no completion could be text on another way
                    choices_of(chunk)
                    if self._guard.policy.blocks:
                        chunk = known_frame(chunk)
                    frame = {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
                    async for event in self._guarded(chunk, states):
                        yield event
                    if (
                        states
                        and len(states) == expected
                        and all(state.over and state.ended for state in states.values())
                    ):
                        break  # nobody is left to talk to; what the model goes on to say is not paid for
                cut = False
            except (httpx2.RequestError, *_ODD):
                cut = True
            for index, state in states.items():
                for choice in await state.cut_short():
                    yield _event({**frame, "choices": [{**choice, "index": index}]})
            if cut:
                yield _event(error_body("the upstream ended in the middle of the answer", "upstream_error", "cut"))
            else:
                yield "data: [DONE]\n\n"

    async def _guarded(self, chunk: dict[str, Any], states: dict[int, GuardedChoice]) -> AsyncIterator[str]:
        choices = chunk["choices"]
        if not choices:
            yield _event(chunk)  # usage
            return
        for choice in choices:
            index = choice["index"]
            if index not in states:
                states[index] = self._choice(index)
            state = states[index]
            was_over = state.over
            for out in await state.delta(choice):
                sent = {**chunk, "choices": [out]}
                news = state.over and not was_over and out is choice or self._followed and state.news()
                if self._attach and news:
                    sent["attribution"] = attribution([(index, state.sessions)])
                yield _event(sent)


async def _lines(answer: httpx2.Response) -> AsyncIterator[str]:
    lines = EventLines()
    async for piece in answer.aiter_bytes():
        for line in lines.feed(piece):
            yield line
    for line in lines.finish():
        yield line


_MEANINGLESS = "the upstream's answer is no completion"


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n"


def same(answer: httpx2.Response) -> Response:
    """Return the upstream's answer as it is."""
    headers = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
    return Response(answer.content, answer.status_code, headers)


def unreachable(error: httpx2.RequestError) -> Response:
    """Return what is answered where the upstream does not answer."""
    if isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout):
        return JSONResponse(error_body("the upstream took too long", "upstream_error", "upstream_timeout"), 504)
    return JSONResponse(error_body("the upstream cannot be reached", "upstream_error", "upstream_unavailable"), 502)


async def while_wanted(request: Request, work: Coroutine[Any, Any, Response]) -> Response | None:
    """Return what ``work`` returns; cancel it when the client leaves, and return None."""
    task = asyncio.ensure_future(work)

    async def gone() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(0.1)

    watch = asyncio.ensure_future(gone())
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, watch):
            each.cancel()
        for each in (task, watch):
            with suppress(asyncio.CancelledError, Exception):
                await each


def _add_usage(found: dict[str, Any], usage: Any) -> None:
    """Add what another sample used, since somebody pays for it."""
    total = found.get("usage")
    if isinstance(total, dict) and isinstance(usage, dict):
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if isinstance(total.get(name), int) and isinstance(usage.get(name), int):
                total[name] += usage[name]
