"""Version 1 of the API: the JSON contract of the command line, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from provenance.index import Index
from provenance.reports import contract
from provenance.server.failures import KINDS, Refusal
from provenance.server.openapi import ANSWERS
from provenance.server.questions import (
    CheckBody,
    SearchBody,
    TraceBody,
    answer_check,
    answer_document,
    answer_search,
    answer_trace,
    stored_document,
)
from provenance.server.replies import Answer
from provenance.server.serving import Serving, serving_of

IndexQuery = Annotated[str | None, Query(max_length=64, description="Name of the index; the server's first without.")]


def _responses(answer: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of what a route answers."""
    error = {"content": {"application/json": {"schema": {"$ref": f"{ANSWERS}error"}}}}
    good = {"description": "The answer.", "content": {"application/json": {"schema": {"$ref": f"{ANSWERS}{answer}"}}}}
    always = (401, 429, 500, 503)
    described: dict[int | str, Any] = {
        status: {"description": KINDS[status].replace("_", " "), **error} for status in (*statuses, *always)
    }
    return {200: good, **described}


router = APIRouter(prefix="/api/v1", default_response_class=Answer)
_BODY = (400, 404, 408, 413, 422)


@router.post("/check", responses=_responses("check", *_BODY))
async def check(request: Request, body: CheckBody) -> Answer:
    """Tell whether texts occur in the corpus, from the filter alone."""
    serving = serving_of(request)
    most, judged, until = serving.settings.batch, serving.metrics.judged, _until(serving)
    return await _ask(serving, body.index, lambda index: answer_check(index, body, most, judged, until))


@router.post("/trace", responses=_responses("trace", *_BODY))
async def trace(request: Request, body: TraceBody) -> Answer:
    """Find where texts come from: repository, path, lines, licence; verified on the stored text."""
    serving = serving_of(request)
    most, judged, until = serving.settings.batch, serving.metrics.judged, _until(serving)
    return await _ask(serving, body.index, lambda index: answer_trace(index, body, most, judged, until), texts=True)


@router.post("/search", responses=_responses("search", *_BODY))
async def search(request: Request, body: SearchBody) -> Answer:
    """Find a literal, a regular expression or words in the stored texts."""
    serving = serving_of(request)
    scan_bytes = serving.settings.scan_bytes
    return await _ask(serving, body.index, lambda index: answer_search(index, body, scan_bytes), texts=True)


@router.get("/documents/{document}", responses=_responses("show", 404, 422))
async def documents(
    request: Request,
    document: Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Document id, as answers give it.")],
    start_line: Annotated[int, Query(ge=1, le=100_000_000, description="First line, 1-based.")] = 1,
    end_line: Annotated[int | None, Query(ge=1, le=100_000_000, description="Last line, inclusive.")] = None,
    index: IndexQuery = None,
) -> Answer:
    """Return a stored document, or lines of it."""

    def ask(opened: Index) -> dict[str, Any]:
        found = stored_document(opened, document, start_line, end_line)
        if found is None:
            raise Refusal(404, "there is no such document in this index")
        return answer_document(opened, found)

    return await _ask(serving_of(request), index, ask)


@router.get("/index", responses=_responses("info", 404, 422))
async def index(request: Request, index: IndexQuery = None) -> Answer:
    """Describe an index: corpus, parameters, filters, and what they promise."""
    return await _ask(serving_of(request), index, lambda opened: contract.index_details(opened, verified=False))


@router.get("/indexes", responses=_responses("indexes"))
async def indexes(request: Request) -> Answer:
    """Name the indexes of this server; the first one answers where none is named."""
    return Answer({"schema_version": contract.SCHEMA_VERSION, "indexes": list(serving_of(request).snapshots.names)})


def _until(serving: Serving) -> float:
    return time.monotonic() + serving.settings.answer_seconds


async def _ask(
    serving: Serving, name: str | None, question: Callable[[Index], dict[str, Any]], *, texts: bool = False
) -> Answer:
    """Answer in a thread of the gate; ``texts``: the question needs an index that holds texts."""
    slot = serving.snapshots.slot(name)

    def run() -> Answer:
        with slot.lease() as snapshot:
            if texts:
                snapshot.require_texts()
            # Rendered here, so that a large answer does not hold up the event loop.
            return Answer(question(snapshot.index))

    return await serving.gate.run(run)
