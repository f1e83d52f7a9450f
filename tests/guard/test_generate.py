"""`provenance generate`: models on this machine and behind servers, for people, pipes and programs."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.main import main
from provenance.guard.fim import fim_prompt, read_on
from provenance.guard.policy_file import PRESETS
from provenance.index import Index
from provenance.reports import contract
from provenance.windows import check_floor

from .upstream import Upstream, running

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
PROMPT = "class JSONDecoder"
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())", "generate"]
NOWHERE = "http://127.0.0.1:1/v1"


@pytest.fixture(scope="session")
def model_folder(trained: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as a folder, as a checkpoint of StarCoder would be."""
    folder = tmp_path_factory.mktemp("model")
    for each in trained:
        each.save_pretrained(folder)
    return folder


@pytest.fixture
def capture(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["generate", *map(str, words)])
        told = capfd.readouterr()
        return code, told.out, told.err

    return run


Capture = Callable[..., tuple[int, str, str]]


def test_a_model_in_a_folder_writes_and_its_copies_are_told(
    model_folder: Path, trained: tuple[Any, Any], demo_index: Path, capture: Capture
) -> None:
    model, tokenizer = trained
    ids = tokenizer([PROMPT], return_tensors="pt")["input_ids"]
    made = model.generate(ids, attention_mask=ids * 0 + 1, max_new_tokens=140, do_sample=False)
    plain = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    words = ("--model", model_folder, "--index", demo_index, "--max-tokens", "140", "--temperature", "0", PROMPT)
    code, out, err = capture(*words)
    assert (code, out) == (1, plain)
    assert re.search(r"provenance: lines \d+-\d+: \d+ normalised characters; exact copy; .*", err)
    assert re.search(r"  cpython json/decoder\.py:\d+-\d+  \S+", err)
    assert capture(*words, "--fail-on", "never")[0] == 0
    code, out, err = capture(*words, "--policy", "observe")
    assert (code, out, err) == (0, plain, "")


def test_strict_forbids_the_copy_in_the_decoder(
    model_folder: Path, demo_index: Path, corpus_texts: list[str], scan: Callable[..., list[int]], capture: Capture
) -> None:
    with Index.open(demo_index) as index:
        floor = check_floor(index.geometry, PRESETS["strict"].min_chars)
    words = ("--model", model_folder, "--index", demo_index, "--max-tokens", "140", "--policy", "strict")
    for seed in ("1", "2"):
        code, out, _ = capture(*words, "--seed", seed, "--temperature", "0.8", "--format", "json", PROMPT)
        answer = json.loads(out)
        assert code == 0 and scan(corpus_texts, [answer["answer"]["text"]], floor) == []
        assert answer["answer"]["ending"] == "complete" and len(answer["answer"]["text"]) > 60
    again = capture(*words, "--seed", "2", "--temperature", "0.8", "--format", "json", PROMPT)[1]
    assert json.loads(again)["answer"]["text"] == answer["answer"]["text"]


def test_programs_get_one_document_or_a_line_for_every_step(
    licensed_folder: Path, licensed_rows: list[dict[str, str]], capture: Capture
) -> None:
    upstream = Upstream()
    copied = licensed_rows[0]["content"]
    upstream.script = lambda body, index: f"Here: é\U0001f986\n{copied}That is all of it, and nothing else.\n" * 2
    with running(upstream.app) as address:
        words = ("--upstream", address, "--index", licensed_folder, "--seed", "7", "a prompt")
        code, out, err = capture(*words, "--format", "json")
        document = json.loads(out)
        Draft202012Validator(contract.schema("generate")).validate(document)
        assert code == 1 and err == "" and document["model"] == "m"
        answer = document["answer"]
        assert answer["text"] == upstream.script({}, 0) and answer["attempts"] == 1 and not answer["interrupted"]
        spans = answer["attribution"]["spans"]
        exact = [found for each in spans for found in each["evidence"]]
        assert [answer["text"][each["start"] : each["end"]].strip() for each in exact] == [copied.strip()] * 2
        code, out, _ = capture(*words, "--format", "jsonl")
    head, *steps, last = map(json.loads, out.splitlines())
    Draft202012Validator(contract.schema("head")).validate(head)
    for each in steps:
        Draft202012Validator(contract.schema("generate_step")).validate(each)
    assert "".join(each["text"] for each in steps) == last["answer"]["text"]
    first = next(number for number, each in enumerate(steps) if each["growing"])
    decided = next(number for number, each in enumerate(steps) if each["decisions"])
    assert 0 < first < decided and steps[first]["growing"][0]["evidence"][0]["sources"]
    assert upstream.asked[0]["seed"] == 7 and upstream.asked[0]["prompt"] == "a prompt"


