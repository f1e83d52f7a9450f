"""What people see, what pipes get, exit codes, and what is not imported."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import main
from cli.shadowing import complaint
from cli.verbs import VERBS, app

Run = Callable[..., subprocess.CompletedProcess[bytes]]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def snippet(demo_sources: Path, tmp_path: Path) -> Path:
    path = tmp_path / "snippet.py"
    path.write_bytes(b"zqj\n" + (demo_sources / "cpython" / "textwrap.py").read_bytes()[2000:4000] + b"\nzqj\n")
    return path


def on_terminal(start: Start, *words: str | Path, typed: bytes = b"", **env: str) -> tuple[int, str]:
    """Run with a terminal as standard input and output; standard error comes along."""
    ours, theirs = pty.openpty()
    with start(*words, stdin=theirs, stdout=theirs, stderr=theirs, env={"COLUMNS": "100", **env}) as process:
        os.close(theirs)
        if typed:
            os.write(ours, typed)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return process.returncode, shown.decode()


def test_exit_codes_follow_fail_on(run: Run, demo_index: Path, snippet: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("zqj " * 100)
    for verb in ("check", "trace"):
        assert run(verb, snippet, "--index", demo_index).returncode == 1
        assert run(verb, other, "--index", demo_index, "--fail-on", "any").returncode == 0
        assert run(verb, snippet, other, "--index", demo_index, "--fail-on", "never").returncode == 0


def test_common_spans_fail_only_on_any(run: Run, tmp_path: Path) -> None:
    shared = "".join(f"shared_setting_{number} = configure('{number * 7919}')\n" for number in range(30))
    for number in range(4):
        folder = tmp_path / "sources" / f"repository{number}"
        folder.mkdir(parents=True)
        (folder / "a.py").write_text(f"own_{number} = '{number * 104729}'\n{shared}")
    index = tmp_path / "index"
    build = ("index", tmp_path / "sources", "--index", index, "--each-folder", "--common-repositories", "3", "-j", "1")
    assert run(*build).returncode == 0
    for verb in ("check", "trace"):
        common = run(verb, "--index", index, input=shared.encode())
        assert common.returncode == 0 and b", common" in common.stdout
        assert run(verb, "--index", index, "--fail-on", "any", input=shared.encode()).returncode == 1
    mine = run("trace", "--index", index, "--exclude-repo", "REPOSITORY*", input=shared.encode())
    assert mine.returncode == 0 and b"no match" in mine.stdout


def test_a_pipe_gets_plain_text_and_a_terminal_gets_panels(
    run: Run, start: Start, demo_index: Path, snippet: Path
) -> None:
    words = ("trace", snippet, "--index", demo_index)
    piped = run(*words)
    assert b"\x1b" not in piped.stdout and "─".encode() not in piped.stdout and not piped.stderr
    assert b"match: the same text stands in the corpus; this is not evidence of copying" in piped.stdout
    assert re.search(rb"cpython textwrap\.py:\d+-\d+", piped.stdout)
    code, shown = on_terminal(start, *words)
    assert code == 1 and "╭─ cpython textwrap.py:" in shown and "\x1b[1;33m" in shown
    _, shown = on_terminal(start, *words, NO_COLOR="1")
    assert "╭─" in shown and "\x1b[" not in shown
    _, shown = on_terminal(start, "check", snippet, "--index", demo_index)
    assert "\x1b[1;33mpossible match\x1b[0m" in shown


def test_a_terminal_is_told_that_it_is_being_read(start: Start, demo_index: Path) -> None:
    code, shown = on_terminal(start, "check", "--index", demo_index, typed=b"x = 1\n\x04")
    assert code == 0 and "reading from the terminal; end with Ctrl-D" in shown and "too short" in shown


def test_progress_is_drawn_on_a_terminal_alone(run: Run, start: Start, demo_sources: Path, tmp_path: Path) -> None:
    done = run("index", demo_sources, "--index", tmp_path / "a", "-j", "1")
    assert done.returncode == 0 and not done.stderr
    code, shown = on_terminal(start, "index", demo_sources, "--index", tmp_path / "b", "-j", "1")
    assert code == 0 and "documents added" in shown and "reading" in shown


def test_stored_control_characters_do_not_reach_a_terminal(run: Run, start: Start, tmp_path: Path) -> None:
    text = "value = 'reset the terminal'  # \x1b]0;owned\x07 and \x1b[2J then some more words of code\n" * 3
    (tmp_path / "a.py").write_text(text)
    assert run("index", tmp_path / "a.py", "--index", tmp_path / "i", "-j", "1").returncode == 0
    _, shown = on_terminal(start, "trace", tmp_path / "a.py", "--index", tmp_path / "i")
    assert "\\x1b]0;owned" in shown and "\x1b]" not in shown and "\x07" not in shown and "\x1b[2J" not in shown
    _, shown = on_terminal(start, "search", "reset the terminal", "--index", tmp_path / "i")
    assert "\\x1b[2J" in shown and "\x1b[2J" not in shown


def test_search_and_show_print_what_is_stored(run: Run, demo_index: Path, demo_sources: Path) -> None:
    found = run("search", "drop_whitespace and cur_line", "--index", demo_index)
    assert found.returncode == 0 and b"1 document, texts 1 to 1 shown" in found.stdout
    assert run("search", "qqzzqqzz", "--index", demo_index).stdout == b"0 documents\n"
    hit = json.loads(run("search", "def _wrap_chunks", "--index", demo_index, "-f", "json").stdout)["results"][0]
    shown = run("show", hit["document"], "--index", demo_index)
    raw = (demo_sources / "cpython" / "textwrap.py").read_bytes()
    assert shown.stdout == raw and b"cpython textwrap.py" in shown.stderr
    part = run("show", hit["document"], "--index", demo_index, "--lines", "3-4")
    assert part.stdout == b"".join(raw.splitlines(keepends=True)[2:4])


def test_the_index_may_come_from_the_environment(run: Run, demo_index: Path) -> None:
    done = run("info", env={"PROVENANCE_INDEX": str(demo_index)})
    assert done.returncode == 0 and b"demo, revision r1" in done.stdout


def commands() -> Iterator[tuple[str, ...]]:
    for verb in VERBS:
        module = import_module(f"cli.commands.{verb}")
        if hasattr(module, "app"):
            yield from ((verb, each.name) for each in module.app.registered_commands)
        else:
            yield (verb,)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_verb_explains_itself_with_an_example(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"provenance {' '.join(words)}" in shown.split("Usage:")[1]
    assert "Example" in shown and "--debug" in shown


def test_help_and_version(run: Run) -> None:
    shown = run("--help").stdout.decode()
    assert all(re.search(rf"│ {verb} ", shown) for verb in VERBS) and "--install-completion" in shown
    assert run().returncode == 2
    assert re.fullmatch(r"corpus-provenance \d+\.\d+\.\d+ \(kernel \S+\)\n", run("--version").stdout.decode())


def test_completion_offers_verbs_and_options(run: Run) -> None:
    verbs = run(
        env={"_PROVENANCE_COMPLETE": "complete_bash", "COMP_WORDS": "provenance ", "COMP_CWORD": "1"},
    ).stdout.decode()
    assert set(verbs.split()) == set(VERBS)
    options = run(
        env={"_PROVENANCE_COMPLETE": "complete_bash", "COMP_WORDS": "provenance trace --so", "COMP_CWORD": "2"},
    ).stdout.decode()
    assert options.split() == ["--sources"]


def test_completion_is_installed_for_the_shell_it_is_run_from(start: Start, tmp_path: Path) -> None:
    # Which shell it is, is told from the parent process.
    shell = ["bash", "-c", '"$@"; exit $?', "bash"]
    with start("--install-completion", through=shell, env={"HOME": str(tmp_path)}) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    script = (tmp_path / ".bash_completions" / "provenance.sh").read_text()
    assert b"completion installed" in out and "_PROVENANCE_COMPLETE=complete_bash" in script


def test_check_imports_nothing_it_does_not_use(demo_index: Path, snippet: Path) -> None:
    program = (
        "import sys\nfrom cli.main import main\n"
        f"main(['check', {str(snippet)!r}, '--index', {str(demo_index)!r}])\n"
        "unused = {'rich', 'numpy', 'pyarrow', 'tantivy', 'zstandard', 'pathspec', 'tree_sitter', 'elasticsearch'}\n"
        "print(sorted(unused & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, check=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_slow_kernel_is_told_once_on_stderr(
    demo_index: Path, snippet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from provenance import kernel

    monkeypatch.delenv("PROVENANCE_KERNEL", raising=False)
    monkeypatch.setattr(kernel, "name", "reference")
    main(["check", str(snippet), "--index", str(demo_index)])
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "install Rust" in captured.err and "install Rust" not in captured.out


def test_the_other_distribution_of_this_name_is_told(tmp_path: Path, run: Run) -> None:
    assert complaint([str(tmp_path)]) is None
    (tmp_path / "provenance-0.14.1.dist-info").mkdir()
    beside = complaint([str(tmp_path)])
    assert beside is not None and not beside.fatal and "pip uninstall provenance" in beside.message
    package = tmp_path / "provenance"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('never imported')")
    root = Path(__file__).parents[2]
    done = run("--version", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"})
    # The folder of the program comes first on the path, so that the other package must stand before it.
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from cli.main import main; sys.exit(main(['--version']))"
    )
    shadowed = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert b"uses the same import name" in done.stderr or b"is not this project's" in done.stderr
    assert shadowed.returncode == 2 and shadowed.stderr.count("\n") == 1
    assert "is not this project's" in shadowed.stderr and "pip uninstall provenance" in shadowed.stderr


def commands() -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Yield every command with the long options it has."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield (
            words,
            {name for each in command.params for name in (*each.opts, *each.secondary_opts) if name[:2] == "--"},
        )
        if hasattr(command, "list_commands"):
            waiting += [((*words, name), command.get_command(None, name)) for name in command.list_commands(None)]


def test_help_shows_every_option_whole_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words, options in commands():
        assert main([*words, "--help"]) == 0
        shown = set(re.findall(r"(?<![\w-])--[a-z-]+(?![\w…-])", capsys.readouterr().out))
        assert options <= shown, words


def test_every_option_is_documented() -> None:
    root = Path(__file__).parents[2]
    pages = (root / "README.md", *sorted((root / "docs").glob("*.md")))
    said = set(re.findall(r"(?<![\w-])--[a-z-]+", "".join(page.read_text() for page in pages)))
    usual = {"--help", "--debug", "--version", "--install-completion", "--show-completion", "--fingerprints"}
    for words, options in commands():
        assert options - usual <= said, words


def test_a_locale_without_unicode_is_no_obstacle(run: Run, demo_index: Path, snippet: Path) -> None:
    named = snippet.rename(snippet.with_name("größe\u2028.py"))
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = run("trace", named, "--index", demo_index, env=plain)
    assert done.returncode == 1 and rb"/gr\xf6\xdfe\u2028.py: match" in done.stdout
    done = run("trace", named, "--index", demo_index, "--format", "html", env=plain)
    assert done.returncode == 1 and '<meta charset="utf-8">' in done.stdout.decode() and not done.stderr
    assert run("info", "--index", demo_index, env=plain).returncode == 0
