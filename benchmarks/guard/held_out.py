"""How many functions that are not in the index does the guard alter, by preset?

    python -m benchmarks.guard.held_out CORPUS FOLDER... [--count N]

Indexes the Python files of the folder CORPUS, each as a repository under GPL-3.0-only, which is the worst case:
whatever of them is verified and uncommon is kept back. Takes functions of 200 characters or more from the Python files
of folders that were not indexed, streams each in pieces of 4 characters through a session, and prints one JSON line a
preset. What the folders have in common with the index (vendored copies) is altered too, and rightly: the line names
such functions, to be looked at.
"""

from __future__ import annotations

import argparse
import ast
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.guard.copyleft import licensed
from benchmarks.guard.scripted import told
from provenance.guard.guarded import Guard
from provenance.guard.policy_file import PRESETS
from provenance.index import Index


def functions(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*.py")):
        try:
            text = path.read_text("utf-8")
            tree = ast.parse(text)
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                source = ast.get_source_segment(text, node)
                if source and len(source) >= 200:
                    yield f"{folder.name}/{path.relative_to(folder)}:{node.lineno}", source


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    arguments = parser.parse_args()
    found = [each for folder in arguments.folders for each in functions(folder)]
    chosen = random.Random(1).sample(found, min(arguments.count, len(found)))
    with (
        tempfile.TemporaryDirectory() as scratch,
        Index.open(licensed(arguments.corpus, Path(scratch), ["GPL-3.0-only"])) as index,
    ):
        for name in ("copyleft", "strict"):
            altered = []
            with Guard(index, replace(PRESETS[name], attempts=0)) as guard:
                for place, source in chosen:
                    session = guard.session()
                    pieces = (source[at : at + 4] for at in range(0, len(source), 4))
                    out = "".join(session.feed(piece).text for piece in pieces) + session.finish().text
                    if out != source:
                        altered.append({"function": place, "reason": session.decisions[-1].reason})
            told(
                "held-out functions streamed",
                "<= 0.1 % altered by copyleft",
                preset=name,
                documents=index.documents,
                functions=len(chosen),
                altered=len(altered),
                which=altered[:20],
            )


if __name__ == "__main__":
    main()
