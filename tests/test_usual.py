"""What tells little is shown and does not alarm, with the reason: short runs, licence headers, rows of one form."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.index import Index
from provenance.lexing.alignment import Code, align
from provenance.lexing.evidence import FEW_SYMBOLS, PIECE, shared_pieces, weigh
from provenance.lexing.languages import FAMILIES
from provenance.traced import TracedSpan
from provenance.tracing import trace

OWN = """
def settle(tariff, quarter):
    owed = {}
    for meter in tariff.meters:
        if meter.sealed is False and quarter in meter.readings:
            owed[meter.serial] = meter.readings[quarter] ** 2 // 7
{between}
        elif not meter.readings:
            raise LookupError(meter.serial)
    return sorted(owed.items(), key=lambda pair: pair[1] % 13)
"""
NOTICE = """# Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is
# hereby granted, provided that the above copyright notice and this permission notice appear in all copies.
#
# THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL
# IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
# INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN
# AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
# PERFORMANCE OF THIS SOFTWARE.
"""


def reasons(spans: tuple[TracedSpan, ...]) -> list[str | None]:
    assert all(each.span.common == (each.common_by is not None) for each in spans)
    return [each.common_by for each in spans if each.kind in ("exact", "layout")]


@pytest.fixture(scope="module")
def demo(demo_index: Path) -> Iterator[Index]:
    with Index.open(demo_index) as index:
        yield index


def test_a_short_run_counts_where_it_is_much_of_the_text_or_not_alone(demo: Index) -> None:
    source = inspect.getsource(difflib.SequenceMatcher.find_longest_match)
    run = source[(at := source.index("besti, bestj, bestsize = alo")) : at + 120]
    assert reasons(trace(demo, run).spans) == [None]
    assert reasons(trace(demo, f"{run} # so").spans) == [None]
    alone = OWN.replace("{between}", run)
    (short,) = trace(demo, alone).spans
    assert short.common_by == "short" and run.startswith(alone[short.span.start : short.span.end])
    # Where edited copies are not looked for, there is nothing to judge it by.
    assert reasons(trace(demo, alone, levels=("exact", "layout")).spans) == [None]
    # The lines around it are copied, too, but for their names.
    around = source[source.index("a, b, b2j") : at + 900].replace("i2", "k2").replace("j2len", "longest")
    assert len(run) < len(around) / 3
    assert None in reasons(trace(demo, around).spans)


def test_a_licence_header_is_a_notice_and_the_code_below_is_none(tmp_path: Path) -> None:
    code = OWN.replace("{between}", "            owed.setdefault(meter.quibzorn, tariff.wexlorp)")
    folder = tmp_path / "sources" / "repository"
    folder.mkdir(parents=True)
    (folder / "meters.py").write_text(f"# Copyright (c) 2019 Quibzorn Wexlorp\n#\n{NOTICE}{code}")
    (folder / "plain.py").write_text(f"{code.replace('owed', 'due')}\n\n{'#' * 4100}\n{NOTICE.lower()}")
    build([open_source(str(tmp_path / "sources"), SourceOptions(each_folder=True))], tmp_path / "index", workers=1)
    with Index.open(tmp_path / "index") as index:
        assert index.documents == 2
        assert reasons(trace(index, NOTICE).spans) == ["notice"]
        assert reasons(trace(index, NOTICE.lower()).spans) == [None]
        assert reasons(trace(index, code).spans) == [None]
        assert reasons(trace(index, NOTICE + code).spans) == [None]


@pytest.mark.parametrize(("row", "other"), [("put(%d, alpha);\n", "add(%d, beta);\n"), ("[%d, x],\n", "[%d, yy],\n")])
def test_rows_of_one_form_say_little_however_many(row: str, other: str) -> None:
    family = FAMILIES["javascript"]

    def structure(rows: int) -> float:
        one, two = ("".join(form % (number % 10) for number in range(rows)).encode() for form in (row, other))
        alignment = align(Code.of(one, family), Code.of(two, family))
        assert alignment is not None and len(alignment.pairs) >= 4 * rows
        return weigh(alignment, lambda token: 0.0, 0.0).structure

    assert structure(150) < math.pi**2 / 6 * structure(4)


def test_names_that_differ_in_digits_alone_count_as_one() -> None:
    family = FAMILIES["java"]
    few, many = (
        Code.of(f"<{', '.join(f'T{number}' for number in range(count))}> void of(T0 first) {{}}".encode(), family)
        for count in (10, 60)
    )
    bits = []
    for code in (few, many):
        alignment = align(code, code)
        assert alignment is not None
        bits.append(weigh(alignment, lambda token: 8.0 if token.startswith(b"T") else 0.0, 0.0).names)
    assert 8.0 < bits[0] < bits[1] < 8 * math.pi**2 / 6


def test_a_long_verbatim_run_is_a_match_unless_it_is_a_table() -> None:
    family = FAMILIES["go"]
    table = Code.of(b"{" + b"1, 2, -1, 1,\n" * 40 + b"}", family)
    body = Code.of(OWN.replace("{between}", "").encode(), FAMILIES["python"])
    regimes = []
    for code in (table, body):
        alignment = align(code, code)
        assert alignment is not None and len(alignment.pairs) == len(code) >= 60
        regimes.append(weigh(alignment, lambda token: 0.0, 0.0).regime)
    assert regimes == ["kept", "verbatim"] and len(table) > FEW_SYMBOLS


def test_what_stands_in_pieces_is_counted_once_in_any_order_with_its_comments() -> None:
    family = FAMILIES["python"]
    lines = OWN.replace("{between}", "").strip().split("\n")
    stored = Code.of("\n".join(lines).encode(), family)

    def share(*asked: str) -> float:
        alignment = align(Code.of("\n".join(asked).encode(), family), stored)
        assert alignment is not None
        return shared_pieces(alignment)

    assert share(*lines) == share(*(f"\t{line}  " for line in lines)) == 1
    foreign = "quibzorn(wexlorp, 'Plumtrix', 31337)"
    size = sum(len("".join(line.split())) for line in lines)
    assert share(*lines[:4], foreign, *lines[4:]) == pytest.approx(size / (size + len("".join(foreign.split()))))
    assert share(*lines[4:], *lines[:4]) > 0.9
    assert share(*(line.replace("e", "E_") for line in lines)) < 0.5
    assert min(len("".join(line.split())) for line in lines) < PIECE
