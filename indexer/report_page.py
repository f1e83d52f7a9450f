"""The build report as one web page that needs nothing else: no script, no other host, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from indexer.report import BuildReport, FilterFacts, together, told
from provenance.manifest import Coincidence
from provenance.reports.page import escaped, facts, page, table
from provenance.reports.wording import size
from provenance.verdict import COINCIDENCE

_MOST = 40
"""Rows of a table that are shown; the rest is summed up in a last one."""


def report_page(report: BuildReport, *, title: str = "Build report") -> str:
    """Return the report as an HTML document: counts and bytes by source, language and licence, what was skipped and
    why, rates, the parts of the index, the filters' fill and expected error, and how likely a coincidence is."""
    tally = report.tally
    body = [
        f"<h1>{escaped(title)}</h1>",
        _facts(report),
        _counted("Sources", "source", tally.places, tally.documents),
        _counted("Languages", "language", tally.languages, tally.documents),
        _counted("Licences", "licence", tally.licenses, tally.documents),
        _counted("Where licences are known from", "origin", tally.origins, tally.documents),
        _counted("Kinds of text", "kind", tally.kinds, tally.documents),
        _counted("Encodings", "encoding", tally.encodings, tally.documents),
        _reasons("Skipped", tally.skipped, tally.skipped_bytes, tally.examples),
        _reasons("Remarks", tally.remarks, {}, tally.examples),
        _pairs("Rules", report.rules.items()),
        _parts(report),
        _filters(report.filters),
        _coincidence(report.coincidence),
        _list("Notes", report.notices),
    ]
    return page(title, body)


def _facts(report: BuildReport) -> str:
    tally = report.tally
    spent = sum(report.seconds.values())
    said = [
        ("added", f"{tally.documents:,} documents, {tally.contents:,} texts, {size(tally.text_bytes)}"),
        ("index", f"{report.documents:,} documents in {report.segments:,} segments"),
        ("digest", report.digest),
        ("time", f"{spent:.1f} s with {report.workers} workers, {size(report.rate)}/s"),
        ("steps", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.seconds.items())),
        ("memory", size(report.peak_memory)),
        ("already present", f"{report.present:,}"),
        ("given more than once", f"{report.repeated:,}"),
        ("withdrawn, left out", f"{report.withdrawn:,}"),
        ("skipped", f"{sum(tally.skipped.values()):,} ({size(sum(tally.skipped_bytes.values()))})"),
    ]
    return facts(said)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with its heading, nothing without rows."""
    made = table(head, rows)
    return f"<h2>{escaped(title)}</h2>{made}" if made else ""


def _counted(title: str, what: str, counts: Mapping[str, list[int]], total: int) -> str:
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1][1], entry[0]))
    shown = [(escaped(name), documents, held) for name, (documents, held) in ordered[:_MOST]]
    if len(ordered) > _MOST:
        rest = [entry[1] for entry in ordered[_MOST:]]
        shown.append((f"{len(rest)} more", sum(one[0] for one in rest), sum(one[1] for one in rest)))
    return _table(
        title,
        (what, "documents", "share", "size"),
        (
            (name, f"{documents:,}", f"{100 * documents / total if total else 0:.1f} %", size(held))
            for name, documents, held in shown
        ),
    )


def _reasons(
    title: str, counts: Mapping[str, int], sizes: Mapping[str, int], examples: Mapping[str, Sequence[str]]
) -> str:
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return _table(
        title,
        ("reason, with examples", "count", "size"),
        (
            (
                escaped(reason) + "".join(f"<br><small>{escaped(one)}</small>" for one in examples.get(reason, ())),
                f"{count:,}",
                size(sizes.get(reason, 0)) if sizes else "",
            )
            for reason, count in ordered
        ),
    )


def _pairs(title: str, pairs: Iterable[tuple[str, object]]) -> str:
    made = facts(pairs)
    return f"<h2>{escaped(title)}</h2>{made}" if made else ""


def _parts(report: BuildReport) -> str:
    total = sum(report.sizes.values())
    rows = [(escaped(name), size(held), f"{100 * held / total:.1f} %") for name, held in report.sizes.items() if held]
    if rows:
        rows.append(("whole index", size(total), "100.0 %"))
    return _table("Parts of the index", ("part", "size", "share"), rows)


def _filters(filters: Sequence[FilterFacts]) -> str:
    rows = [
        (
            escaped(one.kind),
            f"{one.keys:,}" if one.keys is not None else "unknown",
            size(one.bytes) if one.bytes is not None else "",
            f"{100 * one.fill:.1f} %" if one.fill is not None else "",
            f"{one.expected_false_positive_rate:.2e}",
        )
        for one in filters
    ]
    if len(rows) > 1:
        rows.append(("all, asked together", "", "", "", f"{together(filters):.2e}"))
    return _table("Membership filters", ("filter", "keys", "size", "bits set", "expected error of one window"), rows)


def _coincidence(measured: Coincidence | None) -> str:
    """Return the curve: the share of unrelated snippets that hold a run of some length by coincidence."""
    width, height, left = 460, 24, 150
    rates = dict(measured.rates) if measured is not None else COINCIDENCE
    highest = max(rates.values()) or 1.0
    bars = "".join(
        f'<text x="0" y="{i * height + 16}">{length} characters</text>'
        f'<rect x="{left}" y="{i * height + 5}" width="{max(1, round(width * rate / highest))}" height="14"/>'
        f'<text x="{left + max(1, round(width * rate / highest)) + 6}" y="{i * height + 16}">{100 * rate:.3g} %</text>'
        for i, (length, rate) in enumerate(sorted(rates.items()))
    )
    said = ", ".join(f"{length}: {100 * rate:.3g} %" for length, rate in sorted(rates.items()))
    return (
        f"<h2>Coincidence</h2><p>{escaped(told(measured))}</p>"
        f'<svg role="img" aria-label="{said}" width="100%" viewBox="0 0 {left + width + 60} '
        f'{height * len(rates)}">{bars}</svg>'
    )


def _list(title: str, lines: Sequence[str]) -> str:
    return (
        f"<h2>{escaped(title)}</h2><ul>{''.join(f'<li>{escaped(line)}</li>' for line in lines)}</ul>" if lines else ""
    )
