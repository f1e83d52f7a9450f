"""What of a benchmark stands in a corpus that it was planted in: levels, rules, tables, pages, exit codes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import pytest

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.decontamination.problems import Problem, problems
from provenance.decontamination.reporting import COLUMNS, summary, table
from provenance.decontamination.searching import ProblemReport, search_problem
from provenance.errors import ParameterError
from provenance.index import Index
from provenance.reports import contract

Run = Callable[..., subprocess.CompletedProcess[bytes]]

# Functions of the standard library stand in for a benchmark's solutions: real code, at hand everywhere.
NAMES = ("capwords", "dedent", "get_close_matches", "unified_diff", "split")


@pytest.fixture(scope="session")
def functions(demo_sources: Path) -> dict[str, str]:
    """Top-level functions of the demo corpus with their docstrings, by name."""
    found: dict[str, str] = {}
    for path in ("string.py", "textwrap.py", "difflib.py", "shlex.py"):
        text = (demo_sources / "cpython" / path).read_text("utf-8")
        for match in re.finditer(r"^def (\w+)\(.*?(?=^\S)", text, re.MULTILINE | re.DOTALL):
            found.setdefault(match[1], match[0].rstrip() + "\n")
    return found


def row(name: str, code: str) -> dict[str, str]:
    """A function as HumanEval writes it: the prompt ends with the docstring."""
    end = [match.end() for match in re.finditer(r'"""', code)][1]
    return {"task_id": name, "prompt": code[:end], "canonical_solution": code[end:]}


