"""An OpenAI-compatible server in front of another one: what the model behind it says is guarded on its way out.

    client -> proxy -> upstream
    client <- guarded choices <- whole answers, or server-sent events

Guarded are ``/v1/completions`` and ``/v1/chat/completions``; ``/v1/models`` is passed through, and nothing else is, so
that no text gets past the guard on another way. Authorization is passed on, and neither kept nor logged. The client's
leaving ends the question upstream. Errors of the upstream come through as they are; that it cannot be reached is 502.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from provenance.errors import ParameterError
from provenance.guard.choices import GuardedChoice
from provenance.guard.decisions import Audit, Tally
from provenance.guard.guarded import Guard, lookups
from provenance.guard.openai_shapes import attribution, error_body, prompts_of
from provenance.guard.policy import Policy
from provenance.guard.upstream import require_address
from provenance.server.snapshots import Slot

_PASSED_ON = ("authorization", "openai-organization", "openai-project", "x-api-key", "api-key", "user-agent")
_LARGEST_BODY = 32 << 20
_RETURNED = ("content-type", "retry-after", "x-request-id")


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """``upstream``: its address up to and with ``/v1``. ``index``: folder of the index.

    ``attach``: whether answers carry ``attribution`` ``always`` or where a ``request`` says ``"attribution": true``;
    one that says false never has it. ``seconds``: how long the upstream may be silent.
    """

    upstream: str
    index: Path
    policy: Policy
    attach: Literal["always", "request"] = "always"
    seconds: float = 600.0

    def __post_init__(self) -> None:
        """Raise `ParameterError` for an address that is none."""
        require_address(self.upstream)
        if self.attach not in ("always", "request"):
            raise ParameterError(f"attach is {self.attach!r}: it must be 'always' or 'request'")


def create_proxy(settings: ProxySettings, *, audit: Audit | None = None) -> Starlette:
    """Return the application; the index is opened now, and closed when the application shuts down.

    Raises what opening an index raises.
    """
    proxy = _Proxy(settings, audit)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        async with proxy.client:
            yield
        proxy.close()

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        kind = "invalid_request_error" if status < 500 else "guard_error"
        return JSONResponse(error_body(_SAID.get(status, _SAID[500]), kind, str(status)), status)

    return Starlette(
        routes=[
            Route("/v1/chat/completions", proxy.generate, methods=["POST"]),
            Route("/v1/completions", proxy.generate, methods=["POST"]),
            Route("/v1/models", proxy.passed, methods=["GET"]),
            Route("/v1/models/{name:path}", proxy.passed, methods=["GET"]),
            Route("/healthz", proxy.healthz, methods=["GET"]),
            Route("/metrics", proxy.metrics, methods=["GET"]),
        ],
        lifespan=life,
        exception_handlers={HTTPException: refused, Exception: refused},
    )


_SAID: Mapping[int, str] = {
    404: "this route is not guarded, so it is not passed on; there are /v1/completions, /v1/chat/completions, "
    "/v1/models",
    405: "this route takes another method",
    413: f"the request is larger than {_LARGEST_BODY} bytes",
    500: "the guard failed; nothing was passed on",
}


class _Proxy:
    def __init__(self, settings: ProxySettings, audit: Audit | None) -> None:
        self._settings = settings
        self._audit = audit
        self._slot = Slot("guard", settings.index, 1.0)
        self._pool = lookups()
        self._tally = Tally()
        limit = httpx2.Timeout(settings.seconds, connect=10.0)
        self.client = httpx2.AsyncClient(
            base_url=require_address(settings.upstream), timeout=limit, limits=httpx2.Limits(max_connections=None)
        )

    def close(self) -> None:
        """Close the index and let go of the threads."""
        self._slot.close()
        self._pool.shutdown(cancel_futures=True)

    async def healthz(self, request: Request) -> Response:
        """Answer that the proxy is there."""
        return PlainTextResponse("ok\n")

    async def metrics(self, request: Request) -> Response:
        """Answer with the counters."""
        return PlainTextResponse(self._tally.render(), media_type="text/plain; version=0.0.4")

    async def passed(self, request: Request) -> Response:
        """Pass a question about models on."""
        try:
            answer = await self.client.get(request.url.path.removeprefix("/v1/"), headers=_headers(request))
        except httpx2.TransportError as error:
            return _unreachable(error)
        return _same(answer)

    async def generate(self, request: Request) -> Response:
        """Pass a question to the model on, and guard the answer."""
        try:
            body = json.loads(await _read(request))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            said = "the body is no JSON object in UTF-8"
            return JSONResponse(error_body(said, "invalid_request_error", "invalid_json"), 400)
        wanted = body.pop("attribution", None)
        attach = wanted is True or (wanted is None and self._settings.attach == "always")
        stack = AsyncExitStack()
        try:
            snapshot = stack.enter_context(self._slot.lease())
            guard = Guard(snapshot.index, self._settings.policy, audit=self._audit, tally=self._tally, pool=self._pool)
            exchange = _Exchange(self.client, guard, request, body, attach)
            if body.get("stream") is True:
                return await exchange.streamed(stack)
            async with stack:
                return await _while_wanted(request, exchange.whole())
        except httpx2.TransportError as error:
            await stack.aclose()
            return _unreachable(error)
        except BaseException:
            await stack.aclose()
            raise


class _Exchange:
    """One question and its answer."""

    def __init__(
        self, client: httpx2.AsyncClient, guard: Guard, request: Request, body: dict[str, Any], attach: bool
    ) -> None:
        self._client = client
        self._guard = guard
        self._path = request.url.path.removeprefix("/v1/")
        self._headers = _headers(request)
        self._body = body
        self._attach = attach
        self._prompts = prompts_of(body)
        self._id = secrets.token_hex(8)
        n = body.get("n")
        self._each = n if isinstance(n, int) and n > 0 else 1

    def _choice(self, index: int) -> GuardedChoice:
        prompt = self._prompts[min(index // self._each, len(self._prompts) - 1)]
        return GuardedChoice(self._guard, prompt, index, self._id)

    async def whole(self) -> Response:
        """Return the answer to a question without ``stream``."""
        answer = await self._client.post(self._path, json=self._body, headers=self._headers)
        if answer.status_code != 200:
            return _same(answer)
        try:
            found = answer.json()
            choices = found["choices"]
            places = [int(choice["index"]) for choice in choices]
        except (ValueError, KeyError, TypeError):
            return JSONResponse(error_body(_MEANINGLESS, "upstream_error", "upstream_invalid"), 502)
        guarded: list[tuple[int, GuardedChoice]] = []
        for number, index in enumerate(places):
            state = await self._settled(found, number, index)
            guarded.append((index, state))
        if self._attach:
            found["attribution"] = attribution([(index, state.sessions) for index, state in guarded])
        return JSONResponse(found)

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
            answer = await self._client.post(self._path, json=body, headers=self._headers)
            found = answer.json()
            return (dict(found["choices"][0]), found.get("usage")) if answer.status_code == 200 else None
        except (httpx2.TransportError, ValueError, KeyError, IndexError, TypeError):
            return None

    async def streamed(self, stack: AsyncExitStack) -> Response:
        """Return the answer to a question with ``stream``; ``stack`` is closed with it."""
        question = self._client.build_request("POST", self._path, json=self._body, headers=self._headers)
        answer = await self._client.send(question, stream=True)
        stack.push_async_callback(answer.aclose)
        if answer.status_code != 200 or not answer.headers.get("content-type", "").startswith("text/event-stream"):
            async with stack:
                await answer.aread()
            return _same(answer)
        return StreamingResponse(
            self._events(answer, stack), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _events(self, answer: httpx2.Response, stack: AsyncExitStack) -> AsyncIterator[str]:
        async with stack:
            states: dict[int, GuardedChoice] = {}
            expected = self._each * len(self._prompts)
            frame: dict[str, Any] = {}
            try:
                async for line in answer.aiter_lines():
                    if not line.startswith("data:"):
                        continue
                    data = line[5:].strip()
                    if data == "[DONE]":
                        break
                    chunk = json.loads(data)
                    if "error" in chunk or not isinstance(chunk.get("choices"), list):
                        yield _event(chunk)
                        continue
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
            except (httpx2.TransportError, ValueError):
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
            index = int(choice.get("index", 0))
            if index not in states:
                states[index] = self._choice(index)
            state = states[index]
            was_over = state.over
            for out in await state.delta(choice):
                sent = {**chunk, "choices": [out]}
                if state.over and not was_over and out is choice and self._attach:
                    sent["attribution"] = attribution([(index, state.sessions)])
                yield _event(sent)


_MEANINGLESS = "the upstream's answer is no completion"


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n"


def _headers(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _PASSED_ON if name in request.headers}


def _same(answer: httpx2.Response) -> Response:
    headers = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
    return Response(answer.content, answer.status_code, headers)


def _unreachable(error: httpx2.TransportError) -> Response:
    if isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout):
        return JSONResponse(error_body("the upstream took too long", "upstream_error", "upstream_timeout"), 504)
    return JSONResponse(error_body("the upstream cannot be reached", "upstream_error", "upstream_unavailable"), 502)


def _add_usage(found: dict[str, Any], usage: Any) -> None:
    """Add what another sample used, since somebody pays for it."""
    total = found.get("usage")
    if isinstance(total, dict) and isinstance(usage, dict):
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if isinstance(total.get(name), int) and isinstance(usage.get(name), int):
                total[name] += usage[name]


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _LARGEST_BODY:
            raise HTTPException(413)
        parts.append(part)
    return b"".join(parts)


async def _while_wanted(request: Request, work: Any) -> Response:
    """Return what ``work`` returns; cancel it when the client leaves."""
    task = asyncio.ensure_future(work)

    async def gone() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(0.1)

    watch = asyncio.ensure_future(gone())
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return Response(status_code=499)
        answer: Response = task.result()
        return answer
    finally:
        for each in (task, watch):
            each.cancel()
        for each in (task, watch):
            with suppress(asyncio.CancelledError, Exception):
                await each
