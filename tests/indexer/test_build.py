from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xxhash

from indexer.build import build
from indexer.commit import WriterLock
from indexer.report import Progress
from indexer.run import LAYER_SHARES, MAX_LAYERS
from indexer.segments import repository_number
from indexer.sources import open_source
from indexer.sources.base import SourceOptions, Unit
from provenance import kernel
from provenance.errors import CorpusError, IndexBusy, MismatchError, ParameterError, StorageError
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.records import Document, Skipped

Built = Callable[..., Any]
Held = Callable[[Path], dict[bytes, Any]]


def windows_all_hit(index: Index) -> bool:
    """Ask the filters for every stored window of every text."""
    for ref in index.refs():
        normalised = kernel.normalise(index.text(ref))
        stored = set(range(0, len(normalised) - index.geometry.width + 1, index.geometry.stride))
        for layer in index.filters:
            answer = layer.test(normalised)
            for start, end in answer.chains:
                stored.difference_update(range(start, end - index.geometry.width + 1, index.geometry.stride))
        if stored:
            return False
    return True


def test_index_holds_exactly_what_the_sources_yield(corpus: Path, undisturbed: Path, held: Held) -> None:
    expected: dict[bytes, tuple[bytes, object]] = {}
    encodings = {}
    for part in sorted(corpus.iterdir()):
        source = open_source(str(part), SourceOptions(each_folder=True))
        for unit in source.plan():
            for item in source.read(unit):
                if isinstance(item, Document):
                    expected[item.id] = (item.utf8, item.source)
                    encodings[item.content_id] = item.encoding
    assert len(expected) > 90
    assert held(undisturbed) == expected
    with Index.open(undisturbed) as index:
        assert index.documents == len(expected)
        assert len(index.segments) > 5
        for ref in index.refs():
            segment = index.segments[ref.segment]
            assert segment.encoding(ref.content) == encodings[index.content_id(ref)]
        for identity, (text, found_source) in expected.items():
            found = index.find(identity)
            assert found and all(index.text(ref) == text and source == found_source for ref, source in found)
        assert index.find(bytes(16)) == []
        index.verify()


@pytest.mark.parametrize("workers", [2, 4])
def test_number_of_workers_changes_nothing(
    workers: int, undisturbed: Path, built: Built, tmp_path: Path, filters_of: Callable[[Path], list[bytes]]
) -> None:
    report = built(tmp_path / "index", workers=workers)
    assert report.workers == workers and report.tasks > workers
    values = [json.loads((folder / "index.json").read_text()) for folder in (undisturbed, tmp_path / "index")]
    for value in values:
        value["corpus"].pop("built")
        value.pop("checksum")
        for entry in value["segments"]:
            entry.pop("manifest")  # it has the checksums of the engine's files, which are not deterministic
    assert values[0] == values[1]
    assert filters_of(undisturbed) == filters_of(tmp_path / "index")
    for segment in values[0]["segments"]:
        for name in ("text.blk", "sources.blk", "contents.bin", "documents.bin", "digest.bin"):
            one, other = (folder / "segments" / segment["id"] / name for folder in (undisturbed, tmp_path / "index"))
            assert one.read_bytes() == other.read_bytes(), name


def test_digest_is_the_hash_that_architecture_defines(undisturbed: Path) -> None:
    with Index.open(undisturbed) as index:
        rows = {
            identity + hashlib.sha256(source.license.encode()).digest()
            for ref in index.refs()
            for identity, source in index.sources(ref)
        }
        names = ("width", "stride", "unit", "seed", "normaliser", "fingerprints")
        head = {name: getattr(index.parameters, name) for name in names}
        text = json.dumps(head, sort_keys=True, separators=(",", ":")).encode() + b"".join(sorted(rows))
        assert index.digest == hashlib.sha256(text).hexdigest()


def test_every_stored_window_hits(undisturbed: Path) -> None:
    with Index.open(undisturbed) as index:
        assert windows_all_hit(index)


