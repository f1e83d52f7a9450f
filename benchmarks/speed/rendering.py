"""The results as a page and as pictures."""

from __future__ import annotations

import math
import re
from html import escape
from typing import Any

HEAD = """# Speed

Measured by `make bench-full`; each module of [`benchmarks/speed`](../benchmarks/speed) states its question and its
data. Each part can be run by itself and has its own commit, date and load here; a part that is not here has not been
measured at full size. Candidates of a group ran by turns, round after round; the figure is the median, beside it stand
the smallest and the largest round. Ratios were taken round by round, so that a noisy moment meets both sides. Figures
without a target are there to compare with.

![Windows asked a second](speed.svg)
"""
GROWTH = """
![Time and memory of a build over the size of the corpus](growth.svg)
"""
TITLES = {
    "startup": "Start-up",
    "normalising": "Normaliser",
    "building": "Building",
    "growth": "Growth",
    "queries": "Questions",
    "membership": "Membership",
    "filling": "Filling a filter",
    "largest": "Membership, a filter as large as memory holds",
}
CANDIDATES = (
    "limit, prefetched",
    "limit, plain",
    "kernel",
    "kernel, 2 threads",
    "kernel on the pybloomfiltermmap3 file",
    "numpy reference",
    "fastbloom-rs, loop",
    "rbloom (xxh3_128), loop",
    "pybloomfiltermmap3, loop",
)
SIZES = (("8 MiB", "#4477aa"), ("4 GiB", "#ee6677"))


def number(value: float) -> str:
    """Return a value with three significant digits and no exponent."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.2e}"


def table(results: dict[str, Any]) -> str:
    """Return docs/speed.md."""
    lines = [HEAD]
    for part, title in TITLES.items():
        if part not in results["parts"]:
            continue
        held = results["parts"][part]
        lines.append(f"\n## {title}\n")
        if part == "growth":
            lines.append(GROWTH)
        lines.append(
            f"{held['processor']}, {held['cores']} cores, {held['memory'] / 2**30:.0f} GiB; {held['system']}, Python "
            f"{held['python']}, kernel `{held['kernel']}`; commit {held['commit'][:12]}, {held['date'][:10]}; "
            f"load {held['load']:.1f}.\n"
        )
        lines.append("| what | | median | rounds | target | |")
        lines.append("|---|---|---|---|---|---|")
        for figure in held["figures"]:
            met = {True: "met", False: "**missed**", None: ""}[figure["met"]]
            spread = f"{number(figure['least'])} – {number(figure['most'])}" if len(figure["rounds"]) > 1 else ""
            note = f" ({figure['note']})" if figure["note"] else ""
            lines.append(
                f"| {figure['group']} | {figure['name']}{note} | {number(figure['median'])} {figure['unit']} "
                f"| {spread} | {figure['target']} | {met} |"
            )
    return "\n".join(lines) + "\n"


def plot(results: dict[str, Any]) -> str:
    """Return a picture of the rates of membership: bars on a logarithmic scale, one colour a size of filter."""
    parts = [results["parts"].get(part, {}) for part in ("membership", "largest")]
    figures = [figure for part in parts for figure in part.get("figures", [])]
    rates = {(figure["group"], figure["name"]): figure["median"] for figure in figures if figure["unit"] == "M/s"}
    largest = sorted({group for group, _ in rates} - {"8 MiB", "4 GiB"} - {g for g, _ in rates if g.endswith("MiB")})
    sizes = [*SIZES, *((group, "#228833") for group in largest)]
    left, width, bar = 300, 560, 13
    rows: list[str] = []
    top = 40
    scale = width / 4  # from 0.3 to 3,000 million a second: four powers of ten
    for name in CANDIDATES:
        here = [(group, colour, rates[group, name]) for group, colour in sizes if (group, name) in rates]
        if not here:
            continue
        middle = top + len(here) * bar / 2 + 4
        rows.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>')
        for group, colour, rate in here:
            length = max(1.0, (math.log10(rate) + 0.5) * scale)
            rows.append(
                f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{bar - 2}" fill="{colour}">'
                f"<title>{escape(group)}: {rate:.3g} million a second</title></rect>"
                f'<text x="{left + length + 4:.1f}" y="{top + bar - 4}" font-size="10">{rate:.3g}</text>'
            )
            top += bar
        top += 8
    lines = "".join(
        f'<line x1="{left + (power + 0.5) * scale:.1f}" x2="{left + (power + 0.5) * scale:.1f}" y1="36" y2="{top}" '
        f'stroke="#ddd"/><text x="{left + (power + 0.5) * scale:.1f}" y="32" font-size="10" text-anchor="middle">'
        f"{10**power:,}</text>"
        for power in range(4)
    )
    key = "".join(
        f'<rect x="{left + 120 * at}" y="{top + 8}" width="11" height="11" fill="{colour}"/>'
        f'<text x="{left + 120 * at + 16}" y="{top + 18}">{escape(group)} filter</text>'
        for at, (group, colour) in enumerate(sizes)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 60}" height="{top + 36}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="8" y="18" font-size="14">Windows asked, millions a second (logarithmic)</text>'
        f"{lines}{''.join(rows)}{key}</svg>\n"
    )


def growth_plot(results: dict[str, Any]) -> str:
    """Return a picture of time and memory of builds over the size of the corpus, both axes logarithmic."""
    figures = results["parts"].get("growth", {}).get("figures", [])
    points: dict[str, list[tuple[float, float]]] = {"time": [], "peak memory beside the filter": []}
    for figure in figures:
        found = re.fullmatch(r"(\d+) MB: (.*)", figure["name"])
        if found is not None:
            value = figure["least"] if found[2] == "time" else figure["median"]
            points[found[2]].append((float(found[1]), value))
    left, top, width, height = 70, 30, 500, 300
    across, up = width / math.log10(2000 / 5), height / 4  # 5 to 2,000 MB; 0.1 to 1,000

    def place(size: float, value: float) -> tuple[float, float]:
        return left + math.log10(size / 5) * across, top + height - (math.log10(value) + 1) * up

    rows = []
    for power in range(-1, 4):
        _, y = place(10, 10.0**power)
        rows.append(
            f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="10">{10.0**power:g}</text>'
        )
    for size in (10, 30, 100, 300, 1000):
        x, y = place(size, 0.1)
        rows.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle" font-size="10">{size} MB</text>')
    for (name, held), unit, colour in zip(points.items(), ("s", "MB"), ("#4477aa", "#ee6677"), strict=True):
        places = [place(size, value) for size, value in held]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        rows.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        for (x, y), (size, value) in zip(places, held, strict=True):
            title = f"{size:.0f} MB: {number(value)} {unit}"
            rows.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{title}</title></circle>')
        if places:
            x, y = places[0]
            label = f"{escape(name)}, {unit}"
            rows.append(f'<text x="{x:.1f}" y="{y - 10:.1f}" font-size="11" fill="{colour}">{label}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 30}" height="{top + height + 30}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="8" y="18" font-size="14">A build by the size of the corpus (both logarithmic)</text>'
        f"{''.join(rows)}</svg>\n"
    )
