"""Traces as an SPDX 2.3 document (JSON): what was asked about as files, spans as snippets, sources as packages.

A package is one document of the corpus: its repository, revision, path, licence as it is known there, and its SWHID.
A snippet is related to the packages in which its text stands by ``OTHER`` with a comment that says where: SPDX's
``COPY_OF`` would claim a direction that nobody saw. ``licenseConcluded`` is always NOASSERTION: licences of several
sources are listed, and the conclusion is the reader's. Byte ranges count from 1 and include their end (SPDX 2.3, 9.3).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from provenance.errors import ParameterError
from provenance.records import NOASSERTION, NONE
from provenance.reports.judged import Judgement, claim, place

VERSION = "SPDX-2.3"
NO_SOURCES = "an SPDX document lists matching sources, which check does not know: use trace"
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_ADDRESS = re.compile(r"(https?|git\+https|ssh)://[a-z0-9]+([-.][a-z0-9]+)*\.[a-z]{2,5}(:[0-9]{1,5})?(/.*)?", re.I)
"""What SPDX takes for the place where a package is had."""


def spdx_document(judgement: Judgement, *, created: datetime | None = None) -> dict[str, Any]:
    """Return the SPDX document of answers of `trace`, created now or at the time given.

    Raises `ParameterError` for an answer of `check`, which knows no sources.
    """
    document: dict[str, Any] = {
        "spdxVersion": VERSION,
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"matching sources in {judgement.corpus}",
    }
    packages: dict[str, dict[str, Any]] = {}
    files, snippets, relationships = [], [], []
    for number, text in enumerate(judgement.texts):
        if "order" not in text.result:
            raise ParameterError(NO_SOURCES)
        file_id = f"SPDXRef-File-{number}"
        files.append(_file(file_id, text.path, text.raw, text.result["verdict"]))
        relationships.append(_relationship("SPDXRef-DOCUMENT", "DESCRIBES", file_id))
        for at, span in enumerate(text.result["spans"]):
            snippet_id = f"SPDXRef-Snippet-{number}-{at}"
            snippets.append(_snippet(snippet_id, file_id, span))
            for source in span["sources"]:
                package = packages.setdefault(source["document"], _package(source))
                comment = f"Matching source, not claimed to be the origin: {place(source)}, {source['level']}"
                relationships.append(_relationship(snippet_id, "OTHER", package["SPDXID"], comment))
    licenses = sorted(
        {each for package in packages.values() for each in _REFERENCE.findall(package["licenseDeclared"])}
    )
    parts = {
        "files": files,
        "snippets": snippets,
        "packages": list(packages.values()),
        "hasExtractedLicensingInfos": [
            {"licenseId": each, "name": NOASSERTION, "extractedText": "The corpus names this licence without its text."}
            for each in licenses
        ],
        "relationships": relationships,
    }
    tool = judgement.head["tool"]
    document["creationInfo"] = {
        "created": (created or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creators": [f"Tool: {tool['name']}-{tool['version']}"],
        "comment": f"Digest of the index: {judgement.head['index']['digest']}",
    }
    # The namespace must be unique to this content; no host of ours stands behind it.
    unique = hashlib.sha256(json.dumps([document, parts], sort_keys=True).encode()).hexdigest()
    document["documentNamespace"] = f"https://spdx.org/spdxdocs/corpus-provenance-{unique}"
    return {**document, **{name: part for name, part in parts.items() if part}}


def _file(file_id: str, path: str, raw: bytes, verdict: str) -> dict[str, Any]:
    name = "stdin" if path == "-" else path.lstrip("/").removeprefix("./")
    return {
        "SPDXID": file_id,
        "fileName": f"./{name}",
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": hashlib.sha1(raw, usedforsecurity=False).hexdigest()},
            {"algorithm": "SHA256", "checksumValue": hashlib.sha256(raw).hexdigest()},
        ],
        "licenseConcluded": NOASSERTION,
        "copyrightText": NOASSERTION,
        "comment": f"Verdict: {verdict}",
    }


def _snippet(snippet_id: str, file_id: str, span: Mapping[str, Any]) -> dict[str, Any]:
    def pointers(name: str, start: int, end: int) -> dict[str, Any]:
        return {
            "startPointer": {"reference": file_id, name: start},
            "endPointer": {"reference": file_id, name: end},
        }

    common = "; common" if span["common"] else ""
    return {
        "SPDXID": snippet_id,
        "snippetFromFile": file_id,
        "ranges": [
            pointers("offset", span["start_byte"] + 1, span["end_byte"]),
            pointers("lineNumber", span["start_line"], span["end_line"]),
        ],
        "licenseConcluded": NOASSERTION,
        "copyrightText": NOASSERTION,
        "licenseComments": f"Licences of the matching sources: {', '.join(span['licenses']) or 'none listed'}",
        "comment": f"This text {claim(span)}{common}",
    }


def _package(source: Mapping[str, Any]) -> dict[str, Any]:
    package = {
        "SPDXID": f"SPDXRef-Package-{source['document']}",
        "name": source["repository"] or source["path"],
        "packageFileName": source["path"],
        "downloadLocation": source["url"] if _ADDRESS.fullmatch(source["url"] or "") else NOASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": _declared(source["license"]),
        "licenseComments": f"{source['license']}, known from: {source['license_origin']} ({source['license_scope']})",
        "copyrightText": "\n".join(source["copyrights"]) or NOASSERTION,
        "externalRefs": [
            {"referenceCategory": "PERSISTENT-ID", "referenceType": "swh", "referenceLocator": source["swhid"]}
        ],
    }
    if source["revision"]:
        package["versionInfo"] = source["revision"]
    return package


def _declared(expression: str) -> str:
    """Return the expression where SPDX can hold it: its own identifiers and references; else NOASSERTION."""
    if expression in (NOASSERTION, NONE):
        return expression
    from license_expression import get_spdx_licensing

    licensing = get_spdx_licensing()
    unknown = licensing.validate(expression).invalid_symbols
    if not all(_REFERENCE.fullmatch(each) for each in unknown):
        return NOASSERTION
    return str(licensing.parse(expression))


def _relationship(one: str, kind: str, other: str, comment: str = "") -> dict[str, Any]:
    relationship = {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
    return {**relationship, "comment": comment} if comment else relationship
