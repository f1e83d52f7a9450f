"""SARIF, SPDX and the web page: each valid by somebody else's judgement, and saying what the JSON answer says."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft7Validator

from cli.main import main
from provenance.reports.wording import percent, size

SCHEMA = Path(__file__).parents[2] / ".test-cache/sarif/node_modules/@microsoft/jest-sarif/lib/schemas"
HOSTILE = '<script>alert(1)</script> & "quotes"\''


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(words)
    return code, capsys.readouterr().out


@pytest.fixture
def texts(demo_sources: Path, tmp_path: Path) -> list[str]:
    """A copy between foreign lines, a text of its own, and one with markup in its name and its lines."""
    copied = (demo_sources / "cpython" / "textwrap.py").read_text("utf-8")[2000:4000]
    (tmp_path / "copy é.py").write_text(f"# 😀 mine\n{copied}\nzqj()\n", "utf-8")
    (tmp_path / "own.py").write_text("zqj " * 100)
    (tmp_path / "<b>&.py").write_text(f"# {HOSTILE}\n{copied}", "utf-8")
    return [str(tmp_path / name) for name in ("copy é.py", "own.py", "<b>&.py")]


@pytest.fixture
def sarif_schema() -> dict[str, Any]:
    found = list(SCHEMA.glob("sarif-2.1.0*.json"))
    if not found:
        if os.environ.get("CI"):
            pytest.fail(f"no SARIF schema in {SCHEMA}: make test fetches it")
        pytest.skip("no SARIF schema: make test fetches it")
    schema: dict[str, Any] = json.loads(found[0].read_text("utf-8"))
    return schema


def test_sarif_is_valid_and_says_what_json_says(
    demo_index: Path, texts: list[str], sarif_schema: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("trace", "check"):
        code, out = answer(capsys, verb, *texts, "missing.py", "--index", str(demo_index), "--format", "sarif")
        log = json.loads(out)
        Draft7Validator(sarif_schema).validate(log)
        assert code == 2
        code, out = answer(capsys, verb, *texts, "--index", str(demo_index), "--format", "json")
        results = json.loads(out)["results"]
        (run,) = log["runs"]
        expected = [(result, span) for result in results for span in result["spans"]]
        assert len(run["results"]) == len(expected) >= 2
        for found, (result, span) in zip(run["results"], expected, strict=True):
            (location,) = found["locations"]
            place = location["physicalLocation"]
            assert unquote(place["artifactLocation"]["uri"]) == result["path"]
            region = place["region"]
            assert region["startLine"] == span["start_line"] and region["endLine"] == span["end_line"]
            text = Path(result["path"]).read_text("utf-8")
            start = region["charOffset"]
            assert text[start : start + region["charLength"]] == text[span["start"] : span["end"]]
            assert run["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == found["ruleId"]
            related = [each["message"]["text"] for each in found["relatedLocations"]]
            assert len(related) == len(span.get("sources", ()))
            for said, source in zip(related, span.get("sources", ()), strict=True):
                assert source["repository"] in said and source["license"] in said
        assert run["results"][0]["ruleId"] == ("provenance/copy" if verb == "trace" else "provenance/possible-copy")
        (invocation,) = run["invocations"]
        assert not invocation["executionSuccessful"]
        assert "missing.py" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_a_finding_keeps_its_fingerprint_when_it_moves_and_is_re_indented(
    demo_index: Path, texts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "moved.py"
    text = Path(texts[0]).read_text("utf-8")
    moved.write_text("\n" * 7 + text.replace("    ", "\t"), "utf-8")
    prints = []
    for path in (texts[0], str(moved)):
        _, out = answer(capsys, "trace", path, "--index", str(demo_index), "--format", "sarif")
        (result,) = json.loads(out)["runs"][0]["results"]
        prints.append(result["partialFingerprints"])
    assert prints[0] == prints[1]


def test_spdx_is_valid_and_names_every_source(
    demo_index: Path, texts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    code, out = answer(capsys, "trace", *texts, "--index", str(demo_index), "--format", "spdx")
    assert code == 1
    written = tmp_path / "answer.spdx.json"
    written.write_text(out)
    document = parse_file(str(written))
    assert [message.validation_message for message in validate_full_spdx_document(document)] == []
    _, out = answer(capsys, "trace", *texts, "--index", str(demo_index), "--format", "json")
    results = json.loads(out)["results"]
    spans = [(result, span) for result in results for span in result["spans"]]
    assert len(document.snippets) == len(spans) and len(document.files) == len(results)
    packages = {package.spdx_id: package for package in document.packages}
    for snippet, (result, span) in zip(document.snippets, spans, strict=True):
        first, last = snippet.byte_range
        raw = Path(result["path"]).read_bytes()
        assert raw[first - 1 : last] == raw[span["start_byte"] : span["end_byte"]]
        assert snippet.line_range == (span["start_line"], span["end_line"])
        related = [each for each in document.relationships if each.spdx_element_id == snippet.spdx_id]
        for relationship, source in zip(related, span["sources"], strict=True):
            package = packages[relationship.related_spdx_element_id]
            assert package.name == source["repository"] and package.file_name == source["path"]
            assert str(package.license_declared) == source["license"]
            assert package.external_references[0].locator == source["swhid"]


def test_spdx_declares_what_it_can_hold_alone() -> None:
    from provenance.reports.spdx import _declared

    assert _declared("gpl-2.0-only WITH Classpath-exception-2.0") == "GPL-2.0-only WITH Classpath-exception-2.0"
    assert _declared("LicenseRef-own OR MIT") == "LicenseRef-own OR MIT"
    assert _declared("NONE") == "NONE"
    for unheard in ("Own licence", "Foo-1.0", "MIT AND ("):
        assert _declared(unheard) == "NOASSERTION"


def test_spdx_of_a_check_is_refused(demo_index: Path, texts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", texts[0], "--index", str(demo_index), "--format", "spdx"]) == 2
    assert "use trace" in capsys.readouterr().err


class Reader(HTMLParser):
    """Collects the marked texts, the links and the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self._inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        if tag == "mark":
            self.marks.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "mark"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside:
            self.marks[-1] += data


