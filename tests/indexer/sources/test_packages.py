"""Packages that say less than all by themselves: POMs with parents, wheels that carry others, eggs."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from indexer.sources.archives import ArchivesSource
from indexer.sources.directory import DirectorySource
from provenance.records import Document, Source

MIT = "SPDX-License-Identifier: MIT\n"
CHILD = (
    "<project><parent><groupId>org.up</groupId><artifactId>up-parent</artifactId><version>7</version></parent>"
    "<artifactId>tool</artifactId></project>"
)
PARENT = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><parent><groupId>org.top</groupId>'
    "<artifactId>top</artifactId><version>1</version></parent>"
    "<groupId>org.up</groupId><artifactId>up-parent</artifactId><version>7</version>"
    "<url>https://up.example.org</url></project>"
)
TOP = (
    "<project><groupId>org.top</groupId><artifactId>top</artifactId><version>1</version><licenses><license>"
    "<name>BSD-3-Clause</name></license></licenses><url>https://top.example.org</url></project>"
)


def sources(source: ArchivesSource | DirectorySource) -> dict[str, Source]:
    return {
        item.source.path: item.source
        for unit in source.plan()
        for item in source.read(unit)
        if isinstance(item, Document)
    }


def archive(path: Path, files: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as whole:
        for name, text in files.items():
            whole.writestr(name, text)
    return path


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("jar", "poms"),
    [
        ("tool-7-sources.jar", ("tool-7.pom", "up-parent-7.pom", "top-1.pom")),
        (
            "org/up/tool/7/tool-7-sources.jar",
            ("org/up/tool/7/tool-7.pom", "org/up/up-parent/7/up-parent-7.pom", "org/top/top/1/top-1.pom"),
        ),
    ],
)
def test_what_a_pom_leaves_to_its_parents_is_found_there(tmp_path: Path, jar: str, poms: tuple[str, ...]) -> None:
    write(tmp_path, dict(zip(poms, (CHILD, PARENT, TOP), strict=True)))
    path = archive(tmp_path / jar, {"a/A.java": "class A {}\n"})
    source = sources(ArchivesSource(str(path)))["a/A.java"]
    assert (source.repository, source.revision, source.license) == ("maven:org.up:tool", "7", "BSD-3-Clause")
    assert (source.license_origin, source.license_scope) == ("record", "repository")
    assert source.url == "https://up.example.org"


def test_a_parent_inside_of_the_jar_counts_and_a_circle_ends(tmp_path: Path) -> None:
    circle = CHILD.replace("tool</artifactId></project>", "up-parent</artifactId></project>")
    files = {
        "META-INF/maven/org.up/tool/pom.xml": CHILD,
        "META-INF/maven/org.up/up-parent/pom.xml": circle,
        "a/A.java": "class A {}\n",
    }
    source = sources(ArchivesSource(str(archive(tmp_path / "tool-7.jar", files))))["a/A.java"]
    assert (source.repository, source.license) == ("maven:org.up:tool", "NOASSERTION")


def test_a_parent_that_names_a_path_is_not_looked_for(tmp_path: Path) -> None:
    write(tmp_path, {"up-parent-7.pom": TOP})
    climbing = CHILD.replace("<version>7<", "<version>../../up-parent-7<")
    path = archive(tmp_path / "x" / "y" / "tool-7.jar", {"META-INF/maven/g/tool/pom.xml": climbing, "A.java": "a\n"})
    assert sources(ArchivesSource(str(path)))["A.java"].license == "NOASSERTION"


def test_a_wheel_gives_carried_packages_their_own_licence(tmp_path: Path) -> None:
    inner = "big/_vendor/inner-2.dist-info/"
    path = archive(
        tmp_path / "big-1-py3-none-any.whl",
        {
            "big-1.dist-info/METADATA": "Name: big\nVersion: 1\nLicense-Expression: MIT\n\n",
            "big-1.dist-info/licenses/src/big/other/LICENSE": "SPDX-License-Identifier: Zlib\n",
            inner + "METADATA": "Name: inner\nVersion: 2\nLicense-Expression: Apache-2.0 OR BSD-2-Clause\n\n",
            inner + "RECORD": "inner/a.py,,\ninner/nearer/b.py,,\nsingle.py,,\n../../outside.py,,\n",
            "big/own.py": "own = 1\n",
            "big/other/o.py": "o = 1\n",
            "big/_vendor/inner/a.py": "a = 1\n",
            "big/_vendor/inner/nearer/b.py": "b = 1\n",
            "big/_vendor/inner/nearer/LICENSE": "SPDX-License-Identifier: ISC\n",
            "big/_vendor/single.py": "single = 1\n",
            "big/_vendor/unlisted.py": "unlisted = 1\n",
            "outside.py": "outside = 1\n",
        },
    )
    found = sources(ArchivesSource(str(path)))
    assert {source.repository for source in found.values()} == {"pypi:big"}
    said = {name: (found[name].license, found[name].license_origin) for name in found if name.endswith(".py")}
    assert said == {
        "big/own.py": ("MIT", "record"),
        "big/other/o.py": ("Zlib", "file"),
        "big/_vendor/inner/a.py": ("Apache-2.0 OR BSD-2-Clause", "record"),
        "big/_vendor/inner/nearer/b.py": ("ISC", "file"),
        "big/_vendor/single.py": ("Apache-2.0 OR BSD-2-Clause", "record"),
        "big/_vendor/unlisted.py": ("MIT", "record"),
        "outside.py": ("MIT", "record"),
    }


def test_licences_of_carried_packages_are_not_those_of_the_whole(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "big-1-py3-none-any.whl",
        {
            "big-1.dist-info/METADATA": "Name: big\nVersion: 1\nLicense: BSD\n\n",
            "big-1.dist-info/licenses/LICENSE": "SPDX-License-Identifier: BSD-3-Clause\n",
            "big/_vendor/x-1.dist-info/licenses/LICENSE": "SPDX-License-Identifier: LGPL-3.0-only\n",
            "big/a.py": "a = 1\n",
        },
    )
    assert sources(ArchivesSource(str(path)))["big/a.py"].license == "BSD-3-Clause"


def test_a_bundled_npm_package_has_its_own_licence(tmp_path: Path) -> None:
    files = {
        "package/package.json": json.dumps({"name": "big", "version": "1.0.0", "license": "MIT"}),
        "package/index.js": "x\n",
        "package/node_modules/@s/in/package.json": json.dumps({"name": "@s/in", "license": "ISC"}),
        "package/node_modules/@s/in/lib/i.js": "y\n",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as whole:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            whole.addfile(entry, io.BytesIO(text.encode()))
    path = tmp_path / "big-1.0.0.tgz"
    path.write_bytes(gzip.compress(buffer.getvalue()))
    found = sources(ArchivesSource(str(path)))
    assert found["index.js"].license == "MIT"
    inner = found["node_modules/@s/in/lib/i.js"]
    assert (inner.repository, inner.license, inner.license_scope) == ("npm:big", "ISC", "directory")


def test_eggs_in_site_packages_own_their_files(tmp_path: Path) -> None:
    about = "Metadata-Version: 1.1\nName: {}\nVersion: {}\nLicense: {}\n\n"
    root = write(
        tmp_path / "site-packages",
        {
            "listed-1.egg-info/PKG-INFO": about.format("listed", "1", "MIT"),
            "listed-1.egg-info/installed-files.txt": "PKG-INFO\n../listed/a.py\n../../../bin/tool\n",
            "listed/a.py": "a = 1\n",
            "topped.egg-info/PKG-INFO": about.format("Topped", "2", "BSD-3-Clause"),
            "topped.egg-info/top_level.txt": "topped\nsingle\n",
            "topped/deep/b.py": "b = 1\n",
            "single.py": "single = 1\n",
            "packed.egg-info": about.format("packed", "3", "Zlib"),
            "nobodys.py": "nobody = 1\n",
        },
    )
    found = sources(DirectorySource(str(root)))
    said = {name: (found[name].repository, found[name].revision, found[name].license) for name in found}
    assert said["listed/a.py"] == ("pypi:listed", "1", "MIT")
    assert said["topped/deep/b.py"] == said["single.py"] == ("pypi:topped", "2", "BSD-3-Clause")
    assert said["packed.egg-info"] == ("pypi:packed", "3", "Zlib")
    assert said["nobodys.py"] == ("site-packages", None, "NOASSERTION")


def test_an_egg_that_a_build_left_in_a_source_tree_owns_nothing(tmp_path: Path) -> None:
    root = write(
        tmp_path / "tree",
        {
            "tool.egg-info/PKG-INFO": "Name: tool\nVersion: 1\n\n",
            "tool.egg-info/top_level.txt": "tool\n",
            "tool/a.py": "a\n",
        },
    )
    assert sources(DirectorySource(str(root)))["tool/a.py"].repository == "tree"
