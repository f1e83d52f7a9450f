"""How many canonical solutions of HumanEval does the guard alter, streamed over an index of other code?

    python -m benchmarks.guard.humaneval INDEX --data FOLDER

FOLDER holds HumanEval.jsonl.gz (github.com/openai/human-eval, MIT). Every solution is streamed in pieces of 4
characters as the answer to its prompt, alone and as a chat answer that repeats the prompt's function. Prints a JSON
line a preset.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.guard.scripted import told
from provenance.guard.guarded import Guard
from provenance.guard.policy_file import PRESETS
from provenance.index import Index


def problems(folder: Path) -> list[Mapping[str, str]]:
    """The problems, in order: task_id, prompt, canonical_solution, test, entry_point."""
    with gzip.open(folder / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def streamed(guard: Guard, prompt: str, answer: str) -> tuple[str, str, str]:
    """What is let out of an answer in pieces of 4 characters, how it ended, and the reason of the last decision."""
    session = guard.session(prompt)
    out = "".join(session.feed(answer[at : at + 4]).text for at in range(0, len(answer), 4)) + session.finish().text
    return out, session.ending, session.decisions[-1].reason if session.decisions else ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("index")
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    found = problems(arguments.data)
    with Index.open(arguments.index) as index:
        for name in ("annotate", "copyleft", "strict"):
            altered = {"solution": 0, "function": 0}
            which = []
            with Guard(index, replace(PRESETS[name], attempts=0)) as guard:
                for each in found:
                    solution = each["canonical_solution"]
                    for what, answer in (("solution", solution), ("function", each["prompt"] + solution)):
                        out, _, reason = streamed(guard, each["prompt"], answer)
                        if out != answer:
                            altered[what] += 1
                            which.append({"task": each["task_id"], "answer": what, "reason": reason})
            told(
                "HumanEval canonical solutions streamed",
                "<= 1 % altered by default",
                preset=name,
                default=name == "annotate",
                documents=index.documents,
                solutions=len(found),
                altered=altered,
                which=which,
            )


if __name__ == "__main__":
    main()
