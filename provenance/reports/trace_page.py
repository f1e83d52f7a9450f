"""Answers of `check` or `trace` as one web page: verdicts, the text with its spans marked, their matching sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provenance.reports.judged import VERBATIM, Judged, Judgement, counted, spread
from provenance.reports.page import escaped, facts, page, table
from provenance.reports.wording import percent
from provenance.usual import SAID
from provenance.verdict import sentence

_CONTEXT = 3
"""Lines shown around a span."""
_NAMES = 12
"""Renamings listed of a source."""


def trace_page(judgement: Judgement) -> str:
    """Return the HTML document of answers of `check` or `trace`."""
    index = judgement.head["index"]
    corpus = index["corpus"]
    title = f"Matching sources in {judgement.corpus}"
    about = facts(
        (
            ("corpus", judgement.corpus),
            ("documents", f"{index['documents']:,}{'' if corpus['complete'] else ', not complete'}"),
            ("built", corpus["built"]),
            ("opt-out version", corpus["optout_version"]),
            ("digest", index["digest"]),
            ("compared after", f"normalisation {index['normaliser']}"),
            ("made by", f"{judgement.head['tool']['name']} {judgement.head['tool']['version']}"),
        )
    )
    note = (
        "<p><small>Sources are matching sources in the order of the answer; none is claimed to be the origin. That a "
        "text stands in the corpus is not evidence of copying or infringement, and a permissive licence still asks "
        "for its notice.</small></p>"
    )
    failed = table(
        ("could not be judged", "why"),
        ((escaped(each["path"]), escaped(each["error"]["message"])) for each in judgement.errors),
        numbers=False,
    )
    body = [f"<h1>{escaped(title)}</h1>", about, note, _overview(judgement), failed]
    for number, text in enumerate(judgement.texts):
        body += _text(text, number)
    return page(title, body)


def _overview(judgement: Judgement) -> str:
    if len(judgement.texts) < 2:
        return ""
    return table(
        ("text", "verdict", "spans", "part of the text"),
        (
            (
                f'<a href="#text-{number}">{escaped(text.path)}</a>',
                escaped(text.result["verdict"].replace("_", " ")),
                f"{len(text.result['spans']):,}",
                f"{text.result['coverage']:.0%}",
            )
            for number, text in enumerate(judgement.texts)
        ),
    )


def _text(text: Judged, number: int) -> Iterator[str]:
    result = text.result
    yield f'<h2 id="text-{number}">{escaped("standard input" if text.path == "-" else text.path)}</h2>'
    verdict = result["verdict"]
    yield f"<p><strong>{escaped(verdict.replace('_', ' '))}</strong>: {_said(result)}.</p>"
    if not result.get("complete", True):
        yield "<p>More may be found: a bound on the work for one text was met.</p>"
    for span in result["spans"]:
        yield _heading(span)
        yield _excerpt(text.utf8.decode("utf-8"), span)
        yield _sources(span)


def _said(result: Mapping[str, Any]) -> str:
    kinds = {span["kind"] for span in result["spans"] if "kind" in span}
    return sentence(result["verdict"], floor=result["floor"], levels=result.get("levels", ()), kinds=kinds)


def _heading(span: Mapping[str, Any]) -> str:
    lines = f"Lines {span['start_line']}-{span['end_line']}"
    size = counted(span["end"] - span["start"], "character")
    reason = span.get("common_by")
    common = ", common" + (f" ({SAID.get(reason, reason)})" if reason else "") if span["common"] else ""
    if "sources" not in span:
        return f"<h3>{lines}: {size}{common}, not verified on the text</h3>"
    licenses = ", ".join(span["licenses"]) or "none listed"
    kind = escaped(span["kind"]) + (f", {percent(span['similarity'])} alike" if span["similarity"] < 1 else "")
    return f"<h3>{lines}: {size}, {kind}{common}; in {spread(span)}; licences {escaped(licenses)}</h3>"


def _excerpt(text: str, span: Mapping[str, Any]) -> str:
    """Return the span with some lines around it, the copied part marked."""
    start, end = span["start"], span["end"]
    before = text[:start].split("\n")[-_CONTEXT - 1 :]
    after = text[end:].split("\n")[: _CONTEXT + 1]
    kind = ' class="common"' if span["common"] else ""
    shown = (escaped("\n".join(before)), escaped(text[start:end]), escaped("\n".join(after)))
    return f"<pre>{shown[0]}<mark{kind}>{shown[1]}</mark>{shown[2]}</pre>"


def _sources(span: Mapping[str, Any]) -> str:
    rows = []
    for source in span.get("sources", ()):
        path = f"{source['path']}:{source['start_line']}-{source['end_line']}"
        # Only what a browser opens as a page becomes a link: a corpus may say anything.
        linked = (source["url"] or "").startswith(("https://", "http://"))
        where = f'<a href="{escaped(source["url"])}" rel="noreferrer">{escaped(path)}</a>' if linked else escaped(path)
        origin = f"{source['license_origin']}, {source['license_scope']}"
        rows.append(
            (
                f"{escaped(source['repository'])}<br><small>{escaped(source['revision'] or '')}</small>",
                f"{where}<br><small>{escaped(source['swhid'])}</small>{_changes(source)}",
                f"{escaped(source['license'])}<br><small>{escaped(origin)}</small>",
                "<br>".join(escaped(each) for each in source["copyrights"]),
            )
        )
    hidden = span.get("documents", 0) - len(rows)
    more = f"<p><small>and {counted(hidden, 'more document')}</small></p>" if rows and hidden > 0 else ""
    return table(("repository, revision", "path, content", "licence", "copyright"), rows, numbers=False) + more


def _changes(source: Mapping[str, Any]) -> str:
    """Return what was done to a copy that is more than white space, and its renamings."""
    if source["level"] in VERBATIM:
        return ""
    names = [f"{each['document']} to {each['text']}" for each in source["renamings"][:_NAMES]]
    more = len(source["renamings"]) - len(names)
    listed = f"; renamed: {', '.join(names)}{f' and {more:,} more' if more else ''}" if names else ""
    return f"<br><small>{escaped(source['level'])}, {percent(source['similarity'])} alike{escaped(listed)}</small>"
