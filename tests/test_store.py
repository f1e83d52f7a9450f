from __future__ import annotations

import random
import struct
import threading
from pathlib import Path

import pytest
import xxhash
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import CorruptFile, IncompatibleVersion, IndexMissing, StorageError
from provenance.store import BLOCK_BYTES, LEAST_BLOCK_BYTES, BlockReader
from provenance.store_writer import BlockWriter

SOURCE = Path(random.__file__).read_bytes()


def write(path: Path, records: list[bytes], block_bytes: int = BLOCK_BYTES) -> Path:
    writer = BlockWriter(path, block_bytes=block_bytes)
    assert [writer.append(record) for record in records] == list(range(len(records)))
    writer.finish()
    return path


def mixed_records() -> list[bytes]:
    """Records of every kind: empty, tiny, ending on a block's edge, spanning three blocks."""
    noise = random.Random(5).randbytes(3 * BLOCK_BYTES + 17)
    return [b"", b"a", SOURCE, b"", noise, SOURCE[:5], b"x" * (BLOCK_BYTES - 1), noise[:BLOCK_BYTES], b""]


sizes = st.one_of(st.integers(0, 40), st.sampled_from([32767, 32768, 32769, 65536, 200_001]))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(sizes, st.integers(0, 255)), max_size=12), st.data())
def test_every_record_and_slice_comes_back(tmp_path: Path, shape: list[tuple[int, int]], data: st.DataObject) -> None:
    records = [random.Random(seed).randbytes(size) for size, seed in shape]
    block_bytes = data.draw(st.sampled_from([BLOCK_BYTES, LEAST_BLOCK_BYTES, 5000]))
    with BlockReader(write(tmp_path / "a.blk", records, block_bytes)) as reader:
        assert list(reader.all()) == records
        assert len(reader) == len(records)
        assert reader.total_bytes == sum(map(len, records))
        order = data.draw(st.permutations(range(len(records))))
        for ordinal in order:
            record = records[ordinal]
            assert reader.length(ordinal) == len(record)
            assert reader.record(ordinal) == record
            start = data.draw(st.integers(0, len(record) + 2))
            end = data.draw(st.integers(0, len(record) + 2))
            assert reader.slice(ordinal, start, end) == record[start:end]
        reader.verify()


def test_file_is_as_architecture_says(tmp_path: Path) -> None:
    records = [b"one", b"", b"z" * BLOCK_BYTES, b"two"]
    data = write(tmp_path / "a.blk", records).read_bytes()
    stream = b"".join(records)
    assert data[:16] == b"PROVBLK\x01" + struct.pack("<II", 1, 32768)
    blocks, count, tables, checksum, magic = struct.unpack("<QQQQ8s", data[-40:])
    assert (blocks, count, magic) == (2, 4, b"PROVBLKE")
    assert xxhash.xxh3_64_intdigest(data[tables:-40]) == checksum
    table = struct.unpack(f"<{blocks + 1 + count + 1}Q", data[tables:-40])
    frames, offsets = table[: blocks + 1], table[blocks + 1 :]
    assert frames[0] == 16 and frames[-1] == tables
    assert offsets == (0, 3, 3, 3 + BLOCK_BYTES, 6 + BLOCK_BYTES)
    cut = [data[a:b] for a, b in zip(frames, frames[1:], strict=False)]
    assert all(zstandard.get_frame_parameters(frame).has_checksum for frame in cut)
    assert [zstandard.decompress(frame) for frame in cut] == [stream[:BLOCK_BYTES], stream[BLOCK_BYTES:]]


@pytest.mark.parametrize("size", [0, 4095, 65537, 2 << 20])
def test_a_block_size_that_cannot_be_is_damage(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.blk", [b"abc"])
    data = bytearray(path.read_bytes())
    data[12:16] = struct.pack("<I", size)
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match="damaged in its header"):
        BlockReader(path)


def test_empty_file_holds_nothing(tmp_path: Path) -> None:
    with BlockReader(write(tmp_path / "a.blk", [])) as reader:
        assert len(reader) == 0
        reader.verify()
        with pytest.raises(IndexError):
            reader.record(0)


@pytest.mark.parametrize("ordinal", [-1, 9, 1 << 40])
def test_no_record_outside_of_the_file(tmp_path: Path, ordinal: int) -> None:
    with BlockReader(write(tmp_path / "a.blk", mixed_records())) as reader:
        for ask in (reader.record, reader.length, lambda n: reader.slice(n, 0, 1)):
            with pytest.raises(IndexError):
                ask(ordinal)


