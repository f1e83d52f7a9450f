"""Runs the speed benchmarks; writes benchmarks/results/speed.json, docs/speed.md and the pictures in it.

    python -m benchmarks.speed [PART ...] [--full] [--corpus FOLDER] [--index FOLDER] [--scratch FOLDER]

Parts: startup, normalising, building, growth, queries, membership, filling, and with ``--full`` largest; all of them if
none is named. ``--full`` takes the sizes and rounds of the published figures. ``--index`` is asked by queries in place
of what building made.
A part that is run alone replaces its own figures in the results file and leaves the others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sysconfig
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.speed import building, growth, membership, normalising, queries, startup
from benchmarks.speed.measuring import Figures
from benchmarks.speed.rendering import growth_plot, plot, table
from provenance import kernel

ROOT = Path(__file__).parents[2]
PARTS = ("startup", "normalising", "building", "growth", "queries", "membership", "filling", "largest")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), metavar="PART")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--corpus", default=sysconfig.get_path("stdlib"))
    parser.add_argument("--index", type=Path)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    given = parser.parse_args()
    if not Path(given.corpus).is_dir():
        parser.error(f"--corpus {given.corpus}: there is no such folder")
    parts = given.parts or PARTS
    name = "speed.json" if given.full else "speed-quick.json"
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.scratch or os.environ.get("TMPDIR")) as folder:
        scratch, index = Path(folder), given.index
        for part in PARTS:
            if part not in parts or part == "largest" and not given.full:
                continue
            figures = Figures()
            if part == "startup":
                startup.run(figures, scratch, given.full)
            elif part == "normalising":
                normalising.run(figures, scratch, given.full)
            elif part == "building":
                built = scratch / "built.index"
                for _ in building.run(figures, scratch, given.full, given.corpus, built):
                    keep(given.results / name, part, figures)
                index = index or built
            elif part == "growth":
                growth.run(figures, scratch, given.full, given.corpus)
            elif part == "queries":
                if index is None:
                    index = scratch / "queries.index"
                    building.one_build(given.corpus, index, fingerprints=True)
                queries.run(figures, index, given.full)
            elif part == "membership":
                for _ in membership.run(figures, scratch, given.full):
                    keep(given.results / name, part, figures)
            elif part == "filling":
                for _ in membership.run_filling(figures, given.full):
                    keep(given.results / name, part, figures)
            else:
                membership.run_largest(figures, scratch)
            keep(given.results / name, part, figures)
    results = json.loads((given.results / name).read_text())
    if given.full:
        given.docs.mkdir(exist_ok=True)
        (given.docs / "speed.md").write_text(table(results))
        (given.docs / "speed.svg").write_text(plot(results))
        if "growth" in results["parts"]:
            (given.docs / "growth.svg").write_text(growth_plot(results))


def keep(path: Path, part: str, figures: Figures) -> None:
    """Put the figures of one part into the results file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"parts": {}}
    results["parts"][part] = {**machine(), "figures": [figure.as_dict() for figure in figures.all]}
    path.write_text(json.dumps(results, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    processor = platform.processor()
    information = Path("/proc/cpuinfo")
    if information.exists():
        processor = next(
            (line.split(":")[1].strip() for line in information.read_text().splitlines() if "model name" in line),
            processor,
        )
    return {
        "commit": commit.stdout.strip(),
        "processor": processor,
        "cores": os.cpu_count(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "kernel": kernel.name,
        "load": os.getloadavg()[0],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    main()
