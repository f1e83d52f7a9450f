"""What does the guard do to the quality of answers? pass@1 on HumanEval with the guard off, and with each preset.

    python -m benchmarks.guard.pass_at_1 INDEX --data FOLDER [--problems N] [--model] [--tokens N]

FOLDER holds HumanEval.jsonl.gz (github.com/openai/human-eval, MIT). Without ``--model`` the canonical solutions are
streamed as answers; with it SmolLM2 (135 M parameters, GGUF) writes them behind xllamacpp's server, greedily. Every
answer goes through the guard with each preset, so that all see the same samples; where a preset asks for another
sample, none is drawn. Prints one JSON line a preset: pass@1 (one sample a problem), answers that the guard altered.

Programs run in a process of their own, each with limits on processor time, memory, files and processes, in an empty
folder that is removed, without the network where the system lets users take it away, and no longer than 10 seconds.
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openai

from benchmarks.guard.humaneval import problems, streamed
from benchmarks.guard.models import gguf, serving
from benchmarks.guard.scripted import told
from provenance.guard.guarded import Guard
from provenance.guard.policy_file import PRESETS
from provenance.index import Index

_SECONDS = 10
_MEMORY = 1 << 30
_STOPS = ("\ndef ", "\nclass ", "\nif __name__", "\nprint(", "\n#", "\n```")


def _limited(alone: bool) -> None:
    """Runs in the child before the program: nothing that it does may last or grow."""
    for what, limit in (
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, 1 << 20),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    if not alone:  # which takes two processes itself, and ends what the program leaves behind
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    os.setsid()


def isolation() -> list[str]:
    """The command that takes the network, other processes and root's rights from a program, where the system has it."""
    unshare = shutil.which("unshare")
    command = [unshare, "--user", "--net", "--pid", "--fork", "--kill-child"] if unshare else []
    tried = subprocess.run([*command, "true"], capture_output=True, check=False) if command else None
    return [each for each in command if each] if tried and tried.returncode == 0 else []


def passes(program: str, alone: list[str]) -> bool:
    """Run a program; True where it ends by itself, in time and without an error."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program.py").write_text(program)
        try:
            done = subprocess.run(
                [*alone, sys.executable, "-I", "-S", "program.py"],
                cwd=folder,
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=functools.partial(_limited, bool(alone)),
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def written(found: list[dict[str, str]], tokens: int) -> Iterator[str]:
    """What the model writes after each prompt, up to the end of the function."""
    with serving(gguf(), threads=2) as address, openai.OpenAI(base_url=address, api_key="k", timeout=300) as client:
        for each in found:
            answer = client.completions.create(
                model="m", prompt=each["prompt"], max_tokens=tokens, temperature=0, stop=list(_STOPS[:4])
            )
            text = answer.choices[0].text
            yield text[: min((at for stop in _STOPS if (at := text.find(stop)) >= 0), default=len(text))]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("index")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--problems", type=int, default=164)
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--tokens", type=int, default=160)
    arguments = parser.parse_args()
    found = [dict(each) for each in problems(arguments.data)][: arguments.problems]
    solutions = [each["canonical_solution"] for each in found]
    answers = list(written(found, arguments.tokens)) if arguments.model else solutions
    alone = isolation()
    known: dict[str, bool] = {}

    def right(problem: dict[str, str], answer: str) -> bool:
        program = f"{problem['prompt']}{answer}\n{problem['test']}\ncheck({problem['entry_point']})\n"
        if program not in known:
            known[program] = passes(program, alone)
        return known[program]

    with Index.open(arguments.index) as index:
        for name in ("off", "annotate", "copyleft", "strict"):
            passed = altered = blocked = marked = 0
            with Guard(index, replace(PRESETS["annotate" if name == "off" else name], attempts=0)) as guard:
                for problem, answer in zip(found, answers, strict=True):
                    out, ending, reason = answer, "complete", ""
                    if name != "off":
                        out, ending, reason = streamed(guard, problem["prompt"], answer)
                    passed += right(problem, out)
                    altered += out != answer
                    blocked += ending == "ended"
                    marked += bool(reason)
            told(
                "effect on quality: HumanEval",
                "measured",
                answers="SmolLM2 135M, greedy" if arguments.model else "canonical solutions",
                guard=name,
                problems=len(found),
                pass_at_1=round(passed / len(found), 4),
                blocked_answer_rate=round(blocked / len(found), 4),
                altered=altered,
                marked=marked,
                without_network=bool(alone),
            )


if __name__ == "__main__":
    main()
