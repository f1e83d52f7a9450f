"""Does the speed of indexing stay as a corpus grows?

Data: parts of the folder named with ``--corpus``, every n-th of its folders, from about 10 MB on, and all of it. Time ~
size ** exponent, fitted by least squares over logarithms; the best of the builds of each size counts. Memory is that of
all processes together, less the filter, which the sequential writing of it maps.

    python -m benchmarks.speed growth [--full] [--corpus FOLDER]
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from benchmarks.speed.building import one_build
from benchmarks.speed.measuring import Figures

SIZES = (10e6, 30e6)
FULL_SIZES = (10e6, 30e6, 100e6, 200e6, 400e6, 800e6)


def run(figures: Figures, scratch: Path, full: bool, corpus: str) -> None:
    """Measure all sizes and fit the exponent with which time grows."""
    found = []
    linked, index = scratch / "part", scratch / "growth.index"
    for wanted in (*(FULL_SIZES if full else SIZES), None):
        shutil.rmtree(linked, ignore_errors=True)
        if wanted is not None and not copy_part(Path(corpus), linked, int(wanted)):
            continue
        folder = corpus if wanted is None else str(linked)
        builds = [one_build(folder, index) for _ in range(3 if wanted is not None and wanted < 5e8 else 2)]
        best = min(builds)
        found.append(best)
        size = f"{best.text / 1e6:.0f} MB"
        figures.add("growth", f"{size}: time", "s", [build.seconds for build in builds])
        beside = [(build.memory - build.layer) / 1e6 for build in builds]
        figures.add("growth", f"{size}: peak memory beside the filter", "MB", beside)
    shutil.rmtree(linked, ignore_errors=True)
    shutil.rmtree(index, ignore_errors=True)
    large = [build for build in found if build.text >= 90e6]
    for name, builds, most in (("all sizes", found, None), ("from 100 MB", large, 1.05)):
        if len(builds) > 1:
            times = [exponent([(build.text, build.seconds) for build in builds])]
            figures.add("growth", f"exponent of time, {name}", "", times, at_most=most)
            times = [exponent([(build.text, build.processor) for build in builds])]
            figures.add("growth", f"exponent of processor time, {name}", "", times)


def copy_part(corpus: Path, target: Path, size: int) -> bool:
    """Copy every n-th folder of files until ``size`` bytes are there; False if the corpus is hardly larger."""
    folders = [(Path(root), names) for root, _, names in os.walk(corpus) if names]
    total = sum(os.lstat(root / name).st_size for root, names in folders for name in names)
    if size * 1.5 > total:
        return False
    step = max(1, int(total / size))
    held = 0
    for number, (root, names) in enumerate(sorted(folders)):
        if number % step:
            continue
        into = target / root.relative_to(corpus)
        into.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (root / name).is_symlink():
                held += (root / name).stat().st_size
                shutil.copyfile(root / name, into / name)
    return held > 0


def exponent(points: list[tuple[float, float]]) -> float:
    """Return the slope of log(time) over log(size)."""
    logs = [(math.log(size), math.log(spent)) for size, spent in points]
    middle = [sum(values) / len(logs) for values in zip(*logs, strict=True)]
    above = sum((x - middle[0]) * (y - middle[1]) for x, y in logs)
    return float(above / sum((x - middle[0]) ** 2 for x, _ in logs))
