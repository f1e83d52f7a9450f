"""How often licence and origin are right: against 499 files labelled by hand.

labels.json names each file by registry, package, version and path, with the licence that a reader of the file and of
the licence files around it finds, and where that is said (several where the same is said in more than one place). Four
samples, each labelled before anything was asked about it. What one showed to be wrong in general was mended before the
next: the third (packages never looked at before, half of it vendored C) scored 66 of 79 when it was labelled, the
fourth, other files of the same packages, 39 of 40. The packages are fetched by their registries' clients, the Linux
source by `apt-get download`; everything is read as `provenance index` reads it.

    python -m benchmarks.licences.score --data DIR [--linux DIR] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from license_expression import get_spdx_licensing

from benchmarks.packages.fetch import fetch, file_name
from benchmarks.quality import fetch as pinned
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.records import Document, Source

LABELS = Path(__file__).with_name("labels.json")
LICENSING = get_spdx_licensing()


class Label(NamedTuple):
    """What a reader found about one file; ``origins`` are words with blanks between them."""

    sample: str
    registry: str
    name: str
    version: str
    path: str
    license: str
    origins: str
    note: str


def labels() -> list[Label]:
    return [Label(*row) for row in json.loads(LABELS.read_text("utf-8"))["files"]]


def linux(folder: Path, label: Label) -> Path:
    """Return the unpacked source of the Debian package, fetched into ``folder`` if it is not there."""
    unpacked = folder / label.name
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", f"{label.name}={label.version}"], cwd=folder, check=True)
        (archive,) = folder.glob(f"{label.name}_*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, folder / "deb"], check=True)
        subprocess.run(["tar", "-C", folder, "-xf", folder / f"deb/usr/src/{label.name}.tar.xz"], check=True)
    return unpacked


def archives(folder: Path, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Path]:
    """Return the archives of packages, fetched into ``folder``, under the names that their registries give them."""
    named = fetch(folder)
    pinned.fetch(folder / "pinned", {registry for registry, _ in wanted} - {"debian"})
    found = {}
    for package in pinned.packages():
        if (package.registry, package.name) in wanted:
            place = named / package.registry / file_name(package)
            if not place.exists():
                place = folder / "labelled" / package.registry / file_name(package)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / "pinned" / package.registry / package.archive, place)
            found[package.registry, package.name] = place
    return found


def sources_of(location: Path, wanted: set[str]) -> Iterator[Source]:
    """Yield what an index would know of the wanted paths."""
    source = open_source(str(location), SourceOptions())
    for unit in source.plan():
        for item in source.read(unit):
            if isinstance(item, Document) and item.source.path in wanted:
                yield item.source


def equivalent(one: str, other: str) -> bool:
    """Return whether two expressions mean the same, whatever the order of their parts."""
    return bool(one == other or LICENSING.is_equivalent(one, other))


def score(data: Path, kernel: Path | None) -> dict[str, Any]:
    every = labels()
    files = archives(data, {(label.registry, label.name) for label in every})
    by_place: dict[Path, list[Label]] = {}
    for label in every:
        place = files.get((label.registry, label.name)) or kernel or linux(data / "linux", label)
        by_place.setdefault(place, []).append(label)
    right: dict[str, Counter[str]] = {label.sample: Counter() for label in every}
    misses = []
    for place, mine in sorted(by_place.items()):
        found = {source.path: source for source in sources_of(place, {label.path for label in mine})}
        for label in mine:
            said = found.get(label.path)
            licence = said is not None and equivalent(said.license, label.license)
            origin = said is not None and said.license_origin in label.origins.split()
            right[label.sample].update(
                {"files": 1, "licence": licence, "origin": origin, "licence and origin": licence and origin}
            )
            if not (licence and origin):
                misses.append({**label._asdict(), "said": said and f"{said.license} ({said.license_origin})"})
    return {"samples": right, "misses": misses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="where what is fetched is kept")
    parser.add_argument("--linux", type=Path, help="the unpacked Linux source, if it is there already")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args()
    result = score(options.data, options.linux)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
