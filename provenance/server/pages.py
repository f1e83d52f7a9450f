"""Pages for people who would rather look than read: rendered here, with a little script for comfort.

Code is sent in the body of a request, never in an address, unless a link with it is asked for. Forms are read as
``application/x-www-form-urlencoded`` in memory: nothing that was pasted touches a disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from provenance.checking import check
from provenance.errors import ParameterError
from provenance.records import Verdict
from provenance.search.base import Filters
from provenance.server.comparing import comparisons
from provenance.server.failures import Refusal
from provenance.server.questions import TRACE_LIMITS, SearchBody, run_search, stored_document
from provenance.server.rendering import rendered
from provenance.server.serving import serving_of
from provenance.server.snapshots import Snapshot
from provenance.server.statistics import holdings
from provenance.server.views import CONTEXT, MOST_LINES, Mark, excerpt, marked_lines
from provenance.traced import BY_FILTER
from provenance.tracing import ORDER, trace
from provenance.verdict import DEFAULT_MIN_CHARS, check_floor, coincidence_rate, sentence, trace_floor

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
MOST_SPANS = 200
_PAGE = 10
_DOCUMENT_LINES = 5_000
_VERDICTS: Mapping[Verdict, str] = {
    "too_short": "Too short to judge",
    "no_match": "No copy found",
    "candidate": "Candidate",
    "possible_match": "Possible match",
    "match": "Match",
}
_SAID_WITH_TEXTS: tuple[Verdict, ...] = ("match", "no_match", "too_short")
_SAID_WITHOUT: tuple[Verdict, ...] = ("possible_match", "candidate", "no_match", "too_short")


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


async def ask_snapshot(
    request: Request, name: str | None, question: Callable[[Snapshot], HTMLResponse]
) -> HTMLResponse:
    """Answer in a thread of the gate, from one generation of an index."""
    serving = serving_of(request)
    slot = serving.snapshots.slot(name)

    def run() -> HTMLResponse:
        with slot.lease() as snapshot:
            return question(snapshot)

    return await serving.gate.run(run)


def _said(snapshot: Snapshot, meaning: str) -> str:
    """Return what a verdict means, without the advice to trace where an index has no texts."""
    return meaning if snapshot.holds_texts else re.sub("[:;] trace it.*", "", meaning)


@router.get("/")
async def start(request: Request, index: str | None = None) -> HTMLResponse:
    """Show where to paste."""

    def ask(snapshot: Snapshot) -> HTMLResponse:
        opened = snapshot.index
        said = _SAID_WITH_TEXTS if snapshot.holds_texts else _SAID_WITHOUT
        floor = (trace_floor if snapshot.holds_texts else check_floor)(opened.geometry, DEFAULT_MIN_CHARS)
        return rendered(
            request,
            "trace.html",
            name=snapshot.name,
            text="",
            min_chars=DEFAULT_MIN_CHARS,
            result=None,
            corpus=opened.corpus,
            documents=opened.documents,
            meanings=[(each, _VERDICTS[each], _said(snapshot, sentence(each, floor=floor))) for each in said],
            holds_texts=snapshot.holds_texts,
        )

    return await ask_snapshot(request, index, ask)


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
        edited = {id(each.span) for each in values["traced"] if each.kind not in BY_FILTER}
        marks: list[Mark] = [
            (span.start, span.end, "common" if span.common else "edited" if id(span) in edited else "")
            for span in spans
        ]
        whole = text.count("\n") <= MOST_LINES
        return rendered(
            request,
            "trace.html",
            result=checked,
            verdict=verdict,
            title=_VERDICTS[verdict],
            said=_said(
                snapshot,
                sentence(verdict, floor=floor, levels=levels, kinds={each.kind for each in values["traced"]}),
            ),
            floor=floor,
            coverage=coverage,
            complete=complete,
            edited=bool(set(levels) - BY_FILTER),
            order=ORDER,
            spans=spans,
            total=total,
            lines=marked_lines(text, marks, context=-1 if whole else CONTEXT),
            licenses=sorted({license for each in values["traced"] for license in each.licenses}),
            length=max(min_chars, index.geometry.width),
            rate=coincidence_rate(max(min_chars, index.geometry.width), index.coincidence),
            **values,
        )

    return await ask_snapshot(request, _one(fields, "index") or None, ask)


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
        hits = [(hit, excerpt(hit.snippets)) for hit in found.hits]
        return rendered(
            request,
            "search.html",
            name=name,
            body=body,
            found=found,
            hits=hits,
            link=f"/search?{link}",
            chosen_any=any(chosen.values()),
            number=max(1, number),
            more=len(found.hits) == _PAGE,
        )

    return await ask_snapshot(request, name, ask)


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

    return await ask_snapshot(request, index, ask)


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

    return await ask_snapshot(request, index, ask)
