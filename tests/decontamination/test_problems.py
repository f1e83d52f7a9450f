"""Benchmark files as problems: the published benchmarks' columns, other tables, folders, and what cannot be read."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
import zstandard

from provenance.decontamination.problems import LARGEST, Problem, problems
from provenance.errors import InputError

HUMAN_EVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'import math\n\n\ndef area(radius: float) -> float:\n    """ Return the area of a disc.\n    """\n',
    "entry_point": "area",
    "canonical_solution": "    return math.pi * radius ** 2\n",
    "test": "def check(candidate):\n    assert candidate(0) == 0\n",
}
MBPP = {
    "task_id": 9,
    "text": "Write a function to halve a number.",
    "code": "def half(x):\r\n\treturn x / 2",
    "test_list": [],
}
PACK = {
    "task_id": "Go/900",
    "prompt": "// Return the sum.\nfunc Sum(a int, b int) int {\n",
    "declaration": "func Sum(a int, b int) int {\n",
    "canonical_solution": "    return a + b\n}\n",
}


def parts(problem: Problem) -> dict[str, str]:
    return {part.name: problem.text[part.start : part.end] for part in problem.parts}


def written(path: Path, rows: list[object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def test_human_eval_is_its_docstring_and_its_code(tmp_path: Path) -> None:
    [problem] = problems(written(tmp_path / "HumanEval.jsonl", [HUMAN_EVAL]))
    assert (problem.benchmark, problem.id, problem.path) == ("HumanEval", "HumanEval/900", "problem.py")
    assert problem.text == HUMAN_EVAL["prompt"] + HUMAN_EVAL["canonical_solution"]
    assert parts(problem)["statement"].strip() == "Return the area of a disc."
    assert parts(problem)["solution"].endswith("    return math.pi * radius ** 2\n")


def test_mbpp_and_human_eval_pack(tmp_path: Path) -> None:
    [problem] = problems(written(tmp_path / "mbpp.jsonl", [MBPP]))
    assert problem.id == "9" and parts(problem) == {"statement": MBPP["text"], "solution": MBPP["code"]}
    [packed] = problems(written(tmp_path / "go.jsonl", [PACK]))
    assert packed.path == "problem.go"
    assert parts(packed) == {
        "statement": "// Return the sum.\n",
        "solution": "func Sum(a int, b int) int {\n    return a + b\n}\n",
    }


def test_named_columns_lists_and_arrays(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"question": "Why?", "answers": ["x = 1", "y = 2"], "id": "q"}]), "utf-8")
    [problem] = problems(str(path), ["question", "answers"])
    assert problem.id == "q" and problem.path == ""
    assert parts(problem) == {"question": "Why?", "answers": "x = 1\ny = 2"}
    with pytest.raises(InputError, match="question, answers.*--column"):
        list(problems(str(path)))
    with pytest.raises(InputError, match="row 1 has no text in nothing"):
        list(problems(str(path), ["nothing"]))


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "ndjson.zst", "json", "json.zst", "json.gz"])
def test_files_are_read_in_every_packing(tmp_path: Path, suffix: str, array: bool) -> None:
    rows = [HUMAN_EVAL, MBPP]
    raw = (json.dumps(rows, indent=1) if array else "\n".join(map(json.dumps, rows)) + "\n\n").encode()
    packed = {"gz": gzip.compress, "zst": zstandard.compress}.get(suffix.rpartition(".")[2], lambda data: data)(raw)
    path = tmp_path / f"bench.{suffix}"
    path.write_bytes(packed)
    assert [problem.id for problem in problems(str(path))] == ["HumanEval/900", "9"]
    assert {problem.benchmark for problem in problems(str(path))} == {"bench"}


def test_a_folder_is_a_benchmark_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text("b = 2\n")
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / ".hidden").write_text("no\n")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"\xff\x00")
    os.symlink(tmp_path / "a.py", tmp_path / "link.py")
    found = list(problems(str(tmp_path)))
    assert [(problem.id, problem.text) for problem in found] == [("a.py", "a = 1\n"), ("sub/b.py", "b = 2\n")]
    assert {problem.benchmark for problem in found} == {tmp_path.name}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", b"{]\n", "no JSON Lines"),
        ("x.jsonl", b"[1]\n", "row 1 is no JSON object"),
        ("x.jsonl", b"", "no row"),
        ("x.jsonl", b'{"prompt": "\xff"}\n', "not UTF-8"),
        ("x.jsonl", b"[" * 100_000 + b"\n", "no JSON Lines"),
        ("x.jsonl.gz", b"not gzip", "compressed stream is damaged"),
        ("x.jsonl.gz", gzip.compress(b"{}" * 1000)[:30], "compressed stream is damaged"),
        ("x.jsonl.gz", gzip.compress(b"{}" * 1000)[:10] + b"\xff" * 30, "compressed stream is damaged"),
        ("x.jsonl.zst", b"not zstd", "compressed stream is damaged"),
        ("x.txt", b"text", "no table of problems"),
        ("x.json", b'{"text": 1, "code": null}', "name its columns with --column"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        list(problems(str(path)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_what_is_not_there_and_what_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(problems(str(tmp_path / "none.jsonl")))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no file is in this folder"):
        list(problems(str(empty)))
    (empty / "binary").write_bytes(b"\xff\xfe\0")
    with pytest.raises(InputError, match="not UTF-8"):
        list(problems(str(empty)))
    path = written(tmp_path / "long.jsonl", [{"text": "x", "code": "y" * (LARGEST + 1)}])
    with pytest.raises(InputError, match="characters"):
        list(problems(path))
