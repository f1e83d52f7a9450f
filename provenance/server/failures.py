"""Failures as answers: one JSON body for all, with a status that fits, and never a word of what the user sent."""

from __future__ import annotations

from collections.abc import Mapping

from provenance.errors import (
    EngineUnavailable,
    InputError,
    ParameterError,
    ProvenanceError,
    QueryRejected,
)
from provenance.reports.contract import error_document
from provenance.server.replies import Answer
from provenance.server.snapshots import UnknownIndex

KINDS: Mapping[int, str] = {
    400: "request",
    401: "unauthorized",
    404: "not_found",
    405: "method",
    408: "timeout",
    413: "too_large",
    415: "media_type",
    422: "parameter",
    429: "busy",
    500: "internal",
    502: "upstream",
    503: "unavailable",
}
MESSAGES: Mapping[int, str] = {
    400: "the request cannot be read",
    401: "an API key is needed: send it as Authorization: Bearer KEY, or as X-API-Key",
    404: "there is nothing at this address",
    405: "this address does not take this method",
    500: "the server failed; its operator finds the request id in the log",
}


class Refusal(Exception):
    """A request that is not answered; the message never holds text of the request."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        retry_after: int | None = None,
        kind: str = "",
        allow: str | None = None,
    ) -> None:
        """``retry_after`` is in seconds; ``allow`` lists the methods that an address takes."""
        super().__init__(message)
        self.status = status
        self.message = message or MESSAGES.get(status, "the request is refused")
        self.kind = kind or KINDS.get(status, "request")
        self.retry_after = retry_after
        self.allow = allow


def status_of(error: ProvenanceError) -> int:
    """Return the status that a failure of the library is answered with."""
    if isinstance(error, UnknownIndex):
        return 404
    if isinstance(error, (ParameterError, InputError, QueryRejected)):
        return 422
    if isinstance(error, EngineUnavailable):
        return 503
    return 500


def refusal_of(error: ProvenanceError) -> Refusal:
    """Return how a failure of the library is answered; what concerns the server's own files is not told."""
    status = status_of(error)
    if status == 500:
        return Refusal(500, "the index cannot be read; its operator finds the cause in the log", kind=error.kind)
    if status == 503:
        message = "the search engine of this index does not answer; try again later"
        return Refusal(503, message, kind=error.kind, retry_after=5)
    return Refusal(status, str(error), kind=error.kind)


def failure_answer(refusal: Refusal, request_id: str) -> Answer:
    """Return the one error body."""
    document = error_document(refusal.kind, refusal.message)
    document["error"]["request_id"] = request_id
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else {}
    if refusal.allow is not None:
        headers["Allow"] = refusal.allow
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="provenance", charset="UTF-8"'
    return Answer(document, status_code=refusal.status, headers=headers)
