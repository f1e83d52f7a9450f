"""The formats of an index on disk, against files kept since they were first written.

``golden/index`` holds index.json and one segment of the documents below, without the engine's files. It is never
regenerated: a difference is a new format version, which readers must tell from the old one.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.sources.base import Unit
from provenance.index import Index
from provenance.manifest import Manifest
from provenance.parameters import Parameters
from provenance.records import Document, Source, git_blob_id
from provenance.store import BlockReader

GOLDEN = Path(__file__).parent / "golden" / "index"


def documents() -> list[Document]:
    first = b"def first(value):\r\n    return value + 1\n" * 3
    second = "# Grüße, 世界, 🌍\nprint('second')\n".encode() * 40
    third = bytes((n * n + n // 7) % 251 % 26 + 97 for n in range(70_000))
    return [
        Document(first, git_blob_id(first), Source("Owner/One", "src/first.py", "v1.0", "MIT", "header", "file")),
        Document(second, git_blob_id(second), Source("owner/two", "second.py", language="Python"), "utf-16-le"),
        Document(b"", git_blob_id(b""), Source("owner/two", "empty.py", license="NONE")),
        Document(
            first,
            git_blob_id(first),
            Source("owner/three", "copy/first.py", None, "GPL-2.0-only OR MIT", "file", "repository", ("© A", "B")),
        ),
        Document(third, git_blob_id(third), Source("owner/three", "third.txt", stars=5, fork=True, kind="notebook")),
    ]


class Fixed:
    location = "golden"

    def plan(self) -> Any:
        yield Unit(1, None, "1")

    def read(self, unit: Unit) -> Any:
        yield from documents()


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The segment that this release writes; index.json stands two folders above."""
    root = tmp_path_factory.mktemp("golden") / "index"
    parameters = Parameters(fingerprints="none")
    build([Fixed()], root, workers=1, corpus_name="golden", corpus_revision="1", parameters=parameters)
    return root / "segments" / "000001-000000-000"


@pytest.mark.parametrize("name", ["contents.bin", "documents.bin", "digest.bin"])
def test_tables_are_written_byte_for_byte(segment: Path, name: str) -> None:
    assert (segment / name).read_bytes() == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", ["text.blk", "sources.blk"])
def test_block_files_are_read_and_hold_what_is_written_today(segment: Path, name: str) -> None:
    with BlockReader(GOLDEN / name) as kept, BlockReader(segment / name) as written:
        kept.verify()
        assert [kept.record(n) for n in range(len(kept))] == [written.record(n) for n in range(len(written))]


def test_texts_are_the_records_of_the_block_file() -> None:
    texts = list(dict.fromkeys(document.utf8 for document in documents()))
    with BlockReader(GOLDEN / "text.blk") as kept:
        assert [kept.record(n) for n in range(len(kept))] == texts


def test_tables_are_what_architecture_says() -> None:
    given = documents()
    contents = list(dict.fromkeys(document.content_id for document in given))
    ordered = sorted(range(len(given)), key=lambda n: contents.index(given[n].content_id))
    encodings = ["utf-8", "utf-16-le"]
    expected, at = b"", 0
    for content in contents:
        held = [document for document in given if document.content_id == content]
        expected += struct.pack("<20sIII", content, at, len(held), encodings.index(held[0].encoding))
        at += len(held)
    assert (GOLDEN / "contents.bin").read_bytes() == expected
    rows = sorted((given[n].id, ordinal) for ordinal, n in enumerate(ordered))
    assert (GOLDEN / "documents.bin").read_bytes() == b"".join(struct.pack("<16sI", *row) for row in rows)
    licences = {document.id + hashlib.sha256(document.source.license.encode()).digest() for document in given}
    assert (GOLDEN / "digest.bin").read_bytes() == b"".join(sorted(licences))
    with BlockReader(GOLDEN / "sources.blk") as kept:
        paths = [json.loads(kept.record(n))["path"] for n in range(len(kept))]
    assert paths == [given[n].source.path for n in ordered]


def test_index_json_is_read_and_written_as_it_was(segment: Path) -> None:
    data = (GOLDEN / "index.json").read_bytes()
    kept = Manifest.from_bytes(data, GOLDEN / "index.json")
    assert kept.to_bytes() == data
    values = [json.loads(data), json.loads((segment.parents[1] / "index.json").read_bytes())]
    for value in values:
        value["corpus"].pop("built")
        value.pop("checksum")
        value["segments"][0].pop("manifest")  # holds checksums of files that depend on the releases of libraries
        value["layers"][0].pop("manifest")
    assert values[0] == values[1]


def test_digest_is_what_it_was(segment: Path) -> None:
    with Index.open(segment.parents[1]) as index:
        assert index.digest == json.loads((GOLDEN / "index.json").read_bytes())["digest"]
