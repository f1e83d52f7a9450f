"""Hugging Face data sets, saved and streamed."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    # Where everything must be tested, a package that is missing is a failure.
    datasets = importlib.import_module("datasets") if os.environ.get("CI") else pytest.importorskip("datasets")

from indexer.sources import open_source  # noqa: E402
from indexer.sources.base import Item, SourceOptions  # noqa: E402
from indexer.sources.hub import DatasetsSource  # noqa: E402
from provenance.errors import CorpusError, ParameterError  # noqa: E402
from provenance.records import Document, Skipped  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS: dict[str, list[Any]] = {
    "content": [f"x = {i}\n" for i in range(5)],
    "repository_name": [f"o/n{i}" for i in range(5)],
    "path": [f"{i}.py" for i in range(5)],
    "licenses": [["mit"], ["isc"], [], ["mit", "zlib"], ["weird one"]],
    "embedding": [[0.5]] * 5,
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()


def items(source: Any) -> list[Item]:
    worker = pickle.loads(pickle.dumps(source))
    return [item for unit in source.plan() for item in worker.read(pickle.loads(pickle.dumps(unit)))]


def test_a_saved_data_set_is_recognised_and_read(tmp_path: Path) -> None:
    datasets.Dataset.from_dict(ROWS).save_to_disk(str(tmp_path / "set"))
    source = open_source(str(tmp_path / "set"))
    assert isinstance(source, DatasetsSource)
    documents = [item for item in items(source) if isinstance(item, Document)]
    assert [document.utf8 for document in documents] == [text.encode() for text in ROWS["content"]]
    assert [document.source.license for document in documents] == [
        "MIT",
        "ISC",
        "NOASSERTION",
        "MIT AND Zlib",
        "LicenseRef-weird-one",
    ]
    assert documents[0].source.repository == "o/n0"
    assert [unit.stamp for unit in source.plan()] == [unit.stamp for unit in open_source(str(tmp_path / "set")).plan()]


def test_splits_are_read_in_order_or_chosen(tmp_path: Path) -> None:
    splits = {name: datasets.Dataset.from_dict({"text": [f"{name}\n"]}) for name in ("train", "test")}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "set"))
    paths = [item.source.path for item in items(open_source(str(tmp_path / "set"))) if isinstance(item, Document)]
    assert [path.rpartition("/")[2] for path in paths] == ["test#0", "train#0"]
    chosen = DatasetsSource(f"datasets:{tmp_path / 'set'}?split=train")
    assert [item.utf8 for item in items(chosen) if isinstance(item, Document)] == [b"train\n"]
    with pytest.raises(CorpusError, match="'dev'; there are test, train"):
        items(DatasetsSource(f"datasets:{tmp_path / 'set'}?split=dev"))


def test_a_folder_of_files_is_streamed_by_shard(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    for shard in range(3):
        lines = [
            json.dumps({"content": f"{shard} {i}\n", "path": f"{shard}/{i}.py", "repo_name": "o/n"}) for i in range(2)
        ]
        (folder / f"train-{shard}.jsonl").write_text("\n".join(lines) + "\n")
    source = open_source(f"datasets:{folder}?split=train")
    units = list(source.plan())
    assert len(units) == 3
    found = [item for item in items(source) if isinstance(item, Document)]
    assert [document.source.path for document in found] == [f"{s}/{i}.py" for s in range(3) for i in range(2)]


def test_what_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as raised:
        list(DatasetsSource(f"datasets:{tmp_path / 'none'}").plan())
    assert "\n" not in str(raised.value)
    datasets.Dataset.from_dict({"number": [1]}).save_to_disk(str(tmp_path / "numbers"))
    with pytest.raises(CorpusError, match="text=NAME"):
        list(DatasetsSource(f"datasets:{tmp_path / 'numbers'}").plan())
    with pytest.raises(ParameterError, match="colour"):
        DatasetsSource("datasets:x?colour=red")


def test_columns_can_be_mapped(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"src": ["x = 1\n"], "where": ["a.py"]}).save_to_disk(str(tmp_path / "set"))
    options = SourceOptions(columns=(("text", "src"), ("path", "where")))
    (document,) = items(open_source(str(tmp_path / "set"), options))
    assert isinstance(document, Document)
    assert document.source.path == "a.py"


def test_a_shard_that_breaks_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "train-0.jsonl").write_text('{"content": "a\\n"}\n')
    (folder / "train-1.jsonl").write_text('{"content": "b\\n"}\n')
    source = open_source(f"datasets:{folder}?split=train")
    units = list(source.plan())
    (folder / "train-1.jsonl").write_text('{"content": ')
    found = [item for unit in units for item in source.read(unit)]
    assert [type(item) for item in found] == [Document, Skipped]
