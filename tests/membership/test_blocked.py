from __future__ import annotations

import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance import kernel
from provenance.errors import CorruptFile, IncompatibleVersion, MismatchError, ParameterError, StorageError
from provenance.membership import open_filter
from provenance.membership.base import Geometry
from provenance.membership.blocked import COMMONNESS, MEMBERSHIP, BlockedFilter, Header, first_key
from provenance.membership.sizing import expected_rate, size_for

MakeFilter = Callable[..., BlockedFilter]
Write = Callable[..., Header]
SEED = 0x70726F76656E616E
GOLDEN = Path(__file__).parent.parent / "golden" / "membership.flt"
FIELDS = {
    "magic": (0, 8), "version": (8, 4), "halves": (12, 4), "regions": (16, 8), "keys": (24, 8), "seed": (32, 8),
    "width": (40, 4), "stride": (44, 4), "unit": (48, 4), "role": (52, 4), "target": (56, 8), "normaliser": (64, 32),
    "common": (96, 8), "body length": (104, 8), "body checksum": (112, 8), "padding": (120, 8),
    "padding end": (4080, 8), "header checksum": (4088, 8),
}  # fmt: skip


def random_keys(count: int, seed: int = 1) -> bytes:
    return np.unique(np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)).tobytes()


def resealed(page: bytes) -> bytes:
    return page[:4088] + struct.pack("<Q", xxhash.xxh3_64_intdigest(page[:4088])) + page[4096:]


@given(keys=st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=300), exponent=st.floats(-8, -1))
@settings(max_examples=40)
def test_no_key_that_was_inserted_is_ever_denied(
    keys: list[int], exponent: float, tmp_path_factory: pytest.TempPathFactory, geometry: Geometry, write: Write
) -> None:
    path = tmp_path_factory.mktemp("filter") / "f.flt"
    packed = np.array(sorted(keys), dtype="<u8").tobytes()
    target = min(0.1, 10**exponent)
    write(path, packed, target=target)
    opened = BlockedFilter.open(path, geometry, MEMBERSHIP)
    assert opened.contains(packed) == b"\1" * len(keys)
    assert opened.keys == len(keys)
    opened.verify()


