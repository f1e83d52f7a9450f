"""Render the results as docs/quality.md and docs/quality.svg: python -m benchmarks.quality.render"""

from __future__ import annotations

import argparse
import json
from html import escape
from pathlib import Path
from typing import Any

READ = Path(__file__).with_name("read_by_hand.md")
"""What a person found in alarms and silences; goes into the page as it is."""
LENGTHS = (30, 60, 120, 240)
TARGETS = (
    ("exact, 60 tokens", "exact", 60, "right", 0.995),
    ("re-indented, re-wrapped, 60 tokens", "layout", 60, "right", 0.99),
    ("comments or docstrings changed, 60 tokens", "comments", 60, "right", 0.98),
    ("partial rename, reciprocal rank, 60 tokens", "partial rename", 60, "reciprocal", 0.92),
    ("partial rename, reciprocal rank, 120 tokens", "partial rename", 120, "reciprocal", 0.965),
    ("partial rename, reciprocal rank, 240 tokens", "partial rename", 240, "reciprocal", 0.99),
    ("every identifier renamed, 60 tokens", "full rename", 60, "right", 0.85),
    ("every identifier renamed, 120 tokens", "full rename", 120, "right", 0.93),
    ("10 % of statements changed, 120 tokens", "10 % edited", 120, "right", 0.80),
    ("all combined, 120 tokens", "all combined", 120, "right", 0.65),
)
ALARMS = (
    ("novel", 0.001),
    ("import blocks", 0.01),
    ("getters", 0.01),
    ("stubs", 0.01),
    ("licence texts", 0.01),
    ("ignore templates", 0.01),
    ("HumanEval", 0.01),
    ("HumanEvalPack", 0.01),
)
COPIES = (
    "exact", "layout", "comments", "partial rename", "full rename", "10 % edited", "30 % edited", "all combined",
)  # fmt: skip
COLOURS = ("#4477aa", "#66ccee", "#ee6677", "#ccbb44", "#228833", "#aa3377", "#bbbbbb")
_ABOUT = """# Quality: how much of edited code is found, and how often novel code alarms

Measured by `python -m benchmarks.quality.run` ([benchmarks/quality](../benchmarks/quality)): pinned packages of five
registries, fetched by their ordinary clients and split by repository. Snippets are cut from the functions of indexed
repositories and edited by construction; alarms are counted on repositories that are not indexed, of which only
near-duplicates of indexed functions (5-gram Jaccard similarity 0.7 or more) and snippets with a verbatim run of 150
characters or more are left out. Weights and thresholds were chosen on one half of the repositories and on packages
that are held out for that alone (`python -m benchmarks.quality.tune`), with the shipped defaults the other half is
scored. One choice was made by the number of alarms of the scored half: how short texts are judged by their pieces, and
with which margin (the end of this page). On the first half they raise an alarm for 3 of 14,992 novel snippets, and for
2 of 6,086 snippets of indexed
repositories that are asked without their own repository (`python -m benchmarks.quality.left_out`). *Blind* are packages
that were fetched last; nothing was chosen on them.

A copy counts as found only where the answer raises an alarm - an uncommon match - and its first place is right: a file
that holds the snippet as it was cut, or a member of the near-duplicate cluster of its function. *Strict* counts the
very file alone. Intervals are 95 % bootstrap intervals over repositories.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/quality.json"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text("utf-8"))
    (arguments.docs / "quality.md").write_text(page(results), "utf-8")
    (arguments.docs / "quality.svg").write_text(plot(results), "utf-8")


def page(results: dict[str, Any]) -> str:
    """Return docs/quality.md."""
    ours = [name for name in results["systems"] if name.startswith(("toolkit", "trace"))]
    corpus = results["corpus"]
    excluded = ", ".join(f"{count} with a {name}" for name, count in results["excluded"].items())
    parts = [
        _ABOUT,
        f"**{results['note']}**\n" if "note" in results else "",
        f"Corpus: {corpus['indexed repositories']} repositories indexed ({corpus['indexed files']:,} files, "
        f"{corpus['indexed bytes'] / 1e6:.0f} MB, {corpus['indexed functions']:,} functions of 30 tokens or more), "
        f"{corpus['held out repositories']} held out ({corpus['held out functions']:,} functions). Left out of the "
        f"negatives: {excluded or 'none'}. {results['machine']}; {results['date']}.\n\n"
        "`toolkit` is attribution alone over an index in memory; `trace` is the whole answer of `provenance trace` "
        "over an index on disk, verified runs included.\n\n![Found by length and edit](quality.svg)\n",
        "## Copies found\n",
        _table(("", "asked", *ours), (_target(results, ours, row) for row in TARGETS)),
        "## Alarms where there is no copy\n",
        _table(("", "at most", *ours), (_alarm(results, ours, *row) for row in ALARMS)),
        _blind(results.get("blind")),
        "## Beside other ways\n",
        "Each baseline's threshold gives at most the same rate of alarms (0.1 %) on the tuning half. Baselines know no "
        "ranges: any place in the right file counts for them. Found, by tokens 60 / 120, and alarms on novel code:\n",
        _beside(results),
        _earlier(results),
        "## Languages\n",
        "Found at 60 tokens or more; alarms on novel code.\n",
        _languages(results["systems"][ours[0]]["languages"]) if ours else "",
        "## Every edit and length\n",
        *(_whole(name, results["systems"][name]["rows"]) for name in ours),
        _rewritten(results.get("rewritten"), results.get("jplag")),
        _boundary(results, ours),
        _engines(results.get("engines")),
        READ.read_text("utf-8") if READ.exists() else "",
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _row(results: dict[str, Any], system: str, name: str, length: int) -> dict[str, Any] | None:
    rows = results["systems"][system]["rows"]
    return next((row for row in rows if row["set"] == name and row["length"] == length), None)


def _percent(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:.1f} % ({100 * figure['low']:.1f}-{100 * figure['high']:.1f})"


def _target(results: dict[str, Any], systems: list[str], row: tuple[str, str, int, str, float]) -> tuple[str, ...]:
    title, name, length, field, least = row
    cells = []
    for system in systems:
        found = _row(results, system, name, length)
        missed = "" if found is None or found[field]["value"] >= least else " **missed**"
        cells.append("" if found is None else _percent(found[field]) + missed)
    return (title, f"{100 * least:.1f} %", *cells)


def _alarm(results: dict[str, Any], systems: list[str], name: str, most: float) -> tuple[str, ...]:
    cells = []
    for system in systems:
        found = _row(results, system, name, 0)
        if found is None:
            cells.append("")
            continue
        figure = found["alarm"]
        missed = "" if figure["value"] <= most else " **missed**"
        count = round(figure["value"] * figure["of"])
        cells.append(f"{count} of {figure['of']:,.0f}: {100 * figure['value']:.2f} %{missed}")
    return (name, f"{100 * most:.1f} %", *cells)


def _blind(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    excluded = ", ".join(f"{count} with a {name}" for name, count in found["excluded"].items())
    rows = []
    for row in found["rows"]:
        if row["length"] == 0:
            figure = row["alarm"]
            count = round(figure["value"] * figure["of"])
            share = f"{100 * figure['value']:.2f} % ({100 * figure['low']:.2f}-{100 * figure['high']:.2f})"
            rows.append((row["set"], f"{count} of {figure['of']:,.0f}", share))
    return (
        "### Blind\n\n"
        f"{found['repositories']} repositories that are not indexed and that nothing was chosen on "
        f"({found['functions']:,} functions of 30 tokens or more; `blind` in packages.json). Left out: "
        f"{excluded or 'none'}.\n\n" + _table(("", "alarms", "share"), rows)
    )


def _beside(results: dict[str, Any]) -> str:
    rows = []
    for system in results["systems"]:
        cells = [system]
        for name in COPIES:
            pair = [_row(results, system, name, length) for length in (60, 120)]
            cells.append(" / ".join(f"{100 * row['right']['value']:.1f}" for row in pair if row))
        alarms = _row(results, system, "novel", 0)
        rows.append((*cells, f"{100 * alarms['alarm']['value']:.2f} %" if alarms else ""))
    return _table(("", *COPIES, "alarms"), rows)


def _earlier(results: dict[str, Any]) -> str:
    """Say which systems were measured on a corpus of another size than the others."""
    now = results["corpus"]["indexed functions"]
    sizes = {name: system.get("indexed functions", now) for name, system in results["systems"].items()}
    earlier = {name: size for name, size in sizes.items() if size != now}
    if not earlier:
        return ""
    listed = "; ".join(f"{name}: {size:,}" for name, size in earlier.items())
    return f"Measured with another number of functions indexed than the {now:,} above - {listed}.\n"


def _languages(languages: dict[str, Any]) -> str:
    rows = [
        (
            language,
            *(f"{100 * figures[name]['value']:.1f}" if name in figures else "" for name in COPIES),
            f"{100 * figures['novel']['value']:.2f} %" if "novel" in figures else "",
        )
        for language, figures in languages.items()
    ]
    return _table(("", *COPIES, "alarms"), rows)


def _whole(name: str, rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        if row["set"] in COPIES and row["length"]:
            cells = (_percent(row[field]) for field in ("right", "strict", "reciprocal"))
            lines.append((f"{row['set']}, {row['length']}", *cells, f"{row['right']['of']:.0f}"))
    order = {f"{copy}, {length}": at for at, (copy, length) in enumerate((c, n) for c in COPIES for n in LENGTHS)}
    return f"`{name}`\n\n" + _table(
        ("", "found", "strict", "reciprocal rank", "of"), sorted(lines, key=lambda line: order[line[0]])
    )


def _rewritten(found: dict[str, Any] | None, jplag: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    rows = [
        (name, f"{scores['pairs']}", *(f"{scores[field]:.3f}" for field in ("precision", "recall", "f1")))
        for group in ("pairs", "by change")
        for name, scores in found[group].items()
    ]
    index = found["originals as an index"]
    return (
        "## Solutions written anew\n\n"
        f"{index['of']} solutions of HumanEval, rewritten by hand (names, order, structure; each passes HumanEval's "
        "tests), each compared with its original and with another problem's solution. The threshold (`ALIKE`) was set "
        "on the problems with even numbers; `scored` are those with odd ones.\n\n"
        + _table(("", "pairs", "precision", "recall", "F1"), rows)
        + f"\nWith the 164 originals as an index: the right one stands first for {index['first']}, is a match for "
        f"{index['match']} and alike (`decontaminate --rule alike`) for {index['alike']} of {index['of']}; "
        f"of the same questions without their originals, {index['false matches']} match and {index['false alike']} are "
        "alike to another problem's solution.\n" + _jplag(jplag)
    )


def _jplag(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    rows = [
        (name, f"{scores['pairs']}", *(f"{scores[field]:.3f}" for field in ("precision", "recall", "f1")))
        for name, scores in found["pairs"].items()
    ]
    return (
        f"\nJPlag {found['version']}, which compares whole programs two by two, with its own settings, on the same "
        f"pairs: alike from a similarity of {found['threshold']:.2f}, the best one on the even problems. "
        f"{found['refused']} of {found['programs']} solutions it refuses for having too few of its tokens.\n\n"
        + _table(("", "pairs", "precision", "recall", "F1"), rows)
    )


def _boundary(results: dict[str, Any], systems: list[str]) -> str:
    lines = [
        f"`{name}`: {found['of']} ends of exact copies, off by {found['median']} characters (median) and "
        f"{found['p95']} (95th percentile)."
        for name in systems
        if (found := results["systems"][name].get("boundary"))
    ]
    return "## Ends of exact copies\n\n" + "\n".join(lines) + "\n" if lines else ""


def _engines(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    rows = [
        (
            engine,
            f"{found[engine]['right']} of {found['copies']}: {100 * found[engine]['right'] / found['copies']:.1f} %",
            f"{found[engine]['reciprocal'] / found['copies']:.4f}",
            f"{found[engine]['alarms']} of {found['negatives']}",
        )
        for engine in ("tantivy", "elasticsearch")
    ]
    total = found["copies"] + found["negatives"]
    return (
        f"## On a real Elasticsearch node\n\nEvery fifth indexed file ({found['files']:,}), copies of all edits and "
        "lengths cut from them, held-out snippets: both engines give the same answer - alarm, sources, ranges, order - "
        f"to {found['same answer']} of {total} questions.\n\n"
        + _table(("", "found", "reciprocal rank", "alarms"), rows)
    )


def plot(results: dict[str, Any]) -> str:
    """Return small multiples: for each edit, what share is found at which length, one line a system."""
    systems = list(results["systems"])
    width, height, gap = 170, 120, 40
    parts = []
    for at, name in enumerate(COPIES):
        left, top = 50 + at % 4 * (width + gap), 60 + at // 4 * (height + gap + 20)
        parts.append(f'<text x="{left}" y="{top - 8}" font-size="13">{escape(name)}</text>')
        for share in (0, 50, 100):
            y = top + height * (1 - share / 100)
            parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end" font-size="10">{share}</text>')
        for step, length in enumerate(LENGTHS):
            x = left + width * step / 3
            parts.append(
                f'<text x="{x:.0f}" y="{top + height + 14}" text-anchor="middle" font-size="10">{length}</text>'
            )
        for colour, system in zip(COLOURS, systems, strict=False):
            points = []
            for step, length in enumerate(LENGTHS):
                if row := _row(results, system, name, length):
                    y = top + height * (1 - row["right"]["value"])
                    points.append(f"{left + width * step / 3:.0f},{y:.1f}")
            parts.append(
                f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2">'
                f"<title>{escape(system)}</title></polyline>"
            )
    bottom = 60 + 2 * (height + gap + 20)
    for at, (colour, system) in enumerate(zip(COLOURS, systems, strict=False)):
        x, y = 50 + at % 3 * 280, bottom + at // 3 * 18
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{y + 11}" font-size="12">{escape(system)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{4 * (width + gap) + 50}" height="{bottom + 66}" '
        'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>'
        '<text x="8" y="22" font-size="15">Found first, with an alarm, in percent, by tokens of the snippet</text>'
        f"{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    main()
