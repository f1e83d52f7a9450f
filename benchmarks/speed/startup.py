"""What does a command cost before it does anything?

Side by side in every round, all warm: `provenance check` of a file of 2 KiB against a small index, `python -c pass`,
`python -c "import typer"`.

    python -m benchmarks.speed startup
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from benchmarks.speed.measuring import Figures
from indexer.build import build
from indexer.sources import open_source


def run(figures: Figures, scratch: Path, full: bool) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    index, question = scratch / "startup.index", scratch / "question.py"
    build([open_source(str(library / "json"))], index, workers=1)
    question.write_bytes((library / "json" / "decoder.py").read_bytes()[:2048])
    command = str(Path(sys.executable).with_name("provenance"))
    candidates = {
        "python -c pass": [sys.executable, "-c", "pass"],
        'python -c "import typer"': [sys.executable, "-c", "import typer"],
        "provenance check": [command, "check", "--index", str(index), str(question)],
    }
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(31 if full else 15):
        for name, arguments in candidates.items():
            begun = time.perf_counter()
            ended = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            if ended.returncode not in (0, 1):
                raise RuntimeError(f"{arguments} failed: {ended.stderr.decode()}")
            if number:
                spent[name].append((time.perf_counter() - begun) * 1000)
    for name, values in spent.items():
        figures.add("start-up", name, "ms", values)
    pairs = zip(spent["provenance check"], spent['python -c "import typer"'], strict=True)
    figures.add("start-up", "provenance check / import typer", "x", [one / other for one, other in pairs], at_most=1.6)
