"""Every published schema, with its exact types, read back with its own repository, path and licence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from indexer.sources.base import Remark
from indexer.sources.row_values import iso_date
from indexer.sources.rows import RowsSource
from indexer.sources.schemas import recognise
from indexer.sources.starcoder import starcoder_text
from provenance.errors import CorpusError
from provenance.records import Document, Skipped, Source

from . import tables


def read(path: Path) -> tuple[list[Document], list[Skipped], list[Remark]]:
    source = RowsSource(str(path))
    found = [item for unit in source.plan() for item in source.read(unit)]
    return (
        [item for item in found if isinstance(item, Document)],
        [item for item in found if isinstance(item, Skipped)],
        [item for item in found if isinstance(item, Remark)],
    )


def only(path: Path) -> Source:
    ((document,), skipped, _) = read(path)
    assert not skipped
    return document.source


def test_the_stack_v1(tmp_path: Path) -> None:
    path = tables.write(tmp_path / "x.parquet", tables.STACK_V1, tables.stack_v1_rows(8))
    documents, skipped, _ = read(path)
    assert not skipped
    assert [document.utf8.decode() for document in documents] == [f"value = {i}\n" for i in range(8)]
    first = documents[0].source
    assert (first.repository, first.path, first.revision) == ("starsowner/repo0", "stars/file0.py", "0" * 40)
    assert (first.license, first.license_origin, first.license_scope) == ("MIT", "record", "repository")
    assert (first.stars, first.date, first.language) == (0, "2015-02-03T04:05:06.000Z", "Python")
    assert first.url == f"https://github.com/starsowner/repo0/blob/{'0' * 40}/stars/file0.py"
    assert documents[1].source.license == "Apache-2.0 AND MIT"
    assert (documents[2].source.repository, documents[2].source.stars) == ("issuesowner/repo2", None)
    assert (documents[3].source.license, documents[3].source.license_origin) == ("NOASSERTION", "none")


def test_the_stack_v1_as_pandas_copies_it(tmp_path: Path) -> None:
    schema = tables.STACK_V1
    position = schema.get_field_index("max_stars_count")
    schema = schema.set(position, pa.field("max_stars_count", pa.float64()))
    rows = tables.stack_v1_rows(2)
    rows[0]["max_stars_count"], rows[1]["max_stars_count"] = 17.0, float("nan")
    documents, _, _ = read(tables.write(tmp_path / "x.parquet", schema, rows))
    assert [document.source.stars for document in documents] == [17, None]


def test_the_stack_smol(tmp_path: Path) -> None:
    row = {"content": "x\n", "licenses": ["mit"], "repository_name": "o/n", "path": "a/b.rs", "lang": "Rust", "size": 2}
    source = only(tables.write(tmp_path / "x.parquet", tables.STACK_SMOL, [row]))
    assert (source.repository, source.path, source.license, source.language) == ("o/n", "a/b.rs", "MIT", "Rust")


@pytest.mark.parametrize("column", ["content", "text"])
def test_starcoderdata_files_and_kinds(tmp_path: Path, column: str) -> None:
    schema = tables.STARCODER.set(4, pa.field(column, pa.string()))
    about = {"max_stars_repo_path": "a.py", "max_stars_repo_name": "o/n", "max_stars_count": 3, "id": "7"}
    nothing = dict.fromkeys(about)
    texts = [
        (about, "<reponame>o/n<filename>a.py<gh_stars>1-10\nx = 1\n", "x = 1\n", "file"),
        (nothing, "<reponame>p/q<filename>b/c.c\nint c;\n", "int c;\n", "file"),
        (nothing, "<filename>only.go\npackage a\n", "package a\n", "file"),
        (about, "plain\n", "plain\n", "file"),
        (nothing, "<commit_before>a\n<commit_msg>m<commit_after>b\n", None, "commit"),
        (nothing, "<issue_start><issue_comment>username_0: it breaks\n<issue_closed>", None, "issue"),
        (nothing, "<jupyter_start><jupyter_text>t\n<jupyter_code>c\n<jupyter_output><empty_output>", None, "notebook"),
    ]
    rows = [{**named, column: text} for named, text, _, _ in texts]
    documents, skipped, _ = read(tables.write(tmp_path / "x.parquet", schema, rows, 3))
    assert not skipped
    for document, (_, text, expected, kind) in zip(documents, texts, strict=True):
        assert document.utf8.decode() == (expected if expected is not None else text)
        assert document.source.kind == kind
        assert document.source.license == "NOASSERTION"
    assert [(d.source.repository, d.source.path) for d in documents[:3]] == [
        ("o/n", "a.py"),
        ("p/q", "b/c.c"),
        ("x.parquet", "only.go"),
    ]
    assert documents[0].source.stars == 3


def test_starcoder_tokens_mean_the_same_in_whatever_columns(tmp_path: Path) -> None:
    texts = [
        "<issue_start><issue_comment>username_0: it breaks\n",
        "<reponame>p/q<filename>b/c.c\nint c;\n",
        "<jupyter_code>x\n",
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"content": text, "issue_id": 7.0}) + "\n" for text in texts))
    documents, _, _ = read(path)
    assert [(d.source.kind, d.source.repository, d.source.path) for d in documents] == [
        ("issue", "x.jsonl", "x.jsonl#0"),
        ("file", "p/q", "b/c.c"),
        ("notebook", "x.jsonl", documents[2].source.path),
    ]
    assert documents[1].source.url == "https://github.com/p/q/blob/HEAD/b/c.c"


def test_a_prefix_is_cut_only_where_it_is_one() -> None:
    assert starcoder_text("<reponame>no newline after") == ("<reponame>no newline after", "file", {})
    assert starcoder_text("x = '<reponame>'\n") == ("x = '<reponame>'\n", "file", {})
    assert starcoder_text("<gh_stars>0\nx")[0] == "x"


def test_the_stack_v2_with_content(tmp_path: Path) -> None:
    rows = [
        tables.stack_v2_row(),
        tables.stack_v2_row(detected_licenses=[], license_type="no_license", path="/b.go"),
        tables.stack_v2_row(detected_licenses=None, license_type=None, gha_license_id="gpl-3.0", path="/c.go"),
        tables.stack_v2_row(detected_licenses=["weird licence"], path="/d.go"),
        tables.stack_v2_row(content=None, path="/e.go"),
    ]
    documents, skipped, remarks = read(tables.write(tmp_path / "x.parquet", tables.STACK_V2, rows))
    first = documents[0].source
    assert (first.repository, first.path, first.revision) == ("owner/tool", "src/main.go", "f" * 40)
    assert (first.license, first.license_origin, first.license_scope) == ("BSD-3-Clause", "record", "file")
    assert (first.stars, first.date, first.generated, first.vendored) == (12, "2020-01-02T03:04:05", True, False)
    assert [document.source.license for document in documents[1:]] == [
        "NONE",
        "GPL-3.0-only",
        "LicenseRef-weird-licence",
    ]
    assert documents[2].source.license_scope == "repository"
    assert [item.reason for item in skipped] == ["no text"]
    assert [item.detail for item in remarks] == ["weird licence"]


def test_the_stack_v2_without_content_says_what_is_missing(tmp_path: Path) -> None:
    schema = tables.STACK_V2.remove(tables.STACK_V2.get_field_index("content"))
    row = tables.stack_v2_row()
    del row["content"]
    with pytest.raises(CorpusError, match="no content, only blob ids"):
        read(tables.write(tmp_path / "x.parquet", schema, [row]))
    ids = [{"repo_name": "o/n", "files": [{"blob_id": "0", "path": "/a", "detected_licenses": []}]}]
    with pytest.raises(CorpusError, match="files without content"):
        read(tables.write(tmp_path / "y.parquet", tables.V2_TRAIN_IDS, ids))


def test_the_stack_v3_rows_are_repositories(tmp_path: Path) -> None:
    def file(name: str, **changes: Any) -> dict[str, Any]:
        return {
            "content": f"// {name}\n",
            "file_path": name,
            "file_timestamp": 1_700_000_000,
            "language": "C",
            "is_vendor": False,
            "license_type": "permissive",
            "detected_licenses": ["MIT"],
            **changes,
        }

    rows: list[dict[str, Any]] = [
        {
            "repo_path": "o/a",
            "commit_id": "a" * 40,
            "github_metadata": {"stars": 5, "is_fork": True},
            "files": [file("x.c"), file("lib/y.c", detected_licenses=None, license_type="no_license", is_vendor=True)],
        },
        {"repo_path": "o/empty", "commit_id": "b" * 40, "github_metadata": None, "files": []},
        {"repo_path": "o/null", "commit_id": None, "github_metadata": None, "files": None},
        {
            "repo_path": "o/b",
            "commit_id": "c" * 40,
            "github_metadata": None,
            "files": [None, file("z.c", content=None)],
        },
        {"repo_path": "o/c", "commit_id": "d" * 40, "github_metadata": None, "files": [file("w.c")]},
    ]
    documents, skipped, _ = read(tables.write(tmp_path / "x.parquet", tables.STACK_V3, rows))
    assert [(d.source.repository, d.source.path, d.source.license) for d in documents] == [
        ("o/a", "x.c", "MIT"),
        ("o/a", "lib/y.c", "NONE"),
        ("o/c", "w.c", "MIT"),
    ]
    first = documents[0].source
    assert (first.stars, first.fork, first.date, first.revision) == (5, True, "2023-11-14T22:13:20+00:00", "a" * 40)
    assert documents[1].source.vendored is True
    assert [item.reason for item in skipped] == ["no text"] * 3


def test_github_code_and_codeparrot(tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "code": "x\n",
        "repo_name": "o/n",
        "path": "a.java",
        "language": "Java",
        "license": "apache-2.0",
    }
    source = only(tables.write(tmp_path / "x.parquet", tables.GITHUB_CODE, [row]))
    assert (source.repository, source.path, source.license, source.language) == ("o/n", "a.java", "Apache-2.0", "Java")
    row = {
        "repo_name": "o/n",
        "path": "b.py",
        "copies": "3",
        "size": "12",
        "content": "y\n",
        "license": "gpl-2.0",
        "hash": 7,
        "autogenerated": True,
    }
    source = only(tables.write(tmp_path / "y.parquet", tables.CODEPARROT, [row]))
    assert (source.path, source.license, source.generated) == ("b.py", "GPL-2.0-only", True)


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def test_dolma(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "x.json.gz",
        {"id": "a1", "text": "x\n", "source": "stack", "created": "2021-05-06T00:00:00Z", "metadata": None},
        {
            "id": "a2",
            "text": "y\n",
            "source": "stack",
            "metadata": {
                "max_stars_repo_name": "o/n",
                "max_stars_repo_path": "y.py",
                "max_stars_repo_licenses": ["ISC"],
                "lang": "Python",
            },
        },
        {"id": "a3", "text": "z\n", "source": "web", "metadata": {"path": "z.c", "repo_name": "p/q", "license": "mit"}},
    )
    documents, _, _ = read(path)
    assert [(d.source.repository, d.source.path, d.source.license) for d in documents] == [
        ("stack", "a1", "NOASSERTION"),
        ("o/n", "y.py", "ISC"),
        ("p/q", "z.c", "MIT"),
    ]
    assert documents[0].source.date == "2021-05-06T00:00:00Z"


def test_redpajama_with_its_metadata_as_object_json_or_python(tmp_path: Path) -> None:
    meta = {
        "repo_name": "o/n",
        "path": "src/a.cpp",
        "license": "bsd-3-clause",
        "ref": "refs/heads/main",
        "language": [{"name": "C", "bytes": "10"}, {"name": "C++", "bytes": "900"}],
    }
    for name, written in (("object", meta), ("json", json.dumps(meta)), ("python", repr(meta))):
        path = jsonl(tmp_path / f"{name}.jsonl.gz", {"text": "x\n", "meta": written, "red_pajama_subset": "github"})
        source = only(path)
        assert (source.repository, source.path, source.license) == ("o/n", "src/a.cpp", "BSD-3-Clause"), name
        assert source.language == "C++"


def test_rows_with_a_metadata_struct_are_looked_into(tmp_path: Path) -> None:
    row = {"text": "x\n", "id": "shard/7", "media": [], "metadata": {"repo_name": "o/n", "license": "MIT"}}
    source = only(jsonl(tmp_path / "x.jsonl.gz", row))
    assert (source.repository, source.path, source.license) == ("o/n", "shard/7", "MIT")


def test_a_header_in_the_text_is_nearer_than_the_licences_of_the_repository(tmp_path: Path) -> None:
    text = "# SPDX-License-Identifier: Zlib\n"
    row = {"content": text, "licenses": ["mit"], "repository_name": "o/n", "path": "a.py", "lang": "Python"}
    source = only(tables.write(tmp_path / "x.parquet", tables.STACK_SMOL, [row]))
    assert (source.license, source.license_origin) == ("Zlib", "header")
    row = tables.stack_v2_row(content=text)
    source = only(tables.write(tmp_path / "y.parquet", tables.STACK_V2, [row]))
    assert (source.license, source.license_origin) == ("BSD-3-Clause", "record")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, "2023-11-14T22:13:20+00:00"),
        ("2020-01-01", "2020-01-01"),
        ("yesterday", None),
        (True, None),
        (1e300, None),
    ],
)
def test_dates_are_iso_8601(value: object, expected: str | None) -> None:
    assert iso_date(value) == expected


def test_columns_that_hold_no_text_are_refused() -> None:
    with pytest.raises(CorpusError, match="map one"):
        recognise({"a": frozenset(), "b": frozenset()})
