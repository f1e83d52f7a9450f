from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.layers import LayerReport, build_layer
from provenance import kernel
from provenance.errors import CorruptFile, MismatchError, ParameterError, StorageError
from provenance.membership import open_common, open_layer
from provenance.membership.base import Geometry
from provenance.membership.sizing import size_for

GEOMETRY = Geometry(32, 32, "utf8", 0x70726F76656E616E, "layout-1")
Pairs = Sequence[tuple[int, int]]


def write_keys(path: Path, keys: Sequence[int]) -> Path:
    path.write_bytes(np.array(sorted(set(keys)), dtype="<u8").tobytes())
    return path


def write_samples(path: Path, pairs: Pairs) -> Path:
    ordered = sorted(set(pairs))
    keys = np.array([key for key, _ in ordered], dtype="<u8").tobytes()
    numbers = np.array([number for _, number in ordered], dtype="<u4").tobytes()
    path.write_bytes(len(ordered).to_bytes(8, "little") + keys + numbers)
    return path


def build(directory: Path, keys: Sequence[Path], samples: Sequence[Path] = (), **changes: object) -> LayerReport:
    settings_ = {"geometry": GEOMETRY, "target": 1e-4, "common_repositories": 3, **changes}
    return build_layer(directory, keys, samples, **settings_)


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


keys_ = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 40), st.integers(2**64 - 40, 2**64 - 1))


