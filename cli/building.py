"""What writing verbs share: progress while they run, the report when they are done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from cli.state import Format
from cli.terminal import one_line, plural, styled, wants_colour
from indexer.report import BuildReport, Progress
from indexer.sources.base import Tally
from provenance.index import Index
from provenance.reports import contract
from provenance.reports.wording import size
from provenance.verdict import COINCIDENCE

if TYPE_CHECKING:
    from provenance.search.elasticsearch.cluster import ClusterSettings


@contextmanager
def building() -> Iterator[Callable[[Progress], None] | None]:
    """Give a listener that draws progress on stderr: rate and time left on a terminal, nothing elsewhere."""
    from cli.notices import notice_slow_kernel

    notice_slow_kernel()
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, color_system="auto" if wants_colour(sys.stderr) else None)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[documents]:,} documents"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("planning", total=None, documents=0)

        def heard(progress: Progress) -> None:
            bar.update(
                task,
                description=progress.phase,
                total=progress.total or None,
                completed=progress.done,
                documents=progress.documents,
            )

        yield heard


def cluster_settings(**options: Any) -> ClusterSettings | None:
    """Return the settings of a cluster that options name, None where they name none."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return None
    from provenance.search.elasticsearch.cluster import ClusterSettings

    return ClusterSettings(**given)


def finish(folder: str, report: BuildReport, format: Format) -> int:
    """Print the report; returns the exit code."""
    if format is Format.human:
        _print(report)
        return 0
    with Index.open(folder) as index:
        document = {**contract.head(index), "report": plain(report)}
    print(contract.render(document) if format is Format.json else contract.render_line(document))
    return 0


def write_page(report: BuildReport, path: str) -> None:
    """Write the report as a web page. Raises `StorageError`."""
    from indexer.report_page import report_page
    from provenance.storage import refusals_named

    with refusals_named(path), open(path, "w", encoding="utf-8") as file:
        file.write(report_page(report))


def plain(value: Any) -> Any:
    """Return dataclasses and containers as what JSON has; the folder's path is left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(field) for name, field in asdict(value).items() if name not in ("directory", "path")}
    if isinstance(value, dict):
        return {str(name): plain(field) for name, field in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(field) for field in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _print(report: BuildReport) -> None:
    tally = report.tally
    spent = sum(report.seconds.values())
    added = f"{plural(tally.documents, 'document')} added ({plural(tally.contents, 'text')}, {size(tally.text_bytes)})"
    rate = f", {size(report.rate)}/s" if report.rate else ""
    print(f"{styled(report.directory, 'bold')}: {added} in {spent:.1f} s{rate}")
    stored = f"{plural(report.documents, 'document')} in {plural(report.segments, 'segment')}"
    print(f"  index      {stored}, digest {report.digest[:16]}")
    for count, what in (
        (report.present, "were in the index already"),
        (report.repeated, "were given more than once"),
        (report.withdrawn, "are withdrawn and stay out"),
    ):
        if count:
            print(f"  documents  {count:,} {what}")
    _table("sources", tally.places)
    _table("languages", tally.languages)
    _table("licences", tally.licenses)
    if tally.skipped:
        print(f"  skipped    {plural(sum(tally.skipped.values()), 'file')}")
        for reason, count in sorted(tally.skipped.items(), key=lambda item: (-item[1], item[0])):
            print(f"    {count:>8,}  {reason}{_example(tally, reason)}")
    for reason, count in sorted(tally.remarks.items()):
        print(f"  remark     {count:,} {one_line(reason)}{_example(tally, reason)}")
    if report.sizes and tally.text_bytes:
        parts = ", ".join(f"{name} {size(value)}" for name, value in report.sizes.items() if value)
        print(f"  size       {size(sum(report.sizes.values()))} ({parts})")
    for each in report.filters:
        fill = f"{each.fill:.0%} of the bits set, " if each.fill is not None else ""
        keys = f"{each.keys:,} keys, " if each.keys is not None else ""
        print(f"  filter     {each.kind}: {keys}{fill}{each.expected_false_positive_rate:.1e} expected error a window")
    rates = dict(report.coincidence.rates) if report.coincidence is not None else COINCIDENCE
    curve = ", ".join(f"{length}: {100 * rate:.2g} %" for length, rate in sorted(rates.items()))
    basis = (
        f"measured on {report.coincidence.snippets:,} of this corpus"
        if report.coincidence is not None
        else "not measured here, too few repositories; of Python packages"
    )
    print(f"  chance     unrelated snippets that hold a run of so many characters ({basis}): {curve}")
    for notice in report.notices:
        print(f"  note       {one_line(notice)}")


def _example(tally: Tally, reason: str) -> str:
    example = next(iter(tally.examples.get(reason, ())), "")
    return f"  (such as {one_line(example)})" if example else ""


def _table(title: str, counts: dict[str, list[int]], most: int = 6) -> None:
    if not counts:
        return
    ordered = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
    shown = ", ".join(f"{one_line(name)} {documents:,} ({size(held)})" for name, (documents, held) in ordered[:most])
    print(f"  {title:<10} {shown}" + (f", and {len(ordered) - most} more" if len(ordered) > most else ""))
