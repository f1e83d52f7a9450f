"""Connections: what a client may owe us, and for how long; requests that are none.

uvicorn bounds neither the head of a request nor the time a client takes to send one or to read an answer. Here a
connection ends whose client has owed for `Connection.seconds` the rest of a head, or of a body that was refused
already, or has read nothing of an answer for as long. Bodies are bounded by `provenance.server.middleware`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from provenance.reports.contract import error_document


class Connection(HttpToolsProtocol):
    """One connection of one client."""

    seconds: ClassVar[float] = 20.0
    head_bytes: ClassVar[int] = 64 << 10
    """Largest head of a request: address and headers."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*arguments, **named)
        self._head = 0
        self._owing_since: float | None = None
        self._unread = 0
        self._unread_since = 0.0
        self._tick: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look after the connection."""
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._tick is not None:
            self._tick.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a head that does not end are counted."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before or not self._between_requests():
            self._head = 0
        elif not self.transport.is_closing():
            self._head += len(data)
            if self._head > self.head_bytes:
                self._refuse(431, f"the head of the request is larger than {self.head_bytes} bytes")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request with the error body that all failures have."""
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if answering or self.pipeline:
            self.transport.close()  # nothing may be written into an answer that is under way
        else:
            self._refuse(400, "this is not a request of HTTP/1.1")

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete and not self.cycle.more_body

    def _refuse(self, status: int, message: str) -> None:
        document = error_document("request", message)
        document["error"]["request_id"] = request_id = secrets.token_hex(8)
        body = json.dumps(document, separators=(",", ":")).encode("ascii")
        head = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"x-request-id: {request_id}",
            "connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode("ascii") + body)
        self.transport.close()

    def _look(self) -> None:
        """End the connection if its client has owed for too long; look again a little later."""
        now = self.loop.time()
        if not self._owes():
            self._owing_since = None
        elif self._owing_since is None:
            self._owing_since = now
        unread = self.transport.get_write_buffer_size()
        if not unread or unread != self._unread:
            self._unread, self._unread_since = unread, now
        since = min(self._owing_since if self._owing_since is not None else now, self._unread_since)
        if now - since > self.seconds:
            self.transport.abort()
        else:
            self._tick = self.loop.call_later(self.seconds / 10, self._look)

    def _owes(self) -> bool:
        if self.cycle is None or self._head:
            return True
        return self.cycle.response_complete and self.cycle.more_body