def test_the_prompt_comes_from_a_file_from_standard_input_or_from_both_sides(
    licensed_folder: Path, tmp_path: Path, capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Upstream()
    (tmp_path / "before").write_text("def before():\n")
    (tmp_path / "after").write_text("\n    return after\n")
    (tmp_path / "empty").write_text("")
    monkeypatch.setenv("PROVENANCE_UPSTREAM_KEY", "a-secret")
    with running(upstream.app) as address:
        common = ("--upstream", address, "--upstream-model", "big", "--index", licensed_folder)
        assert capture(*common, "--prompt-file", tmp_path / "before")[:2] == (0, "hello")
        assert capture(*common, "--prompt-file", tmp_path / "before", "--suffix-file", tmp_path / "after")[0] == 0
        assert capture(*common, "--chat", "What is a monad?")[:2] == (0, "hello")
        assert capture(*common, "--prompt-file", tmp_path / "empty")[2].endswith(
            "the prompt is empty; say what the model is to go on from\n"
        )
        done = subprocess.run(
            [*COMMAND, *map(str, common)], input=b"typed\n", capture_output=True, cwd=ROOT, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"hello", b"")
    asked = upstream.asked
    assert asked[0]["prompt"] == "def before():\n" and asked[0]["model"] == "big"
    assert asked[1]["prompt"] == "<fim_prefix>def before():\n<fim_suffix>\n    return after\n<fim_middle>"
    assert asked[2]["messages"][1] == {"role": "user", "content": "What is a monad?"}
    assert "technical assistant" in asked[2]["messages"][0]["content"]
    assert asked[3]["prompt"] == "typed\n"
    assert {each["authorization"] for each in upstream.headers} == {"Bearer a-secret"}


def test_what_stands_on_both_sides_of_a_hole_is_given() -> None:
    assert read_on(fim_prompt("def f(\n", "\n    return 1")) == "\n    return 1\ndef f(\n"
    assert read_on("<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>") == "b\na"
    for other in ("", "a plain prompt", "<fim_prefix>a<fim_suffix>b", "<fim_prefix>a<fim_middle>b<fim_suffix>"):
        assert read_on(other) == other


def test_a_copy_ends_the_answer_and_another_sample_is_drawn_with_the_next_seed(
    licensed_folder: Path, licensed_rows: list[dict[str, str]], capture: Capture, tmp_path: Path
) -> None:
    upstream = Upstream()
    copied = licensed_rows[1]["content"]
    upstream.script = lambda body, index: "x = 1\n" if body["seed"] > 6 else copied
    words = ("--index", licensed_folder, "--policy", "strict", "--seed", "5", "--audit", tmp_path / "audit", "p")
    with running(upstream.app) as address:
        code, out, err = capture("--upstream", address, *words)
        assert (code, out) == (0, "x = 1\n") and "3 samples were drawn" in err
        assert [each["seed"] for each in upstream.asked] == [5, 6, 7]
        code, out, err = capture("--upstream", address, "--temperature", "0", *words)
        assert code == 0 and len(upstream.asked) == 4 and "nothing was left of the answer but a copy" in err
        assert out == PRESETS["strict"].abstention and "kept back (block, rule default)" in err
    assert (
        len((tmp_path / "audit").read_text().splitlines()) == 3 and copied[:40] not in (tmp_path / "audit").read_text()
    )


def test_a_guard_that_cannot_judge_fails_as_it_was_told_to(
    licensed_folder: Path, licensed_rows: list[dict[str, str]], capture: Capture, tmp_path: Path
) -> None:
    upstream = Upstream()
    upstream.script = lambda body, index: "Here:\n" + licensed_rows[1]["content"]
    (tmp_path / "hasty.toml").write_text('extends = "copyleft"\nbudget_seconds = 0.001\nmin_chars = 33\n')
    import provenance.guard.evidence as evidence

    before = evidence.trace

    def slow(*arguments: Any, **named: Any) -> Any:
        time.sleep(0.2)
        return before(*arguments, **named)

    with running(upstream.app) as address, pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "trace", slow)
        words = ("--upstream", address, "--index", licensed_folder, "--policy", tmp_path / "hasty.toml", "p")
        code, out, err = capture(*words)
        assert (code, out) == (2, "Here:\n") and "the guard could not judge" in err
        code, out, _ = capture("--on-error", "open", *words)
        assert (code, out) == (0, upstream.script({}, 0))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("p",), "either --model DIR|NAME or --upstream URL"),
        (("--model", "x", "--upstream", NOWHERE, "p"), "either --model DIR|NAME or --upstream URL"),
        (("--upstream", NOWHERE, "p"), "the server cannot be reached"),
        (("--upstream", "127.0.0.1:1", "p"), "it must be an address like"),
        (("--upstream", NOWHERE, "--chat", "--suffix-file", "f", "p"), "exclude each other"),
        (("--upstream", NOWHERE, "--prompt-file", "f", "--upstream-model", "m", "p"), "named twice"),
        (("--upstream", NOWHERE, "--prompt-file", "absent"), "absent: cannot be read"),
        (("--upstream", NOWHERE, "--prompt-file", "."), "this is a folder"),
        (("--upstream", NOWHERE, "--top-p", "0", "p"), "top_p is 0.0"),
        (("--upstream", NOWHERE, "--policy", "lenient", "p"), "no such policy"),
        (("--upstream", NOWHERE, "--on-error", "maybe", "p"), "on_error is 'maybe'"),
        (("--model", "./absent", "p"), "./absent: there is no such folder"),
        (("--model", "/absent/a/b", "p"), "/absent/a/b: there is no such folder"),
        (("--model", ".", "p"), "no config.json in this folder"),
        (("--model", "model.gguf", "p"), "a GGUF file is served by llama.cpp's server"),
        (("--model", "absent-model-of-nobody", "p"), "there is no such folder, and the hub cannot be reached"),
        (("--model", "no name!", "p"), "there is no such folder, and the hub has no model of this name"),
        (("--model", "broken", "p"), "broken: the model cannot be loaded"),
        (("--model", "x", "--device", "abacus", "p"), "device is 'abacus'"),
        (("--model", "x", "--dtype", "int3", "p"), "dtype is 'int3'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_two(
    words: tuple[str, ...], said: str, demo_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capture: Capture,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    Path("model.gguf").write_bytes(b"GGUF")
    Path("broken").mkdir()
    Path("broken/config.json").write_text('{"model_type": "gpt_bigcode"')
    code, out, err = capture(*words, "--index", demo_index)
    assert code == 2 and out == "" and said in err and err.count("\n") == 1
    code, out, _ = capture(*words, "--index", demo_index, "--format", "json")
    Draft202012Validator(contract.schema("error")).validate(json.loads(out))


def test_a_local_model_says_what_it_cannot_do(model_folder: Path, demo_index: Path, tmp_path: Path, capture: Capture):
    common = ("--model", model_folder, "--index", demo_index)
    code, _, err = capture(*common, "word " * 3000)
    assert code == 2 and re.search(r"the prompt has \d+ tokens: .* reads 1024 at most, answer included", err)
    assert "no template for chats" in capture(*common, "--chat", "p")[2]
    (tmp_path / "after").write_text("x")
    assert "no tokens for filling in the middle" in capture(*common, "--suffix-file", tmp_path / "after", "p")[2]
    import torch

    if not torch.cuda.is_available():
        assert "the model cannot be put on cuda" in capture(*common, "--device", "cuda", "p")[2]
    assert capture(*common, "--dtype", "bfloat16", "--max-tokens", "3", "--policy", "strict", PROMPT)[0] == 0
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    from safetensors.torch import load_file, save_file

    for each in model_folder.iterdir():
        (lacking / each.name).write_bytes(each.read_bytes())
    tensors = load_file(lacking / "model.safetensors")
    tensors.pop(next(name for name in tensors if "mlp" in name))
    save_file(tensors, lacking / "model.safetensors", {"format": "pt"})
    assert "1 tensors are missing" in capture("--model", lacking, "--index", demo_index, "p")[2]
    (lacking / "model.safetensors").write_bytes(b"no tensors")
    assert "the model cannot be loaded" in capture("--model", lacking, "--index", demo_index, "p")[2]


@pytest.mark.parametrize(
    ("status", "said"), [(401, "it wants a key"), (404, "no such route or model"), (429, "(rate_limit_exceeded)")]
)
def test_refusals_of_a_server_are_told(status: int, said: str, licensed_folder: Path, capture: Capture) -> None:
    upstream = Upstream()
    upstream.status = status
    with running(upstream.app) as address:
        code, out, err = capture("--upstream", address, "--index", licensed_folder, "a prompt")
    assert code == 2 and out == "" and said in err and str(status) in err and "a prompt" not in err


def test_servers_that_do_not_stream_or_answer_in_parts_are_understood(licensed_folder: Path, capture: Capture) -> None:
    upstream = Upstream()
    with running(upstream.app) as address:
        for upstream.streams, upstream.parts in ((True, False), (False, False), (True, True), (False, True)):
            for more in ((), ("--chat",)):
                code, out, err = capture("--upstream", address, "--index", licensed_folder, *more, "p\udcff")
                assert (code, out, err) == (0, "hello", "")
        upstream.streams, upstream.stray = True, [["no", "completion"]]
        assert (
            "what the server says is no completion"
            in capture("--upstream", address, "--index", licensed_folder, "p")[2]
        )


def test_a_portrait_is_refused_since_it_cannot_be_asked_while_a_text_is_written(
    demo_index: Path, tmp_path: Path, capture: Capture, capfd: pytest.CaptureFixture[str]
) -> None:
    from indexer.portraits import export_portrait, import_portraits

    with Index.open(demo_index) as index:
        export_portrait(index, tmp_path / "demo.50-50.bf")
    import_portraits(tmp_path / "portrait", [tmp_path / "demo.50-50.bf"])
    code, out, err = capture("--upstream", NOWHERE, "--index", tmp_path / "portrait", "p")
    assert code == 2 and out == "" and "build an index of the texts" in err
    assert main(["proxy", "--upstream", NOWHERE, "--index", str(tmp_path / "portrait")]) == 2
    assert "build an index of the texts" in capfd.readouterr().err


def test_a_server_that_breaks_off_leaves_what_it_had_said(licensed_folder: Path, capture: Capture) -> None:
    upstream = Upstream()
    upstream.script = lambda body, index: "one two three four"
    upstream.cut_after = 3
    with running(upstream.app) as address:
        code, out, err = capture("--upstream", address, "--index", licensed_folder, "p")
    assert code == 2 and out == "one two thre" and "broke off in the middle" in err


@pytest.mark.parametrize("format", ["human", "json"])
def test_ctrl_c_keeps_what_was_written(licensed_folder: Path, licensed_rows: list[dict[str, str]], format: str) -> None:
    upstream = Upstream()
    copied = licensed_rows[0]["content"]
    whole = copied[:400] + "\nword" * 1000
    upstream.script = lambda body, index: whole
    upstream.rest = "\nword" * 900
    with running(upstream.app) as address:
        words = ["--upstream", address, "--index", str(licensed_folder), "--format", format, "p"]
        with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            assert upstream.waiting.wait(60)
            time.sleep(1)  # for what it was sent
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert upstream.left.wait(30), "the upstream goes on"
    assert process.returncode == 130 and b"Traceback" not in err
    if format == "json":
        answer = json.loads(out)["answer"]
        assert answer["interrupted"] and answer["attribution"]["spans"]
        text = answer["text"]
    else:
        text = out.decode()
        assert b"interrupted; what was written is kept" in err and licensed_rows[0]["path"].encode() in err
    assert text and whole.startswith(text) and len(text) < len(whole) - 100


def test_ctrl_c_ends_a_model_on_this_machine(model_folder: Path, demo_index: Path) -> None:
    words = [
        "--model",
        str(model_folder),
        "--index",
        str(demo_index),
        "--max-tokens",
        "1000",
        "--temperature",
        "0",
        PROMPT,
    ]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"interrupted; what was written is kept" in err and b"Traceback" not in err
    assert 1 <= len(first + out) < 4000


def screens(words: list[str], columns: int, seen: bytes, then: threading.Event, rows: int = 30) -> tuple[int, str]:
    """Run on a terminal; returns the exit code and all that was written to it. ``then`` is set when ``seen`` is."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "COLUMNS", "LINES", "CI"):
        environment.pop(name, None)
    with subprocess.Popen(
        [*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        killer = threading.Timer(90, process.kill)
        killer.start()
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if seen in shown:
                then.set()
        killer.cancel()
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.parametrize("columns", [140, 60])
def test_a_terminal_shows_copies_and_sources_while_the_answer_comes(
    licensed_folder: Path, licensed_rows: list[dict[str, str]], columns: int
) -> None:
    upstream = Upstream()
    copied = licensed_rows[0]["content"]
    upstream.rest = "The end of the answer.\n" * 40
    upstream.script = lambda body, index: f"Here \x1b[2J it is:\n{copied}{upstream.rest}"
    with running(upstream.app) as address:
        words = ["--upstream", address, "--index", str(licensed_folder), "p"]
        code, shown = screens(words, columns, b"part0.py", upstream.go_on)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert code == 1 and "\x1b[2J" not in shown and "\\x1b[2J it is" in plain
    assert "\x1b[1;33m" in shown, "the copy is not marked"
    last = plain.rindex("it is:")
    assert plain.find("part0.py") < last, "the source was not seen before the end"
    final = plain[last:]
    assert " ".join(copied.split()) in " ".join(final.split()) and final.count("The end of the answer.") == 40
    assert re.search(r"«1» lines 2-\d+: \d+ normalised characters; exact copy; MIT \(permissive\); uncommon", final)
    assert "github.com/owner0/code src/part0.py:1-" in final and licensed_rows[0]["url"] in final