@pytest.mark.parametrize("target", [0.1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("count", [1 << 10, 1 << 12, 1 << 15, 1 << 17, 5_000, 77_777])
def test_the_measured_rate_is_within_the_binomial_bound_of_the_expected(
    count: int, target: float, make_filter: MakeFilter
) -> None:
    opened = make_filter(random_keys(count), target=target)
    trials = 400_000
    strangers = np.random.default_rng(count).integers(0, 2**64, trials, dtype=np.uint64).tobytes()
    found = sum(opened.contains(strangers))
    rate = opened.expected_false_positive_rate
    assert rate <= target
    # The filter is one of its kind: its own rate spreads around the expected one by a little more than the trials do.
    sigma = (trials * rate * (1 - rate)) ** 0.5
    assert abs(found - trials * rate) <= 5 * sigma + 0.1 * trials * rate + 2


@pytest.mark.parametrize("regions", [1, 2, 3, 64, 1000, 1024, 1 << 20, (1 << 40) - 1])
def test_regions_part_the_key_space_where_the_format_says(regions: int) -> None:
    for region in {0, min(1, regions - 1), regions // 2, regions - 1}:
        low, high = first_key(region, regions), first_key(region + 1, regions)
        assert (low * regions) >> 64 == region == ((high - 1) * regions) >> 64
        assert low == 0 or ((low - 1) * regions) >> 64 == region - 1
    assert first_key(0, regions) == 0 and first_key(regions, regions) == 1 << 64


def test_the_file_follows_the_specification_bit_by_bit(tmp_path: Path, write: Write) -> None:
    keys = sorted([0, 1, 2**63, 2**64 - 1, 0x0123456789ABCDEF, 0xDEADBEEFCAFEF00D])
    path = tmp_path / "f.flt"
    packed = struct.pack("<6Q", *keys)
    write(path, packed, target=1e-6)
    data = path.read_bytes()
    regions, halves = 1, 2
    body = bytearray(regions * halves * 4096)
    mask = (1 << 64) - 1
    for key in keys:
        for half, constant in enumerate((0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)):
            x = key ^ constant
            x ^= x >> 33
            x = x * 0xFF51AFD7ED558CCD & mask
            x ^= x >> 33
            x = x * 0xC4CEB9FE1A85EC53 & mask
            x ^= x >> 33
            line = half * regions * 64 + ((key * regions) >> 64) * 64 + (x >> 58)
            for word in range(8):
                bit = (x >> (6 * word)) & 63
                body[line * 64 + word * 8 + bit // 8] |= 1 << (bit % 8)
    head = struct.pack(
        "<8sIIQQQIIIId32sQQQ",
        b"PROVFLT\x01", 1, halves, regions, len(keys), 0x70726F76656E616E, 32, 32, 0, 0, 1e-6, b"layout-1", 0,
        len(body), xxhash.xxh3_64_intdigest(bytes(body)),
    )  # fmt: skip
    assert data == resealed(head.ljust(4096, b"\0")) + bytes(body)


def test_the_golden_file_is_written_again_byte_for_byte_and_answers(
    tmp_path: Path, geometry: Geometry, write: Write
) -> None:
    """A filter of three regions; the keys are those of the texts ``window 0`` to ``window 4999``, padded to 32."""
    texts = b"".join(f"window {number}".encode().ljust(32, b".") for number in range(5000))
    keys = kernel.sort_unique(kernel.window_keys(texts, 32, 32, SEED))
    path = tmp_path / "again.flt"
    header = write(path, keys, target=1e-6)
    assert (header.regions, header.halves) == (3, 2)
    assert path.read_bytes() == GOLDEN.read_bytes()
    opened = open_filter(GOLDEN, geometry)
    hits = opened.test(texts[: 32 * 10])
    assert (0, 320) in hits.chains and hits.hits >= 10 and hits.windows == 289
    opened.verify()


@given(workers=st.integers(1, 4), range_keys=st.integers(1, 3000), count=st.integers(0, 9000))
@settings(max_examples=20)
def test_the_bytes_depend_on_neither_workers_nor_ranges(
    workers: int, range_keys: int, count: int, tmp_path_factory: pytest.TempPathFactory, write: Write
) -> None:
    folder = tmp_path_factory.mktemp("filters")
    keys = random_keys(count)
    write(folder / "a", keys, target=1e-4)
    write(folder / "b", keys, target=1e-4, workers=workers, range_keys=range_keys)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_a_number_of_keys_that_was_not_given_is_refused(tmp_path: Path, write: Write) -> None:
    keys = random_keys(100)
    for announced in (99, 101):
        with pytest.raises(ParameterError, match="announced"):
            write(tmp_path / "f", keys, announced=announced, target=1e-3)


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"width": 0}, 0), ({"stride": 0}, 0), ({"width": 1 << 17}, 0), ({"seed": -1}, 0), ({"seed": 1 << 64}, 0),
        ({"normaliser": ""}, 0), ({"normaliser": "ä"}, 0), ({"normaliser": "x" * 33}, 0), ({}, 2),
    ],
)  # fmt: skip
def test_what_no_header_can_hold_is_not_written(
    change: dict[str, object], role: int, tmp_path: Path, geometry: Geometry, write: Write
) -> None:
    with pytest.raises(ParameterError):
        write(tmp_path / "f", b"", geometry=replace(geometry, **change), role=role, target=1e-3)
    assert not (tmp_path / "f").exists()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, write: Write) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "f.flt"
    write(path, random_keys(3000), target=1e-6)
    return path.read_bytes()


@pytest.mark.parametrize("field", FIELDS)
def test_a_bit_flipped_in_any_field_is_noticed(field: str, sound: bytes, tmp_path: Path) -> None:
    offset, size = FIELDS[field]
    path = tmp_path / "f.flt"
    for bit in range(size * 8):
        damaged = bytearray(sound)
        damaged[offset + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises((CorruptFile, IncompatibleVersion), match="f.flt"):
            BlockedFilter.open(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("halves", 0), ("halves", 3), ("regions", 0), ("regions", 1), ("regions", 2**63), ("keys", 2**63),
        ("width", 0), ("width", 2**31), ("stride", 0), ("unit", 2), ("role", 2), ("target", 0),
        ("target", 0x7FF8000000000000), ("normaliser", 0), ("normaliser", 0xFF), ("normaliser", 0x610061),
        ("body length", 0), ("body length", 2**63), ("padding", 1), ("padding end", 1),
    ],
)  # fmt: skip
def test_an_impossible_value_is_refused_even_with_the_right_checksum(
    field: str, value: int, sound: bytes, tmp_path: Path
) -> None:
    offset, size = FIELDS[field]
    page = sound[:offset] + value.to_bytes(size, "little") + sound[offset + size :]
    path = tmp_path / "f.flt"
    path.write_bytes(resealed(page))
    with pytest.raises(CorruptFile):
        BlockedFilter.open(path)


@given(data=st.data())
@settings(max_examples=60)
def test_any_damage_to_a_small_filter_is_noticed_at_open(
    data: st.DataObject, sound: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(sound)
    for at in data.draw(st.lists(st.integers(0, len(sound) - 1), min_size=1, max_size=4, unique=True)):
        damaged[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / "f.flt"
    path.write_bytes(damaged)
    with pytest.raises((CorruptFile, IncompatibleVersion)):
        BlockedFilter.open(path)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, 4095, 4096, 4097, 12287])
