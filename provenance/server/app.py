"""The application: routes, failures, and the life of what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from provenance import __version__
from provenance.errors import ProvenanceError
from provenance.server import about, api, compat, openapi, pages
from provenance.server.failures import MESSAGES, Refusal, failure_answer
from provenance.server.gate import Gate
from provenance.server.metrics import CONTENT_TYPE, Metrics
from provenance.server.middleware import Guarded, refusal_for
from provenance.server.questions import CheckBody, SearchBody, TraceBody
from provenance.server.rendering import failure_page, wants_page
from provenance.server.replies import Answer
from provenance.server.serving import Serving, serving_of
from provenance.server.settings import Settings
from provenance.server.snapshots import Snapshots

_SAID = {
    "json_invalid": "the body is not JSON in UTF-8",
    "missing": "it is missing",
    "extra_forbidden": "it is not known here",
    "value_error": "text and texts exclude each other; give one of them",
}
"""What is said of a field that does not fit; nothing is ever repeated of its value."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application; the indexes are opened now, and closed when the application shuts down.

    Raises what opening an index raises: a server with an index it cannot read does not start.
    """
    metrics = Metrics()
    playground = None
    if settings.upstream is not None:
        # What it needs is installed with the guard.
        from provenance.server.playground import Playground, router

        playground = Playground(settings.upstream, settings.answer_seconds)
    serving = Serving(
        playground=playground,
        settings=settings,
        snapshots=Snapshots(settings.indexes, settings.poll_seconds),
        gate=Gate(settings.workers, settings.queue, settings.answer_seconds, metrics),
        metrics=metrics,
    )

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        serving.stopping = True
        serving.gate.close()
        if playground is not None:
            await playground.close()
        serving.snapshots.close()

    app = FastAPI(
        title="corpus-provenance",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        default_response_class=Answer,
        redirect_slashes=False,  # the address of a redirection would come from the client's Host
    )
    app.state.serving = serving
    app.include_router(api.router)
    app.include_router(compat.router)
    app.include_router(pages.router)
    app.include_router(about.router)
    if playground is not None:
        app.include_router(router)
    app.add_api_route("/api/v1/openapi.json", _openapi, include_in_schema=False)
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    app.add_api_route("/readyz", _readyz, include_in_schema=False)
    app.add_api_route("/metrics", _metrics, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=str(files("provenance.server") / "static")), name="static")
    for kind in (Refusal, ProvenanceError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _failed)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app


def guarded(app: FastAPI) -> Guarded:
    """Return what is served: the application inside of its outermost layer."""
    serving: Serving = app.state.serving

    def answer(scope: Scope, refusal: Refusal) -> Response:
        return _answered(Request({**scope, "app": app}), refusal)

    return Guarded(app, serving.settings, serving.metrics, answer)


async def _openapi(request: Request) -> Answer:
    return Answer(openapi.document(request.app))


async def _healthz() -> PlainTextResponse:
    return PlainTextResponse("ok\n")


async def _readyz(request: Request) -> Answer:
    serving = serving_of(request)
    failed = sorted(name for name, slot in serving.snapshots.slots.items() if slot.failure is not None)
    ready = not serving.stopping and not failed
    return Answer({"ready": ready, "stale_indexes": failed}, status_code=200 if ready else 503)


async def _metrics(request: Request) -> Response:
    serving = serving_of(request)
    text = serving.metrics.render(
        running=serving.gate.running, waiting=serving.gate.waiting, generations=serving.snapshots.generations()
    )
    if serving.playground is not None:
        text += serving.playground.tally.render()
    return Response(text, media_type=CONTENT_TYPE)


async def _failed(request: Request, error: Exception) -> Response:
    return _answered(request, _translated(error, request.state.request_id))


def _answered(request: Request, refusal: Refusal) -> Response:
    request_id: str = request.state.request_id
    if wants_page(request):
        return failure_page(request, refusal, request_id)
    return failure_answer(refusal, request_id)


def _translated(error: Exception, request_id: str) -> Refusal:
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, Refusal):
            return error.__cause__
        allowed = (error.headers or {}).get("Allow")
        return Refusal(error.status_code, MESSAGES.get(error.status_code, ""), allow=allowed)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    return refusal_for(error, request_id)


def _invalid(error: RequestValidationError) -> Refusal:
    first = error.errors()[0]
    kind = str(first["type"])
    if kind == "json_invalid":
        return Refusal(400, _SAID[kind])
    place = [str(part) for part in first["loc"] if isinstance(part, int) or part in _FIELDS]
    said = _SAID.get(kind, f"it does not fit ({kind})")
    return Refusal(422, f"{'.'.join(place) or 'the request'}: {said}; the API's description tells what is taken")


_FIELDS = frozenset(
    name
    for model in (CheckBody, TraceBody, SearchBody)
    for name in (*model.model_fields, "body", "path", "query", "document", "start_line", "end_line", "index")
)
"""Names that may be repeated in a message; any other came from the client."""
