"""Tables and archives behind fsspec: a local folder by address, and a store whose files are fetched by range."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from indexer.sources import open_source
from indexer.sources.rows import RowsSource
from provenance.errors import CorpusError
from provenance.records import Document, Skipped

from . import tables

OBJECTS: dict[str, bytes] = {}
LINE = len(json.dumps({"text": "b = 0\n"})) + 1


class ObjectFile(AbstractBufferedFile):  # type: ignore[misc]
    """An open object; like those of S3 and its kin it knows ranges and nothing else."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return OBJECTS[self.path][start:end]


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]
    """Objects in a dictionary, listed as an object store lists them."""

    protocol = "objects"
    cachable = False

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        inside = path.rstrip("/") + "/" if path else ""
        entries: dict[str, dict[str, Any]] = {}
        for name, raw in OBJECTS.items():
            if name == path:
                return [self._entry(name, raw)] if detail else [name]
            if name.startswith(inside):
                rest = name[len(inside) :]
                top = inside + rest.partition("/")[0]
                folder = {"name": top, "size": 0, "type": "directory"}
                entries[top] = folder if "/" in rest else self._entry(name, raw)
        if not entries:
            raise FileNotFoundError(path)
        return list(entries.values()) if detail else list(entries)

    def _entry(self, name: str, raw: bytes) -> dict[str, Any]:
        return {"name": name, "size": len(raw), "type": "file", "ETag": f"{hash(raw):x}"}

    def _open(self, path: str, mode: str = "rb", **rest: Any) -> ObjectFile:
        rest.pop("autocommit", None)
        return ObjectFile(self, path, mode, size=len(OBJECTS[path]), **rest)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    fsspec.register_implementation("objects", ObjectStore, clobber=True)
    schema = pa.schema([("text", pa.string())])
    path = tables.write(tmp_path / "a.parquet", schema, [{"text": f"a = {i}\n"} for i in range(5)], 2)
    rows = b"".join(json.dumps({"text": f"b = {i}\n"}).encode() + b"\n" for i in range(4))
    OBJECTS.update(
        {
            "bucket/set/a.parquet": path.read_bytes(),
            "bucket/set/sub/b.jsonl": rows,
            "bucket/set/c.jsonl.gz": gzip.compress(rows),
            "bucket/set/.hidden.jsonl": rows,
            "bucket/set/README.md": b"# not a table\n",
        }
    )
    yield "objects://bucket"
    OBJECTS.clear()


def paths(location: str) -> list[str]:
    source = open_source(location)
    worker = pickle.loads(pickle.dumps(source))
    return [item.source.path for unit in source.plan() for item in worker.read(unit) if isinstance(item, Document)]


EXPECTED = [
    *(f"a.parquet#{i}" for i in range(5)),
    *(f"c.jsonl.gz#{LINE * i}" for i in range(4)),
    *(f"sub/b.jsonl#{LINE * i}" for i in range(4)),
]


def test_a_folder_of_an_object_store_is_read_in_the_order_of_names(store: str) -> None:
    assert paths(f"{store}/set") == EXPECTED
    assert paths(f"{store}/set/sub/b.jsonl") == [f"b.jsonl#{LINE * i}" for i in range(4)]


def test_a_local_folder_by_address_gives_the_same(store: str, tmp_path: Path) -> None:
    for name, raw in OBJECTS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    assert sorted(paths(f"file://{tmp_path / 'bucket' / 'set'}")) == sorted(EXPECTED)


def test_the_plan_is_stable_and_follows_each_object(store: str) -> None:
    first = [unit.stamp for unit in open_source(f"{store}/set").plan()]
    assert first == [unit.stamp for unit in open_source(f"{store}/set").plan()]
    OBJECTS["bucket/set/sub/b.jsonl"] = OBJECTS["bucket/set/sub/b.jsonl"].replace(b"b = 1", b"b = 7")
    second = [unit.stamp for unit in open_source(f"{store}/set").plan()]
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, True, True, True, False]


def test_archives_are_read_from_a_store(store: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("t-1/a.py", "a\n")
    OBJECTS["bucket/t-1.zip"] = buffer.getvalue()
    assert paths(f"{store}/t-1.zip") == ["a.py"]


def test_an_object_that_vanishes_is_counted(store: str) -> None:
    source = RowsSource(f"{store}/set/sub/b.jsonl")
    (unit,) = source.plan()
    del OBJECTS["bucket/set/sub/b.jsonl"]
    (item,) = source.read(unit)
    assert isinstance(item, Skipped)
    assert item.reason == "unreadable"


def test_what_is_not_there_is_one_line(store: str, tmp_path: Path) -> None:
    for location in (f"{store}/none", f"file://{tmp_path / 'none'}", "nosuchprotocol://x"):
        with pytest.raises(CorpusError) as raised:
            list(RowsSource(location).plan())
        assert "\n" not in str(raised.value)
