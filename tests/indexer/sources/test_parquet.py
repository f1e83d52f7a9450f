"""Parquet: row groups, columns, damage."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexer.sources.base import Item, SourceOptions
from indexer.sources.rows import RowsSource
from provenance.errors import CorpusError
from provenance.records import Document, Skipped

from . import tables


def items(source: RowsSource) -> list[Item]:
    return [item for unit in source.plan() for item in source.read(unit)]


def test_a_unit_is_a_row_group_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    path = tables.write(
        tmp_path / "x.parquet", pa.schema([("text", pa.string())]), [{"text": f"{i}\n"} for i in range(7)], 3
    )
    source = RowsSource(str(path))
    assert [[item.source.path for item in source.read(unit)] for unit in source.plan()] == [  # type: ignore[union-attr]
        ["x.parquet#0", "x.parquet#1", "x.parquet#2"],
        ["x.parquet#3", "x.parquet#4", "x.parquet#5"],
        ["x.parquet#6"],
    ]


def test_large_dictionary_view_and_binary_columns_are_text(tmp_path: Path) -> None:
    for name, column in {
        "large": pa.array(["a\n", None, "b\n"], pa.large_string()),
        "dictionary": pa.array(["a\n", None, "b\n"]).dictionary_encode(),
        "binary": pa.array([b"a\n", None, b"b\n"], pa.binary()),
    }.items():
        pq.write_table(pa.table({"content": column}), tmp_path / f"{name}.parquet")
        found = items(RowsSource(str(tmp_path / f"{name}.parquet")))
        assert [type(item) for item in found] == [Document, Skipped, Document], name
        assert [item.utf8 for item in found if isinstance(item, Document)] == [b"a\n", b"b\n"]


def test_bytes_in_another_encoding_are_decoded(tmp_path: Path) -> None:
    pq.write_table(pa.table({"content": [b"caf\xe9\n", b"\0\1\2"]}), tmp_path / "x.parquet")
    document, binary = items(RowsSource(str(tmp_path / "x.parquet")))
    assert isinstance(document, Document)
    assert document.utf8.decode() == "café\n"
    assert isinstance(binary, Skipped)
    assert binary.reason == "binary"


def test_values_that_python_has_no_form_for_do_not_cost_the_row_group(tmp_path: Path) -> None:
    raw = pa.array([b"a = 1\n", b"# caf\xe9\n", b"b = 2\n"], pa.binary())
    table = pa.table(
        {
            "content": pa.Array.from_buffers(pa.string(), 3, raw.buffers()),
            "committer_date": pa.array([1 << 60, 0, None], pa.timestamp("us")),
            "licenses": [["MIT"], None, ["Apache-2.0", None]],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    found = [item for item in items(RowsSource(str(tmp_path / "x.parquet"))) if isinstance(item, Document)]
    assert [item.utf8.decode() for item in found] == ["a = 1\n", "# café\n", "b = 2\n"]
    assert [item.source.date for item in found] == [None, "1970-01-01 00:00:00.000000", None]
    assert [item.source.license for item in found] == ["MIT", "NOASSERTION", "Apache-2.0"]


def test_nanoseconds_and_broken_text_inside_of_repository_rows(tmp_path: Path) -> None:
    file = pa.struct([("content", pa.large_string()), ("file_path", pa.string()), ("file_timestamp", pa.date64())])
    rows = [[{"content": "a = 1\n", "file_path": "a.py", "file_timestamp": 1 << 60}, None], None, []]
    table = pa.table({"repo_path": ["o/n", "o/m", None], "files": pa.array(rows, pa.large_list(file))})
    pq.write_table(table, tmp_path / "x.parquet")
    found = items(RowsSource(str(tmp_path / "x.parquet")))
    assert [item.source.path for item in found if isinstance(item, Document)] == ["a.py"]
    assert [item.path for item in found if isinstance(item, Skipped)] == ["x.parquet#0/1", "x.parquet#1"]


def test_two_columns_of_one_name_are_refused_where_they_matter(tmp_path: Path) -> None:
    for names, fine in ((("content", "content", "path"), False), (("content", "other", "other"), True)):
        table = pa.Table.from_arrays([pa.array(["a\n"]), pa.array(["b"]), pa.array(["c"])], names=list(names))
        pq.write_table(table, tmp_path / "x.parquet")
        if fine:
            assert len(items(RowsSource(str(tmp_path / "x.parquet")))) == 1
        else:
            with pytest.raises(CorpusError, match="two columns are called 'content'"):
                list(RowsSource(str(tmp_path / "x.parquet")).plan())


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"content": "a\n", "path": "a.py", "embedding": [0.5] * 10}]
    schema = pa.schema([("content", pa.string()), ("path", pa.string()), ("embedding", pa.list_(pa.float64()))])
    path = tables.write(tmp_path / "x.parquet", schema, rows)
    asked = []
    original = pq.ParquetFile.iter_batches

    def spy(self, size, groups, columns, **rest):  # type: ignore[no-untyped-def]
        asked.append(set(columns))
        return original(self, size, groups, columns, **rest)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    assert len(items(RowsSource(str(path)))) == 1
    assert asked == [{"content", "path"}]


def test_a_corrupt_row_group_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    rows = [
        {"content": "".join(f"{random.Random(50 * i + j).getrandbits(200):x}\n" for j in range(40))} for i in range(6)
    ]
    schema = pa.schema([("content", pa.string())])
    path = tables.write(
        tmp_path / "x.parquet", schema, rows, 2, compression="zstd", use_dictionary=False, write_page_checksum=True
    )
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    inside = chunk.data_page_offset + chunk.total_compressed_size - 200
    raw = bytearray(path.read_bytes())
    raw[inside : inside + 10] = b"\xa5" * 10
    path.write_bytes(raw)
    found = items(RowsSource(str(path)))
    documents = [item.source.path for item in found if isinstance(item, Document)]
    assert documents == ["x.parquet#0", "x.parquet#1", "x.parquet#4", "x.parquet#5"]
    (skipped,) = (item for item in found if isinstance(item, Skipped))
    assert skipped.reason == "corrupt row group"
    assert skipped.path == "x.parquet#2 (row group 1)"
    assert "\n" not in skipped.detail


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty"])
def test_a_file_that_is_no_parquet_is_an_error_alone_and_counted_among_others(tmp_path: Path, damage: str) -> None:
    good = tables.write(tmp_path / "set" / "a.parquet", pa.schema([("text", pa.string())]), [{"text": "a\n"}])
    raw = good.read_bytes()
    bad = tmp_path / "set" / "b.parquet"
    bad.write_bytes(
        {"truncated": raw[: len(raw) // 2], "foreign": b"PAR1" + b"x" * 500 + b"PAR1", "empty": b""}[damage]
    )
    with pytest.raises(CorpusError) as raised:
        list(RowsSource(str(bad)).plan())
    assert "b.parquet" in str(raised.value)
    assert "\n" not in str(raised.value)
    found = items(RowsSource(str(tmp_path / "set")))
    assert [item.source.path if isinstance(item, Document) else item.reason for item in found] == [  # type: ignore[union-attr]
        "a.parquet#0",
        "unreadable table",
    ]


def test_wrong_column_types_and_missing_text_are_refused_with_what_to_do(tmp_path: Path) -> None:
    wrong = tables.write(tmp_path / "a.parquet", pa.schema([("content", pa.int64())]), [{"content": 1}])
    with pytest.raises(CorpusError, match="'content' is int64.*--column text=NAME"):
        list(RowsSource(str(wrong)).plan())
    lacking = tables.write(tmp_path / "b.parquet", pa.schema([("embedding", pa.float64())]), [{"embedding": 1.0}])
    with pytest.raises(CorpusError, match="embedding.*--column text=NAME"):
        list(RowsSource(str(lacking)).plan())


def test_any_column_can_be_mapped(tmp_path: Path) -> None:
    schema = pa.schema([("src", pa.string()), ("where", pa.string()), ("meta", pa.struct([("repo", pa.string())]))])
    rows = [{"src": "x = 1\n", "where": "a.py", "meta": {"repo": "o/n"}}]
    path = tables.write(tmp_path / "x.parquet", schema, rows)
    columns = (("text", "src"), ("path", "where"), ("repository", "meta.repo"))
    (document,) = items(RowsSource(str(path), SourceOptions(columns=columns)))
    assert isinstance(document, Document)
    assert (document.source.path, document.source.repository, document.utf8) == ("a.py", "o/n", b"x = 1\n")
    with pytest.raises(CorpusError, match="'gone'"):
        list(RowsSource(str(path), SourceOptions(columns=(("text", "gone"),))).plan())


def test_a_column_with_a_dot_in_its_name_is_itself_first(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a.b": ["x = 1\n"], "a": [{"b": "inside"}], "p": ["q.py"]}), tmp_path / "x.parquet")
    columns = (("text", "a.b"), ("path", "p"))
    (document,) = items(RowsSource(str(tmp_path / "x.parquet"), SourceOptions(columns=columns)))
    assert isinstance(document, Document)
    assert (document.utf8, document.source.path) == (b"x = 1\n", "q.py")
    with pytest.raises(CorpusError, match="no column 'gone' for path .found a, a.b, p"):
        list(RowsSource(str(tmp_path / "x.parquet"), SourceOptions(columns=(*columns[:1], ("path", "gone")))).plan())


def test_a_file_that_another_one_replaces_after_planning_is_counted(tmp_path: Path) -> None:
    schema = pa.schema([("content", pa.string())])
    path = tables.write(tmp_path / "x.parquet", schema, [{"content": f"{i}\n"} for i in range(4)], 2)
    source = RowsSource(str(path))
    units = list(source.plan())
    for rows, expected in (([{"content": "b\n"}], ["document", "corrupt row group"]), ([], ["corrupt row group"])):
        tables.write(path, schema, rows)
        found = [item for unit in units for item in source.read(unit)]
        assert [item.reason if isinstance(item, Skipped) else "document" for item in found] == expected
    tables.write(path, pa.schema([("other", pa.string())]), [{"other": "b\n"}])
    assert [getattr(item, "reason", None) for item in source.read(units[0])] == ["unreadable table"]


def test_a_folder_of_shards_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    for name in ("data/train-00001.parquet", "data/train-00000.parquet", "test/x.parquet"):
        tables.write(tmp_path / "set" / name, schema, [{"text": f"{name}\n"}])
    (tmp_path / "set" / "README.md").write_text("not a table")
    found = [item.source.path for item in items(RowsSource(str(tmp_path / "set"))) if isinstance(item, Document)]
    assert found == ["data/train-00000.parquet#0", "data/train-00001.parquet#0", "test/x.parquet#0"]


def test_memory_does_not_grow_with_the_row_group(tmp_path: Path) -> None:
    text = "some code that repeats\n" * 400
    table = pa.table({"content": [text] * 12_000})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=12_000, use_dictionary=False, data_page_size=1 << 20)
    expected = table.num_rows
    del table
    before = pa.total_allocated_bytes()
    source = RowsSource(str(tmp_path / "x.parquet"))
    (unit,) = source.plan()
    count, peak = 0, 0
    for _ in source.read(unit):
        count += 1
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert count == expected
    assert len(text) * expected > 100_000_000
    assert peak < 40_000_000
