"""Pages from templates: escaping always on, and the words that numbers and licences have for people."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from provenance import __version__
from provenance.records import Source, Span
from provenance.reports.wording import percent, size
from provenance.server.failures import Refusal, failure_answer
from provenance.server.serving import serving_of
from provenance.server.views import repository_link
from provenance.usual import SAID

_KINDS = {
    "exact": "equal byte for byte",
    "layout": "equal but for white space",
    "comments": "equal but for comments",
    "renamed": "equal but for names",
}


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(str(files("provenance.server") / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(version=__version__, repository_link=repository_link)
    made.filters["count"] = lambda value: f"{value:,}"
    made.filters["percent"] = lambda value: f"{100 * value:.3g} %"
    made.filters["bytes"] = size
    made.filters["spdx"] = _spdx
    made.filters["licensed"] = lambda rows: [(_spdx(name), value) for name, value in rows]
    made.filters["license_note"] = _license_note
    made.filters["kind"] = _kind
    made.filters["reason"] = lambda reason: SAID.get(reason, reason)
    made.filters["lines"] = _lines
    made.filters["traits"] = _traits
    return made


def _spdx(name: str) -> str:
    return {"NOASSERTION": "not known", "NONE": "no licence"}.get(name, name)


def _license_note(source: Source) -> str:
    """Return where a licence is known from, and what it is for."""
    if source.license_origin == "none":
        return ""
    scope = "" if source.license_scope == "unknown" else f", for the {source.license_scope}"
    return _ORIGINS[source.license_origin] + scope


_ORIGINS = {
    "record": "as the corpus records it",
    "header": "as the file says",
    "file": "from a licence file",
    "detected": "detected in the text",
}


def _kind(kind: str, similarity: float = 1.0) -> str:
    """Return how two texts differ; levels are an open enumeration."""
    alike = f", {percent(similarity)} alike" if similarity < 1 else ""
    return _KINDS.get(kind, kind) + alike


def _traits(source: Source) -> list[str]:
    """Return what a corpus says about a source beside its licence."""
    told = (("fork", source.fork), ("vendored copy", source.vendored), ("generated", source.generated))
    return [*([source.kind] if source.kind != "file" else []), *(name for name, holds in told if holds)]


def _lines(span: Span) -> str:
    if span.start_line == span.end_line:
        return f"line {span.start_line:,}"
    return f"lines {span.start_line:,} to {span.end_line:,}"


_TEMPLATES = _environment()


def rendered(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page from its template."""
    serving = serving_of(request)
    text = _TEMPLATES.get_template(template).render(
        names=serving.snapshots.names,
        active=template,
        body_limit=serving.settings.body_bytes,
        writes=serving.playground is not None,
        **values,
    )
    return HTMLResponse(text.encode("utf-8", "replace"), status_code=status)


def wants_page(request: Request) -> bool:
    """Tell whether a failure should be shown to a person."""
    machine = request.url.path.startswith(("/api/v1", "/overlap", "/q", "/quip"))
    return not machine and "text/html" in request.headers.get("accept", "")


def failure_page(request: Request, refusal: Refusal, request_id: str) -> Response:
    """Return the page that says what went wrong."""
    page = rendered(request, "failure.html", refusal.status, refusal=refusal, request_id=request_id, name=None)
    page.headers.update({k: v for k, v in failure_answer(refusal, request_id).headers.items() if k in _KEPT})
    return page


_KEPT = ("retry-after", "www-authenticate", "allow")
