"""What stands at a location is found out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from indexer.sources.directory import DirectorySource
from indexer.sources.git import GitSource
from indexer.sources.rows import RowsSource
from provenance.errors import CorpusError, ParameterError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path / "work")], check=True)
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare.git")], check=True)
    (tmp_path / "tables" / "data").mkdir(parents=True)
    (tmp_path / "tables" / "README.md").touch()
    (tmp_path / "tables" / "data" / "train-0.parquet").touch()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "x.parquet").touch()
    (tmp_path / "mixed" / "x.py").touch()
    (tmp_path / "rows.jsonl.gz").touch()
    (tmp_path / "odd@name").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("work", DirectorySource),
        ("work@HEAD", GitSource),
        ("bare.git", GitSource),
        ("bare.git@v1", GitSource),
        ("tables", RowsSource),
        ("mixed", DirectorySource),
        ("rows.jsonl.gz", RowsSource),
        ("mixed/x.py", DirectorySource),
        ("odd@name", DirectorySource),
    ],
)
def test_a_location_tells_what_it_is(tree: Path, location: str, kind: type) -> None:
    assert type(open_source(str(tree / location))) is kind


def test_a_revision_makes_a_work_tree_a_git_source(tree: Path) -> None:
    source = open_source(str(tree / "work"), SourceOptions(revision="v2"))
    assert isinstance(source, GitSource)
    assert source.location.endswith("work@v2")
    assert open_source(f"git:{tree / 'work'}@v3").location.endswith("work@v3")
    assert open_source(f"git:{tree / 'work'}").location.endswith("work@HEAD")


def test_an_address_is_read_through_fsspec() -> None:
    assert isinstance(open_source("s3://bucket/rows"), RowsSource)


def test_a_format_can_be_forced_and_an_unknown_one_is_refused(tree: Path) -> None:
    assert isinstance(open_source(str(tree / "tables"), SourceOptions(format="directory")), DirectorySource)
    assert isinstance(open_source(str(tree / "mixed"), SourceOptions(format="parquet")), RowsSource)
    with pytest.raises(ParameterError, match="tape"):
        open_source(str(tree), SourceOptions(format="tape"))


def test_nothing_there_is_one_line(tree: Path) -> None:
    with pytest.raises(CorpusError, match="no such file"):
        open_source(str(tree / "none"))
    with pytest.raises(CorpusError, match="no such file"):
        open_source(str(tree / "mixed@v1"))