def test_a_truncated_file_is_noticed(size: int, sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f.flt"
    path.write_bytes(sound[:size])
    for opening in (BlockedFilter.open, open_filter):
        with pytest.raises(CorruptFile):
            opening(path)


def test_a_file_with_something_behind_it_is_noticed(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f.flt"
    path.write_bytes(sound + b"\0")
    with pytest.raises(CorruptFile, match="bytes long"):
        BlockedFilter.open(path)


def test_a_later_version_names_both(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f.flt"
    path.write_bytes(resealed(sound[:8] + struct.pack("<I", 2) + sound[12:]))
    with pytest.raises(IncompatibleVersion, match="format version 2, this release reads 1"):
        BlockedFilter.open(path)


@pytest.mark.parametrize(
    "change", [{"width": 50}, {"stride": 1}, {"unit": "codepoint"}, {"seed": 1}, {"normaliser": "portrait-1"}]
)
def test_a_filter_of_another_geometry_or_role_is_refused(
    change: dict[str, object], make_filter: MakeFilter, geometry: Geometry
) -> None:
    opened = make_filter(random_keys(10))
    with pytest.raises(MismatchError, match="made for"):
        BlockedFilter.open(opened.path, replace(geometry, **change))
    with pytest.raises(MismatchError, match="commonness should"):
        BlockedFilter.open(opened.path, geometry, COMMONNESS)
    common = make_filter(random_keys(10), role=COMMONNESS)
    with pytest.raises(MismatchError, match="a commonness filter stands where membership should"):
        open_filter(common.path, geometry)


def test_damage_in_a_large_filter_is_found_by_verify_only(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance.membership.blocked.CHECKED_AT_OPEN", 8192)
    opened = make_filter(random_keys(10_000))
    opened.close()
    with open(opened.path, "r+b") as file:
        file.seek(-5, 2)
        byte = file.read(1)[0]
        file.seek(-5, 2)
        file.write(bytes([byte ^ 1]))
    damaged = BlockedFilter.open(opened.path)
    with pytest.raises(CorruptFile, match="checksum"):
        damaged.verify()


def test_missing_folders_and_forbidden_files_are_storage_errors(tmp_path: Path, write: Write) -> None:
    for path in (tmp_path / "none.flt", tmp_path):
        with pytest.raises(StorageError, match=str(path)):
            open_filter(path)
    with pytest.raises(StorageError, match="absent"):
        write(tmp_path / "absent" / "f", b"", target=1e-3)


def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    """A file-size limit stands for the full disk: the kernel refuses the write that passes it."""
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from provenance.errors import StorageError\n"
        "from provenance.membership.base import Geometry\n"
        "from provenance.membership.blocked import write_filter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "try:\n"
        "    write_filter(Path(sys.argv[1]), 0, lambda low, high: b'',\n"
        "                 geometry=Geometry(32, 32, 'utf8', 0, 'layout-1'), role=0, target=1e-6)\n"
        "except StorageError as error:\n"
        "    print(error)\n"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "f")], capture_output=True, text=True, check=True, cwd=root
    )
    assert "File too large" in found.stdout and str(tmp_path / "f") in found.stdout


def test_answers_count_windows_hits_and_chains_as_defined(make_filter: MakeFilter) -> None:
    text = bytes(np.random.default_rng(5).integers(33, 127, 1000, dtype=np.uint8))
    opened = make_filter(kernel.sort_unique(kernel.window_keys(text[100:420], 32, 32, SEED)))
    hits = opened.test(text)
    assert (hits.windows, hits.hits, hits.chains) == (969, 10, ((100, 420),))
    assert opened.test(b"").windows == opened.test(b"x" * 31).windows == 0
    assert opened.test(b"").chains == ()


def test_windows_in_code_points_are_counted_in_code_points(make_filter: MakeFilter, geometry: Geometry) -> None:
    counted = replace(geometry, unit="codepoint", width=20, stride=20)
    text = "".join(chr(0x4E00 + n % 700) + chr(0x61 + n % 26) for n in range(200))
    keys = kernel.window_keys(text[40:200].encode(), 20, 20, geometry.seed, codepoints=True)
    opened = make_filter(kernel.sort_unique(keys), geometry=counted)
    hits = opened.test(text.encode())
    assert (hits.windows, hits.hits, hits.chains) == (381, 8, ((40, 200),))


def test_a_filter_may_be_closed_while_others_ask_it(make_filter: MakeFilter) -> None:
    keys = random_keys(5000)
    opened = make_filter(keys)
    failures: list[BaseException] = []
    begun = threading.Barrier(4)

    def ask() -> None:
        try:
            begun.wait(30)
            while True:
                assert opened.contains(keys) == b"\1" * (len(keys) // 8)
        except ValueError:
            pass  # closed
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    opened.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert not failures


def test_the_expected_rate_is_that_of_the_header(make_filter: MakeFilter) -> None:
    opened = make_filter(random_keys(12_345), target=1e-4)
    regions, halves = size_for(opened.keys, 1e-4)
    assert opened.expected_false_positive_rate == expected_rate(opened.keys, regions, halves)
    assert opened.kind == "blocked"
