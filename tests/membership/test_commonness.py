"""Commonness against a count of every 64-byte run of real code by brute force."""

from __future__ import annotations

import sysconfig
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.layers import build_layer
from provenance import kernel
from provenance.membership import open_common
from provenance.membership.base import Geometry
from provenance.membership.blocked import COMMONNESS, BlockedFilter
from provenance.membership.commonness import Commonness

GROUP = 33
RUN = 64
MakeFilter = Callable[..., BlockedFilter]


def sample_keys(text: bytes, geometry: Geometry) -> list[int]:
    positions = np.frombuffer(kernel.sample_positions(text, geometry.width, GROUP), dtype="<u8")
    windows = b"".join(text[at : at + geometry.width] for at in positions.tolist())
    return np.frombuffer(kernel.window_keys(windows, 32, 32, geometry.seed), dtype="<u8").tolist()


def common_of(make_filter: MakeFilter, texts: list[bytes], geometry: Geometry, min_chars: int = RUN) -> Commonness:
    """Return commonness where exactly the samples of ``texts`` are common."""
    keys = sorted({key for text in texts for key in sample_keys(text, geometry)})
    made = make_filter(np.array(keys, dtype="<u8").tobytes(), role=COMMONNESS, target=1e-6)
    return Commonness([made], GROUP, min_chars)


def letters(count: int, seed: int) -> bytes:
    return bytes(np.random.default_rng(seed).integers(97, 123, count, dtype=np.uint8))


def test_a_span_is_common_as_long_as_no_rare_stretch_in_it_is_long_enough(
    make_filter: MakeFilter, geometry: Geometry
) -> None:
    known, rare = letters(600, 1), letters(600, 2)
    common = common_of(make_filter, [known], geometry)
    assert common.is_common(known, 0, 600)
    assert common.is_common(known, 100, 164)
    assert not common.is_common(rare, 0, 600)
    for where in (0, 150, 300):
        mixed = known[:where] + rare[:200] + known[where:300]
        assert not common.is_common(mixed, 0, len(mixed))
        short = known[:where] + rare[:12] + known[where:300]
        assert common.is_common(short, 0, len(short))


def test_a_rare_stretch_is_measured_by_min_chars(make_filter: MakeFilter, geometry: Geometry) -> None:
    known, rare = letters(600, 1), letters(600, 2)
    mixed = known[:300] + rare[:120] + known[300:]
    assert not common_of(make_filter, [known], geometry, min_chars=0).is_common(mixed, 0, len(mixed))
    assert not common_of(make_filter, [known], geometry, min_chars=96).is_common(mixed, 0, len(mixed))
    assert common_of(make_filter, [known], geometry, min_chars=256).is_common(mixed, 0, len(mixed))


def test_spans_shorter_than_a_group_go_by_their_one_sample(make_filter: MakeFilter, geometry: Geometry) -> None:
    known, rare = letters(40, 1), letters(40, 2)
    common = common_of(make_filter, [known], geometry)
    assert common.is_common(known, 0, 40)
    assert not common.is_common(rare, 0, 40)
    assert not common.is_common(known, 0, 31)
    assert not common.is_common(known, 5, 5)


def test_what_stands_around_a_span_does_not_matter(make_filter: MakeFilter, geometry: Geometry) -> None:
    known = letters(200, 1)
    common = common_of(make_filter, [known], geometry)
    for before, after in ((0, 0), (17, 3), (100, 100)):
        around = letters(before, 3) + known + letters(after, 4)
        assert common.is_common(around, before, before + 200)


def test_several_filters_know_together(make_filter: MakeFilter, geometry: Geometry) -> None:
    first, second = letters(200, 1), letters(200, 2)
    filters = [
        make_filter(np.array(sorted(set(sample_keys(text, geometry))), dtype="<u8").tobytes(), role=COMMONNESS)
        for text in (first, second)
    ]
    common = Commonness(filters, GROUP, RUN)
    assert common.is_common(first, 0, 200) and common.is_common(second, 0, 200)


