"""The corpus: source files of the pinned packages, filtered, capped and split by repository."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.quality.fetch import Package, Part, packages

LANGUAGES = {
    "py": "python", "js": "javascript", "mjs": "javascript", "cjs": "javascript", "ts": "typescript", "java": "java",
    "go": "go", "c": "c", "h": "c", "rs": "rust",
}  # fmt: skip
BYTES_PER_PACKAGE = 700_000
"""Of a large package, files are taken in the order of their paths' hashes up to this many bytes."""
SMALLEST, LARGEST, MEAN_LINE, LONGEST_LINE = 200, 300_000, 150, 4000
"""Files outside of these sizes, or with longer lines (minified, data), are left out."""

# Packages that come from one and the same repository, or are known to share their code (Apache Commons).
_REPOSITORIES = {
    "io.netty:": "netty",
    "org.springframework:": "spring-framework",
    "com.fasterxml.jackson.core:": "jackson",
    "org.apache.commons:": "commons",
    "commons-": "commons",
    "crossbeam-": "crossbeam",
    "regex-": "regex",
    "tower": "tower",
    "@tanstack/": "tanstack",
    "tracing-": "tracing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """One source file: where it is from, the benchmark's name of its language, and its bytes (UTF-8)."""

    repository: str
    path: str
    language: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Split:
    """What becomes of a repository: whether it is indexed, and whether thresholds may be tuned on it.

    ``blind``: one of those fetched last, as a second set of negatives.
    """

    indexed: bool
    tuning: bool
    blind: bool = False


def split(repository: str) -> Split:
    """Return the part a repository plays.

    Two thirds are indexed, half of each part is for tuning, by hash; those of the packages for tuning and of the blind
    ones are held out.
    """
    if repository in _of("tuning"):
        return Split(indexed=False, tuning=True)
    if repository in _of("blind"):
        return Split(indexed=False, tuning=False, blind=True)
    number = int.from_bytes(hashlib.sha256(repository.encode()).digest()[:8], "big")
    return Split(indexed=number % 3 != 0, tuning=number // 3 % 2 == 0)


def repository_of(package: Package) -> str:
    """Return the repository a package comes from, as ``registry/name``."""
    for prefix, repository in _REPOSITORIES.items():
        if package.name.startswith(prefix):
            return f"{package.registry}/{repository}"
    return f"{package.registry}/{package.name}"


@cache
def _of(part: Part) -> frozenset[str]:
    return frozenset(map(repository_of, packages(part)))


def load(work: Path, *parts: Part) -> list[File]:
    """Return all files of parts of packages.json, in its order; what was read once is kept beside the archives."""
    chosen = packages(*parts)
    stamp = hashlib.sha256(Path(__file__).read_bytes() + repr(chosen).encode()).hexdigest()[:16]
    kept = work / f"corpus-{stamp}.pickle"
    if not kept.exists():
        files = [file for package in chosen for file in _files(package, work / "archives")]
        kept.write_bytes(pickle.dumps(files))
    result: list[File] = pickle.loads(kept.read_bytes())
    return result


def _files(package: Package, archives: Path) -> Iterator[File]:
    repository = repository_of(package)
    seen: set[bytes] = set()
    taken = 0
    members = dict(_members(package, (archives / package.registry / package.archive).read_bytes()))
    for path in sorted(members, key=lambda path: hashlib.sha256(path.encode()).digest()):
        text = members[path]
        if text in seen or not _is_source(path, text):
            continue
        seen.add(text)
        yield File(repository, f"{package.name}/{path}", LANGUAGES[path.rsplit(".", 1)[-1]], text)
        taken += len(text)
        if taken > BYTES_PER_PACKAGE:
            break


def _is_source(path: str, text: bytes) -> bool:
    if path.endswith(".d.ts") or ".min." in path or not SMALLEST <= len(text) <= LARGEST:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    lines = text.split(b"\n")
    return len(text) / len(lines) <= MEAN_LINE and max(map(len, lines)) <= LONGEST_LINE


def _members(package: Package, archive: bytes) -> Iterator[tuple[str, bytes]]:
    if package.registry in ("pypi", "maven", "go"):
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            for name in zipped.namelist():
                if name.rsplit(".", 1)[-1] in LANGUAGES:
                    yield name, zipped.read(name)
        return
    with tarfile.open(fileobj=io.BytesIO(archive)) as tarred:
        for member in tarred:
            if member.isfile() and member.name.rsplit(".", 1)[-1] in LANGUAGES and (file := tarred.extractfile(member)):
                yield member.name, file.read()