def attempt(path: Path, records: list[bytes]) -> None:
    """Read everything; whatever comes back must be right."""
    with BlockReader(path) as reader:
        assert len(reader) == len(records)
        for ordinal, record in enumerate(records):
            assert reader.record(ordinal) == record


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.blk", mixed_records())
    whole = path.read_bytes()
    cuts = {0, 1, 15, 16, 17, len(whole) - 1, len(whole) - 39, len(whole) - 40, len(whole) - 41, len(whole) // 2}
    cuts |= {random.Random(1).randrange(len(whole)) for _ in range(20)}
    for cut in sorted(cuts):
        path.write_bytes(whole[:cut])
        with pytest.raises(CorruptFile, match="a.blk"):
            BlockReader(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CorruptFile):
        BlockReader(path)


def test_no_flipped_bit_changes_an_answer(tmp_path: Path) -> None:
    records = mixed_records()
    path = write(tmp_path / "a.blk", records)
    whole = bytearray(path.read_bytes())
    tables = struct.unpack_from("<Q", whole, len(whole) - 24)[0]
    generator = random.Random(2)
    header_and_footer = [*range(16), *range(len(whole) - 40, len(whole))]
    positions = [(at, bit) for at in header_and_footer for bit in range(8)]
    positions += [(generator.randrange(tables, len(whole) - 40), generator.randrange(8)) for _ in range(60)]
    positions += [(16 + at, bit) for at in range(12) for bit in range(8)]
    positions += [(generator.randrange(16, tables), generator.randrange(8)) for _ in range(60)]
    noticed = 0
    for at, bit in positions:
        whole[at] ^= 1 << bit
        path.write_bytes(whole)
        try:
            attempt(path, records)
        except (CorruptFile, IncompatibleVersion) as error:
            noticed += 1
            assert str(path) in str(error)
        whole[at] ^= 1 << bit
    # A frame has a few bits without meaning; everything else is noticed.
    assert noticed >= len(positions) - 8


def test_forged_frame_that_wants_memory_is_refused_before_it_gets_any(tmp_path: Path) -> None:
    path = write(tmp_path / "a.blk", [b"q" * 100])
    data = path.read_bytes()
    forged = zstandard.ZstdCompressor(write_checksum=True).compress(b"q" * (1 << 26))
    table = struct.pack("<QQQQ", 16, 16 + len(forged), 0, 100)
    footer = struct.pack("<QQQQ8s", 1, 1, 16 + len(forged), xxhash.xxh3_64_intdigest(table), b"PROVBLKE")
    path.write_bytes(data[:16] + forged + table + footer)
    with BlockReader(path) as reader, pytest.raises(CorruptFile, match="not a frame of 100 bytes"):
        reader.record(0)


def test_another_version_and_foreign_files_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.blk", [b"abc"])
    data = bytearray(path.read_bytes())
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(IncompatibleVersion, match="version 2, this release reads 1"):
        BlockReader(path)
    path.write_bytes(b"PK\x03\x04" + bytes(200))
    with pytest.raises(CorruptFile, match="not a block file"):
        BlockReader(path)
    with pytest.raises(IndexMissing, match=r"none\.blk"):
        BlockReader(tmp_path / "none.blk")
    with pytest.raises((CorruptFile, StorageError)):
        BlockReader(tmp_path)


def test_file_truncated_while_open_is_an_error_and_no_crash(tmp_path: Path) -> None:
    records = mixed_records()
    path = write(tmp_path / "a.blk", records)
    with BlockReader(path) as reader:
        with open(path, "r+b") as file:
            file.truncate(100)
        with pytest.raises(CorruptFile, match="truncated"):
            reader.record(4)


def test_many_threads_read_the_same_records(tmp_path: Path) -> None:
    generator = random.Random(3)
    records = [generator.randbytes(generator.randrange(30_000)) for _ in range(120)]
    failures: list[int] = []
    with BlockReader(write(tmp_path / "a.blk", records)) as reader:

        def read(seed: int) -> None:
            chooser = random.Random(seed)
            for _ in range(150):
                ordinal = chooser.randrange(len(records))
                if reader.record(ordinal) != records[ordinal]:
                    failures.append(ordinal)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_abandoned_writer_leaves_no_file(tmp_path: Path) -> None:
    writer = BlockWriter(tmp_path / "a.blk")
    writer.append(b"x" * 200_000)
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_writing_where_nothing_can_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="gone"):
        BlockWriter(tmp_path / "gone" / "a.blk")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a.blk").symlink_to("/dev/full")
    writer = BlockWriter(tmp_path / "a.blk")
    with pytest.raises(StorageError, match="a.blk: No space left"):
        for _ in range(64):
            writer.append(random.Random(4).randbytes(BLOCK_BYTES))
        writer.finish()
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_closed_reader_refuses(tmp_path: Path) -> None:
    reader = BlockReader(write(tmp_path / "a.blk", [b"abc"]))
    reader.close()
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.record(0)