def test_windows_in_enough_repositories_are_common(undisturbed: Path, corpus: Path) -> None:
    shared = kernel.normalise((corpus / "part0" / "one-0" / "shared.py").read_bytes())
    alone = kernel.normalise((corpus / "part3" / "two-3" / "long.py").read_bytes())
    with Index.open(undisturbed) as index:
        samples = [memoryview(kernel.sample_positions(t, 32, 33)).cast("Q").tolist() for t in (shared, alone)]
        common = index.common_filters
        assert len(common) == 1
        hits = [
            [common[0].test(text[at : at + 32]).hits for at in places]
            for text, places in zip((shared, alone), samples, strict=True)
        ]
    assert len(hits[0]) > 20 and all(hits[0])
    assert len(hits[1]) > 20 and not any(hits[1])


def test_one_content_is_stored_once_in_a_segment_with_all_its_documents_in_order(
    tmp_path: Path, listed: Any, doc: Any
) -> None:
    text = "def repeated(argument):\n    return [argument for _ in range(12)]\n" * 3
    given = [doc(text, f"owner/r{n % 4}", f"dir/{n}.py", license="MIT") for n in range(9)]
    given.insert(4, doc("other = 1\n" * 9, path="other.py"))
    report = build([listed([*given, given[2]])], tmp_path / "index", workers=1)
    assert (report.tally.contents, report.tally.documents, report.repeated) == (2, 10, 1)
    with Index.open(tmp_path / "index") as index:
        (segment,) = index.segments
        assert (segment.contents, segment.documents) == (2, 10)
        assert [source for _, source in segment.sources(0)] == [d.source for d in given if d.utf8 == text.encode()]
        assert [source.path for _, source in segment.sources(1)] == ["other.py"]
        for item in given:
            assert [source for _, source in index.find(item.id)] == [item.source]


def test_every_field_of_a_source_comes_back(tmp_path: Path, listed: Any, doc: Any) -> None:
    full = doc(
        "x = 1\n" * 20,
        "Owner/Ünï\udc80",
        "päth\udcff/a b.py",
        revision="abc",
        license="MIT OR Apache-2.0",
        license_origin="header",
        license_scope="file",
        copyrights=("© 2020 Someone", "B"),
        language="Python",
        kind="notebook",
        url="https://example.org/?a=1",
        stars=0,
        date="2020-01-01",
        fork=False,
        vendored=True,
        generated=False,
    )
    empty = doc("", "o/empty", "empty.py", license="NONE", license_origin="none", license_scope="unknown")
    build([listed([full, empty])], tmp_path / "index", workers=1)
    with Index.open(tmp_path / "index") as index:
        assert [source for _, source in index.find(full.id)] == [full.source]
        assert [source for _, source in index.find(empty.id)] == [empty.source]
        assert [index.text(ref) for ref, _ in index.find(empty.id)] == [b""]


