"""How many functions that are not in the index does the guard alter, by preset?

    python benchmarks/guard/held_out.py INDEX FOLDER [COUNT]

Takes functions of 200 characters or more from the Python files of a folder that was not indexed, streams each in
pieces of 4 characters through a session, and prints one JSON line a preset. What the folder has in common with the
index (vendored copies) is altered too, and rightly: the line names such functions, to be looked at.
"""

from __future__ import annotations

import ast
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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
                    yield f"{path.relative_to(folder)}:{node.lineno}", source


def main() -> None:
    wanted = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    found = list(functions(Path(sys.argv[2])))
    chosen = random.Random(1).sample(found, min(wanted, len(found)))
    with Index.open(sys.argv[1]) as index:
        for name in ("copyleft", "strict"):
            altered = []
            with Guard(index, replace(PRESETS[name], attempts=0)) as guard:
                for place, source in chosen:
                    session = guard.session()
                    pieces = (source[at : at + 4] for at in range(0, len(source), 4))
                    out = "".join(session.feed(piece).text for piece in pieces) + session.finish().text
                    if out != source:
                        altered.append({"function": place, "reason": session.decisions[-1].reason})
            print(
                json.dumps({"preset": name, "functions": len(chosen), "altered": len(altered), "which": altered[:20]})
            )


if __name__ == "__main__":
    main()
