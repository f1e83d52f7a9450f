"""Around every request: an id, limits on the body, keys, headers for the browser, counting, and failures."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provenance.errors import ProvenanceError
from provenance.server.failures import Refusal, refusal_of
from provenance.server.metrics import Metrics
from provenance.server.settings import Settings

LOG = logging.getLogger("provenance.server")
SECURITY_HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
}
OPEN_PATHS = ("/healthz", "/readyz", "/metrics", "/static/")
"""What is answered without a key."""


Failing = Callable[[Scope, Refusal], Response]
"""What makes the answer of a request that the application did not get."""


class Guarded:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, answer: Failing) -> None:
        """Wrap ``app``; ``answer`` makes the answer of a refusal."""
        self._app = app
        self._answer = answer
        self._settings = settings
        self._metrics = metrics
        self._keys = [_hashed(key) for key in settings.api_keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the connection, which knows better, leaves the body out
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                extra = {**SECURITY_HEADERS, b"x-request-id": request_id.encode("ascii")}
                if not scope["path"].startswith("/static/"):
                    extra[b"cache-control"] = b"no-store"
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in extra.items() if name not in present),
                ]
            await send(message)

        try:
            self._admit(scope)
            await self._app(scope, Body(receive, self._settings).receive, sending)
        except Exception as error:
            # What the application could not answer itself; where it has begun to, the connection ends unfinished.
            if not status:
                await self._answer(scope, refusal_for(error, request_id))(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.answered(method, route, status, time.perf_counter() - started)

    def _admit(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self._keys and scope["method"] != "OPTIONS" and not scope["path"].startswith(OPEN_PATHS):
            given = _hashed(_key(headers))
            # All are compared, so that time tells nothing.
            if not sum(hmac.compare_digest(given, key) for key in self._keys):
                raise Refusal(401)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._settings.body_bytes:
            self._metrics.refused("body")
            raise _too_large(self._settings)


class Body:
    """Receives the body of a request within limits of size and time."""

    def __init__(self, receive: Receive, settings: Settings) -> None:
        """Wrap ``receive``."""
        self._receive = receive
        self._settings = settings
        self._left = settings.body_bytes
        self._until = time.monotonic() + settings.body_seconds
        self._done = False

    async def receive(self) -> Message:
        """Return the next message. Raises `Refusal`."""
        if self._done:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.001, self._until - time.monotonic()))
        except TimeoutError:
            raise Refusal(408, "the request did not arrive in time") from None
        self._left -= len(message.get("body", b""))
        self._done = not message.get("more_body", False)
        if self._left < 0:
            raise _too_large(self._settings)
        return message


_METHODS = ("GET", "POST", "OPTIONS", "PUT", "DELETE", "PATCH")


def _too_large(settings: Settings) -> Refusal:
    return Refusal(413, f"the request is larger than {settings.body_bytes} bytes, which is the limit here; send less")


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def _key(headers: Mapping[bytes, bytes]) -> str:
    """Return the key that a request brings: X-API-Key, a bearer token, or the password of Basic."""
    if b"x-api-key" in headers:
        return headers[b"x-api-key"].decode("latin-1")
    scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def refusal_for(error: Exception, request_id: str) -> Refusal:
    """Return how a failure is answered; what is unexpected is logged by type and place, never by its message."""
    for inner in _unpacked(error):
        if isinstance(inner, Refusal):
            return inner
        if isinstance(inner, ProvenanceError):
            refusal = refusal_of(inner)
            if refusal.status >= 500:
                LOG.error("request %s: %s: %s", request_id, type(inner).__name__, inner)
            return refusal
    frames = traceback.extract_tb(error.__traceback__)
    place = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-6:]))
    LOG.error("request %s: unexpected %s at %s", request_id, type(error).__name__, place)
    return Refusal(500)


def _unpacked(error: BaseException) -> Iterable[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _unpacked(inner)
    else:
        yield error
