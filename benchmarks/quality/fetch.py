"""Fetch the pinned packages with the registries' ordinary clients: pip, npm, cargo, mvn, go.

Every archive is checked against the SHA-256 in packages.json; one that is there already is not fetched again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

PACKAGES = Path(__file__).with_name("packages.json")
Part = Literal["packages", "tuning", "blind"]
"""``packages`` are split by repository (`corpus.split`). The others are held out from the index: ``tuning`` for tuning
alone; ``blind`` were fetched last, and nothing is chosen on them."""


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned package of one registry."""

    registry: str
    name: str
    version: str
    license: str
    sha256: str

    @property
    def archive(self) -> str:
        """Return the file name under which its archive is kept."""
        return f"{self.name.replace('/', '!').replace(':', '!')}@{self.version}"


def packages(*parts: Part) -> list[Package]:
    """Return the packages of parts of packages.json in its order."""
    pinned = json.loads(PACKAGES.read_text("utf-8"))
    return [Package(*row) for part in parts for row in pinned[part]]


def fetch(folder: Path, *parts: Part, registries: Iterable[str] = ("pypi", "npm", "crates", "maven", "go")) -> None:
    """Bring every archive into ``folder/<registry>/``; raises RuntimeError for one whose hash differs or is missing."""
    clients = {"pypi": _pip, "npm": _npm, "crates": _cargo, "maven": _maven, "go": _go}
    for part, registry in product(parts, registries):
        client = clients[registry]
        into = folder / registry
        into.mkdir(parents=True, exist_ok=True)
        missing = [each for each in packages(part) if each.registry == registry and not (into / each.archive).exists()]
        if not missing:
            continue
        scratch = folder / f".{registry}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        by_hash = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in client(missing, scratch)}
        for package in missing:
            if package.sha256 not in by_hash:
                raise RuntimeError(f"{registry}: no archive of {package.name} {package.version} has the pinned SHA-256")
            shutil.copyfile(by_hash[package.sha256], into / package.archive)
        shutil.rmtree(scratch)


def _run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def _pip(wanted: list[Package], scratch: Path) -> Iterable[Path]:
    # One call each: pip refuses to download packages together whose requirements contradict each other.
    for package in wanted:
        _run(
            "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11",
            "--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64", "--platform=any",
            f"{package.name}=={package.version}", cwd=scratch,
        )  # fmt: skip
    return scratch.glob("*.whl")


def _npm(wanted: list[Package], scratch: Path) -> Iterable[Path]:
    _run("npm", "pack", "--silent", "--ignore-scripts", *(f"{p.name}@{p.version}" for p in wanted), cwd=scratch)
    return scratch.glob("*.tgz")


def _cargo(wanted: list[Package], scratch: Path) -> Iterable[Path]:
    (scratch / "src").mkdir()
    (scratch / "src/lib.rs").touch()
    dependencies = "".join(
        f'"{p.name}" = {{ version = "={p.version.split("+")[0]}", default-features = false }}\n' for p in wanted
    )
    manifest = f'[package]\nname = "corpus"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n{dependencies}'
    (scratch / "Cargo.toml").write_text(manifest, "utf-8")
    _run("cargo", "fetch", "--quiet", "--target", "x86_64-unknown-linux-gnu", cwd=scratch)
    cache = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "registry/cache"
    return (path for p in wanted for path in cache.glob(f"*/{p.name}-{p.version}.crate"))


def _maven(wanted: list[Package], scratch: Path) -> Iterable[Path]:
    items = "".join(
        f"<artifactItem><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{p.version}</version>"
        "<classifier>sources</classifier></artifactItem>"
        for p in wanted
        for group, artifact in [p.name.split(":")]
    )
    (scratch / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>benchmark</groupId>'
        "<artifactId>corpus</artifactId><version>1</version><build><plugins><plugin>"
        "<groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>3.6.1</version>"
        f"<configuration><outputDirectory>out</outputDirectory><artifactItems>{items}</artifactItems></configuration>"
        "</plugin></plugins></build></project>",
        "utf-8",
    )
    _run("mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy", cwd=scratch)
    return (scratch / "out").glob("*.jar")


def _go(wanted: list[Package], scratch: Path) -> Iterable[Path]:
    for package in wanted:
        # Its exit code is 1 for a module that asks for a newer Go, though the archive, all that is wanted, is there.
        command = ["go", "mod", "download", "-json", f"{package.name}@{package.version}"]
        output = subprocess.run(command, cwd=scratch, check=False, stdout=subprocess.PIPE, text=True).stdout
        answer = json.loads(output or "{}")
        if "Zip" not in answer:
            raise RuntimeError(f"go: {package.name} {package.version}: {answer.get('Error', 'no answer')}")
        yield Path(answer["Zip"])
