from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybloomfilter import BloomFilter

from provenance import kernel
from provenance.errors import CorruptFile, IncompatibleVersion, MismatchError, ParameterError
from provenance.membership import describe_attached, open_attached, open_filter
from provenance.membership.base import Geometry
from provenance.membership.pybloom import Preamble, PybloomFilter, file_checksum, hash_seeds, write_pybloom

TEXT = bytes(np.random.default_rng(2).integers(32, 127, 4000, dtype=np.uint8))
UNICODE = "".join(chr(point) for point in np.random.default_rng(3).choice([0x61, 0xE9, 0x4E2D, 0x1F600, 0x20], 3000))


def random_keys(count: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.unique(np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64))


def library_file(path: Path, items: list[object], rate: float = 0.01) -> BloomFilter:
    """Return an overfilled filter of the library, so that wrong answers would show."""
    made = BloomFilter(max(1, len(items) // 2), rate, str(path))
    made.update(items)
    made.sync()
    return made


def hits_by_library(library: BloomFilter, windows: list[object]) -> list[int]:
    return [at for at, window in enumerate(windows) if window in library]


def hits_of(opened: PybloomFilter, normalised: bytes) -> list[int]:
    width, stride = opened.geometry.width, opened.geometry.stride
    answer = opened.test(normalised)
    found = sorted(at for start, end in answer.chains for at in range(start, end - width + 1, stride))
    assert answer.hits == len(found)
    return found


@pytest.mark.parametrize("target", [0.1, 1e-3, 1e-6])
@pytest.mark.parametrize("count", [0, 1, 1000, 4096])
def test_what_is_built_is_byte_for_byte_what_the_library_writes(
    count: int, target: float, tmp_path: Path, geometry: Geometry
) -> None:
    keys = random_keys(count)
    halves = [part.tobytes() for part in np.array_split(keys, 2)]
    preamble = write_pybloom(tmp_path / "ours.flt", len(keys), halves, geometry=geometry, target=target)
    made = BloomFilter(len(keys), target, str(tmp_path / "theirs"), hash_seeds=list(preamble.hash_seeds))
    made.update(keys.tolist())
    made.close()
    ours, theirs = ((tmp_path / name).read_bytes() for name in ("ours.flt", "theirs"))
    counted = Preamble.from_bytes(ours[:1280], tmp_path, len(ours))
    assert counted.elements == len(keys)
    assert replace(counted, elements=0).to_bytes() + ours[1280:] == theirs


def test_the_library_opens_what_is_built_and_agrees_on_every_key(tmp_path: Path, geometry: Geometry) -> None:
    keys = random_keys(3000)
    path = tmp_path / "f.flt"
    write_pybloom(path, len(keys), [keys.tobytes()], geometry=geometry, target=0.05)
    library = BloomFilter.open(str(path), "r")
    assert all(key in library for key in keys.tolist())
    assert len(library) == len(keys)
    opened = PybloomFilter.open(path, geometry)
    asked = np.concatenate([keys[:500], random_keys(20_000, 9)])
    assert opened.contains(asked.tobytes()) == bytes(key in library for key in asked.tolist())
    assert 0 < sum(opened.contains(random_keys(20_000, 9).tobytes())) < 2000


@pytest.mark.parametrize("width", [7, 8, 15, 16, 17, 31, 32, 33, 50, 64])
def test_text_keys_answer_as_the_library_for_bytes(width: int, tmp_path: Path, geometry: Geometry) -> None:
    asked = replace(geometry, width=width, stride=3)
    library = library_file(tmp_path / "f", [TEXT[at : at + width] for at in range(0, 2000, 3)], 0.3)
    windows: list[object] = [TEXT[at : at + width] for at in range(len(TEXT) - width + 1)]
    expected = hits_by_library(library, windows)
    assert len(expected) > 666 + 100
    assert hits_of(PybloomFilter.open(tmp_path / "f", asked, keys="strings"), TEXT) == expected


@pytest.mark.parametrize("width", [10, 50])
def test_text_keys_answer_as_the_library_for_str_windows_of_code_points(
    width: int, tmp_path: Path, geometry: Geometry
) -> None:
    asked = replace(geometry, width=width, stride=width, unit="codepoint")
    library = library_file(tmp_path / "f", [UNICODE[at : at + width] for at in range(0, 2000, width)], 0.3)
    windows: list[object] = [UNICODE[at : at + width] for at in range(len(UNICODE) - width + 1)]
    expected = hits_by_library(library, windows)
    assert len(expected) > 2000 // width
    assert hits_of(PybloomFilter.open(tmp_path / "f", asked, keys="strings"), UNICODE.encode()) == expected


@given(text=st.text(max_size=120), width=st.integers(1, 40), stride=st.integers(1, 40))
@settings(max_examples=40)
def test_integer_keys_answer_as_the_library_for_any_text(
    text: str, width: int, stride: int, tmp_path_factory: pytest.TempPathFactory, geometry: Geometry
) -> None:
    folder = tmp_path_factory.mktemp("library")
    asked = replace(geometry, width=width, stride=stride)
    normalised = kernel.normalise(text.encode("utf-8", "replace"))
    tiles = struct.iter_unpack("<Q", kernel.window_keys(normalised, width, stride, geometry.seed))
    library = library_file(folder / "f", [key for (key,) in tiles], 0.3)
    every = [key for (key,) in struct.iter_unpack("<Q", kernel.window_keys(normalised, width, 1, geometry.seed))]
    opened = PybloomFilter.open(folder / "f", asked, keys="integers")
    assert hits_of(opened, normalised) == hits_by_library(library, every)
    assert opened.test(normalised).windows == len(every)


def test_the_expected_rate_is_near_the_measured_even_of_an_overfilled_file(tmp_path: Path, geometry: Geometry) -> None:
    keys = random_keys(40_000)
    library_file(tmp_path / "f", keys.tolist(), 0.01)
    opened = PybloomFilter.open(tmp_path / "f", geometry)
    trials = 200_000
    measured = sum(opened.contains(random_keys(trials, 77).tobytes())) / trials
    assert opened.keys is None
    assert opened.expected_false_positive_rate == pytest.approx(measured, rel=0.05)


def test_a_sample_of_a_large_file_gives_nearly_the_rate_of_the_whole(tmp_path: Path, geometry: Geometry) -> None:
    keys = random_keys(300_000)
    write_pybloom(tmp_path / "f", len(keys), [keys.tobytes()], geometry=geometry, target=1e-3)
    opened = PybloomFilter.open(tmp_path / "f", geometry)
    data = (tmp_path / "f").read_bytes()[1280:]
    assert len(data) > 64 * 4096
    exact = (int.from_bytes(data, "little").bit_count() / (len(data) * 8)) ** len(opened.preamble.hash_seeds)
    assert opened.expected_false_positive_rate == pytest.approx(exact, rel=0.03)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "f"
    library_file(path, list(range(100))).close()
    return path.read_bytes()


@pytest.mark.parametrize("size", [0, 5, 9, 21, 1000, 1279, 1280, -1])
def test_a_truncated_file_is_noticed(size: int, sound: bytes, tmp_path: Path, geometry: Geometry) -> None:
    (tmp_path / "f").write_bytes(sound[:size])
    with pytest.raises(CorruptFile):
        PybloomFilter.open(tmp_path / "f", geometry)


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0, b"NBITARRAY"), (9, bytes(8)), (9, b"\xff" * 8), (9, struct.pack("<Q", 1 << 49)), (17, bytes(4)),
        (17, b"\xff" * 4), (17, struct.pack("<i", 1192)), (29, bytes(8)), (29, struct.pack("<d", float("nan"))),
        (29, struct.pack("<d", 1.0)), (37, bytes(4)), (37, struct.pack("<I", 257)), (37, b"\xff" * 4),
        (1077, b"\0"), (1077, b"\2"), (1085, b"\xff" * 8),
    ],
)  # fmt: skip
def test_a_hostile_head_is_refused(offset: int, value: bytes, sound: bytes, tmp_path: Path, geometry: Geometry) -> None:
    (tmp_path / "f").write_bytes(sound[:offset] + value + sound[offset + len(value) :])
    with pytest.raises((CorruptFile, IncompatibleVersion)):
        PybloomFilter.open(tmp_path / "f", geometry)


