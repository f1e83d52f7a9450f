"""The documents of the conformance suite, in an index of every engine, and what a scan of them finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer.build import build
from indexer.sources.base import Item, Unit
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.records import Document, Source, git_blob_id
from provenance.search.elasticsearch.cluster import ClusterSettings

ENGINES = ("tantivy", "elasticsearch")
HUGE = 700_000


@dataclass(frozen=True)
class Given:
    """A source of documents that are given."""

    documents: tuple[Item, ...]
    location: str = "given"

    def plan(self) -> Iterator[Unit]:
        for number, item in enumerate(self.documents):
            size = len(item.utf8) if isinstance(item, Document) else 0
            yield Unit(size, number, f"{number} {size}")

    def read(self, unit: Unit) -> Iterator[Item]:
        yield self.documents[unit.payload]


def document(
    text: str, repository: str, path: str, language: str | None = "Python", license: str = "MIT", **more: object
) -> Document:
    utf8 = text.encode()
    source = Source(repository, path, language=language, license=license, **more)  # type: ignore[arg-type]
    return Document(utf8, git_blob_id(utf8), source)


def _huge() -> str:
    """Return a long text that holds a name at its beginning, where cells meet, and at its end."""
    generator = random.Random(4)
    lines = []
    size = 0
    while size < HUGE:
        line = f"    value_{generator.getrandbits(40):010x} = compute({generator.getrandbits(20)})\n"
        lines.append(line)
        size += len(line)
    for number in (0, 150, 151, len(lines) // 2, len(lines) - 1):
        lines[number] = f"    needle_in_hay_{number} = NEEDLE\n"
    return "".join(lines)


SHARED = "def shared_helper(value):\n    return value * 42\n"

DOCUMENTS: tuple[Document, ...] = (
    document(SHARED, "alice/tools", "src/helper.py"),
    document(SHARED, "bob/copy", "vendor/helper.py", license="Apache-2.0 OR MIT"),
    document(SHARED, "carol/c-port", "helper.c", "C", "GPL-2.0-only WITH Linux-syscall-note"),
    document("", "alice/tools", "src/empty.py"),
    document("x", "alice/tools", "src/one.py"),
    document("ab\n", "alice/tools", "src/two.py", "Text", "NOASSERTION"),
    document(_huge(), "alice/data", "huge.py", license="NONE"),
    document("size_t FrobnicateWidgets(struct widget *w)\n{\n\treturn w->count;\n}\n", "carol/c-port", "frob.c", "C"),
    document("int frobnicatewidgets(void);\n", "carol/c-port", "frob.h", "C", "(MIT AND BSD-3-Clause)"),
    document("class Frob:\r\n\tdef widgets(self):\r\n\t\treturn None\r\n", "bob/copy", "crlf.py"),
    document("naïve café: größe = Ärger; Ⱥⱥ ǅ ß ẞ K k ſ s İ i\n", "dora/i18n", "umlaut.txt", "Text"),
    document("NAÏVE CAFÉ: GRÖSSE = ÄRGER; größe\n", "dora/i18n", "upper.txt", "Text"),
    document("日本語のコメント # 計算する\nprint('😀 ok 😀')\n", "dora/i18n", "kanji.py"),
    document("nul \x00 byte and \x7f and \x1b[0m\n", "dora/i18n", "control.txt", None),
    document("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "dora/i18n", "repeat.txt", "Text"),
    document("token = '" + "A1b2" * 300 + "'\n", "erin/minified", "blob.js", "JavaScript"),
    document("if (x)\n        return y;\n", "erin/minified", "spaces.c", "C"),
    document("if (x)\n\treturn y;\n", "erin/minified", "tab.c", "C"),
    document("if (x) return y;\n", "erin/minified", "line.c", "C"),
    document(" \t leading and trailing \t \n\n", "erin/minified", "blank.txt", "Text"),
    document("apple banana apple cherry\n", "frank/fruit", "one.txt", "Text"),
    document("apple\n", "frank/fruit", "two.txt", "Text"),
    document("banana banana banana banana\n", "frank/fruit", "three.txt", "Text"),
    document("Apple pineapple apples\n", "Frank/Fruit", "four.txt", "text"),
    *(document(f"common_line = True\nnumber_{n} = {n}\n", f"many/repo-{n % 7}", f"m{n:03}.py") for n in range(150)),
)


class Corpus:
    """An index, and the documents that it was built from."""

    def __init__(self, index: Index, documents: tuple[Document, ...]) -> None:
        self.index = index
        self.documents = documents

    def ids(self, holds: Callable[[Document], bool]) -> set[bytes]:
        """Return the ids of the documents for which something holds: a scan."""
        return {document.id for document in self.documents if holds(document)}


def build_index(
    folder: Path,
    batches: Sequence[Sequence[Document]],
    engine: str = "tantivy",
    segment_bytes: int = 1 << 15,
    cluster: ClusterSettings | None = None,
) -> None:
    """Build an index of small segments, one addition a batch."""
    parameters = Parameters(segment_bytes=segment_bytes, engine=engine)
    for batch in batches:
        source = Given(tuple(batch))
        build([source], folder, parameters=parameters, workers=1, corpus_name="conformance", cluster=cluster)


@pytest.fixture(scope="session")
def built() -> Callable[..., None]:
    return build_index


@pytest.fixture(scope="session")
def documents() -> tuple[Document, ...]:
    return DOCUMENTS


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def corpus(engine: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Corpus]:
    """All documents in segments of two additions; the second adds the last third, and a text that is there already."""
    folder = tmp_path_factory.mktemp(engine) / "index"
    again = document(SHARED, "zoe/late", "lib/helper.py")
    first, second = DOCUMENTS[:120], (*DOCUMENTS[120:], again)
    cluster = None
    if engine == "elasticsearch":
        # Where the texts lie is nothing that the suite may notice; tests/elasticsearch has them in the folder.
        cluster = ClusterSettings(request.getfixturevalue("elasticsearch_node").url, texts="cluster")
    build_index(folder, [first, second], engine, cluster=cluster)
    with Index.open(folder) as index:
        assert len(index.segments) > 2
        yield Corpus(index, (*DOCUMENTS, again))


@pytest.fixture(scope="session")
def given() -> Callable[..., Document]:
    return document
