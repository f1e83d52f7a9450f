"""JPlag as a pairwise reference, on the solutions of HumanEval that were written anew (`benchmarks.quality.rewritten`).

JPlag compares whole programs that its parser takes, two by two; it has no index, and most snippets cut out of a file
do not parse. So it is asked what it is made for: of two whole functions, was one made from the other? It compares all
of them with its own settings; the threshold is the best one on the problems with even numbers.
Needs `mvn`, which fetches it, and Java 21 or later.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from benchmarks.quality.rewritten import by_half, is_odd, originals, pairs, scores

VERSION = "6.0.0"
_HERE = Path(__file__).parent


def measure(data: Path, work: Path) -> dict[str, Any]:
    """Return precision, recall and F1 on the pairs, the threshold, and how many solutions JPlag did not take."""
    texts = originals(data)
    names = list(texts)
    drawn = pairs(names)
    rewritten = list(dict.fromkeys((pair.problem, pair.code) for pair in drawn))
    programs = {f"original-{number}": text for number, text in enumerate(texts.values())}
    programs |= {f"rewritten-{number}": code for number, (_, code) in enumerate(rewritten)}
    found, refused = similarities(programs, work / "jplag")
    known = [
        (
            pair,
            found.get(
                frozenset(
                    (
                        f"rewritten-{rewritten.index((pair.problem, pair.code))}",
                        f"original-{names.index(pair.other)}",
                    )
                ),
                0.0,
            ),
        )
        for pair in drawn
    ]
    even = [entry for entry in known if not is_odd(entry[0])]
    threshold = max(
        sorted({similarity for _, similarity in even}),
        key=lambda least: scores([(pair, similarity >= least) for pair, similarity in even])["f1"],
    )
    return {
        "version": VERSION,
        "threshold": round(threshold, 4),
        "programs": len(programs),
        "refused": refused,
        "pairs": by_half([(pair, similarity >= threshold) for pair, similarity in known]),
    }


def similarities(programs: dict[str, bytes], work: Path) -> tuple[dict[frozenset[str], float], int]:
    """Return JPlag's average similarity (0 to 1) of every two programs that it takes, and how many it does not."""
    folder, libraries = work / "programs", work / "libraries"
    for name, text in programs.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "solution.py").write_bytes(text)
    fetch = ["mvn", "-q", "-B", "-f", _HERE / "pom.xml", "dependency:copy-dependencies"]
    subprocess.run([*fetch, f"-DoutputDirectory={libraries.resolve()}"], check=True)
    asked = ["java", "-cp", f"{libraries}/*", _HERE / "Pairs.java", folder]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    found = {}
    for line in answer.splitlines():
        if line.count("\t") == 2:
            first, second, similarity = line.split("\t")
            found[frozenset((first, second))] = float(similarity)
    return found, len(programs.keys() - frozenset().union(*found))