@given(data=st.data())
@settings(max_examples=80)
def test_any_head_is_refused_or_answered(
    data: st.DataObject, sound: bytes, tmp_path_factory: pytest.TempPathFactory, geometry: Geometry
) -> None:
    damaged = bytearray(sound)
    for at in data.draw(st.lists(st.integers(0, 1279), min_size=1, max_size=6)):
        damaged[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("hostile") / "f"
    path.write_bytes(damaged)
    try:
        opened = PybloomFilter.open(path, geometry)
    except (CorruptFile, IncompatibleVersion):
        return
    assert opened.test(TEXT[:200]).windows == 169
    assert 0 <= opened.expected_false_positive_rate <= 1


def test_a_recorded_checksum_finds_damaged_bits_at_open_and_later(
    sound: bytes, tmp_path: Path, geometry: Geometry
) -> None:
    path = tmp_path / "f"
    path.write_bytes(sound)
    recorded = file_checksum(path)
    opened = open_filter(path, geometry, recorded=recorded)
    opened.verify()
    path.write_bytes(sound[:-3] + bytes([sound[-3] ^ 8]) + sound[-2:])
    with pytest.raises(CorruptFile, match="recorded checksum"):
        open_filter(path, geometry, recorded=recorded)
    with pytest.raises(CorruptFile, match="recorded checksum"):
        opened.verify()


def test_an_attached_library_file_is_described_once_and_opened_from_anywhere(
    tmp_path: Path, geometry: Geometry
) -> None:
    asked = replace(geometry, width=50, stride=50, unit="codepoint")
    root = tmp_path / "index"
    (root / "attached").mkdir(parents=True)
    library_file(root / "attached" / "f", [UNICODE[at : at + 50] for at in range(0, 2000, 50)]).close()
    entry = describe_attached(root, "attached/f", asked, keys="strings")
    moved = root.rename(tmp_path / "moved")
    opened = open_attached(moved, entry)
    assert opened.geometry == asked
    assert opened.test(UNICODE[100:300].encode()).chains[0] == (0, 200)


def test_an_attached_filter_needs_a_geometry_that_a_query_can_ask(
    sound: bytes, tmp_path: Path, geometry: Geometry
) -> None:
    (tmp_path / "f").write_bytes(sound)
    with pytest.raises(MismatchError, match="portrait-1"):
        describe_attached(tmp_path, "f", replace(geometry, normaliser="portrait-1"))
    with pytest.raises(ParameterError, match="width"):
        describe_attached(tmp_path, "f", replace(geometry, width=0))
    with pytest.raises(ParameterError, match="keys"):
        describe_attached(tmp_path, "f", geometry, keys="numbers")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="does not say its window"):
        open_filter(tmp_path / "f")