def test_adding_gives_the_digest_and_the_answers_of_one_build(
    undisturbed: Path, built: Built, held: Held, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    built(folder, range(4))
    before = held(folder)
    report = built(folder, range(10))
    assert report.present == len(before)
    with Index.open(folder) as index, Index.open(undisturbed) as whole:
        assert (index.digest, index.documents) == (whole.digest, whole.documents)
        assert len(index.manifest.layers) == 2
        assert windows_all_hit(index)
        index.verify()
    assert held(folder) == held(undisturbed)


def test_adding_what_is_there_changes_nothing(built: Built, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    built(folder, [0, 1])
    before = (folder / "index.json").read_bytes()
    report = built(folder, [1, 0])
    assert report.tally.documents == 0 and report.present > 10
    assert (folder / "index.json").read_bytes() == before
    assert not (folder / "build").exists()


def test_layers_never_become_more_than_four_and_keep_the_error_rate(built: Built, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    for count in range(1, MAX_LAYERS + 3):
        built(folder, [count])
        with Index.open(folder) as index:
            expected = count if count <= MAX_LAYERS else count - MAX_LAYERS
            assert len(index.manifest.layers) == expected
            covered = [segment for layer in index.manifest.layers for segment in layer.segments]
            assert covered == [segment.id for segment in index.manifest.segments]
            assert windows_all_hit(index)
            rate = sum(layer.expected_false_positive_rate for layer in index.filters)
            assert rate <= index.parameters.false_positive_rate
    assert sorted(os.listdir(folder / "layers")) == [layer.id for layer in index.manifest.layers]


def test_shares_of_the_error_rate_add_up_to_it() -> None:
    assert sum(LAYER_SHARES) == pytest.approx(1.0)


def test_other_parameters_do_not_fit(built: Built, tmp_path: Path) -> None:
    built(tmp_path / "index", [0])
    with pytest.raises(MismatchError, match=r"width 32 \(not 40\)"):
        built(tmp_path / "index", [1], parameters=Parameters(width=40, segment_bytes=60_000, common_repositories=3))
    report = built(tmp_path / "index", [1], parameters=None)
    with Index.open(tmp_path / "index") as index:
        assert index.parameters.segment_bytes == 60_000 and report.generation == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 7),
        ("width", 32.0),
        ("stride", 0),
        ("unit", "words"),
        ("seed", -1),
        ("seed", 1 << 64),
        ("normaliser", "layout-9"),
        ("false_positive_rate", 0.0),
        ("false_positive_rate", 1),
        ("group", 0),
        ("common_repositories", 1),
        ("segment_bytes", 0),
        ("engine", "grep"),
        ("filter", "cuckoo"),
        ("width", True),
        ("false_positive_rate", float("nan")),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=name):
        Parameters(**{name: value})


def test_one_writer_at_a_time(built: Built, tmp_path: Path) -> None:
    built(tmp_path / "index", [0])
    with WriterLock(tmp_path / "index"), pytest.raises(IndexBusy, match="another process is writing"):
        built(tmp_path / "index", [1])
    built(tmp_path / "index", [1])


def test_nothing_to_index_is_said_and_leaves_no_index(tmp_path: Path, listed: Any) -> None:
    source = listed([Skipped("a.bin", "binary"), Skipped("b.bin", "binary")])
    with pytest.raises(CorpusError, match=r"skipped: 2 binary"):
        build([source], tmp_path / "index", workers=1)
    assert not (tmp_path / "index" / "index.json").exists()


def test_folder_with_other_things_is_left_alone(built: Built, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ParameterError, match="holds other things"):
        built(tmp_path, [0])
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_workers_out_of_range(built: Built, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="workers is 0"):
        built(tmp_path / "index", [0], workers=0)


def test_progress_is_told_and_ends_at_the_total(built: Built, tmp_path: Path) -> None:
    heard: list[Progress] = []
    report = built(tmp_path / "index", workers=2, progress=heard.append)
    phases = [state.phase for state in heard]
    assert list(dict.fromkeys(phases)) == ["planning", "reading", "filter", "finishing"]
    done = [state.done for state in heard if state.phase == "reading"]
    assert done == sorted(done) and done[-1] == heard[-1].total == report.input_bytes
    assert heard[-1].documents == report.tally.documents


def test_report_counts_what_is_on_disk(built: Built, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    report = built(folder)
    files = [path for part in ("segments", "layers") for path in (folder / part).rglob("*") if path.is_file()]
    assert sum(report.sizes.values()) == sum(path.stat().st_size for path in files)
    assert report.peak_memory > 10 << 20
    assert report.tally.skipped == {"empty": 20}
    with Index.open(folder) as index:
        assert report.tally.text_bytes == sum(entry.text_bytes for entry in index.manifest.segments)
        assert report.layer.keys == index.filters[0].keys
    assert not (folder / "build").exists()


def test_few_repositories_need_no_samples(tmp_path: Path, listed: Any, doc: Any) -> None:
    source = listed([doc("value = 1\n" * 50, f"o/{n}", f"{n}.py") for n in range(2)])
    source.says_repositories = True
    build([source], tmp_path / "index", workers=1, parameters=Parameters(common_repositories=3))
    with Index.open(tmp_path / "index") as index:
        text = kernel.normalise(b"value = 1\n" * 50)
        assert all(common.test(text).hits == 0 for common in index.common_filters)


def test_number_of_a_repository_ignores_case_and_is_xxh3() -> None:
    assert repository_number("Owner/Name") == repository_number("owner/name")
    assert repository_number("owner/name") == xxhash.xxh3_64_intdigest(b"owner/name") % 2**32


def test_large_text_in_small_segments(tmp_path: Path, listed: Any, doc: Any) -> None:
    line = "x = " + str(random.Random(6).getrandbits(4000))
    big = doc("\n".join(line[n % 700 :] for n in range(4000)), path="big.py")
    small = [doc(f"small = {n}\n" * 9, path=f"{n}.py") for n in range(4)]
    build(
        [listed([*small, big, *small[:1]], 1)], tmp_path / "index", workers=1, parameters=Parameters(segment_bytes=1024)
    )
    with Index.open(tmp_path / "index") as index:
        assert [index.text(ref) for ref, _ in index.find(big.id)] == [big.utf8]
        assert index.documents == 5
        assert windows_all_hit(index)


def test_reader_keeps_its_snapshot_while_the_index_grows(built: Built, held: Held, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    built(folder, [0])
    with Index.open(folder) as before:
        for part in range(1, 6):  # the fifth merges the layers that `before` has not opened yet
            built(folder, [part])
        assert windows_all_hit(before)
        before.verify()
        with Index.open(folder) as after:
            assert before.documents < after.documents
    built(folder, [6])
    with Index.open(folder) as after:
        assert sorted(os.listdir(folder / "layers")) == sorted(layer.id for layer in after.manifest.layers)
    assert os.listdir(folder / "retired") == []


def test_index_is_complete_unless_something_was_lost(tmp_path: Path, listed: Any, doc: Any) -> None:
    folder = tmp_path / "index"
    build([listed([doc("a = 1\n" * 9), Skipped("b.bin", "binary"), Skipped("c", "too large")])], folder, workers=1)
    with Index.open(folder) as index:
        assert index.describe()["corpus"]["complete"] is True
    build([listed([doc("b = 1\n" * 9, path="b.py"), Skipped("secret.py", "no permission")])], folder, workers=1)
    with Index.open(folder) as index:
        assert index.describe()["corpus"]["complete"] is False


LIMITED = """
import resource, sys
from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions, Unit
from provenance.errors import StorageError
from provenance.parameters import Parameters
corpus, target, limit, workers = sys.argv[1:5]
sources = [open_source(f"{corpus}/part{n}", SourceOptions(each_folder=True)) for n in range(10)]
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    parameters = Parameters(segment_bytes=60_000, common_repositories=3)
    try:
        build(sources, target, workers=int(workers), corpus_name="small", parameters=parameters)
    except StorageError as error:
        print(error)
        sys.exit(2)
"""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("limit", [2_000, 60_000, 150_000])
def test_refused_write_names_the_file_and_leaves_the_index_to_be_resumed(
    limit: int, workers: int, undisturbed: Path, corpus: Path, built: Built, held: Held, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    built(folder, [0, 1])
    before = (folder / "index.json").read_bytes()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", LIMITED, str(corpus), str(folder), str(limit), str(workers)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert str(folder) in done.stdout and "File too large" in done.stdout and done.stdout.count("\n") == 1
    assert (folder / "index.json").read_bytes() == before
    assert not list(folder.glob("*/.*.part"))
    built(folder)
    assert held(folder) == held(undisturbed)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_a_storage_error(tmp_path: Path, built: Built) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(StorageError, match="locked.*Permission denied"):
        built(tmp_path / "locked" / "index", [0])


def test_target_that_is_a_file_is_a_storage_error(tmp_path: Path, built: Built) -> None:
    (tmp_path / "index").write_text("x")
    with pytest.raises(StorageError, match="index: File exists"):
        built(tmp_path / "index", [0])


class Failing:
    """A source whose second unit cannot be read at all."""

    location = "failing"

    def plan(self) -> Any:
        yield from (Unit(10, number, "1") for number in range(3))

    def read(self, unit: Unit) -> Any:
        if unit.payload == 1:
            raise CorpusError("failing: unit 1 is gone")
        return iter(())


def test_source_that_fails_stops_the_build_with_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="unit 1 is gone"):
        build([Failing()], tmp_path / "index", workers=1)
    assert not (tmp_path / "index" / "index.json").exists()


class Unlisted(Failing):
    """A source whose listing fails once so much is listed that workers were started."""

    def plan(self) -> Any:
        yield from (Unit(16 << 20, number, "1") for number in range(3))
        assert multiprocessing.active_children()
        raise CorpusError("failing: the listing ends here")


def test_workers_started_while_planning_go_where_planning_fails(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the listing ends here"):
        build([Unlisted()], tmp_path / "index", workers=2)
    assert not multiprocessing.active_children()
    # They hold the writer's lock, too.
    with WriterLock(tmp_path / "index"):
        pass
