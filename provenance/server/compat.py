"""The routes of Data Portraits' server, for clients written for it: /overlap, /q, /quip (docs/portraits.md)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request

from provenance import __version__
from provenance.index import Index
from provenance.server.failures import Refusal
from provenance.server.quotes import Quotes, overlap, quip, report
from provenance.server.replies import Answer
from provenance.server.serving import serving_of
from provenance.server.snapshots import Snapshot

router = APIRouter(include_in_schema=False, default_response_class=Answer)


@router.post("/overlap")
async def overlap_route(request: Request) -> Answer:
    """Return spans, as the editor extension asks for them."""
    body = await _body(request)
    if "document" not in body:
        return Answer("")
    text = _text(body["document"])
    return await _ask(request, lambda snapshot: overlap(Quotes.of(snapshot.index, text), text))


@router.api_route("/q", methods=["GET", "POST"])
async def query_route(request: Request) -> Answer:
    """Return the report on one document."""
    body = await _body(request)
    if "document" not in body:
        return Answer({})
    text = _text(body["document"])
    if "seq_id" not in body:
        raise Refusal(400, "seq_id is missing; any value will do, it comes back with the answer")

    def ask(snapshot: Snapshot) -> dict[str, Any]:
        quotes = Quotes.of(snapshot.index, text)
        return {**report(quotes, 0, quotes.width), "width": quotes.width, "seq_id": body["seq_id"], "segments": None}

    return await _ask(request, ask)


@router.post("/quip")
async def quip_route(request: Request) -> Answer:
    """Return how much of each document is quoted."""
    body = await _body(request)
    documents = body.get("documents")
    if not isinstance(documents, list):
        raise Refusal(400, "Malformed request: documents must be a list of strings")
    most = serving_of(request).settings.batch
    if len(documents) > most:
        raise Refusal(422, f"{len(documents)} documents in one request; {most} are the most here")
    texts = [_text(each) for each in documents]
    formatted = bool(body.get("format_quotes", False))

    def ask(snapshot: Snapshot) -> list[dict[str, Any]]:
        signature = _signature(snapshot.name, snapshot.index)
        return [
            {**quip(Quotes.of(snapshot.index, text), number, formatted=formatted), "sketch_signature": signature}
            for number, text in enumerate(texts)
        ]

    return await _ask(request, ask)


def _signature(name: str, index: Index) -> str:
    keys = sum(each.keys or 0 for each in index.filters)
    return f"corpus-provenance {__version__} [{name}] [{keys} elements] [{index.digest[:16]}]"


async def _ask(request: Request, question: Callable[[Snapshot], Any]) -> Answer:
    serving = serving_of(request)
    slot = serving.snapshots.slot(request.query_params.get("index"))

    def run() -> Answer:
        with slot.lease() as snapshot:
            return Answer(question(snapshot))

    return await serving.gate.run(run)


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request, whatever its declared type. Raises `Refusal`."""
    try:
        value = json.loads(await request.body(), parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the body is not a JSON object")
    return value


def _no_number(_: str) -> None:
    raise ValueError  # NaN and Infinity are Python's, not JSON's; seq_id would send them back


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refusal(422, "a document must be a string")
    return value