@pytest.fixture(scope="session")
def benchmark(functions: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five problems that the demo corpus has as they are, one re-indented, one renamed, two it has not."""
    rows = [row(name, functions[name]) for name in NAMES]
    indented = functions["ndiff"].replace("    ", "\t")
    rows.append(row("indented", indented))
    names = dict(zip(("context_diff", "a", "b", "group", "tag", "line", "prefix", "started"), "pqrstuvw", strict=True))
    renamed = re.sub(rf"\b({'|'.join(names)})\b", lambda match: names[match[1]], functions["context_diff"])
    rows.append(row("renamed", renamed))
    own = 'def zorn(q):\n    """ Fold the quib. """\n    kept = [w ^ 91 for w in q if w * 7 % 13 > 5]\n'
    own += "    return kept[::-1] or {77: q}\n"
    rows.append(row("own", own))
    rows.append(row("short", 'def s(x):\n    """ S. """\n    return x\n'))
    path = tmp_path_factory.mktemp("benchmark") / "tasks.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in rows)
    return str(path)


def reports(index: Path, benchmark: str, rules: Sequence[str] = ("levels",)) -> dict[str, ProblemReport]:
    with Index.open(index) as opened:
        return {p.id: search_problem(opened, p, rules=rules) for p in problems(benchmark)}  # type: ignore[arg-type]


def test_levels_tell_copies_from_what_is_not_there(demo_index: Path, benchmark: str) -> None:
    found = reports(demo_index, benchmark)
    for name in NAMES:
        assert found[name].verdict == "found", name
        best = max(found[name].findings, key=lambda finding: max(share for _, share in finding.parts))
        assert best.level == "exact" and dict(best.parts)["solution"] > 0.9, name
        assert best.sources[0].source.repository == "cpython"
    levels = {finding.level for finding in found["indented"].findings}
    assert found["indented"].verdict == "found" and "layout" in levels
    levels = {finding.level for finding in found["renamed"].findings}
    assert levels & {"renamed", "edited"}, levels
    assert found["own"].verdict == "not_found" and found["short"].verdict == "too_short"


def test_spans_stand_where_they_are_said_to(demo_index: Path, benchmark: str) -> None:
    texts = {problem.id: problem.text for problem in problems(benchmark)}
    with Index.open(demo_index) as opened:
        for name, report in reports(demo_index, benchmark, ("levels", "substring", "10-gram")).items():
            for finding in report.findings:
                asked = texts[name][finding.span.start : finding.span.end]
                assert asked == asked.strip() != ""
                for match in finding.sources:
                    [(ref, _)] = opened.find(match.document)[:1]
                    stored = opened.text(ref).decode()[match.span.start : match.span.end]
                    if finding.level in ("exact", "layout", "substring", "10-gram"):
                        assert stored.lower().split() == asked.lower().split(), (name, finding.level)


def test_the_substring_rule_ignores_case_and_trivial_solutions(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text("# LOUD:\n    RETURN QUIB(ZORN, 41) + MELP\n    return x + y\n")
    build([open_source(str(tmp_path / "a"), SourceOptions())], tmp_path / "index", workers=1)
    rows = [
        {"text": "Say quib.", "code": "    return quib(zorn, 41) + melp\n"},
        {"text": "Add.", "code": "    return x + y\n"},
        {"text": "Other.", "code": "    return quib(zorn, 42) + melp\n"},
    ]
    path = tmp_path / "b.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    found = list(reports(tmp_path / "index", str(path), ["substring"]).values())
    assert [report.verdict for report in found] == ["found", "not_found", "not_found"]
    [finding] = found[0].findings
    assert finding.parts == (("solution", 1.0),) and finding.sources[0].level == "edited"


def test_alike_finds_what_is_no_match(tmp_path: Path) -> None:
    """A short function under other names: too little for a match, enough to be shown to a person."""
    original = """def intersperse(numbers, delimiter):
    if not numbers:
        return []
    result = []
    for n in numbers[:-1]:
        result.append(n)
        result.append(delimiter)
    result.append(numbers[-1])
    return result
"""
    names = dict(intersperse="put_between", numbers="items", delimiter="sign", result="output", n="item")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text(original)
    build([open_source(str(tmp_path / "a"), SourceOptions())], tmp_path / "index", workers=1)
    renamed = re.sub(r"\b(intersperse|numbers|delimiter|result|n)\b", lambda match: names[match[1]], original)
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps({"text": "Put a sign between items.", "code": renamed}) + "\n")
    [report] = reports(tmp_path / "index", str(path), ["alike"]).values()
    [finding] = report.findings
    assert (finding.rule, finding.level) == ("alike", "renamed") and dict(finding.parts)["solution"] > 0.9


def test_of_an_edited_copy_the_docstring_is_not_said_to_be_there(
    demo_index: Path, functions: dict[str, str], tmp_path: Path
) -> None:
    code = re.sub(r'""".*?"""', '"""Ponder the quib, then fold it."""', functions["context_diff"], flags=re.DOTALL)
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps(row("other", re.sub(r"\b(group|tag|line)\b", r"\1_of", code))) + "\n")
    [report] = reports(demo_index, str(path)).values()
    edited = [dict(finding.parts) for finding in report.findings if finding.level in ("renamed", "edited")]
    assert edited and all(parts.keys() == {"solution"} and parts["solution"] > 0.9 for parts in edited)


def test_short_parts_are_too_short_however_long_they_are_together(demo_index: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    short = {"text": "Ponder the quib, " * 5, "code": "return zorn(quib, 41) + melp(42)\n"}
    path.write_text(json.dumps(short) + "\n" + json.dumps(short | {"text": "Ponder the quib, " * 6}) + "\n")
    with Index.open(demo_index) as opened:
        found = [search_problem(opened, problem) for problem in problems(str(path))]
    assert [report.verdict for report in found] == ["too_short", "not_found"]


def test_ten_words_in_a_row_are_enough_and_nine_are_not(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(10)]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("before " + "\n  ".join(words) + " after\n")
    build([open_source(str(tmp_path / "a"), SourceOptions())], tmp_path / "index", workers=1)
    for count, verdict in ((10, "found"), (9, "not_found")):
        text = " ".join(["other", *words[:count], "end", "here"])
        with Index.open(tmp_path / "index") as opened:
            path = tmp_path / "b.jsonl"
            path.write_text(json.dumps({"text": text, "code": "pass"}) + "\n")
            [problem] = problems(str(path))
            assert search_problem(opened, problem, rules=["10-gram"]).verdict == verdict


def test_unknown_rules_are_refused(demo_index: Path) -> None:
    with Index.open(demo_index) as opened:
        for rules in ([], ["exact"]):
            with pytest.raises(ParameterError, match="levels, alike, substring, 10-gram"):
                search_problem(opened, Problem("b", "1", "text", ()), rules=rules)  # type: ignore[arg-type]


def test_the_table_has_a_row_a_finding_and_no_formulas(demo_index: Path, benchmark: str) -> None:
    found = list(reports(demo_index, benchmark).values())
    rows = list(csv.DictReader(io.StringIO(table(found), newline="")))
    assert list(rows[0]) == COLUMNS
    assert len(rows) == sum(max(1, len(report.findings)) for report in found)
    assert {each["problem"] for each in rows} == {report.problem.id for report in found}
    evil = ProblemReport(Problem("=cmd()", "-1", "x", ()), "not_found", (), True)
    [line] = csv.DictReader(io.StringIO(table([evil]), newline=""))
    assert (line["benchmark"], line["problem"]) == ("'=cmd()", "'-1")


def test_command_line(run: Run, demo_index: Path, benchmark: str, tmp_path: Path) -> None:
    page, sheet = tmp_path / "r.html", tmp_path / "r.csv"
    done = run("decontaminate", benchmark, "--index", demo_index, "--html", page, "--csv", sheet, "--format", "json")
    assert done.returncode == 1 and not done.stderr
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, contract.schema("decontamination"))
    assert answer["rules"] == ["levels"]
    assert [each["problem"] for each in answer["problems"]][: len(NAMES)] == list(NAMES)
    [counts] = answer["summary"]
    assert counts["problems"] == 9 and counts["verdicts"]["found"] >= 6
    assert sheet.read_bytes().startswith(b"benchmark,problem,verdict,rule")
    shown = page.read_text("utf-8")
    assert "<mark" in shown and "<script" not in shown and "def capwords" in shown
    human = run("decontaminate", benchmark, "--index", demo_index, "--fail-on", "never")
    assert human.returncode == 0 and b"capwords: found" in human.stdout and b"9 problems" in human.stdout
    lines = run("decontaminate", benchmark, "--index", demo_index, "--format", "jsonl").stdout.splitlines()
    assert len(lines) == 10
    for line in lines[1:]:
        jsonschema.validate(json.loads(line), contract.schema("decontaminated_problem"))


def test_mistakes_are_one_line_and_code_2(run: Run, demo_index: Path, benchmark: str, tmp_path: Path) -> None:
    for words in (
        ["none.jsonl"],
        [benchmark, "--rule", "11-gram"],
        [benchmark, "--column", "nothing"],
        [benchmark, "--csv", str(tmp_path / "no" / "r.csv")],
        [benchmark, "--html", str(tmp_path)],
        [],
    ):
        done = run("decontaminate", *words, "--index", demo_index)
        assert done.returncode == 2, words
        assert done.stderr.count(b"\n") == 1 and done.stderr.startswith(b"provenance: "), words


SHARED = os.environ.get("PROVENANCE_BENCHMARKS")


@pytest.mark.skipif(SHARED is None, reason="PROVENANCE_BENCHMARKS names no folder with humaneval and mbpp")
def test_published_benchmarks(tmp_path: Path) -> None:
    """HumanEval in a corpus of itself is found whole, and MBPP in it hardly at all."""
    assert SHARED is not None
    human_eval = Path(SHARED) / "humaneval" / "HumanEval.jsonl.gz"
    (tmp_path / "a").mkdir()
    texts = [problem.text for problem in problems(str(human_eval))]
    (tmp_path / "a" / "solved.py").write_text("\n\n".join(texts), "utf-8")
    build([open_source(str(tmp_path / "a"), SourceOptions())], tmp_path / "index", workers=1)
    [counts] = summary(reports(tmp_path / "index", str(human_eval), ("levels", "substring")).values())
    assert counts["verdicts"]["found"] == counts["problems"] == 164
    [others] = summary(reports(tmp_path / "index", str(Path(SHARED) / "mbpp" / "mbpp.jsonl")).values())
    assert others["problems"] == 974 and others["verdicts"]["found"] <= 10
