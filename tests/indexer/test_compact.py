from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.commit import WriterLock
from indexer.compact import compact
from provenance import kernel
from provenance.errors import CorruptFile, IndexBusy, IndexMissing, ParameterError
from provenance.index import Index
from provenance.parameters import Parameters

Built = Callable[..., Any]


@pytest.fixture
def pieces(built: Built, tmp_path: Path) -> Path:
    """An index grown in three steps: many segments, three layers."""
    folder = tmp_path / "index"
    for parts in (range(3), range(2, 7), range(7, 10)):
        built(folder, parts)
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_compaction_keeps_documents_and_digest_and_makes_one_layer(workers: int, pieces: Path, held: Any) -> None:
    with Index.open(pieces) as index:
        before, segments, name = held(pieces), len(index.segments), index.corpus.name
        digest, generation = index.digest, index.manifest.generation
    report = compact(pieces, workers=workers)
    assert held(pieces) == before
    with Index.open(pieces) as index:
        assert (index.digest, index.corpus.name) == (digest, name)
        assert index.manifest.generation == generation + 1
        assert len(index.segments) < segments and len(index.manifest.layers) == 1
        assert report.documents == index.documents == len(before)
        index.verify()
        assert sorted(os.listdir(pieces / "segments")) == sorted(entry.id for entry in index.manifest.segments)
        assert sorted(os.listdir(pieces / "layers")) == [index.manifest.layers[0].id]


def test_filter_of_a_compaction_is_that_of_a_build_in_one_go(
    pieces: Path, undisturbed: Path, filters_of: Callable[[Path], list[bytes]]
) -> None:
    assert filters_of(pieces) != filters_of(undisturbed)
    compact(pieces, workers=1)
    assert filters_of(pieces) == filters_of(undisturbed)


def test_compacting_twice_changes_no_text_source_or_filter(
    pieces: Path, filters_of: Callable[[Path], list[bytes]]
) -> None:
    def parts() -> list[bytes]:
        names = ("text.blk", "sources.blk", "contents.bin", "documents.bin", "digest.bin")
        return [(folder / n).read_bytes() for folder in sorted((pieces / "segments").iterdir()) for n in names]

    compact(pieces, workers=1, segment_bytes=150_000)
    once, filters = parts(), filters_of(pieces)
    compact(pieces, workers=2, segment_bytes=150_000)
    assert parts() == once
    assert filters_of(pieces) == filters


def test_document_that_stands_in_two_segments_stays_once_and_the_first_licence_with_it(
    tmp_path: Path, listed: Any, doc: Any
) -> None:
    text = "def f(x):\n    return x\n" * 40
    filler = [doc(f"filler = {n}\n" * 100, path=f"{n}.py") for n in range(6)]
    documents = [doc(text, license="MIT"), *filler, doc(text, license="GPL-3.0-only"), doc(text, path="b.py")]
    folder = tmp_path / "index"
    build([listed(documents, 1)], folder, workers=1, parameters=Parameters(segment_bytes=1200))
    with Index.open(folder) as index:
        assert len(index.find(documents[0].id)) == 2
        assert index.documents == 8
    report = compact(folder, workers=1, segment_bytes=1 << 20)
    with Index.open(folder) as index:
        assert [source.license for _, source in index.find(documents[0].id)] == ["MIT"]
        assert [source.path for _, source in index.find(documents[-1].id)] == ["b.py"]
        assert index.documents == report.tally.documents == 8
        assert index.contents == 7


def test_commonness_is_counted_over_all_additions(tmp_path: Path, listed: Any, doc: Any) -> None:
    text = "def everywhere(argument):\n    return transform(argument, depth=3)\n" * 8
    folder = tmp_path / "index"
    for n in range(4):
        build(
            [listed([doc(text, f"owner/repository-{n}")])],
            folder,
            workers=1,
            parameters=Parameters(common_repositories=4),
        )
    normalised = kernel.normalise(text.encode())
    at = memoryview(kernel.sample_positions(normalised, 32, 33)).cast("Q").tolist()[0]

    def common() -> int:
        with Index.open(folder) as index:
            return sum(layer.test(normalised[at : at + 32]).hits for layer in index.common_filters)

    assert common() == 0
    compact(folder, workers=1)
    assert common() == 1


def test_reader_keeps_what_it_opened_until_it_closes(pieces: Path, held: Any) -> None:
    expected = held(pieces)
    with Index.open(pieces) as reader:
        report = compact(pieces, workers=1)
        assert any(name.startswith("segments/") for name in report.kept_for_readers)
        found = {i: (reader.text(ref), s) for ref in reader.refs() for i, s in reader.sources(ref)}
        assert found == expected
        reader.verify()
    report = compact(pieces, workers=1)
    assert report.kept_for_readers == []
    with Index.open(pieces) as index:
        assert sorted(os.listdir(pieces / "segments")) == sorted(entry.id for entry in index.manifest.segments)


def test_damaged_segment_stops_compaction_and_leaves_the_index(pieces: Path) -> None:
    before = (pieces / "index.json").read_bytes()
    victim = sorted((pieces / "segments").iterdir())[1] / "text.blk"
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 0x10
    victim.write_bytes(data)
    for workers in (1, 2):
        with pytest.raises(CorruptFile, match=r"text\.blk"):
            compact(pieces, workers=workers)
        assert (pieces / "index.json").read_bytes() == before
        assert not list((pieces / "segments").glob(".*.part"))


def test_no_index_or_a_busy_one(tmp_path: Path, undisturbed: Path) -> None:
    with pytest.raises(IndexMissing, match="no index"):
        compact(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    folder = tmp_path / "index"
    shutil.copytree(undisturbed, folder)
    with WriterLock(folder), pytest.raises(IndexBusy):
        compact(folder)
    with pytest.raises(ParameterError, match="segment_bytes is 5"):
        compact(folder, segment_bytes=5)


def test_moved_index_is_compacted_where_it_is(undisturbed: Path, tmp_path: Path, held: Any) -> None:
    shutil.copytree(undisturbed, tmp_path / "elsewhere" / "moved")
    compact(tmp_path / "elsewhere" / "moved", workers=1)
    assert held(tmp_path / "elsewhere" / "moved") == held(undisturbed)
