"""Every kind of bad input: one clear line and exit 2 where nothing can be done, or the rest goes on."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
Start = Callable[..., subprocess.Popen[bytes]]
TEXT = "def reading_of_things(first, second):\n    return [first + second for _ in range(12)]\n" * 4


def refused(done: subprocess.CompletedProcess[bytes], *parts: str) -> None:
    """Assert exit code 2, nothing on stdout, and one line on stderr that holds the parts."""
    message = done.stderr.decode()
    assert done.returncode == 2, message
    assert not done.stdout
    assert message.count("\n") == 1 and message.startswith("provenance: "), message
    assert "Traceback" not in message
    for part in parts:
        assert part in message


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "good.py").write_text(TEXT)
    return folder


def build(run: Run, sources: Path, index: Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return run("index", sources, "--index", index, "--workers", "1", **options)


# -- the index -----------------------------------------------------------------------------------------------------


def test_a_missing_index_is_named_with_what_to_do(run: Run, tmp_path: Path) -> None:
    for verb in (["check"], ["trace"], ["search", "x"], ["info"], ["show", "0" * 32], ["compact"]):
        refused(run(*verb, "--index", tmp_path / "none"), str(tmp_path / "none"))
    refused(run("check", "--index", tmp_path / "nowhere"), "no such folder", "provenance index")
    refused(run("check"), "--index", "PROVENANCE_INDEX")


def test_a_folder_without_an_index_is_no_index(run: Run, tmp_path: Path) -> None:
    refused(run("info", "--index", tmp_path), "no index in this folder", "index.json")


@pytest.mark.parametrize("damage", ["cut", "flipped", "other"])
def test_a_damaged_index_json_is_told(run: Run, scratch_index: Path, damage: str) -> None:
    path = scratch_index / "index.json"
    data = path.read_bytes()
    path.write_bytes(
        {"cut": data[: len(data) // 2], "flipped": data.replace(b'"demo"', b'"memo"'), "other": b"[1, 2]"}[damage]
    )
    refused(run("check", "--index", scratch_index), "index.json")


def part(index: Path, pattern: str) -> Path:
    (found, *_) = sorted(index.glob(pattern))
    return found


@pytest.mark.parametrize(
    ("pattern", "verb"),
    [
        ("layers/*/membership.flt", "check"),
        ("segments/*/text.blk", "trace"),
        ("segments/*/contents.bin", "trace"),
        ("segments/*/search/grams.bin", "trace"),
    ],
)
def test_a_truncated_part_of_an_index_is_told(
    run: Run, scratch_index: Path, demo_sources: Path, pattern: str, verb: str
) -> None:
    path = part(scratch_index, pattern)
    os.truncate(path, path.stat().st_size // 2)
    refused(run(verb, demo_sources / "cpython" / "textwrap.py", "--index", scratch_index), path.name)


def test_a_foreign_file_in_the_filters_place_is_told(run: Run, scratch_index: Path, demo_sources: Path) -> None:
    path = part(scratch_index, "layers/*/membership.flt")
    path.write_bytes(b"\x89PNG\r\n" * 4096)
    refused(run("check", demo_sources / "cpython" / "textwrap.py", "--index", scratch_index), "membership.flt")


def test_a_filter_of_another_geometry_is_told(run: Run, scratch_index: Path, sources: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert build(run, sources, other).returncode == 0
    narrow = tmp_path / "narrow"
    assert run("index", sources, "--index", narrow, "--width", "16", "--stride", "16", "-j", "1").returncode == 0
    path = part(other, "layers/*/membership.flt")
    path.write_bytes(part(narrow, "layers/*/membership.flt").read_bytes())
    refused(run("check", sources / "good.py", "--index", other), "membership.flt")
    done = run("index", sources, "--index", narrow, "--width", "24", "-j", "1")
    refused(done, "width 16 (not 24)")


def test_no_permission_to_read_an_index_is_told(run: Run, scratch_index: Path, tmp_path: Path) -> None:
    path = scratch_index / "index.json"
    path.chmod(0)
    refused(run("info", "--index", scratch_index, obey_modes=True), "index.json", "Permission denied")


# -- what is asked about -------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_named_and_the_others_are_judged(
    run: Run, demo_index: Path, sources: Path, tmp_path: Path
) -> None:
    done = run("check", tmp_path / "gone.py", sources / "good.py", "--index", demo_index)
    assert done.returncode == 2
    assert "gone.py: cannot be read: No such file or directory" in done.stderr.decode()
    assert "1 could not be judged" in done.stderr.decode() and b"good.py: no match" in done.stdout


def test_no_permission_to_read_a_file_is_told(run: Run, demo_index: Path, sources: Path, tmp_path: Path) -> None:
    (sources / "good.py").chmod(0)
    refused(run("check", sources / "good.py", "--index", demo_index, obey_modes=True), "good.py", "Permission denied")


@pytest.mark.parametrize("binary", [b"\x7fELF\x02\x01\x01\0\0\0" * 50, b"text\0text" * 9, bytes(range(256)) * 9])
def test_binary_on_standard_input_is_refused(run: Run, demo_index: Path, binary: bytes) -> None:
    for verb in ("check", "trace"):
        refused(run(verb, "-", "--index", demo_index, input=binary), "-: this is binary, not text")


def test_a_closed_standard_input_is_refused(run: Run, demo_index: Path) -> None:
    done = run("check", "--index", demo_index, stdin=None, preexec_fn=lambda: os.close(0))
    refused(done, "standard input")


def test_empty_input_is_too_short(run: Run, demo_index: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.py"
    empty.touch()
    for words in ([empty], ["-"]):
        done = run("check", *words, "--index", demo_index)
        assert done.returncode == 0 and b"too short to judge" in done.stdout and not done.stderr


def test_lone_surrogates_and_windows_line_ends_are_read(run: Run, demo_index: Path, demo_sources: Path) -> None:
    code = (demo_sources / "cpython" / "textwrap.py").read_bytes()[1000:2000]
    text = b"# \xed\xa0\x80 \xed\xbf\xbf\r\n" + code.replace(b"\n", b"\r\n") + b"\xed\xa0\x80"
    done = run("trace", "--index", demo_index, input=text)
    assert done.returncode == 1 and not done.stderr
    assert b"cpython textwrap.py:" in done.stdout and b"layout" in done.stdout


def test_a_line_of_a_hundred_megabytes_is_judged(
    run: Run, demo_index: Path, demo_sources: Path, tmp_path: Path
) -> None:
    code = (demo_sources / "cpython" / "textwrap.py").read_bytes().replace(b"\n", b" ")
    path = tmp_path / "line.py"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"zq jx " * (1_000_000 // 6))
        file.write(code)
    done = run("check", path, "--index", demo_index)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert b"line.py: no match" in done.stdout or b"line.py: candidate" in done.stdout
    done = run("check", tmp_path, "--index", demo_index)
    assert done.returncode == 0 and b"skipped 1 too large" in done.stderr


def test_a_folder_goes_by_the_rules_and_says_what_it_left_out(run: Run, demo_index: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    (folder / "inner").mkdir(parents=True)
    (folder / "good.py").write_text(TEXT)
    (folder / "inner" / "again.py").write_text(TEXT)
    (folder / "blob.txt").write_bytes(b"a\0b" * 99)
    (folder / "logo.png").write_bytes(b"\x89PNG")
    (folder / "empty.py").touch()
    (folder / "line.js").write_text("x" * 200_000)
    (folder / ".hidden.py").write_text(TEXT)
    (folder / "loop").symlink_to(folder)
    (folder / "inner" / "up").symlink_to("..")
    os.mkfifo(folder / "pipe")
    done = run("check", folder, "--index", demo_index, "--exclude", "inner/")
    message = done.stderr.decode()
    assert done.returncode == 0 and done.stdout.count(b"good.py: ") == 1 and b"again" not in done.stdout
    assert "1 text: 1 no match; skipped" in message
    for reason in ("2 binary", "1 empty", "1 minified", "1 hidden", "1 symbolic link", "1 excluded", "1 not a file"):
        assert reason in message


# -- building ------------------------------------------------------------------------------------------------------


def test_what_cannot_be_indexed_is_counted_and_named_while_the_rest_goes_on(
    run: Run, sources: Path, tmp_path: Path
) -> None:
    (sources / "nul.py").write_bytes(b"a\0b" * 99)
    (sources / "empty.py").touch()
    (sources / "line.js").write_text("x" * 200_000)
    (sources / "huge.py").write_bytes(b"x = 1\n" * 400_000)
    (sources / "gone.py").symlink_to("nowhere.py")
    (sources / "windows.py").write_bytes(TEXT.replace("\n", "\r\n").encode())
    (sources / "surrogate.py").write_bytes(TEXT.encode() + b"# \xed\xa0\x80\n")
    (sources / "loop").symlink_to(sources)
    (sources / "secret.py").write_text(TEXT)
    (sources / "secret.py").chmod(0)
    done = run(
        "index", sources, "--index", tmp_path / "index", "-j", "1", "--max-file-bytes", "2000000", obey_modes=True
    )
    report = done.stdout.decode()
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "3 documents added" in report
    for reason in ("binary", "empty", "minified", "too large", "symbolic link", "no permission"):
        assert reason in report, reason
    for name in ("nul.py", "huge.py", "secret.py"):
        assert name in report, name


def test_a_source_that_is_not_there_or_holds_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    refused(build(run, tmp_path / "none", tmp_path / "i"), "no such file or folder")
    (tmp_path / "bare").mkdir()
    refused(build(run, tmp_path / "bare", tmp_path / "i"), "nothing to index")
    refused(run("info", "--index", tmp_path / "i"), "no index")


def test_truncated_input_is_counted_or_refused(run: Run, sources: Path, tmp_path: Path) -> None:
    import gzip

    packed = gzip.compress(b'{"content": "' + TEXT.replace("\n", "\\n").encode() + b'", "path": "a.py"}\n' * 50)
    (tmp_path / "rows.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and no more")
    for name in ("rows.jsonl.gz", "rows.parquet"):
        refused(run("index", tmp_path / name, "--index", tmp_path / "i", "-j", "1"))
        done = run("index", sources, tmp_path / name, "--index", tmp_path / f"i-{name}", "-j", "1")
        assert done.returncode in (0, 2) and b"Traceback" not in done.stderr
        assert name in done.stdout.decode() + done.stderr.decode()


def test_a_full_disk_is_told_and_leaves_the_old_index(run: Run, sources: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    assert build(run, sources, index).returncode == 0
    before = run("info", "--index", index).stdout
    (sources / "more.py").write_text("".join(f"value_{number} = {number * 7919}\n" for number in range(20_000)))

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = build(run, sources, index, preexec_fn=no_large_files)
    refused(done, "File too large")
    assert run("info", "--index", index).stdout == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_without_room_is_told(run: Run, sources: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        for number in range(40):
            (sources / f"{number}.py").write_text("".join(f"v_{n} = {n * 7919 + number}\n" for n in range(4000)))
        refused(build(run, sources, small / "index"), "No space left on device")
        assert build(run, sources, tmp_path / "index").returncode == 0
        (small / "filler").write_bytes(bytes(1 << 20 >> 1))
        export = ("portrait", "export", small / "p.50-50.bf", "--index", tmp_path / "index", "--error-rate", "1e-12")
        refused(run(*export), "No space left on device")  # and not SIGBUS: the file is written through a mapping
        assert not list(small.glob("*p.50-50*"))
    finally:
        subprocess.run(["umount", small], check=True)


def test_no_permission_to_write_an_index_is_told(run: Run, sources: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    closed.chmod(0o555)
    refused(build(run, sources, closed / "index", obey_modes=True), "Permission denied")


def test_a_file_that_vanishes_during_the_build_is_counted(sources: Path, tmp_path: Path) -> None:
    from indexer.build import build as build_index
    from indexer.sources import open_source
    from indexer.sources.base import DocumentSource

    (sources / "vanishing.py").write_text(TEXT + "# two\n")
    source: DocumentSource = open_source(str(sources))

    class Vanishing:
        """The source, whose second file goes when everything is planned."""

        location = source.location

        def plan(self) -> Any:
            yield from list(source.plan())
            (sources / "vanishing.py").unlink()

        def read(self, unit: Any) -> Any:
            return source.read(unit)

    report = build_index([Vanishing()], tmp_path / "index", workers=1)
    assert report.tally.skipped == {"vanished": 1} and report.documents == 1
    assert report.tally.examples["vanished"] == ["vanishing.py"]


def test_an_interrupt_leaves_a_readable_index(run: Run, start: Start, sources: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    assert build(run, sources, index).returncode == 0
    before = run("info", "--index", index).stdout
    for number in range(100):
        (sources / f"{number}.py").write_text("".join(f"v_{n} = {n * 7919 + number}\n" for n in range(4000)))
    process = start("index", sources, "--index", index, "--workers", "2")
    deadline = time.monotonic() + 60
    while not list(index.glob("build/*/plan*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == b"provenance: interrupted\n" and not out
    assert run("info", "--index", index).stdout == before
    assert run("check", sources / "good.py", "--index", index, "--fail-on", "never").returncode == 0
    assert build(run, sources, index).returncode == 0


# -- the command line itself ---------------------------------------------------------------------------------------


def test_a_wrong_option_is_one_line_with_where_to_look(run: Run) -> None:
    refused(run("check", "--nothing"), "--nothing", "provenance check --help")
    refused(run("nothing"), "nothing", "provenance --help")
    refused(run("check", "--min-chars", "-1"), "min-chars")
    refused(run("index", "x", "--index", "y", "--column", "text"), "FIELD=NAME")


def test_a_traceback_is_shown_with_debug_alone(run: Run, tmp_path: Path) -> None:
    for words in (["--debug", "info", "--index", tmp_path], ["info", "--index", tmp_path, "--debug"]):
        done = run(*words)
        assert done.returncode != 0 and b"Traceback" in done.stderr and b"IndexMissing" in done.stderr


def test_a_bad_regular_expression_and_an_empty_query_are_refused(run: Run, demo_index: Path) -> None:
    refused(run("search", "--regex", "(", "--index", demo_index))
    refused(run("search", "", "--index", demo_index), "empty")
    refused(run("search", "a", "--regex", "--words", "--index", demo_index), "exclude each other")


def test_a_language_or_kind_that_nothing_has_is_told_where_nothing_is_found(
    run: Run, demo_index: Path, tmp_path: Path
) -> None:
    for words in (["import"], ["-e", "imp.rt"], ["-w", "import"], ["import", "--count"], ["import", "-f", "json"]):
        done = run("search", *words, "--language", "Pyhton", "--index", demo_index)
        assert done.returncode == 2 and done.stderr.count(b"\n") == 1
        assert b"in a language of this name; the nearest are Python" in done.stderr
    several = ("--language", "C", "--language", "Pyhton")
    refused(run("search", "no such text", *several, "--index", demo_index), "language 2 of 2: this index has no")
    refused(run("search", "import", "--kind", "flie", "--index", demo_index), "kinds are file, commit, issue, notebook")
    refused(run("search", "import", "--language", "\u2603" * 99, "--index", demo_index), "GitHub's linguist")
    # A name of the corpus' own is as good as any, and so is one that some other corpus has.
    row = {"content": TEXT, "path": "a.k", "language": "Klingon", "kind": "poem"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    columns = ("--column", "language=language", "--column", "kind=kind", "--column", "text=content")
    assert run("index", tmp_path / "rows.jsonl", *columns, "--index", tmp_path / "i", "-j", "1").returncode == 0
    for words in (["--language", "klingon"], ["--language", "COBOL"], ["--kind", "issue"], ["--kind", "poem"]):
        done = run("search", "nowhere at all", *words, "--index", tmp_path / "i")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"0 documents\n", b"")
    for words in (["--language", "klingon"], ["--kind", "poem"]):
        assert b"1 document," in run("search", TEXT[:20], *words, "--index", tmp_path / "i").stdout


def test_document_ids_and_line_ranges_are_checked(run: Run, demo_index: Path) -> None:
    refused(run("show", "../../etc/passwd", "--index", demo_index), "no document id")
    refused(run("show", "0" * 32, "--index", demo_index), "not in this index")
    refused(run("show", "0" * 32, "--lines", "9-3", "--index", demo_index), "no range of lines")


def test_a_kernel_that_is_not_there_is_told(run: Run, demo_index: Path) -> None:
    refused(run("info", "--index", demo_index, env={"PROVENANCE_KERNEL": "quantum"}), "PROVENANCE_KERNEL")


def test_a_reader_that_has_seen_enough_ends_in_silence(start: Start, demo_index: Path) -> None:
    process = start("search", "import", "--index", demo_index, "--limit", "100", "--context", "50")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) == 0 and process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "at once"])
@pytest.mark.parametrize("format", ["human", "json", "jsonl"])
def test_a_full_standard_output_is_told(run: Run, demo_index: Path, format: str, unbuffered: str) -> None:
    if sys.platform != "linux":
        pytest.skip("/dev/full is Linux's")
    with open("/dev/full", "wb") as full:
        done = run(
            "info", "--index", demo_index, "-f", format, stdout=full, env={"PYTHONUNBUFFERED": unbuffered}
        )  # fmt: skip
    assert done.returncode == 2 and done.stderr == b"provenance: No space left on device\n"


def test_closed_standard_streams_are_no_surprise(run: Run, demo_index: Path, sources: Path) -> None:
    words = ("check", sources / "good.py", sources / "none.py", "--index", demo_index, "--format", "jsonl")
    refused(run(*words, through=("sh", "-c", 'exec "$@" >&-', "sh")), "standard output is closed")
    done = run(*words, through=("sh", "-c", 'exec "$@" 2>&-', "sh"))
    assert done.returncode == 2 and done.stdout.count(b"\n") == 3 and b"provenance:" not in done.stdout


@pytest.mark.parametrize(
    "words", [["show", "x"], ["--nothing"], ["nothing"], ["check", "--min-chars", "x"]], ids=" ".join
)
def test_a_failure_is_told_in_the_format_that_was_asked_for(run: Run, words: list[str]) -> None:
    for format in (["--format", "jsonl"], ["-f", "json"], ["--format=json"]):
        done = run(*words, "--index", "nowhere", *format)
        assert done.returncode == 2 and done.stderr.count(b"\n") == 1
        assert json.loads(done.stdout)["error"]["kind"] in ("parameter", "usage")
        assert (done.stdout.count(b"\n") == 1) == ("jsonl" in format)


def test_a_name_with_line_ends_stays_on_one_line(run: Run, demo_index: Path, tmp_path: Path) -> None:
    name = "two\nlines\x1b[2J\t.py"
    (tmp_path / name).write_text(TEXT)
    refused(run("check", tmp_path / (name + "none"), "--index", demo_index), r"two\nlines\x1b[2J\t.pynone")
    built = run("index", tmp_path / name, "--index", tmp_path / "i", "--corpus-name", "a\nb", "-j", "1")
    assert built.returncode == 0, built.stderr
    for words in (("check", tmp_path / name), ("trace", tmp_path / name), ("search", "reading_of"), ("info",)):
        shown = run(*words, "--index", tmp_path / "i").stdout
        assert b"two\n" not in shown and b"a\nb" not in shown and b"\x1b" not in shown, shown
