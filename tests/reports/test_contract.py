"""The JSON contract: the schema in the package is valid, and every answer of the command line obeys it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.main import main
from provenance.errors import ParameterError
from provenance.reports import contract

RANGE = ["start", "end", "start_byte", "end_byte", "start_utf16", "end_utf16", "start_line", "end_line"]
SOURCE = (
    "document repository path revision license license_origin license_scope copyrights language kind url swhid".split()
)


def valid(name: str, value: Any) -> None:
    Draft202012Validator(contract.schema(name)).validate(value)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(words)
    return code, capsys.readouterr().out


@pytest.fixture
def snippet(demo_sources: Path, tmp_path: Path) -> Path:
    text = (demo_sources / "cpython" / "textwrap.py").read_text("utf-8")
    path = tmp_path / "snippet é.py"
    path.write_text("# 😀 mine\n" + text[2000:4000].replace("    ", "\t") + "\nzqj()\n", "utf-8")
    return path


def test_the_schema_is_a_valid_schema_and_knows_its_definitions() -> None:
    Draft202012Validator.check_schema(contract.schema())
    with pytest.raises(ParameterError, match="no definition 'nothing'"):
        contract.schema("nothing")


def test_the_schema_refuses_what_is_not_an_answer() -> None:
    validator = Draft202012Validator(contract.schema())
    assert not validator.is_valid({})
    assert not validator.is_valid({"schema_version": 2, "error": {"kind": "x", "message": "y"}})
    assert validator.is_valid(contract.error_document("missing", "nothing there"))
    assert not validator.is_valid(contract.error_document("missing", "two\nlines"))


def test_check_and_trace_answer_with_the_fields_of_the_contract(
    demo_index: Path, snippet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measures = "path verdict floor characters windows hits expected_false_hits coincidence_rate coverage spans".split()
    code, out = answer(capsys, "check", str(snippet), "--index", str(demo_index), "--format", "json")
    checked = json.loads(out)
    valid("check", checked)
    assert code == 1 and list(checked)[:4] == ["schema_version", "tool", "index", "results"]
    (result,) = checked["results"]
    assert list(result) == measures and result["path"] == str(snippet)
    assert list(result["spans"][0]) == [*RANGE, "common"]
    assert str(demo_index) not in out

    code, out = answer(capsys, "trace", str(snippet), "--index", str(demo_index), "--format", "json", "--sources", "1")
    traced = json.loads(out)
    valid("trace", traced)
    assert code == 1 and str(demo_index) not in out
    (result,) = traced["results"]
    assert set(measures) <= set(result)
    (span,) = result["spans"]
    assert set(span) >= {*RANGE, "common", "verified", "kind", "documents", "repositories", "licenses", "sources"}
    (source,) = span["sources"]
    assert set(source) >= {*SOURCE, *RANGE}
    assert source["repository"] == "cpython" and source["path"] == "textwrap.py" and span["kind"] == "layout"
    text = snippet.read_text("utf-8")
    assert text[span["start"] : span["end"]].encode() == text.encode()[span["start_byte"] : span["end_byte"]]
    units = text.encode("utf-16-le")[2 * span["start_utf16"] : 2 * span["end_utf16"]].decode("utf-16-le")
    assert units == text[span["start"] : span["end"]]
    assert span["start"] != span["start_byte"] != span["start_utf16"]


def test_json_lines_have_the_header_first_and_one_result_a_line(
    demo_index: Path, snippet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("zqj " * 100)
    for verb in ("check", "trace"):
        paths = [str(snippet), str(other), str(tmp_path / "missing")]
        code, out = answer(capsys, verb, *paths, "--index", str(demo_index), "--format", "jsonl")
        head, first, second, failed = map(json.loads, out.splitlines())
        valid("head", head)
        valid(f"{verb}_result", first)
        valid(f"{verb}_result", second)
        valid("failure", failed)
        assert code == 2 and list(head)[0] == "schema_version"
        assert [first["path"], second["path"], failed["path"]] == paths
        assert second["verdict"] == "no_match" and failed["error"]["kind"] == "input"


def test_search_info_and_show_obey_the_schema(demo_index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = ("--index", str(demo_index))
    _, out = answer(capsys, "search", "drop_whitespace and cur_line", *index, "--format", "json")
    found = json.loads(out)
    valid("search", found)
    (hit,) = found["results"]
    assert found["total"] == {"value": 1, "exact": True} and hit["path"] == "textwrap.py"
    assert set(SOURCE) <= set(hit) and list(hit["highlights"][0]) == RANGE

    _, out = answer(capsys, "search", "import", *index, "--format", "jsonl", "--limit", "3")
    head, *hits = map(json.loads, out.splitlines())
    valid("search_head", head)
    assert len(hits) == 3
    for each in hits:
        valid("search_result", each)

    _, out = answer(capsys, "show", hit["document"], *index, "--format", "json", "--lines", "2-3")
    shown = json.loads(out)
    valid("show", shown)
    assert shown["first_line"] == 2 and shown["text"].count("\n") == 2

    _, out = answer(capsys, "info", *index, "--format", "json", "--verify")
    info = json.loads(out)
    valid("info", info)
    assert info["verified"] is True and info["floors"] == {"check": 127, "trace": 96}


def test_building_and_compacting_report_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("def first_thing():\n    return 'the first of all things'\n" * 3)
    words = ("index", str(tmp_path / "a.py"), "--index", str(tmp_path / "i"), "--format", "json", "--workers", "1")
    code, out = answer(capsys, *words)
    report = json.loads(out)
    valid("report", report)
    assert code == 0 and report["report"]["documents"] == 1 and str(tmp_path / "i") not in out
    code, out = answer(capsys, "compact", "--index", str(tmp_path / "i"), "--format", "jsonl", "--workers", "1")
    assert code == 0 and len(out.splitlines()) == 1
    valid("report", json.loads(out))


def test_a_withdrawal_gives_a_receipt_and_hides_at_once(
    scratch_index: Path, snippet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ("--index", str(scratch_index), "--format", "json")
    code, out = answer(capsys, "withdraw", "--repo", "CPython", *index)
    receipt = json.loads(out)
    valid("withdraw", receipt)
    assert code == 0 and receipt["receipt"]["documents"] > 5
    assert receipt["index"]["digest"] == receipt["receipt"]["digest"] != receipt["receipt"]["digest_before"]
    for verb in ("check", "trace"):
        code, out = answer(capsys, verb, str(snippet), *index)
        assert code == 0 and json.loads(out)["results"][0]["verdict"] == "no_match"
    _, out = answer(capsys, "search", "drop_whitespace and cur_line", *index)
    assert json.loads(out)["total"] == {"value": 0, "exact": True}
    assert answer(capsys, "withdraw", *index)[0] == 2


def test_errors_are_json_on_stdout_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("check", "trace", "info"):
        code = main([verb, "--index", str(tmp_path), "--format", "json"])
        captured = capsys.readouterr()
        error = json.loads(captured.out)
        valid("error", error)
        assert code == 2 and error["error"]["kind"] == "missing"
        assert captured.err == f"provenance: {error['error']['message']}\n"
