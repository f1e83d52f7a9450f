"""Pages for people who would rather look than read: rendered here, with a little script for comfort.

Code is sent in the body of a request, never in an address, unless a link with it is asked for. Forms are read as
``application/x-www-form-urlencoded`` in memory: nothing that was pasted touches a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from provenance import __version__
from provenance.checking import check
from provenance.errors import ParameterError
from provenance.reports import contract
from provenance.search.base import Filters
from provenance.server import openapi
from provenance.server.failures import Refusal, failure_answer
from provenance.server.questions import TRACE_LIMITS, SearchBody, run_search, stored_document
from provenance.server.serving import serving_of
from provenance.server.snapshots import Snapshot
from provenance.server.statistics import SIZE_CLASSES, holdings
from provenance.server.views import CONTEXT, MOST_LINES, comparisons, marked_lines, repository_link
from provenance.tracing import ORDER, trace
from provenance.verdict import DEFAULT_MIN_CHARS, check_floor, coincidence_rate, sentence, trace_floor

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
LENGTHS = (64, 96, 128)
MOST_SPANS = 200
_PAGE = 10
_DOCUMENT_LINES = 5_000
_VERDICTS = {
    "too_short": "Too short to judge",
    "no_match": "No copy found",
    "candidate": "Candidate",
    "possible_match": "Possible match",
    "match": "Match",
}


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(str(files("provenance.server") / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(version=__version__, repository_link=repository_link, lengths=LENGTHS)
    made.filters["count"] = lambda value: f"{value:,}"
    made.filters["percent"] = lambda value: f"{100 * value:.3g} %"
    made.filters["bytes"] = _bytes
    return made


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


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


async def _form(request: Request) -> Mapping[str, list[str]]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refusal(415, "a form is sent as application/x-www-form-urlencoded")
    try:
        return _fields((await request.body()).decode("ascii"))
    except UnicodeDecodeError:
        raise Refusal(400, "the form cannot be read") from None


def _fields(encoded: str) -> Mapping[str, list[str]]:
    try:
        return parse_qs(encoded, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise Refusal(400, "there are more than 1,000 fields") from None


def _one(fields: Mapping[str, list[str]], name: str, default: str = "") -> str:
    return fields.get(name, [default])[0]


def _length(fields: Mapping[str, list[str]]) -> int:
    value = _one(fields, "min_chars", str(DEFAULT_MIN_CHARS))
    if not (value.isascii() and value.isdigit() and len(value) <= 6):
        raise ParameterError("min_chars must be a whole number of at most six digits")
    return int(value)


async def _ask(request: Request, name: str | None, question: Callable[[Snapshot], HTMLResponse]) -> HTMLResponse:
    serving = serving_of(request)
    slot = serving.snapshots.slot(name)

    def run() -> HTMLResponse:
        with slot.lease() as snapshot:
            return question(snapshot)

    return await serving.gate.run(run)


@router.get("/")
async def start(request: Request, index: str | None = None) -> HTMLResponse:
    """Show where to paste."""
    name = serving_of(request).snapshots.slot(index).name
    return rendered(request, "trace.html", name=name, text="", min_chars=DEFAULT_MIN_CHARS, result=None)


@router.post("/")
async def traced(request: Request) -> HTMLResponse:
    """Show where a text comes from."""
    fields = await _form(request)
    # A browser sends line ends as CR LF, whatever stood in the box.
    text = _one(fields, "text").replace("\r\n", "\n")
    min_chars = _length(fields)
    judged = serving_of(request).metrics.judged

    def ask(snapshot: Snapshot) -> HTMLResponse:
        index = snapshot.index
        values: dict[str, Any] = {"name": snapshot.name, "text": text, "min_chars": min_chars}
        if snapshot.holds_texts:
            result = trace(index, text, min_chars=min_chars, sources_limit=20, limits=TRACE_LIMITS)
            shown = result.spans[:MOST_SPANS]
            values["compared"] = comparisons(index, text, shown)
            values["traced"] = shown
            checked, verdict, floor, coverage = result.checked, result.verdict, result.floor, result.coverage
            spans, complete, total = [each.span for each in shown], result.complete, len(result.spans)
            levels = result.levels
        else:
            checked = check(index, text, min_chars=min_chars)
            values["compared"], values["traced"] = [], []
            verdict, floor, coverage, complete = checked.verdict, checked.floor, checked.coverage, True
            spans, total, levels = list(checked.spans[:MOST_SPANS]), len(checked.spans), ()
        judged(verdict)
        marks = [(span.start, span.end, span.common) for span in spans]
        whole = text.count("\n") <= MOST_LINES
        return rendered(
            request,
            "trace.html",
            result=checked,
            verdict=verdict,
            title=_VERDICTS[verdict],
            said=sentence(verdict, floor=floor, levels=levels, kinds={each.kind for each in values["traced"]}),
            floor=floor,
            coverage=coverage,
            complete=complete,
            order=ORDER,
            spans=spans,
            total=total,
            lines=marked_lines(text, marks, context=-1 if whole else CONTEXT),
            rate=coincidence_rate(max(min_chars, index.geometry.width), index.coincidence),
            **values,
        )

    return await _ask(request, _one(fields, "index") or None, ask)


_FILTERS = ("languages", "licenses", "repositories", "owners", "paths")


@router.get("/search")
async def search_form(request: Request) -> HTMLResponse:
    """Show where to search, or the answer of a link that holds a query."""
    return await _search(request, _fields(request.url.query))


@router.post("/search")
async def searched(request: Request) -> HTMLResponse:
    """Show what a search finds."""
    return await _search(request, await _form(request))


async def _search(request: Request, fields: Mapping[str, list[str]]) -> HTMLResponse:
    name = serving_of(request).snapshots.slot(_one(fields, "index") or None).name
    mode = _one(fields, "mode", "literal")
    page = _one(fields, "page", "1")
    chosen = {each: [value for value in fields.get(each, []) if value][:100] for each in _FILTERS}
    number = int(page) if page.isascii() and page.isdigit() and len(page) <= 4 else 1
    settings: dict[str, Any] = dict(chosen)
    body = SearchBody.model_construct(
        query=_one(fields, "q").replace("\r\n", "\n"),
        mode=mode if mode in ("literal", "regex", "words") else "literal",
        ignore_case=bool(fields.get("ignore_case")),
        limit=_PAGE,
        offset=_PAGE * (max(1, number) - 1),
        facets=True,
        **settings,
    )
    if not body.query:
        return rendered(request, "search.html", name=name, body=body, found=None)
    scan_bytes = serving_of(request).settings.scan_bytes

    def ask(snapshot: Snapshot) -> HTMLResponse:
        snapshot.require_texts()
        found = run_search(snapshot.index, body, scan_bytes)
        link = urlencode(
            [("q", body.query), ("mode", body.mode), ("index", snapshot.name)]
            + [("ignore_case", "1")] * body.ignore_case
            + [(each, value) for each in _FILTERS for value in chosen[each]],
            errors="replace",
        )
        hits = [
            (
                hit,
                [
                    (snippet.first_line, marked_lines(snippet.text, [(*mark, False) for mark in snippet.marks]))
                    for snippet in hit.snippets
                ],
            )
            for hit in found.hits
        ]
        return rendered(
            request,
            "search.html",
            name=name,
            body=body,
            found=found,
            hits=hits,
            link=f"/search?{link}",
            number=max(1, number),
            more=len(found.hits) == _PAGE,
        )

    return await _ask(request, name, ask)


@router.get("/documents/{document}")
async def document(request: Request, document: str, index: str | None = None, lines: str = "") -> HTMLResponse:
    """Show a stored document; ``lines`` (10-40) are marked."""
    first, _, last = lines.partition("-")
    start = int(first) if first.isascii() and first.isdigit() and len(first) < 10 else 0
    end = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else start

    def ask(snapshot: Snapshot) -> HTMLResponse:
        begin = max(1, start - _DOCUMENT_LINES // 2) if start > _DOCUMENT_LINES // 2 else 1
        found = stored_document(snapshot.index, document, begin, begin + _DOCUMENT_LINES - 1)
        if found is None:
            raise Refusal(404, "there is no such document in this index")
        places = snapshot.index.sources(found.ref)
        return rendered(
            request,
            "document.html",
            name=snapshot.name,
            document=document,
            source=found.source,
            others=[(identity.hex(), other) for identity, other in places if identity != found.identity][:50],
            swhid=f"swh:1:cnt:{snapshot.index.content_id(found.ref).hex()}",
            lines=list(enumerate((line.rstrip("\r\n") for line in found.lines), start=begin)),
            last_line=found.last_line,
            marked=range(start, end + 1) if start else range(0),
        )

    return await _ask(request, index, ask)


@router.get("/lookup")
async def lookup(request: Request, owner: str = "", repository: str = "", index: str | None = None) -> HTMLResponse:
    """Tell what of an owner or a repository stands in the corpus."""
    owner, repository = owner.strip()[:500], repository.strip()[:500]

    def ask(snapshot: Snapshot) -> HTMLResponse:
        filters = Filters(owners=(owner,) if owner else (), repositories=(repository,) if repository else ())
        if filters:
            snapshot.require_texts()
        found = holdings(snapshot.index, filters) if filters else None
        return rendered(
            request,
            "lookup.html",
            name=snapshot.name,
            owner=owner,
            repository=repository,
            found=found,
            corpus=snapshot.index.corpus,
        )

    return await _ask(request, index, ask)


@router.get("/index")
async def index_page(request: Request, index: str | None = None) -> HTMLResponse:
    """Show what an index consists of and what it promises."""

    def ask(snapshot: Snapshot) -> HTMLResponse:
        opened = snapshot.index
        geometry = opened.geometry
        bounds = [_bytes(bound) for bound in SIZE_CLASSES]
        labels = [f"below {bounds[0]}", *(f"{a} to {b}" for a, b in zip(bounds, bounds[1:], strict=False))]
        statistics = snapshot.statistics()
        lengths = sorted({geometry.width, *LENGTHS, *opened.coincidence})
        return rendered(
            request,
            "index.html",
            name=snapshot.name,
            details=contract.index_details(opened, verified=False),
            statistics=statistics,
            sizes=list(zip([*labels, f"{bounds[-1]} or more"], statistics.sizes, strict=True)),
            coincidence=[(str(length), round(1000 * rate)) for length, rate in sorted(opened.coincidence.items())],
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

    return await _ask(request, index, ask)


@router.get("/api")
async def api_page(request: Request) -> HTMLResponse:
    """Describe the API from its OpenAPI document."""
    described = openapi.document(request.app)
    operations = [
        (method.upper(), path, operation, _fields_of(described, operation))
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    name = serving_of(request).snapshots.names[0]
    return rendered(request, "api.html", name=name, operations=operations)


def _fields_of(described: Mapping[str, Any], operation: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (name, type, meaning) of what an operation takes."""
    found = [
        (each["name"], _type(each["schema"]), each.get("description", "")) for each in operation.get("parameters", [])
    ]
    if "requestBody" in operation:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        for name, schema in described["components"]["schemas"][reference]["properties"].items():
            found.append((name, _type(schema), schema.get("description", "")))
    return found


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
