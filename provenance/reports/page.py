"""The frame of a report as one web page that needs nothing else: no script, no other host, light and dark, paper."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_STYLE = """
:root{color-scheme:light dark;--ink:#1a1d21;--paper:#fff;--soft:#5a6370;--line:#d8dde3;--bar:#2f6fb3;--mark:#ffe08a;
--muted:#e4e8ec;--code:#f6f7f9}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#14171a;--soft:#a2abb6;--line:#343b43;--bar:#6aa5e0;
--mark:#665200;--muted:#2d343b;--code:#1b1f24}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:62rem;margin:2rem auto;
padding:0 1rem}h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.25rem 0 .25rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;
border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}small{color:var(--soft)}
rect{fill:var(--bar)}text{fill:currentColor;font-size:12px}dl{display:grid;grid-template-columns:max-content 1fr;
gap:.15rem 1rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--code);border:1px solid var(--line);padding:.75rem;overflow-x:auto;font-size:.85rem;line-height:1.4}
mark{background:var(--mark);color:inherit}mark.common{background:var(--muted)}a{color:var(--bar)}
@media print{body{margin:0;max-width:none}pre{white-space:pre-wrap}}
"""


def page(title: str, body: Iterable[str]) -> str:
    """Return an HTML document; ``body`` are parts that are markup already, empty ones are left out."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def escaped(value: object) -> str:
    """Return a value as text in a page: markup in it is shown, and what UTF-8 cannot hold is named."""
    return html.escape(str(value).encode("utf-8", "backslashreplace").decode("utf-8"))


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return a list of names and values, nothing where there are none."""
    lines = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>" for name, value in pairs)
    return f"<dl>{lines}</dl>" if lines else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """Return a table of cells that are markup already, nothing without rows; ``numbers``: all but the first column."""
    cells = "".join(
        f'<th scope="col"{" class=n" if numbers and i else ""}>{escaped(name)}</th>' for i, name in enumerate(head)
    )
    lines = [
        "<tr>"
        + "".join(f"<td{' class=n' if numbers and i else ''}>{cell}</td>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    ]
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table>" if lines else ""
