"""How a trace is shown to people: spans, and for each its matching sources with the copied part marked."""

from __future__ import annotations

import sys

from cli.inputs import Text
from cli.terminal import lines, one_line, plural, printable, styled, wants_colour
from provenance.index import Index
from provenance.reports.wording import percent
from provenance.tracing import SourceMatch, TracedSpan, TraceResult
from provenance.usual import SAID
from provenance.verdict import sentence

_CONTEXT = 2
_MOST_LINES = 14
_MOST_NAMES = 8
"""Renamings shown of a source."""


class SourcesView:
    """Prints results one by one: panels on a terminal, plain lines in a pipe."""

    def __init__(self, index: Index) -> None:
        """Take the index that the results come from."""
        self._index = index
        self._panels = sys.stdout.isatty()

    def __call__(self, text: Text, result: TraceResult) -> None:
        """Print one result."""
        styles = {"match": ("bold", "yellow"), "no_match": ("bold", "green")}.get(result.verdict, ("bold",))
        verdict = styled(result.verdict.replace("_", " "), *styles)
        kinds = {traced.kind for traced in result.spans}
        said = sentence(result.verdict, floor=result.floor, levels=result.levels, kinds=kinds)
        print(f"{styled(one_line(text.path), 'bold')}: {verdict}: {said}")
        for traced in result.spans:
            self._span(traced)
        if not result.complete:
            print("  more may be found: a bound on the work for one text was met")

    def _span(self, traced: TracedSpan) -> None:
        span = traced.span
        bound = "" if traced.counts_exact else "at least "
        print(
            f"  {lines(span.start_line, span.end_line)}: {plural(span.end - span.start, 'character')}, {traced.kind}"
            f"{_alike(traced.similarity)}"
            f"{_common(traced)}; in {bound}{plural(traced.documents, 'document')} of "
            f"{plural(traced.repositories, 'repository')}; {_licenses(traced.licenses)}"
        )
        for match in traced.sources:
            if self._panels:
                self._panel(match)
            else:
                print(f"    {_title(match)}")
                if match.source.url:
                    print(f"      {one_line(match.source.url)}")
            if changes := _changes(match):
                print(f"      {changes}")
        hidden = traced.documents - len(traced.sources)
        if hidden:
            print(f"    and {plural(hidden, 'more document')} (--sources N shows more)")

    def _panel(self, match: SourceMatch) -> None:
        from rich.console import Console
        from rich.panel import Panel
        from rich.text import Text as Styled

        found = self._index.find(match.document)
        stored = self._index.text(found[0][0]).decode("utf-8")
        span = match.span
        body = Styled(no_wrap=True, overflow="ellipsis")
        first, before = _back(stored, span.start, span.start_line)
        shown = before + stored[span.start : span.end]
        after = stored[span.end :].split("\n", _CONTEXT)[:_CONTEXT]
        marked_from, marked_to = len(before), len(shown)
        shown += "\n".join(after)
        at = 0
        rows = shown.split("\n")
        width = len(str(first + len(rows)))
        skipped = 0
        for number, line in enumerate(rows):
            inside = at < marked_to and at + len(line) >= marked_from
            middle = _MOST_LINES // 2 + _CONTEXT <= number < len(rows) - _MOST_LINES // 2 - _CONTEXT
            if middle:
                skipped += 1
            else:
                if skipped:
                    body.append(f"{' ' * width} ⋮ {plural(skipped, 'line')} more\n", style="dim")
                    skipped = 0
                body.append(f"{first + number:>{width}} ", style="dim")
                low, high = max(marked_from - at, 0), max(min(marked_to - at, len(line)), 0)
                line = line.rstrip("\r")
                body.append(printable(line[:low]))
                body.append(printable(line[low:high]) if inside else "", style="bold yellow")
                body.append(printable(line[high:] if inside else line[low:]) + "\n")
            at += len(line) + 1
        body.rstrip()
        console = Console(color_system="auto" if wants_colour(sys.stdout) else None, highlight=False)
        subtitle = Styled(one_line(match.source.url)) if match.source.url else None
        console.print(
            Panel(body, title=Styled(_title(match)), title_align="left", subtitle=subtitle, subtitle_align="left")
        )


def _back(text: str, start: int, line: int) -> tuple[int, str]:
    """Return the first line shown and what stands before the span from there on."""
    at = text.rfind("\n", 0, start)
    for _ in range(_CONTEXT):
        if at < 0:
            break
        at = text.rfind("\n", 0, at)
    before = text[at + 1 : start]
    return line - before.count("\n"), before


def _title(match: SourceMatch) -> str:
    source, span = match.source, match.span
    revision = f" @{source.revision}" if source.revision else ""
    origin = "" if source.license_origin == "none" else f" ({source.license_origin}, {source.license_scope})"
    return one_line(
        f"{source.repository} {source.path}:{span.start_line}-{span.end_line}{revision}  {source.license}{origin}"
    )


def _common(traced: TracedSpan) -> str:
    return f", common ({SAID.get(traced.common_by, traced.common_by)})" if traced.common_by else ""


def _alike(similarity: float) -> str:
    return f" ({percent(similarity)} alike)" if similarity < 1 else ""


def _changes(match: SourceMatch) -> str:
    """Return what was done to a copy that is more than white space."""
    if match.level in ("exact", "layout"):
        return ""
    names = [f"{each.document} > {each.query}" for each in match.renamings[:_MOST_NAMES]]
    more = len(match.renamings) - len(names)
    listed = f": {', '.join(names)}{f' and {more:,} more' if more else ''}" if names else ""
    return one_line(f"{match.level}{_alike(match.similarity)}{listed}")


def _licenses(expressions: tuple[str, ...]) -> str:
    return one_line(("licence " if len(expressions) == 1 else "licences ") + ", ".join(expressions))
