"""Fifty pinned packages of each of PyPI, crates.io, npm and Maven, under the names that the registries give them.

The archives are those of `benchmarks.quality.fetch`, the first fifty of each registry. Maven keeps what it knows of a
package apart from its sources: the POMs, parents included, lie beside the jars, as in a repository mirrored flat.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.quality import fetch as pinned

REGISTRIES = ("pypi", "crates", "npm", "maven")
EACH = 50
_ENDINGS = {"pypi": "-py3-none-any.whl", "crates": ".crate", "npm": ".tgz", "maven": "-sources.jar", "go": ".zip"}
_PARENT = re.compile(r"<parent>.*?</parent>", re.S)


def chosen() -> list[pinned.Package]:
    """Return the first `EACH` packages of every registry."""
    return [
        package
        for registry in REGISTRIES
        for package in [one for one in pinned.packages() if one.registry == registry][:EACH]
    ]


def file_name(package: pinned.Package) -> str:
    """Return the name of a package's archive: its own name, version and ending."""
    name = package.name.rpartition(":")[2].removeprefix("@").replace("/", "-")
    return f"{name}-{package.version}{_ENDINGS[package.registry]}"


def fetch(folder: Path) -> Path:
    """Bring the packages into ``folder`` and return the folder of those with their registries' names."""
    pinned.fetch(folder / "pinned", REGISTRIES)
    named = folder / "named"
    for package in chosen():
        into = named / package.registry
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "pinned" / package.registry / package.archive, into / file_name(package))
        if package.registry == "maven":
            group, artifact = package.name.split(":")
            _poms(group, artifact, package.version, into)
    return named


def _poms(group: str, artifact: str, version: str, into: Path) -> None:
    """Copy a POM and its parents from Maven's own repository, which `mvn` fills where they are not there yet."""
    while True:
        kept = Path.home() / ".m2/repository" / group.replace(".", "/") / artifact / version
        pom = kept / f"{artifact}-{version}.pom"
        if not pom.exists():
            subprocess.run(
                ["mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get", "-Dtransitive=false",
                 f"-Dartifact={group}:{artifact}:{version}:pom"],
                check=True,
            )  # fmt: skip
        shutil.copyfile(pom, into / pom.name)
        parent = _PARENT.search(pom.read_text("utf-8", "replace"))
        if parent is None:
            return
        group, artifact, version = (
            re.search(rf"<{part}>\s*(.*?)\s*</{part}>", parent[0])[1]  # type: ignore[index]
            for part in ("groupId", "artifactId", "version")
        )
