"""A corpus of ten small folders, each with repositories that share some files, and ways to build from it."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.report import BuildReport
from indexer.sources import open_source
from indexer.sources.base import DocumentSource, Item, SourceOptions, Unit
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.records import Document, Source, git_blob_id

SMALL = Parameters(segment_bytes=60_000, common_repositories=3)
"""Small segments, so that a small corpus has many tasks and tasks of several segments."""


@pytest.fixture(scope="session")
def small() -> Parameters:
    return SMALL


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten folders of two repositories; every repository holds ``shared.py``, two others hold a file in common."""
    root = tmp_path_factory.mktemp("corpus")
    stdlib = Path(sysconfig.get_path("stdlib"))
    modules = [p for p in sorted(stdlib.glob("*.py")) if 2_000 < p.stat().st_size < 30_000][:60]
    generator = random.Random(11)
    for part in range(10):
        for repository in ("one", "two"):
            folder = root / f"part{part}" / f"{repository}-{part}"
            folder.mkdir(parents=True)
            (folder / "shared.py").write_bytes(modules[0].read_bytes())
            for module in modules[1 + part * 5 : 6 + part * 5]:
                if generator.random() < 0.6:
                    (folder / module.name).write_bytes(module.read_bytes())
            (folder / "crlf.py").write_bytes(b"def unique_%d():\r\n    return %d\r\n" % (part, part) * 40)
            (folder / "empty.py").write_bytes(b"")
            (folder / "latin.py").write_bytes("# é\n".encode("latin-1") + b"latin = %d\n" % part * 20)
    (root / "part3" / "two-3" / "long.py").write_bytes(
        b"\n".join(b"value_%d = %d" % (n, generator.getrandbits(64)) for n in range(9_000))
    )
    return root


def sources_of(corpus: Path, parts: Sequence[int] = range(10)) -> list[DocumentSource]:
    return [open_source(str(corpus / f"part{part}"), SourceOptions(each_folder=True)) for part in parts]


@pytest.fixture
def built(corpus: Path) -> Callable[..., BuildReport]:
    """Build an index of some parts of the corpus."""

    def run(directory: Path, parts: Sequence[int] = range(10), workers: int = 1, **options: Any) -> BuildReport:
        options.setdefault("parameters", SMALL)
        return build(sources_of(corpus, parts), directory, workers=workers, corpus_name="small", **options)

    return run


@pytest.fixture(scope="session")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the whole corpus, built in one go by one worker; not to be written to."""
    folder = tmp_path_factory.mktemp("undisturbed") / "index"
    build(sources_of(corpus), folder, workers=1, corpus_name="small", parameters=SMALL)
    return folder


class ListSource:
    """Documents given one by one, as a source of one unit each few."""

    def __init__(self, documents: Sequence[Item], unit: int = 3, location: str = "list") -> None:
        self._documents = list(documents)
        self._unit = unit
        self.location = location
        self.says_repositories = False

    def plan(self) -> Iterator[Unit]:
        for at in range(0, len(self._documents), self._unit):
            chosen = self._documents[at : at + self._unit]
            weight = sum(len(item.utf8) for item in chosen if isinstance(item, Document))
            names = frozenset(item.source.repository for item in chosen if isinstance(item, Document))
            yield Unit(weight, (at, at + self._unit), f"{at} {weight}", names if self.says_repositories else None)

    def read(self, unit: Unit) -> Iterator[Item]:
        yield from self._documents[slice(*unit.payload)]


@pytest.fixture(scope="session")
def listed() -> Callable[..., ListSource]:
    return ListSource


def document(text: str, repository: str = "o/r", path: str = "a.py", **fields: Any) -> Document:
    utf8 = text.encode()
    return Document(utf8, git_blob_id(utf8), Source(repository, path, **fields))


@pytest.fixture(scope="session")
def doc() -> Callable[..., Document]:
    return document


def dump(folder: Path) -> dict[bytes, tuple[bytes, Source]]:
    """Return text and source by document id: all that an index says it holds."""
    with Index.open(folder) as index:
        return {identity: (index.text(ref), source) for ref in index.refs() for identity, source in index.sources(ref)}


@pytest.fixture(scope="session")
def held() -> Callable[[Path], dict[bytes, tuple[bytes, Source]]]:
    return dump


def filter_bytes(folder: Path) -> list[bytes]:
    """Return the bytes of all filters of an index, layer by layer."""
    with Index.open(folder) as index:
        layers = [folder / "layers" / entry.id for entry in index.manifest.layers]
    return [path.read_bytes() for layer in layers for path in sorted(layer.glob("*.flt"))]


@pytest.fixture(scope="session")
def filters_of() -> Callable[[Path], list[bytes]]:
    return filter_bytes
