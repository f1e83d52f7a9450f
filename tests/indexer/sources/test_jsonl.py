"""JSON Lines: ranges, compression, damage, hostile rows."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.rules import Rules
from indexer.sources import jsonl
from indexer.sources.base import Item, Remark, SourceOptions
from indexer.sources.files import DataFile
from indexer.sources.intake import Origin
from indexer.sources.row_values import RowText
from indexer.sources.rows import RowsSource
from provenance.errors import CorpusError
from provenance.records import Document, Skipped

ROWS = [{"content": f"line {i}\n", "path": f"dir/{i}.py", "repo_name": "o/n", "license": "mit"} for i in range(50)]


def items(source: RowsSource) -> list[Item]:
    return [item for unit in source.plan() for item in source.read(unit)]


def documents(source: RowsSource) -> list[Document]:
    return [item for item in items(source) if isinstance(item, Document)]


def reasons(source: RowsSource) -> dict[str, str]:
    return {item.path: item.reason for item in items(source) if isinstance(item, Skipped)}


def lines(rows: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_plain_and_compressed_files_give_the_same_documents(tmp_path: Path, suffix: str) -> None:
    raw = lines(ROWS)
    packed = {
        ".jsonl": raw,
        ".jsonl.gz": gzip.compress(raw[:700]) + gzip.compress(raw[700:]),
        ".jsonl.zst": zstandard.compress(raw[:700]) + zstandard.compress(raw[700:]),
    }
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(packed[suffix])
    found = documents(RowsSource(str(path)))
    assert [document.utf8.decode() for document in found] == [row["content"] for row in ROWS]
    source = found[3].source
    assert (source.repository, source.path, source.license, source.license_origin) == (
        "o/n",
        "dir/3.py",
        "MIT",
        "record",
    )
    assert source.language == "Python"


@given(
    st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")), max_size=12),
    st.lists(st.integers(0, 200), max_size=6),
    st.booleans(),
)
def test_every_line_belongs_to_exactly_one_range_however_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], cuts: list[int], ended: bool
) -> None:
    raw = b"\n".join(texts) + (b"\n" if ended and texts else b"")
    path = tmp_path_factory.mktemp("cut") / "x.jsonl"
    path.write_bytes(raw)
    borders = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    found = []
    for start, end in zip(borders, borders[1:], strict=False):
        with path.open("rb") as stream:
            found.extend(jsonl._lines(stream, start, end, 1000))
    expected, offset = [], 0
    for line in raw.splitlines(keepends=True) if b"\r" not in raw else []:
        expected.append((offset, line))
        offset += len(line)
    if b"\r" not in raw and b"\x0b" not in raw and b"\x0c" not in raw:
        assert b"".join(line for _, line in found if line is not None) == raw
    assert [offset for offset, _ in found] == sorted({offset for offset, _ in found})
    assert b"".join(line for _, line in found if line is not None) == raw


def test_a_row_without_a_path_is_named_by_its_offset_whatever_the_compression(tmp_path: Path) -> None:
    raw = lines([{"text": "a\n"}, {"text": "b\n"}])
    (tmp_path / "x.jsonl").write_bytes(raw)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(raw))
    plain = [document.source.path for document in documents(RowsSource(str(tmp_path / "x.jsonl")))]
    packed = [document.source.path for document in documents(RowsSource(str(tmp_path / "x.jsonl.gz")))]
    assert plain == ["x.jsonl#0", "x.jsonl#16"]
    assert packed == ["x.jsonl.gz#0", "x.jsonl.gz#16"]


def test_columns_can_be_mapped_also_into_structs(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines([{"src": "x = 1\n", "about": {"where": "a/b.py"}, "who": "me", "lic": ["MIT", "ISC"]}]))
    columns = (("text", "src"), ("path", "about.where"), ("repository", "who"), ("license", "lic"))
    (found,) = documents(RowsSource(str(path), SourceOptions(columns=columns)))
    assert (found.source.path, found.source.repository, found.source.license) == ("a/b.py", "me", "ISC AND MIT")


def test_rows_that_cannot_be_read_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = lines(ROWS[:1])
    bad = [
        b'{"content": "x"',
        b"[1, 2]",
        b'"text"',
        b'{"content": null, "path": "n.py"}',
        b'{"content": 7, "path": "n.py"}',
        b'{"nothing": "here"}',
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b'{"content": ' + b"1" * 5000 + b"}",
        b'{"content": "a\\u0000b", "path": "z.py"}',
        b'{"content": "", "path": "e.py"}',
    ]
    path.write_bytes(good + b"\n".join(bad) + b"\n\n   \n" + good)
    assert len(documents(RowsSource(str(path)))) == 2
    found = list(reasons(RowsSource(str(path))).values())
    malformed = "malformed row"
    assert found == [
        *(malformed, malformed, malformed, "no text", "wrong type", "unknown columns"),
        *(malformed, malformed, malformed, "binary", "empty"),
    ]


def test_no_skipped_row_shows_its_text(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"content": "SECRET", oops}\n{"nothing": "SECRET"}\n["SECRET"]\n')
    assert "SECRET" not in repr(items(RowsSource(str(path))))


def test_lone_surrogates_are_replaced_and_remarked(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"content": "a\\ud800b", "path": "p\\udfff.py", "license": "weird stuff"}\n')
    found = items(RowsSource(str(path)))
    assert {item.reason for item in found if isinstance(item, Remark)} == {
        "lone surrogates replaced",
        "unknown licence",
    }
    (document,) = (item for item in found if isinstance(item, Document))
    assert document.utf8.decode() == "a\ufffdb"
    document.source.path.encode()
    assert document.source.license == "LicenseRef-weird-stuff"


def test_a_line_beyond_the_limit_is_skipped_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(lines(ROWS[:1]))
        file.write(b'{"content": "' + b"x" * 100_000_000 + b'"}\n')
        file.write(lines(ROWS[1:2]))
    source = RowsSource(str(path))
    assert [document.source.path for document in documents(source)] == ["dir/0.py", "dir/1.py"]
    assert list(reasons(source).values()) == ["line too long"]


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_truncated_or_damaged_stream_gives_what_came_before_and_says_so(tmp_path: Path, suffix: str) -> None:
    rows = [{"content": os.urandom(300).hex(), "path": f"{i}.py"} for i in range(2000)]
    packed = gzip.compress(lines(rows)) if suffix.endswith("gz") else zstandard.compress(lines(rows))
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    source = RowsSource(str(path))
    assert 0 < len(documents(source)) < 2000
    assert reasons(source)[path.name] == "truncated"
    path.write_bytes(packed + b"something else")
    assert reasons(source) == {path.name: "corrupt"}
    damaged = bytearray(packed)
    damaged[len(packed) // 2 : len(packed) // 2 + 50] = bytes(50)
    path.write_bytes(damaged)
    assert reasons(source)[path.name] in ("corrupt", "malformed row")


def test_zstd_files_with_frames_of_other_data_are_read(tmp_path: Path) -> None:
    foreign = (0x184D2A5E).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"index"
    path = tmp_path / "rows.jsonl.zst"
    path.write_bytes(
        foreign + zstandard.compress(lines(ROWS[:2])) + foreign + zstandard.compress(lines(ROWS[2:4])) + foreign
    )
    assert len(documents(RowsSource(str(path)))) == 4
    assert not reasons(RowsSource(str(path)))


def test_byte_order_marks_and_carriage_returns_are_no_part_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines(ROWS[:3]).replace(b"\n", b"\r\n"))
    assert [document.utf8 for document in documents(RowsSource(str(path)))] == [b"line 0\n", b"line 1\n", b"line 2\n"]


def test_a_zstd_bomb_stays_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(zstandard.compress(b" " * 300_000_000, 1))
    assert path.stat().st_size < 100_000
    assert items(RowsSource(str(path), SourceOptions(rules=Rules(max_file_bytes=1000)))) == [
        Skipped("x.jsonl.zst#0", "line too long", "the limit is 67108864 bytes")
    ]


def test_the_plan_is_stable_and_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    many = lines([{"content": "x = 1\n" * 2000, "path": f"{i}.py"} for i in range(600)])
    path.write_bytes(many)
    first = list(RowsSource(str(path)).plan())
    assert len(first) > 1
    assert first == list(RowsSource(str(path)).plan())
    assert len(documents(RowsSource(str(path)))) == 600
    path.write_bytes(many + lines(ROWS))
    assert first[0].stamp != next(iter(RowsSource(str(path)).plan())).stamp


def test_a_file_that_vanishes_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(ROWS))
    source = RowsSource(str(path))
    (unit,) = source.plan()
    path.unlink()
    assert [item.reason for item in source.read(unit) if isinstance(item, Skipped)] == ["vanished"]


def test_a_folder_without_tables_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no table"):
        list(RowsSource(str(tmp_path)).plan())


@settings(max_examples=60)
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_any_bytes_are_read_without_an_exception(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.jsonl"
    path.write_bytes(raw)
    file = DataFile(str(path), path.name, len(raw), "")
    for part in (part for _, part in jsonl.plan(file, SourceOptions())):
        for item in jsonl.read(file, part, SourceOptions(), Origin("r")):
            assert isinstance(item, RowText | Skipped | Remark)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.text(max_size=4))


@settings(max_examples=150)
@given(
    st.sampled_from(
        [
            (
                "hexsha",
                "max_stars_repo_path",
                "max_stars_repo_name",
                "max_stars_repo_licenses",
                "max_stars_count",
                "lang",
            ),
            ("max_stars_repo_path", "max_stars_repo_name", "id", "max_stars_count"),
            ("blob_id", "path", "repo_name", "detected_licenses", "license_type", "revision_date", "is_vendor"),
            ("repository_name", "licenses", "path", "lang"),
            ("id", "source", "metadata", "created"),
            ("meta", "red_pajama_subset"),
            ("repo_name", "path", "copies", "license"),
        ]
    ),
    st.data(),
)
def test_rows_of_known_corpora_with_values_of_any_type_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, keys: tuple[str, ...], data: st.DataObject
) -> None:
    row = {
        key: data.draw(values | st.dictionaries(st.sampled_from(["path", "license", "url"]), values)) for key in keys
    }
    row["text"] = row["content"] = "some text\n"
    path = tmp_path_factory.mktemp("fuzz") / "x.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert len(documents(RowsSource(str(path)))) == 1