def test_long_texts_are_judged_as_short_ones_are(make_filter: MakeFilter, geometry: Geometry) -> None:
    """Blocks of 64 KiB are read at a time; a rare stretch is noticed wherever it stands, and none is made up."""
    known, rare = letters(200_000, 1), letters(200, 2)
    common = common_of(make_filter, [known], geometry)
    assert common.is_common(known, 0, len(known))
    for where in (65_536 - 250, 65_536 - 100, 65_536, 65_537, 131_072 + 40, 199_900):
        mixed = known[:where] + rare + known[where:]
        assert not common.is_common(mixed, 0, len(mixed))
        short = known[:where] + rare[:12] + known[where:]
        assert common.is_common(short, 0, len(short))


@pytest.mark.parametrize("pattern", [b"a", b"ab", b"=-=-  \n"])
def test_repetition_samples_every_period_and_costs_no_more(
    pattern: bytes, make_filter: MakeFilter, geometry: Geometry
) -> None:
    text = (pattern * 300_000)[:300_000]
    assert common_of(make_filter, [text[:4000]], geometry).is_common(text, 0, len(text))
    assert not common_of(make_filter, [letters(4000, 1)], geometry).is_common(text, 0, len(text))


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[bytes]]:
    """Normalised Python files of the standard library by module, then what is installed by package; 12 MB at most."""
    found: dict[str, list[bytes]] = defaultdict(list)
    size = 0
    roots = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    files = [(path, path.relative_to(root).parts[0]) for root in roots for path in sorted(root.rglob("*.py"))[::3]]
    for path, repository in files:
        if 0 < path.stat().st_size < 200_000 and "site-packages" not in repository and size < 12_000_000:
            text = kernel.normalise(path.read_bytes())
            found[repository].append(text)
            size += len(text)
    return dict(found)


def test_runs_in_many_repositories_are_marked_and_runs_in_one_are_not(
    corpus: dict[str, list[bytes]], geometry: Geometry, tmp_path: Path
) -> None:
    repositories = 3
    collector = kernel.KeyCollector(32, 32, geometry.seed, GROUP, words=False)
    texts = [(text, number) for number, held in enumerate(corpus.values()) for text in held]
    runs, numbers, places = [], [], []
    for at, (text, number) in enumerate(texts):
        collector.add(text, number)
        every = np.frombuffer(kernel.window_keys(text, RUN, 1, 99), dtype="<u8")
        # Half of all runs, chosen by their content, so that all places of a chosen run are counted.
        offsets = np.flatnonzero(every % 2 == 0)
        runs.append(every[offsets])
        numbers.append(np.full(len(offsets), number))
        places.append(np.stack([np.full(len(offsets), at), offsets], axis=1))
    keys, holders = collector.samples()
    (tmp_path / "s").write_bytes((len(keys) // 8).to_bytes(8, "little") + keys + holders)
    build_layer(
        tmp_path / "layer", [], [tmp_path / "s"], geometry=geometry, target=1e-3, common_repositories=repositories
    )
    opened = open_common(tmp_path / "layer", geometry)
    assert opened is not None
    common = Commonness([opened], GROUP, RUN)

    order = np.lexsort((np.concatenate(numbers), np.concatenate(runs)))
    run, number = np.concatenate(runs)[order], np.concatenate(numbers)[order]
    new_run = np.append(True, run[1:] != run[:-1])
    new_holder = new_run | np.append(True, number[1:] != number[:-1])
    first = np.flatnonzero(new_run)
    counts = np.add.reduceat(new_holder, first, dtype=np.int64)
    place = np.concatenate(places)[order][first]

    def marked(chosen: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> float:
        told = [common.is_common(texts[at][0], offset, offset + RUN) for at, offset in chosen.tolist()]
        return sum(told) / len(told)

    many, one = place[counts >= repositories], place[counts == 1]
    assert len(many) >= 50 and len(one) >= 100_000
    assert marked(many[:5000]) >= 0.95
    assert marked(one[:: len(one) // 10_000]) <= 0.01
