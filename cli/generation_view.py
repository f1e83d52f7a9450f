"""An answer on a terminal, copies marked and their sources beside; or as plain text where nobody looks on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live as Screen
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from cli.terminal import lines, one_line, plural, printable, wants_colour
from provenance.guard.decisions import Decision
from provenance.guard.guarded import Answer, Progress

_SIDE_BY_SIDE = 100
"""Columns from which sources stand beside the text; on a narrower terminal they stand below it."""
_SOURCES_BESIDE, _SOURCES_AT_THE_END = 3, 5
_ENDINGS = {
    "complete": "",
    "ended": "the answer ended before a copy",
    "abstained": "nothing was left of the answer but a copy",
    "failed": "the guard could not judge, and the rest of the answer was kept back",
}


class Plain:
    """The text on standard output as it comes, nothing added; what is said about it on standard error."""

    def step(self, progress: Progress) -> None:
        """Write what came."""
        if progress.text:
            sys.stdout.buffer.write(progress.text.encode("utf-8", "replace"))
            sys.stdout.buffer.flush()

    def over(self, answer: Answer, interrupted: bool) -> None:
        """Say what was decided."""
        for decision in _told(answer.decisions):
            for line in (_title(decision), *_sources(decision, _SOURCES_AT_THE_END)):
                print(f"provenance: {line}", file=sys.stderr)
        _say_ending(answer, interrupted)

    def close(self) -> None:
        """Do nothing: there is no screen to give back."""


class Live:
    """The end of the answer in place while it comes; all of it when it is over."""

    def __init__(self) -> None:
        """Take the terminal."""
        self._console = Console(color_system="auto" if wants_colour(sys.stdout) else None, highlight=False)
        self._text = ""
        self._decided: list[Decision] = []
        self._growing: Sequence[Decision] = ()
        self._screen = Screen(console=self._console, get_renderable=self._view, refresh_per_second=8, transient=True)
        self._screen.start()

    def step(self, progress: Progress) -> None:
        """Show what came."""
        self._text += progress.text
        self._decided += _told(progress.decisions)
        self._growing = progress.growing

    def over(self, answer: Answer, interrupted: bool) -> None:
        """Print the whole answer with its copies marked, and their sources."""
        self._screen.stop()
        copies = _told(answer.decisions)
        self._console.print(_marked(answer.text, copies), soft_wrap=True)
        self._console.print(_listed(copies, _SOURCES_AT_THE_END), soft_wrap=True, end="")
        _say_ending(answer, interrupted)

    def close(self) -> None:
        """Give the terminal back."""
        self._screen.stop()

    def _view(self) -> Table:
        copies = [*self._decided, *self._growing]
        text, beside = _marked(self._text, copies), _listed(copies, _SOURCES_BESIDE)
        room = max(4, self._console.height - 2)
        grid = Table.grid(expand=True, padding=(0, 2))
        if self._console.width >= _SIDE_BY_SIDE:
            grid.add_column(ratio=3)
            grid.add_column(ratio=2)
            grid.add_row(_End(text, room), _End(beside, room))
        else:
            grid.add_column()
            below = room // 3 if copies else 0
            grid.add_row(_End(text, room - below))
            grid.add_row(_End(beside, below))
        return grid


class _End:
    """The last lines of a text, as many as there is room for."""

    def __init__(self, text: Text, room: int) -> None:
        self._text = text
        self._room = room

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # To wrap all of a long answer many times a second would be felt; a line makes one row at least.
        last = Text("\n").join(self._text.split("\n", allow_blank=True)[-self._room :]) if self._room else Text()
        rows = console.render_lines(last, options.update(height=None), pad=False)
        for row in rows[len(rows) - min(len(rows), self._room) :]:
            yield from row
            yield Segment.line()


def _marked(text: str, copies: Sequence[Decision]) -> Text:
    """Return an answer with its copies marked and numbered; control characters are shown as escapes."""
    shown = Text()
    at = 0
    ranges = sorted((*_range(copy), number) for number, copy in enumerate(copies, 1))
    for start, end, number in ranges:
        copy = copies[number - 1]
        start, end = max(at, start), max(at, end)
        shown.append(printable(text[at:start]))
        shown.append(printable(text[start:end]), style=_style(copy))
        shown.append(f"«{number}»", style="dim")
        at = end
    shown.append(printable(text[at:]))
    return shown


def _range(copy: Decision) -> tuple[int, int]:
    """Return where a copy stands in the answer: to the character, where the corpus was asked."""
    start, end = copy.span.start, copy.span.end
    if copy.emitted:
        start = min([start, *(each["start"] for each in copy.evidence)])
        end = max([end, *(each["end"] for each in copy.evidence)])
    return start, end


def _style(copy: Decision) -> str:
    if not copy.emitted:
        return "bold red"
    return "cyan" if copy.facts.common else "bold yellow"


def _listed(copies: Sequence[Decision], sources: int) -> Text:
    """Return what is known of every copy, a line each, and its sources below it."""
    shown = Text()
    for number, copy in enumerate(copies, 1):
        shown.append(f"«{number}» {_title(copy)}\n", style=_style(copy))
        shown.append("".join(f"{line}\n" for line in _sources(copy, sources)))
    return shown


def _told(decisions: Sequence[Decision]) -> list[Decision]:
    return [each for each in decisions if each.action != "observe"]


def _title(decision: Decision) -> str:
    where = lines(decision.span.start_line, decision.span.end_line)
    if decision.emitted:
        return one_line(f"{where}: {decision.reason}")
    return one_line(f"{where}: kept back ({decision.action}, rule {decision.rule}): {decision.reason}")


def _sources(decision: Decision, most: int) -> Iterator[str]:
    for span in decision.evidence:
        for source in span["sources"][:most]:
            yield f"  {_place(source)}"
            if source["url"]:
                yield f"    {one_line(source['url'])}"
        hidden = span["documents"] - len(span["sources"][:most])
        if hidden > 0:
            yield f"  and {'' if span['counts_exact'] else 'at least '}{plural(hidden, 'more document')}"


def _place(source: Mapping[str, Any]) -> str:
    revision = f" @{source['revision']}" if source["revision"] else ""
    return one_line(
        f"{source['repository']} {source['path']}:{source['start_line']}-{source['end_line']}{revision}  "
        f"{source['license']}"
    )


def _say_ending(answer: Answer, interrupted: bool) -> None:
    said = [_ENDINGS[answer.ending]] if _ENDINGS[answer.ending] else []
    if answer.attempts > 1:
        said.append(f"{answer.attempts} samples were drawn")
    if interrupted:
        said.append("interrupted; what was written is kept")
    for line in said:
        print(f"provenance: {line}", file=sys.stderr)
