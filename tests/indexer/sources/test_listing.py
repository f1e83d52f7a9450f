"""Folders of tables and archives: what is taken for one, what is counted instead, what is waited for (nothing)."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from indexer.sources import open_source
from indexer.sources.base import Item
from provenance.errors import CorpusError
from provenance.records import Document, Skipped


def items(location: Path) -> list[Item]:
    source = open_source(str(location))
    return [item for unit in source.plan() for item in source.read(unit)]


def seen(location: Path) -> list[tuple[str, str]]:
    """Return the place and reason of what was skipped, the path and "read" of what was not."""
    return [
        (item.source.path, "read") if isinstance(item, Document) else (item.path, getattr(item, "reason", "remark"))
        for item in items(location)
    ]


def row(path: str) -> bytes:
    return json.dumps({"content": f"{path} = 1\n", "path": path}).encode() + b"\n"


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.parquet", "x.zip", "x.tar.gz", "x.py"])
def test_a_pipe_alone_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(CorpusError, match="not a file but a pipe or device"):
        items(tmp_path / name)


def test_pipes_and_links_beside_tables_are_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_bytes(row("b.py"))
    (tmp_path / "c.jsonl").symlink_to("b.jsonl")
    (tmp_path / "d.jsonl").symlink_to("gone")
    assert seen(tmp_path) == [
        ("a.jsonl", "not a file"), ("c.jsonl", "symbolic link"), ("d.jsonl", "symbolic link"), ("b.py", "read"),
    ]  # fmt: skip


def test_pipes_beside_archives_are_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "t-1.zip", "w") as archive:
        archive.writestr("t-1/a.py", "a = 1\n")
    assert seen(tmp_path) == [("a.zip", "not a file"), ("a.py", "read")]


def test_a_table_that_became_a_pipe_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_bytes(row("b.py"))
    source = open_source(str(path))
    (unit,) = source.plan()
    path.unlink()
    os.mkfifo(path)
    (item,) = source.read(unit)
    assert isinstance(item, Skipped)
    assert (item.reason, item.detail) == ("unreadable", "not a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_beside_tables_is_counted(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl", "shut/c.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(row(name))
    (tmp_path / "a.jsonl").chmod(0)
    (tmp_path / "shut").chmod(0)
    try:
        assert sorted(seen(tmp_path)) == [("a.jsonl", "no permission"), ("b.jsonl", "read"), ("shut", "no permission")]
    finally:
        (tmp_path / "shut").chmod(0o700)


def test_a_data_set_cloned_with_git_is_a_folder_of_tables(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in (".git/HEAD", ".gitattributes", "README.md"):
        (tmp_path / name).write_text("something\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_bytes(row("a.py"))
    assert seen(tmp_path) == [("a.py", "read")]


def test_a_snapshot_in_the_cache_of_hugging_face_is_read_through_its_links(tmp_path: Path) -> None:
    cache = tmp_path / "datasets--owner--name"
    snapshot = cache / "snapshots" / "0123abcd"
    (cache / "blobs").mkdir(parents=True)
    (snapshot / "data").mkdir(parents=True)
    (cache / "blobs" / "ffff").write_bytes(row("a.py"))
    (snapshot / "data" / "train.jsonl").symlink_to("../../../blobs/ffff")
    (tmp_path / "elsewhere.jsonl").write_bytes(row("secret.py"))
    (snapshot / "data" / "x.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    assert seen(snapshot) == [("data/x.jsonl", "symbolic link"), ("a.py", "read")]
    # The same links somewhere else mean nothing.
    moved = tmp_path / "moved"
    shutil.copytree(snapshot, moved, symlinks=True)
    assert [reason for _, reason in seen(moved)] == ["symbolic link", "symbolic link"]
