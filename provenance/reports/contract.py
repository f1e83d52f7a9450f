"""The JSON contract: every machine-readable answer, from the command line as from a server.

`SCHEMA_VERSION` changes when a field changes its meaning or goes; fields may be added without that.
`schema` gives the JSON Schema (draft 2020-12). Ranges are half-open; ``start``/``end`` count code points,
``*_byte`` UTF-8 bytes, ``*_utf16`` UTF-16 code units; lines are 1-based and inclusive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provenance.errors import ParameterError

if TYPE_CHECKING:
    from provenance.checking import CheckResult
    from provenance.index import Index
    from provenance.records import Source, Span
    from provenance.search.results import Hit, SearchResults
    from provenance.tracing import SourceMatch, TracedSpan, TraceResult

SCHEMA_VERSION = 1


def head(index: Index) -> dict[str, Any]:
    """Return what every answer begins with."""
    from provenance import __version__, kernel

    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "corpus-provenance", "version": __version__, "kernel": kernel.name},
        "index": index.describe(),
    }


def error_document(kind: str, message: str) -> dict[str, Any]:
    """Return the answer where there is none."""
    return {"schema_version": SCHEMA_VERSION, "error": {"kind": kind, "message": message}}


def failure(path: str, kind: str, message: str) -> dict[str, Any]:
    """Return what stands in ``errors`` for one text that could not be judged."""
    return {"path": path, "error": {"kind": kind, "message": message}}


def check_result(path: str, result: CheckResult) -> dict[str, Any]:
    """Return one result of `check`."""
    return {
        "path": path,
        "verdict": result.verdict,
        "floor": result.floor,
        **_measures(result),
        "coverage": result.coverage,
        "spans": [span_fields(span) for span in result.spans],
    }


def trace_result(path: str, result: TraceResult) -> dict[str, Any]:
    """Return one result of `trace`."""
    return {
        "path": path,
        "verdict": result.verdict,
        "floor": result.floor,
        **_measures(result.checked),
        "coverage": result.coverage,
        "complete": result.complete,
        "levels": list(result.levels),
        "order": result.order,
        "spans": [_traced_span(span) for span in result.spans],
    }


def span_fields(span: Span) -> dict[str, Any]:
    """Return a span of the text that was asked about."""
    return {**range_fields(span), "common": span.common}


def range_fields(span: Span) -> dict[str, Any]:
    """Return a range in every unit."""
    return {
        "start": span.start,
        "end": span.end,
        "start_byte": span.start_byte,
        "end_byte": span.end_byte,
        "start_utf16": span.start_utf16,
        "end_utf16": span.end_utf16,
        "start_line": span.start_line,
        "end_line": span.end_line,
    }


def source_fields(document: bytes, source: Source, content_id: bytes) -> dict[str, Any]:
    """Return what is known of one document."""
    return {
        "document": document.hex(),
        "repository": source.repository,
        "path": source.path,
        "revision": source.revision,
        "license": source.license,
        "license_origin": source.license_origin,
        "license_scope": source.license_scope,
        "copyrights": list(source.copyrights),
        "language": source.language,
        "kind": source.kind,
        "url": source.url,
        "swhid": f"swh:1:cnt:{content_id.hex()}",
    }


def search_head(index: Index, found: SearchResults) -> dict[str, Any]:
    """Return what the answer of `search` begins with."""
    total = {"value": found.total.value, "exact": found.total.exact}
    return {**head(index), "total": total, "complete": found.complete}


def search_result(hit: Hit) -> dict[str, Any]:
    """Return one text that a search found: its first document, the others in ``also``."""
    first, *others = hit.documents
    return {
        **source_fields(*first, hit.content_id),
        "score": hit.score,
        "highlights": [range_fields(span) for span in hit.highlights],
        "all_highlighted": hit.all_highlighted,
        "snippets": [
            {"first_line": snippet.first_line, "text": snippet.text, "marks": [list(mark) for mark in snippet.marks]}
            for snippet in hit.snippets
        ],
        "also": [source_fields(*other, hit.content_id) for other in others],
    }


def index_details(index: Index, *, verified: bool) -> dict[str, Any]:
    """Return the answer of `info`: the index, its parts, and the shortest copies that are certain to be found."""
    from provenance.verdict import DEFAULT_MIN_CHARS
    from provenance.windows import check_floor, trace_floor

    manifest = index.manifest
    return {
        **head(index),
        "stored": {
            "contents": index.contents,
            "segments": len(manifest.segments),
            "text_bytes": sum(entry.text_bytes for entry in manifest.segments),
        },
        "parameters": {**index.parameters.as_dict(), "fingerprints": index.parameters.fingerprints},
        "filters": [
            {"kind": each.kind, "keys": each.keys, "expected_rate": each.expected_false_positive_rate}
            for each in index.filters
        ],
        "floors": {
            "check": check_floor(index.geometry, DEFAULT_MIN_CHARS),
            "trace": trace_floor(index.geometry, DEFAULT_MIN_CHARS),
        },
        "coincidence": {
            "measured_on_this_corpus": manifest.coincidence is not None,
            "rates": {str(length): rate for length, rate in sorted(index.coincidence.items())},
            "snippets": manifest.coincidence.snippets if manifest.coincidence is not None else None,
        },
        "engine": index.parameters.engine,
        "generation": manifest.generation,
        "verified": verified,
    }


def schema(name: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema of every answer, or of one definition in it (``check``, ``trace_result``, ``error``…)."""
    from importlib.resources import files

    whole: dict[str, Any] = json.loads(
        files("provenance.reports").joinpath("schema", f"answers-{SCHEMA_VERSION}.json").read_text("utf-8")
    )
    if name is None:
        return whole
    if name not in whole["$defs"]:
        raise ParameterError(f"the schema has no definition {name!r}; it has {', '.join(whole['$defs'])}")
    return {"$schema": whole["$schema"], "$ref": f"#/$defs/{name}", "$defs": whole["$defs"]}


