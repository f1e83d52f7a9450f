"""A scripted model, which recites the corpus after chosen prompts, and a small corpus with licences."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.guard import models, scripted
from benchmarks.guard.scripted import Recital, function, runs
from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.index import Index

RECITED = 900
COLUMNS = {"text": "content", "path": "path", "repository": "repo", "url": "url", "license": "license"}


@pytest.fixture(scope="session")
def function_of() -> object:
    return function


LICENSES = ("MIT", "GPL-3.0-only", "LGPL-2.1-only", "NOASSERTION", "BUSL-1.1", "Apache-2.0 OR GPL-2.0-only")


@pytest.fixture(scope="session")
def licensed_rows() -> list[dict[str, str]]:
    """Rows 0..5: one function each under each licence; row 6 on: one function that twelve repositories have."""
    rows = [
        {
            "content": function(number),
            "path": f"src/part{number}.py",
            "repo": f"github.com/owner{number}/code",
            "url": f"https://github.com/owner{number}/code/blob/v1/src/part{number}.py",
            "license": license,
        }
        for number, license in enumerate(LICENSES)
    ]
    rows += [
        {
            "content": f"# {number}\n" + function(99),
            "path": "vendored.py",
            "repo": f"github.com/many{number}/code",
            "url": "",
            "license": "GPL-2.0-only",
        }
        for number in range(12)
    ]
    return rows


@pytest.fixture(scope="session")
def licensed_folder(licensed_rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("licensed")
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in licensed_rows))
    options = SourceOptions(columns=tuple(COLUMNS.items()))
    build([open_source(str(folder / "rows.jsonl"), options)], folder / "index", corpus_name="licensed", workers=1)
    return folder / "index"


@pytest.fixture(scope="session")
def licensed(licensed_folder: Path) -> Iterator[Index]:
    with Index.open(licensed_folder) as index:
        yield index


@pytest.fixture(scope="session")
def corpus(demo_index: Path) -> Iterator[Index]:
    with Index.open(demo_index) as index:
        yield index


@pytest.fixture(scope="session")
def corpus_texts(corpus: Index) -> list[str]:
    return [corpus.text(ref).decode() for ref in corpus.refs()]


@pytest.fixture(scope="session")
def scan() -> object:
    return runs


@pytest.fixture(scope="session")
def recitals(corpus_texts: list[str]) -> list[Recital]:
    """A thousand answers with parts of the corpus in prose or code."""
    return scripted.recitals(corpus_texts)


@pytest.fixture(scope="session")
def recited(corpus_texts: list[str]) -> str:
    """The part of a file of the corpus that the model knows by heart."""
    (text,) = [text for text in corpus_texts if "class JSONDecoder" in text]
    at = text.index("class JSONDecoder")
    return text[at : at + RECITED]


@pytest.fixture(scope="session")
def trained(recited: str) -> tuple[Any, Any]:
    """A GPTBigCode model and its BPE tokenizer."""
    if not os.environ.get("CI"):
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
    return models.trained(recited)