def test_the_page_marks_the_spans_and_shows_markup_as_text(
    demo_index: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = answer(capsys, "trace", *texts, "--index", str(demo_index), "--format", "html")
    assert code == 1
    reader = Reader()
    reader.feed(out)
    _, found = answer(capsys, "trace", *texts, "--index", str(demo_index), "--format", "json")
    results = json.loads(found)["results"]
    spans = [
        Path(result["path"]).read_text("utf-8")[span["start"] : span["end"]]
        for result in results
        for span in result["spans"]
    ]
    assert reader.marks == spans and len(spans) >= 2
    assert not reader.tags & {"script", "b", "img", "link", "iframe"}
    assert HOSTILE in reader.text and "<b>&.py" in reader.text
    for result in results:
        for span in result["spans"]:
            for source in span["sources"]:
                assert source["path"] in reader.text and source["license"] in reader.text
    assert all(re.match(r"#text-\d+$|https?://", link) for link in reader.links)


def test_an_edited_copy_is_said_to_resemble_its_source(
    demo_index: Path, demo_sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (demo_sources / "cpython" / "textwrap.py").read_text("utf-8")
    start = source.index("    def _wrap_chunks")
    edited = source[start : source.index("    # -- Public interface", start)]
    for name, other in (("cur_line", "row"), ("cur_len", "taken"), ("chunks", "pieces"), ("lines", "rows")):
        edited = re.sub(rf"\b{name}\b", other, edited)
    path = tmp_path / "edited.py"
    path.write_text(re.sub(r"#.*|\"\"\"(.|\n)*?\"\"\"", "", edited), "utf-8")
    words = ("trace", str(path), "--index", str(demo_index))
    _, out = answer(capsys, *words, "--format", "json")
    spans = json.loads(out)["results"][0]["spans"]
    _, out = answer(capsys, *words, "--format", "sarif")
    found = json.loads(out)["runs"][0]["results"]
    resembling = [result for result in found if result["ruleId"] == "provenance/edited-copy"]
    assert [span["kind"] for span in spans if span["kind"] not in ("exact", "layout")] == [
        result["properties"]["kind"] for result in resembling
    ]
    assert resembling and all("resembles code" in result["message"]["text"] for result in resembling)
    _, out = answer(capsys, *words, "--format", "spdx")
    assert any("resembles code" in snippet["comment"] for snippet in json.loads(out)["snippets"])


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (4 << 40, "4.4 TB")],
)
def test_sizes_never_round_to_a_thousand(count: float, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(("share", "said"), [(0.0, "0%"), (0.979, "97%"), (0.99999, "99%"), (1.0, "100%")])
def test_less_than_all_is_never_all(share: float, said: str) -> None:
    assert percent(share) == said