@pytest.mark.parametrize("missing", ["path", "keys", "width", "seed", "xxh3"])
def test_an_incomplete_entry_is_a_damaged_index(missing: str, sound: bytes, tmp_path: Path, geometry: Geometry) -> None:
    (tmp_path / "f").write_bytes(sound)
    entry = describe_attached(tmp_path, "f", geometry)
    del entry[missing]
    with pytest.raises(CorruptFile, match="attached"):
        open_attached(tmp_path, entry)


def test_hash_seeds_are_fixed_by_the_seed() -> None:
    assert hash_seeds(1, 3) == hash_seeds(1, 5)[:3] != hash_seeds(2, 3)
    assert len(set(hash_seeds(0x70726F76656E616E, 19))) == 19


def test_a_number_of_keys_that_was_not_given_and_an_impossible_rate_are_refused(
    tmp_path: Path, geometry: Geometry
) -> None:
    with pytest.raises(ParameterError, match="announced"):
        write_pybloom(tmp_path / "f", 5, [random_keys(4).tobytes()], geometry=geometry, target=0.1)
    with pytest.raises(ParameterError, match="rate"):
        write_pybloom(tmp_path / "f", 5, [], geometry=geometry, target=1.0)


def test_a_closed_file_answers_nothing(sound: bytes, tmp_path: Path, geometry: Geometry) -> None:
    (tmp_path / "f").write_bytes(sound)
    opened = PybloomFilter.open(tmp_path / "f", geometry)
    opened.close()
    opened.close()
    with pytest.raises(ValueError, match="released"):
        opened.test(TEXT)
