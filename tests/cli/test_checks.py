"""`check` is read without typer where its words are plain; both ways must be one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from cli.checks import FLAGS, VALUED, understood
from cli.commands import check
from cli.state import FailOn, Format

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def typer_options() -> dict[str, str | None]:
    app = typer.Typer(add_completion=False)
    app.command()(check.command)
    found: dict[str, str | None] = {}
    for parameter in get_command(app).params:
        for word in parameter.opts:
            if word.startswith("-") and word != "--help":
                found[word] = None if getattr(parameter, "is_flag", False) else parameter.name
    return found


def test_the_words_that_are_understood_are_all_that_typer_knows() -> None:
    assert {**VALUED, **dict.fromkeys(FLAGS)} == typer_options()


def test_plain_words_are_understood() -> None:
    words = "a.py --index i -f json --min-chars=64 - --exclude x --exclude=y --fail-on any b --debug".split()
    question = understood(words)
    assert question is not None
    assert question.paths == ["a.py", "-", "b"] and question.index == "i" and question.exclude == ["x", "y"]
    assert (question.min_chars, question.format, question.fail_on) == (64, Format.json, FailOn.any)
    assert question.debug
    assert understood([]) is not None


@pytest.mark.parametrize(
    "words",
    "--help|--nothing|--index|--index -x|--min-chars x|--min-chars -1|--format xml|--fail-on no|-fjson|-f=json|--|"
    "--debug=1|--ind i|--index=".split("|"),
)
def test_what_is_not_plain_is_left_to_typer(words: str) -> None:
    assert understood(["a.py", *words.split()]) is None


def test_both_ways_give_the_same_answer(run: Run, demo_index: Path, demo_sources: Path) -> None:
    path = demo_sources / "cpython" / "textwrap.py"
    for plain, other in ((["--format", "json"], ["-fjson"]), (["--fail-on", "never"], ["--fail-on", "never", "--"])):
        quick = run("check", "--index", demo_index, *plain, path)
        usual = run("check", "--index", demo_index, *other, path)
        assert (quick.returncode, quick.stdout, quick.stderr) == (usual.returncode, usual.stdout, usual.stderr)