def render(value: Mapping[str, Any]) -> str:
    """Return one JSON document for `--format json`: indented, ASCII, so that it passes any pipe."""
    return json.dumps(value, indent=2, ensure_ascii=True)


def render_line(value: Mapping[str, Any]) -> str:
    """Return one line of JSON Lines."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def results_document(
    start: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    errors: Sequence[Mapping[str, Any]],
    skipped: Mapping[str, int],
) -> dict[str, Any]:
    """Return the document of `check` and `trace`."""
    return {**start, "results": list(results), "errors": list(errors), "skipped": dict(sorted(skipped.items()))}


def _measures(result: CheckResult) -> dict[str, Any]:
    return {
        "characters": result.characters,
        "windows": result.windows,
        "hits": result.hits,
        "expected_false_hits": result.expected_false_hits,
        "coincidence_rate": result.coincidence_rate,
    }


def _traced_span(traced: TracedSpan) -> dict[str, Any]:
    return {
        **span_fields(traced.span),
        "common_by": traced.common_by,
        "verified": True,
        "kind": traced.kind,
        "similarity": traced.similarity,
        "contents": traced.contents,
        "documents": traced.documents,
        "repositories": traced.repositories,
        "counts_exact": traced.counts_exact,
        "licenses": list(traced.licenses),
        "sources": [match_fields(match) for match in traced.sources],
    }


def match_fields(match: SourceMatch) -> dict[str, Any]:
    """Return one source of a span."""
    return {
        **source_fields(match.document, match.source, match.content_id),
        "exact": match.exact,
        "level": match.level,
        "similarity": match.similarity,
        "renamings": [{"document": each.document, "text": each.query, "times": each.times} for each in match.renamings],
        "aligned": [{"text": range_fields(ours), "document": range_fields(theirs)} for ours, theirs in match.aligned],
        **range_fields(match.span),
    }
