"""One real index for all tests that ask: standard library modules and installed packages, a repository a folder."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.elasticsearch.node import Node

# No property fails because the machine is busy. CI tries the same examples every time: new ones are sought elsewhere.
settings.register_profile(
    "provenance",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    database=None if os.environ.get("CI") else settings.default.database,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("provenance")

STDLIB_PARTS = ("json", "email", "argparse.py", "textwrap.py", "difflib.py", "shlex.py", "csv.py", "string.py")
PACKAGES = ("packaging", "pluggy", "iniconfig", "sortedcontainers")
LICENSES = {"cpython": "PSF-2.0", "packaging": "Apache-2.0", "pluggy": "MIT", "iniconfig": "MIT"}


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


@pytest.fixture(scope="session")
def demo_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of repositories: ``cpython`` and four installed packages; every repository is a folder in it."""
    root = tmp_path_factory.mktemp("sources")
    stdlib = Path(sysconfig.get_path("stdlib"))
    for part in STDLIB_PARTS:
        _copy(stdlib / part, root / "cpython")
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None and spec.submodule_search_locations is not None
        _copy(Path(next(iter(spec.submodule_search_locations))), root / package)
    for repository, identifier in LICENSES.items():
        for path in sorted((root / repository).rglob("*.py")):
            text = path.read_text("utf-8")
            if "SPDX-License-Identifier" not in text and text and path.name == "__init__.py":
                path.write_text(f"# SPDX-License-Identifier: {identifier}\n{text}", "utf-8")
    return root


@pytest.fixture(scope="session")
def demo_index(demo_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index over `demo_sources`; not to be written to."""
    from indexer.build import build
    from indexer.sources import open_source
    from indexer.sources.base import SourceOptions

    folder = tmp_path_factory.mktemp("demo") / "index"
    sources = [open_source(str(demo_sources), SourceOptions(each_folder=True))]
    build(sources, folder, corpus_name="demo", corpus_revision="r1", workers=1)
    return folder


@pytest.fixture
def scratch_index(demo_index: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the demo index, for tests that damage it."""
    copy = tmp_path / "index"
    shutil.copytree(demo_index, copy)
    yield copy


@pytest.fixture(scope="session")
def elasticsearch_node() -> Iterator[Node]:
    """A running Elasticsearch node, for all tests that leave it running; where none can be had they are skipped."""
    node = Node()
    try:
        try:
            node.start()
        except RuntimeError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(" ".join(str(error).split())[:500])
        yield node
    finally:
        node.remove()
