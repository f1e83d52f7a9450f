"""Answers as SARIF 2.1.0 (OASIS), for code scanning: one run, one result a span, matching sources as related places.

Regions have lines and character offsets, counted in code points (``columnKind``). ``partialFingerprints`` has the
SHA-256 of the span's normalised text, so that a finding stays the same one when lines move. A common span is a
``note``; no rule says ``error``, for nothing here is evidence of copying.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from provenance.reports.judged import VERBATIM, Judged, Judgement, claim, counted, place
from provenance.text import NormalisedText

VERSION = "2.1.0"
MOST_PLACES = 1000
"""Places that code scanning services read of one result."""

_RULES: Mapping[str, tuple[str, str]] = {
    "copy": ("The same text stands in the corpus", "warning"),
    "edited-copy": ("Text of the corpus, edited", "warning"),
    "possible-copy": ("A run of windows is in the filter of the corpus; not verified on the text", "warning"),
    "common-text": ("Text that tells little about where it comes from: in many repositories, or usual", "note"),
}


def sarif_log(judgement: Judgement) -> dict[str, Any]:
    """Return the SARIF log of answers of `check` or `trace`."""
    tool = judgement.head["tool"]
    ids = list(_RULES)
    rules = [
        {
            "id": f"provenance/{name}",
            "shortDescription": {"text": f"{text}."},
            "help": {"text": "Matching sources are listed with their licences; none is claimed to be the origin."},
            "defaultConfiguration": {"level": level},
            "properties": {"tags": ["licence", "provenance"]},
        }
        for name, (text, level) in _RULES.items()
    ]
    notifications = [
        {
            "level": "error",
            "message": {"text": each["error"]["message"]},
            "locations": [{"physicalLocation": {"artifactLocation": _artifact(each["path"])}}],
        }
        for each in judgement.errors
    ]
    run = {
        "tool": {"driver": {"name": tool["name"], "semanticVersion": tool["version"], "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}],
        "artifacts": [
            {"location": _artifact(text.path), "length": len(text.raw), "hashes": {"sha-256": _sha256(text.raw)}}
            for text in judgement.texts
        ],
        "results": [
            result for number, text in enumerate(judgement.texts) for result in _results(judgement, text, number, ids)
        ],
        "properties": {"index": judgement.head["index"], "kernel": tool["kernel"]},
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": VERSION, "runs": [run]}


def _results(judgement: Judgement, text: Judged, number: int, ids: list[str]) -> Iterator[dict[str, Any]]:
    for span in text.result["spans"]:
        rule = _rule(span)
        related = [_related(source, place_id) for place_id, source in enumerate(span.get("sources", ())[:MOST_PLACES])]
        yield {
            "ruleId": f"provenance/{rule}",
            "ruleIndex": ids.index(rule),
            "level": _RULES[rule][1],
            "message": {"text": _message(judgement, span)},
            "locations": [
                {"physicalLocation": {"artifactLocation": _artifact(text.path, number), "region": _region(span)}}
            ],
            "relatedLocations": related,
            "partialFingerprints": {"normalisedText/v1": _fingerprint(text, span)},
            "properties": {
                "verdict": text.result["verdict"],
                "floor": text.result["floor"],
                **{name: span[name] for name in _PROPERTIES if name in span},
            },
        }


_PROPERTIES = (
    "kind", "similarity", "common", "common_by", "verified", "documents", "repositories", "counts_exact", "licenses",
)  # fmt: skip


def _rule(span: Mapping[str, Any]) -> str:
    if span["common"]:
        return "common-text"
    if "sources" not in span:
        return "possible-copy"
    return "copy" if span["kind"] in VERBATIM else "edited-copy"


def _message(judgement: Judgement, span: Mapping[str, Any]) -> str:
    size = counted(span["end"] - span["start"], "character")
    if "sources" not in span:
        return f"{size} may stand in the corpus {judgement.corpus}: a run in the filter, not verified on the text."
    first = f" The first of the matching sources: {place(span['sources'][0])}." if span["sources"] else ""
    return (
        f"Text of {size} {claim(span)} of the corpus {judgement.corpus}. "
        f"Licences of the sources: {', '.join(span['licenses']) or 'none listed'}.{first}"
    )


def _related(source: Mapping[str, Any], number: int) -> dict[str, Any]:
    address = source["url"] or quote(f"{source['repository']}/{source['path']}")
    return {
        "id": number,
        "message": {"text": f"{place(source)}, licence {source['license']} ({source['license_origin']})"},
        "physicalLocation": {
            "artifactLocation": {"uri": address, "description": {"text": source["swhid"]}},
            "region": _region(source),
        },
    }


def _region(span: Mapping[str, Any]) -> dict[str, int]:
    return {
        "startLine": span["start_line"],
        "endLine": span["end_line"],
        "charOffset": span["start"],
        "charLength": span["end"] - span["start"],
    }


def _artifact(path: str, number: int | None = None) -> dict[str, Any]:
    artifact: dict[str, Any] = {"uri": quote("stdin" if path == "-" else path.removeprefix("./"))}
    return artifact if number is None else {**artifact, "index": number}


def _fingerprint(text: Judged, span: Mapping[str, Any]) -> str:
    part = text.utf8[span["start_byte"] : span["end_byte"]].decode("utf-8")
    return _sha256(NormalisedText(part, "layout-1").normalised)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
