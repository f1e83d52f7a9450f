"""An OpenAI-compatible server in front of another one: what the model behind it says is guarded on its way out.

    client -> proxy -> upstream
    client <- guarded choices <- whole answers, or server-sent events

Guarded are ``/v1/completions`` and ``/v1/chat/completions``; ``/v1/models`` is passed through, and nothing else is, so
that no text gets past the guard on another way. Authorization is passed on, and neither kept nor logged. The client's
leaving ends the question upstream. Errors of the upstream come through as they are; that it cannot be reached is 502.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from provenance.errors import ParameterError
from provenance.guard.decisions import Audit, Tally
from provenance.guard.exchange import Exchange, same, unreachable, while_wanted
from provenance.guard.guarded import Guard, lookups
from provenance.guard.openai_shapes import error_body
from provenance.guard.policy import Policy
from provenance.guard.upstream import require_address
from provenance.server.snapshots import Slot

_PASSED_ON = ("authorization", "openai-organization", "openai-project", "x-api-key", "api-key", "user-agent")
_LARGEST_BODY = 32 << 20


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

    Raises what opening an index raises, and `MismatchError` for one that cannot be asked while a text is written.
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


_LEFT = Response(status_code=499)
"""For a client who is not there any more."""
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
        try:
            with self._slot.lease() as snapshot:
                Guard(snapshot.index, settings.policy, pool=self._pool)  # what cannot be guarded with is told now
        except BaseException:
            self.close()
            raise
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
        if not all(part.strip(".") for part in request.url.path.split("/")[1:]):
            raise HTTPException(404)  # a way to other routes of the upstream
        try:
            answer = await self.client.get(request.url.path.removeprefix("/v1/"), headers=_headers(request))
        except httpx2.RequestError as error:
            return unreachable(error)
        return same(answer)

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
            path = request.url.path.removeprefix("/v1/")
            exchange = Exchange(self.client, guard, path, body, headers=_headers(request), attach=attach)
            if body.get("stream") is True:
                events = await while_wanted(request, exchange.streamed(stack))
                if events is None:
                    await stack.aclose()
                return events or _LEFT
            async with stack:
                return await while_wanted(request, exchange.whole()) or _LEFT
        except httpx2.RequestError as error:
            await stack.aclose()
            return unreachable(error)
        except BaseException:
            await stack.aclose()
            raise


def _headers(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _PASSED_ON if name in request.headers}


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _LARGEST_BODY:
            raise HTTPException(413)
        parts.append(part)
    return b"".join(parts)
