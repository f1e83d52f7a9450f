"""Pages about the server itself: what an index is and promises, and what the API takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from provenance.index import Index
from provenance.reports import contract
from provenance.reports.wording import size
from provenance.server import openapi
from provenance.server.pages import ask_snapshot
from provenance.server.rendering import rendered
from provenance.server.serving import serving_of
from provenance.server.snapshots import Snapshot
from provenance.server.statistics import SIZE_CLASSES
from provenance.verdict import check_floor, coincidence_rate, trace_floor

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_LENGTHS = (64, 96, 128)
_ASKED = (100, 1_000, 10_000, 100_000)
"""Lengths of texts for which the index page tells the error of the filters."""


@router.get("/index")
async def index_page(request: Request, index: str | None = None) -> HTMLResponse:
    """Show what an index consists of and what it promises."""

    def ask(snapshot: Snapshot) -> HTMLResponse:
        opened = snapshot.index
        geometry = opened.geometry
        bounds = [size(bound) for bound in SIZE_CLASSES]
        labels = [f"below {bounds[0]}", *(f"{a} to {b}" for a, b in zip(bounds, bounds[1:], strict=False))]
        statistics = snapshot.statistics()
        lengths = sorted({geometry.width, *_LENGTHS, *opened.coincidence})
        return rendered(
            request,
            "index.html",
            name=snapshot.name,
            details=contract.index_details(opened, verified=False),
            statistics=statistics,
            sizes=list(zip([*labels, f"{bounds[-1]} or more"], statistics.sizes, strict=True)),
            coincidence=[
                (f"{length} characters", f"{100 * rate:.2g} %", 100 * rate / (max(opened.coincidence.values()) or 1))
                for length, rate in sorted(opened.coincidence.items())
            ],
            errors=[_error(length, geometry.width, opened) for length in _ASKED],
            fills=[(each.kind, f"{100 * each.fill:.3g} %", 100 * each.fill) for each in opened.filters],
            promises=[
                (
                    length,
                    check_floor(geometry, length),
                    trace_floor(geometry, length),
                    coincidence_rate(length, opened.coincidence),
                )
                for length in lengths
                if length >= geometry.width
            ],
        )

    return await ask_snapshot(request, index, ask)


def _error(length: int, width: int, index: Index) -> tuple[str, str, float]:
    """Return a row of the plot: how many windows of a foreign text of a length hit, from 1e-6 to 1e3 on a log scale."""
    hits = max(0, length - width + 1) * sum(each.expected_false_positive_rate for each in index.filters)
    share = 100 * (math.log10(hits) + 6) / 9 if hits else 0.0
    return f"{length:,} characters", f"{hits:.2g}", min(100.0, max(0.0, share))


@router.get("/api")
async def api_page(request: Request) -> HTMLResponse:
    """Describe the API from its OpenAPI document."""
    described = openapi.document(request.app)
    operations = [
        (method.upper(), path, operation, _fields_of(described, operation))
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    serving = serving_of(request)
    return rendered(
        request,
        "api.html",
        name=serving.snapshots.names[0],
        operations=operations,
        keys=bool(serving.settings.api_keys),
        base=f"{request.url.scheme}://{request.url.netloc}",
    )


def _fields_of(described: Mapping[str, Any], operation: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return (name, type, default, meaning) of what an operation takes."""
    found = []
    for each in operation.get("parameters", []):
        schema = each["schema"]
        found.append((each["name"], _type(schema), _default(schema, each["required"]), each.get("description", "")))
    if "requestBody" in operation:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        body = described["components"]["schemas"][reference]
        for name, schema in body["properties"].items():
            default = _default(schema, name in body.get("required", ()))
            found.append((name, _type(schema), default, schema.get("description", "")))
    return found


def _default(schema: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    return (
        "" if default is None or default == [] else str(default).lower() if isinstance(default, bool) else str(default)
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "anything"))
