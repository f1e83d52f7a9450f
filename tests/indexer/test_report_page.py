"""The build report as a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from indexer.report import BuildReport, FilterFacts, filter_facts
from indexer.report_page import report_page
from indexer.sources.base import Remark, Tally
from provenance import kernel
from provenance.index import Index
from provenance.manifest import Coincidence
from provenance.records import Document, Skipped, Source, git_blob_id


def tally() -> Tally:
    counts = Tally()
    for name, license in (("a.py", "MIT"), ("b.py", "MIT"), ("<script>alert(1)</script>.py", "NOASSERTION")):
        source = Source("o/n", name, license=license, language="Python")
        counts.add(Document(b"x = 1\n", git_blob_id(b"x = 1\n"), source), "some/<folder>")
    counts.note(Skipped("<img src=x onerror=y>.bin", "binary", "", 1_500_000))
    counts.note(Remark("c.py", "unknown licence", "Ours & theirs"))
    counts.contents, counts.text_bytes = 1, 6
    return counts


class _Checker(HTMLParser):
    """Notes every tag, and that all close in order."""

    void = frozenset(("meta", "br", "rect"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes.extend(attrs)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


def page() -> str:
    report = BuildReport("idx", digest="d" * 64, documents=3, segments=1, tally=tally(), seconds={"reading": 2.0})
    report.sizes = {"text": 100, "search": 300, "common": 0}
    report.rules = {"largest file": "5 bytes"}
    report.notices = ["a < b"]
    report.filters = [
        FilterFacts("blocked", 12345, 65_536, 0.4567, 1e-6),
        FilterFacts("pybloom", None, None, None, 2e-6),
    ]
    return report_page(report)


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    checker = _Checker()
    checker.feed(page())
    assert checker.open == []
    assert checker.seen.isdisjoint({"script", "link", "img", "iframe"})
    assert not [value for name, value in checker.attributes if name in ("src", "href") or name.startswith("on")]
    assert "http" not in page()


def test_names_from_the_corpus_are_shown_harmlessly() -> None:
    assert "<script>" not in page()
    assert "<img" not in page()
    assert "some/&lt;folder&gt;" in page()
    assert "&lt;img src=x onerror=y&gt;.bin" in page()


def test_counts_shares_sizes_and_errors_are_the_reports_own() -> None:
    text = re.sub(r"<[^>]+>", "|", page())
    assert re.search(r"MIT\|+2\|+66\.7 %\|+12 B", text)
    assert re.search(r"\|binary\|.*?\|1\|+1\.5 MB", text)
    assert re.search(r"unknown licence\|.*Ours &amp; theirs", text)
    assert re.search(r"search\|+300 B\|+75\.0 %", text)
    assert re.search(r"blocked\|+12,345\|+65\.5 kB\|+45\.7 %\|+1\.00e-06", text)
    assert re.search(r"all, asked together\|+3\.00e-06", text)
    assert "96 characters" in text


def test_the_curve_says_what_it_was_measured_on() -> None:
    report = BuildReport("idx", tally=tally())
    assert "too few repositories" in report_page(report)
    report.coincidence = Coincidence(((32, 0.25), (64, 0.0)), 1900, 100, 12)
    shown = report_page(report)
    assert "1,900 snippets of 12 repositories" in shown and "100 more were copies" in shown
    assert 'aria-label="32: 25 %, 64: 0 %"' in shown


def test_fill_is_the_share_of_bits_that_are_set(undisturbed: Path) -> None:
    (facts,) = filter_facts(undisturbed)
    with Index.open(undisturbed) as index:
        body = (undisturbed / "layers" / index.manifest.layers[0].id / "membership.flt").read_bytes()[4096:]
        assert (facts.kind, facts.keys) == ("blocked", index.manifest.layers[0].keys)
        assert facts.expected_false_positive_rate == index.filters[0].expected_false_positive_rate
    assert facts.bytes == 4096 + len(body)
    assert facts.fill is not None
    assert abs(facts.fill - kernel.count_ones(body) / (8 * len(body))) < (0.02 if len(body) > 1 << 18 else 1e-12)


def test_a_long_table_ends_with_the_sum_of_the_rest() -> None:
    report = BuildReport("idx", tally=Tally(documents=60, licenses={f"LicenseRef-{i}": [1, 10] for i in range(60)}))
    assert re.search(r"20 more</td><td class=n>20</td>", report_page(report))


def test_tallies_merge_and_survive_json() -> None:
    import json
    from dataclasses import asdict

    first, second = tally(), tally()
    first.merge(Tally(**json.loads(json.dumps(asdict(second)))))
    assert first.documents == 6
    assert first.licenses["MIT"] == [4, 24]
    assert first.places == {"some/<folder>": [6, 36]}
    assert first.skipped == {"binary": 2}
    assert first.skipped_bytes == {"binary": 3_000_000}
    assert first.remarks == {"unknown licence": 2}
    assert len(first.examples["binary"]) == 2
