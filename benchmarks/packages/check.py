"""Does one index of 200 packages know each file's repository, version, path and licence?

The packages of `benchmarks.packages.fetch` are indexed by `provenance index`. The truth is read from the archives with
nothing of the library: names of members, git's hash of their bytes, and the licence that packages.json has for each
package. Then a cut of some file of each package is traced.

    python -m benchmarks.packages.check --data DIR [--index DIR] [--json FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from license_expression import get_spdx_licensing

from benchmarks.packages.fetch import chosen, fetch, file_name
from benchmarks.quality.fetch import Package
from provenance.index import Index
from provenance.records import Source
from provenance.tracing import trace

ECOSYSTEMS = {"pypi": "pypi", "crates": "cargo", "npm": "npm", "maven": "maven"}
LICENSING = get_spdx_licensing()


def repository(package: Package) -> str:
    """Return what an index calls a package: as a package URL does, PyPI's names in their normal form."""
    name = re.sub(r"[-_.]+", "-", package.name).lower() if package.registry == "pypi" else package.name
    return f"{ECOSYSTEMS[package.registry]}:{name}"


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path below the top folder and bytes of every file."""
    if archive.suffix in (".whl", ".jar"):
        with zipfile.ZipFile(archive) as whole:
            for name in whole.namelist():
                if not name.endswith("/"):
                    yield name, whole.read(name)
        return
    with tarfile.open(archive) as whole:
        for member in whole:
            file = whole.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name.partition("/")[2], file.read()


def blob(raw: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw).digest()


def build(named: Path, into: Path) -> None:
    done = subprocess.run(
        ["provenance", "index", named, "--index", into, "--format", "json"], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        sys.exit(f"provenance index: exit {done.returncode}")


def check(named: Path, index: Index, seed: int) -> dict[str, Any]:
    known: dict[str, dict[str, tuple[Source, bytes]]] = {}
    for ref in index.refs():
        for _, source in index.sources(ref):
            known.setdefault(source.repository, {})[source.path] = source, index.content_id(ref)
    packages = chosen()
    tally: Counter[str] = Counter()
    odd: list[str] = []
    licences: dict[str, list[str]] = {}
    chance = random.Random(seed)
    for package in packages:
        mine = known.pop(repository(package), {})
        tally["packages"] += 1
        tally["repository"] += bool(mine)
        tally["version"] += bool(mine) and all(source.revision == package.version for source, _ in mine.values())
        tally["files"] += len(mine)
        archive = dict(members(named / package.registry / file_name(package)))
        wrong = [path for path, (_, identity) in mine.items() if path not in archive or identity != blob(archive[path])]
        tally["path and bytes"] += not wrong
        odd += [f"{package.name}: {path}: not as in the archive" for path in wrong[:3]]
        whole = Counter(source.license for source, _ in mine.values() if source.license_scope == "repository")
        said = whole.most_common(1)[0][0] if whole else "nothing"
        right = said == package.license or said != "nothing" and LICENSING.is_equivalent(said, package.license)
        tally["licence"] += right
        licences[f"{repository(package)} {package.version}"] = [said, *sorted({s.license for s, _ in mine.values()})]
        if not right:
            odd.append(f"{package.name}: licence {said}, expected {package.license}")
        texts = [(path, archive[path]) for path in sorted(mine) if len(archive[path]) > 600 and archive[path].isascii()]
        if texts:
            path, raw = chance.choice(texts)
            start = chance.randrange(len(raw) - 400)
            found = trace(index, raw[start : start + 400], min_chars=0, sources_limit=500)
            traced = any(
                (match.source.repository, match.source.path, match.source.revision)
                == (repository(package), path, package.version)
                for span in found.spans
                for match in span.sources
            )
            tally["traced"] += traced
            tally["cuts"] += 1
            # Of a licence's words, which stand in hundreds of files, not all holders are listed, and that is said.
            bounded = not traced and any(not span.counts_exact for span in found.spans)
            tally["traced, not all holders listed"] += bounded
            if not traced and not bounded:
                spans = [(span.span.end_byte - span.span.start_byte, span.documents) for span in found.spans]
                odd.append(f"{package.name}: {path} at {start}: not among the sources of (bytes, documents) {spans}")
    return {**tally, "of no package": sorted(known), "odd": odd, "licences": licences}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="where what is fetched is kept")
    parser.add_argument("--index", type=Path, help="the index of the packages, if it is there already")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    named = fetch(options.data)
    with tempfile.TemporaryDirectory() as scratch:
        where = options.index or Path(scratch) / "index"
        if options.index is None:
            build(named, where)
        with Index.open(where) as index:
            result = check(named, index, options.seed)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