@given(
    tiles=st.lists(st.lists(keys_, max_size=60), max_size=5),
    samples=st.lists(st.lists(st.tuples(keys_, st.integers(0, 5)), max_size=60), max_size=5),
    repositories=st.integers(1, 5),
)
@settings(max_examples=40)
def test_a_layer_holds_the_distinct_keys_and_exactly_the_common_samples(
    tiles: list[list[int]], samples: list[Pairs], repositories: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("layer")
    key_files = [write_keys(folder / f"{n}.tiles", run) for n, run in enumerate(tiles)]
    sample_files = [write_samples(folder / f"{n}.samples", run) for n, run in enumerate(samples)]
    report = build(folder / "layer", key_files, sample_files, common_repositories=repositories, range_keys=7)
    every = {key for run in tiles for key in run}
    holders = defaultdict(set)
    for run in samples:
        for key, number in run:
            holders[key].add(number)
    common = {key for key, held in holders.items() if len(held) >= repositories}
    assert report.keys == len(every)
    assert report.common_keys == (len(common) if samples else None)
    opened = open_layer(folder / "layer", GEOMETRY)
    packed = np.array(sorted(every), dtype="<u8").tobytes()
    assert opened.keys == len(every) and opened.contains(packed) == b"\1" * len(every)
    marked = open_common(folder / "layer", GEOMETRY)
    if not samples:
        assert marked is None
        return
    assert marked is not None and marked.keys == len(common)
    assert marked.header.common_repositories == repositories
    assert marked.contains(np.array(sorted(common), dtype="<u8").tobytes()) == b"\1" * len(common)
    rare = np.array(sorted(set(holders) - common), dtype="<u8").tobytes()
    assert sum(marked.contains(rare)) <= 1


@pytest.mark.parametrize("kind", ["blocked", "pybloom"])
def test_the_bytes_depend_on_the_keys_alone(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**64, 30_000, dtype=np.uint64).tolist()
    pairs = [(key, number) for key in keys[:2000] for number in range(key % 6)]
    whole = build(
        tmp_path / "0" / "000001",
        [write_keys(tmp_path / "all.tiles", keys)],
        [write_samples(tmp_path / "all.samples", pairs)],
        kind=kind,
    )
    for number, (runs, workers, range_keys, most) in enumerate(
        [(1, 2, 999, 128), (5, 1, 1 << 20, 128), (9, 3, 500, 4), (13, 4, 5000, 2)], start=1
    ):
        # Runs overlap, and more of them than may be open at once are merged in rounds.
        monkeypatch.setattr("indexer.layers.MAX_RUNS", most)
        tiles = [write_keys(tmp_path / f"{number}-{n}.tiles", keys[n::runs] + keys[: 100 * n]) for n in range(runs)]
        samples = [
            write_samples(tmp_path / f"{number}-{n}.samples", pairs[n::runs] + pairs[: 10 * n]) for n in range(runs)
        ]
        again = build(
            tmp_path / str(number) / "000001", tiles, samples, kind=kind, workers=workers, range_keys=range_keys
        )
        assert again == whole
        assert content(tmp_path / str(number) / "000001") == content(tmp_path / "0" / "000001")
    assert whole.common_keys == sum(1 for key in keys[:2000] if key % 6 >= 3)


def test_the_filter_is_sized_by_distinct_keys(tmp_path: Path) -> None:
    keys = np.random.default_rng(2).integers(0, 2**64, 20_000, dtype=np.uint64).tolist()
    runs = [write_keys(tmp_path / f"{n}.tiles", keys) for n in range(4)]
    build(tmp_path / "layer", runs, target=1e-6)
    assert open_layer(tmp_path / "layer", GEOMETRY).operand[1:] == size_for(20_000, 1e-6)


def test_an_empty_corpus_makes_a_layer_that_holds_nothing(tmp_path: Path) -> None:
    empty = write_keys(tmp_path / "e.tiles", [])
    report = build(tmp_path / "layer", [empty], [write_samples(tmp_path / "e.samples", [])])
    assert (report.keys, report.common_keys) == (0, 0)
    opened = open_layer(tmp_path / "layer", GEOMETRY)
    assert opened.test(b"x" * 100).hits == 0
    assert opened.expected_false_positive_rate == 0


def test_a_pybloom_layer_answers_like_a_blocked_one(tmp_path: Path) -> None:
    text = bytes(np.random.default_rng(3).integers(97, 123, 3200, dtype=np.uint8))
    keys = np.frombuffer(kernel.window_keys(text[:1600], 32, 32, GEOMETRY.seed), dtype="<u8").tolist()
    run = write_keys(tmp_path / "r.tiles", keys)
    answers = []
    for kind in ("blocked", "pybloom"):
        build(tmp_path / kind, [run], kind=kind, target=1e-9)
        opened = open_layer(tmp_path / kind, GEOMETRY)
        assert (opened.kind, opened.keys) == (kind, len(set(keys)))
        answers.append(opened.test(text))
    assert answers[0] == answers[1] and answers[0].chains == ((0, 1600),)


def test_the_manifest_says_what_stands_there(tmp_path: Path) -> None:
    run = write_keys(tmp_path / "r.tiles", range(1000))
    samples = write_samples(tmp_path / "r.samples", [(5, 1), (5, 2), (5, 3), (6, 1)])
    report = build(tmp_path / "000007", [run], [samples], segments=["a", "b"])
    manifest = json.loads((tmp_path / "000007" / "manifest.json").read_bytes())
    assert manifest["segments"] == ["a", "b"] and manifest["keys"] == 1000 and manifest["common_keys"] == 1
    assert manifest["id"] == report.id == "000007"
    assert set(manifest["files"]) == {"membership.flt", "common.flt"}
    for name, entry in manifest["files"].items():
        data = (tmp_path / "000007" / name).read_bytes()
        assert entry["bytes"] == len(data)
        assert entry["xxh3"] == xxhash.xxh3_64_hexdigest(data)
        assert entry["page"] == xxhash.xxh3_64_hexdigest(data[:4096])
    assert report.bytes == sum(path.stat().st_size for path in (tmp_path / "000007").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000007", "r.samples", "r.tiles"]


def test_what_an_interrupted_build_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".layer.part").mkdir()
    (tmp_path / ".layer.part" / "membership.flt").write_bytes(b"half")
    (tmp_path / ".layer.part" / "000001.scratch").write_bytes(b"half")
    build(tmp_path / "layer", [write_keys(tmp_path / "r.tiles", range(10))])
    assert sorted(path.name for path in (tmp_path / "layer").iterdir()) == ["manifest.json", "membership.flt"]
    assert not (tmp_path / ".layer.part").exists()


def test_a_layer_that_exists_is_never_replaced(tmp_path: Path) -> None:
    run = write_keys(tmp_path / "r.tiles", range(10))
    build(tmp_path / "layer", [run])
    before = content(tmp_path / "layer")
    with pytest.raises(StorageError):
        build(tmp_path / "layer", [run, write_keys(tmp_path / "s.tiles", range(20))])
    assert content(tmp_path / "layer") == before


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    run = write_keys(tmp_path / "r.tiles", range(5000))
    build(tmp_path / "layer", [run], [write_samples(tmp_path / "r.samples", [(5, n) for n in range(9)])])
    return tmp_path / "layer"


@pytest.mark.parametrize("name", ["membership.flt", "common.flt"])
def test_a_filter_of_another_layer_is_refused_though_it_is_sound(name: str, layer: Path, tmp_path: Path) -> None:
    run = write_keys(tmp_path / "o.tiles", range(7, 5007))
    build(tmp_path / "other", [run], [write_samples(tmp_path / "o.samples", [(6, n) for n in range(9)])])
    assert (tmp_path / "other" / name).stat().st_size == (layer / name).stat().st_size
    (layer / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(CorruptFile, match="not the file that the layer's manifest names"):
        (open_common if name == "common.flt" else open_layer)(layer, GEOMETRY)


@pytest.mark.parametrize(
    "manifest", [b"", b"{", b"[]", b"null", b'{"files": 3}', b'{"files": {}}', b'{"files": {"membership.flt": {}}}']
)
def test_a_damaged_manifest_is_named(manifest: bytes, layer: Path) -> None:
    (layer / "manifest.json").write_bytes(manifest)
    with pytest.raises(CorruptFile, match="manifest.json"):
        open_layer(layer, GEOMETRY)


def test_missing_truncated_and_swapped_files_of_a_layer_are_named(layer: Path) -> None:
    membership, common = layer / "membership.flt", layer / "common.flt"
    data = membership.read_bytes()
    membership.write_bytes(data[:-1])
    with pytest.raises(CorruptFile, match="membership.flt: .* bytes long"):
        open_layer(layer, GEOMETRY)
    membership.write_bytes(common.read_bytes())
    with pytest.raises(CorruptFile, match="membership.flt"):
        open_layer(layer, GEOMETRY)
    membership.unlink()
    with pytest.raises(StorageError, match="membership.flt"):
        open_layer(layer, GEOMETRY)
    common.unlink()
    with pytest.raises(StorageError, match="common.flt"):
        open_common(layer, GEOMETRY)


def test_a_layer_of_another_geometry_is_refused(layer: Path) -> None:
    other = Geometry(50, 50, "utf8", GEOMETRY.seed, "layout-1")
    for opening in (open_layer, open_common):
        with pytest.raises(MismatchError):
            opening(layer, other)


@pytest.mark.parametrize("data", [b"1234567", b"", (2).to_bytes(8, "little") + bytes(12), b"\xff" * 20])
def test_runs_of_impossible_length_are_named(data: bytes, tmp_path: Path) -> None:
    good = write_keys(tmp_path / "r.tiles", [1])
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(CorruptFile, match="bad"):
        build(tmp_path / "layer", [good], [tmp_path / "bad"])
    if len(data) % 8:
        with pytest.raises(CorruptFile, match="bad"):
            build(tmp_path / "layer", [tmp_path / "bad"])
    with pytest.raises(StorageError, match="absent"):
        build(tmp_path / "layer", [tmp_path / "absent"])
    assert not (tmp_path / "layer").exists()


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    run = write_keys(tmp_path / "r.tiles", [1])
    for changes in ({"kind": "cuckoo"}, {"common_repositories": 0}, {"target": 0.0}, {"target": 0.5}):
        with pytest.raises(ParameterError):
            build(tmp_path / "layer", [run], **changes)
