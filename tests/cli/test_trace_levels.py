"""`provenance trace` on an edited copy: what people, programs and exit codes are told."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from provenance.reports.contract import schema

Run = Callable[..., subprocess.CompletedProcess[bytes]]
NAMES = {"chunks": "parts", "cur_line": "row", "cur_len": "reach", "lines": "rows", "drop_whitespace": "trims"} | {
    "append": "push",
    "pop": "take",
    "max_lines": "most",
}


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    """A function of textwrap, its comments gone and its names changed."""
    code = textwrap.dedent(inspect.getsource(textwrap.TextWrapper._wrap_chunks))
    code = re.sub(r'(?ms)^ *"""(.*?)"""\n', "", code)
    code = re.sub(r"(?m)^ *#.*\n", "", code)
    for old, new in NAMES.items():
        code = re.sub(rf"\b{old}\b", new, code)
    path = tmp_path / "mine.py"
    path.write_text(code)
    return path


def test_an_edited_copy_is_shown_with_what_was_renamed_and_fails(run: Run, demo_index: Path, renamed: Path) -> None:
    done = run("trace", "--index", demo_index, renamed)
    said = done.stdout.decode()
    assert done.returncode == 1
    assert "renamed" in said and "textwrap.py" in said and "cur_line > row" in said


def test_programs_are_told_levels_ranges_and_names(run: Run, demo_index: Path, renamed: Path) -> None:
    done = run("trace", "--index", demo_index, "--format", "json", renamed)
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, schema("trace"))
    (result,) = answer["results"]
    assert result["levels"] == ["exact", "layout", "comments", "renamed", "edited"]
    found = [span for span in result["spans"] if span["kind"] == "renamed"]
    assert found and found[0]["contents"] >= 1 and found[0]["sources"][0]["level"] == "renamed"
    names = {each["document"]: each["text"] for span in found for each in span["sources"][0]["renamings"]}
    assert names and names.items() <= NAMES.items()
    for each in found[0]["sources"][0]["aligned"]:
        assert each["text"]["start"] < each["text"]["end"] and each["document"]["start"] < each["document"]["end"]


def test_every_report_says_the_same_similarity(run: Run, demo_index: Path, renamed: Path) -> None:
    # A name that stands for two: no longer all is alike.
    renamed.write_text(renamed.read_text().replace("parts", "most", 3))
    said = {}
    for form in ("human", "sarif", "spdx", "html"):
        out = run("trace", "--index", demo_index, "--format", form, renamed).stdout.decode()
        said[form] = set(re.findall(r"(\d+) ?% alike", out))
    assert said["human"] and len({frozenset(percents) for percents in said.values()}) == 1, said


def test_levels_can_be_limited(run: Run, demo_index: Path, renamed: Path) -> None:
    done = run("trace", "--index", demo_index, "--levels", "exact, layout", "--min-chars", "200", renamed)
    assert done.returncode == 0 and b"edited copies were not looked for" in done.stdout
    wrong = run("trace", "--index", demo_index, "--levels", "exact,nearly", renamed)
    assert wrong.returncode == 2 and wrong.stderr.count(b"\n") == 1 and b"'nearly'" in wrong.stderr


def test_without_fingerprints_nothing_edited_is_found(
    run: Run, demo_sources: Path, tmp_path: Path, renamed: Path
) -> None:
    folder = tmp_path / "index"
    assert run("index", demo_sources / "cpython", "--index", folder, "--no-fingerprints", "-j", "1").returncode == 0
    done = run("trace", "--index", folder, "--min-chars", "200", renamed)
    assert done.returncode == 0 and b"edited copies were not looked for" in done.stdout
    assert b"built without fingerprints" in run("info", "--index", folder).stdout
    mixed = run("index", demo_sources / "pluggy", "--index", folder, "--fingerprints", "-j", "1")
    assert mixed.returncode == 2 and b"fingerprints none" in mixed.stderr
