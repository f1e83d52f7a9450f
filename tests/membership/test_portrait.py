"""Portrait files: golden dumps, damage of every kind, and the way in and out of an index.

``golden/portraits/stdlib.50-50.bf`` was made by the original library on RedisBloom 2.4.3; ``own.20-20.bf`` here.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import struct
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.portraits import export_portrait, import_portraits
from provenance.checking import check
from provenance.errors import CorruptFile, EngineUnavailable, MismatchError, ParameterError, StorageError
from provenance.index import Index
from provenance.membership.portrait import PortraitFilter, write_portrait
from provenance.membership.portrait_format import Head, LinkHead, geometry_of
from provenance.search.base import Filters
from provenance.text import NormalisedText
from provenance.tracing import trace

SHARED = Path(os.environ.get("PROVENANCE_PORTRAITS", Path(__file__).parents[3] / "shared" / "portraits"))
GOLDEN = Path(__file__).parents[1] / "golden" / "portraits"
TEXTS = [
    b"".join(b"def function_%d(argument):\n    return argument * %d\n" % (at, at * at) for at in range(40)),
    "# naïve 漢字 😀\n".encode() * 3 + b"\tindented = 'once'\r\n\r\n   \n  twice()\n",
]


def bits_of(portrait: PortraitFilter) -> bytes:
    return b"".join(bytes(piece) for pieces, _, _ in portrait.links for piece in pieces)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A copy of a golden dump, to be damaged."""
    for name in ("stdlib.50-50.bf", "stdlib.50-50.bf.part0.bin"):
        shutil.copy(GOLDEN / name, tmp_path)
    return tmp_path / "stdlib.50-50.bf"


def test_a_dump_of_the_original_opens() -> None:
    opened = PortraitFilter.open(GOLDEN / "stdlib.50-50.bf")
    assert (opened.kind, opened.keys, opened.geometry.width, opened.geometry.unit) == (
        "portrait",
        12709,
        50,
        "codepoint",
    )
    assert opened.head.to_bytes() == (GOLDEN / "stdlib.50-50.bf.part0.bin").read_bytes()[:73]
    # 12,709 keys of ten bits each in 575,104 bits: a share of 1 - exp(-0.221) is set.
    assert opened.expected_false_positive_rate == pytest.approx(0.198**10, rel=0.15)
    assert opened.test(b"no code stands here" * 5).hits == 0
    opened.verify()
    opened.close()


def test_writing_gives_the_golden_bytes_in_parts(tmp_path: Path) -> None:
    head = write_portrait(tmp_path / "own.20-20.bf", TEXTS, capacity=200, error_rate=0.01, part_bytes=100)
    names = sorted(path.name for path in GOLDEN.glob("own.20-20.bf*"))
    assert names == sorted(path.name for path in tmp_path.iterdir()) and len(names) > 3
    for name in names:
        assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes(), name
    assert head.elements == PortraitFilter.open(GOLDEN / "own.20-20.bf").keys


@pytest.mark.skipif(
    not SHARED.is_dir() or platform.python_version() != "3.11.7",
    reason="the texts of that dump are not on this machine",
)
def test_the_originals_dump_is_reproduced_bit_by_bit(tmp_path: Path) -> None:
    made = json.loads((SHARED / "stdlib.50-50.bf.made.json").read_text())
    stdlib = Path(sysconfig.get_path("stdlib"))
    texts = [(stdlib / name).read_bytes() for name in made["files"]]
    write_portrait(tmp_path / "ours.50-50.bf", texts, capacity=made["capacity"], error_rate=made["error"])
    theirs = (GOLDEN / "stdlib.50-50.bf.part0.bin").read_bytes()
    assert (tmp_path / "ours.50-50.bf.part0.bin").read_bytes() == theirs
    index = json.loads((tmp_path / "ours.50-50.bf").read_text())
    original = json.loads((GOLDEN / "stdlib.50-50.bf").read_text())
    assert index["bf_info"] == original["bf_info"]
    assert [block["iter"] for block in index["blocks"]] == [block["iter"] for block in original["blocks"]]


def test_every_window_that_was_written_is_found_and_spans_lie_in_the_source(tmp_path: Path) -> None:
    write_portrait(tmp_path / "own.20-20.bf", TEXTS, capacity=1000, error_rate=1e-6)
    opened = PortraitFilter.open(tmp_path / "own.20-20.bf")
    for text in TEXTS:
        normal = NormalisedText(text, "portrait-1")
        characters = len(normal.normalised.decode())
        hits = opened.test(normal.normalised)
        assert hits.windows == characters - 19
        assert hits.chains[0] == (0, characters // 20 * 20)


def test_a_filter_of_several_links_holds_what_any_of_them_holds(tmp_path: Path) -> None:
    """What RedisBloom dumps after a filter has grown: links of growing size, one after another."""
    heads, bits = [], b""
    for number, text in enumerate(TEXTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        heads += write_portrait(folder / "own.20-20.bf", [text], capacity=100 << number, error_rate=0.001).links
        part = PortraitFilter.open(folder / "own.20-20.bf")
        bits += bits_of(part)
    head = Head(sum(link.elements for link in heads), 0b0101, 2, tuple(heads))
    grown = written(tmp_path / "grown.20-20.bf", head, bits)
    for text in TEXTS:
        normalised = NormalisedText(text, "portrait-1").normalised
        assert grown.test(normalised).chains[0] == (0, len(normalised.decode()) // 20 * 20)
    rates = [PortraitFilter.open(tmp_path / name / "own.20-20.bf").expected_false_positive_rate for name in "01"]
    assert grown.expected_false_positive_rate == pytest.approx(sum(rates), rel=0.01)


def written(path: Path, head: Head, bits: bytes) -> PortraitFilter:
    start = head.to_bytes()
    part = f"{path.name}.part0.bin"
    path.with_name(part).write_bytes(start + bits)
    blocks = [
        {"iter": 1, "block_num": 0, "block_size": len(start), "part_file": part},
        {"iter": 1 + len(bits), "block_num": 1, "block_size": len(bits), "part_file": part},
    ]
    path.write_text(json.dumps({"blocks": blocks}))
    return PortraitFilter.open(path)


def test_sizes_rounded_to_a_power_of_two_are_honoured(tmp_path: Path) -> None:
    link = LinkHead(128, 1000, 0, 0.01, 10.0, 7, 100, 10)
    opened = written(tmp_path / "own.20-20.bf", Head(0, 0b1100, 2, (link,)), bytes(128))
    assert opened.links[0][1] == 1024


def change_index(dump: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(dump.read_text())
    change(value)
    dump.write_text(json.dumps(value))


def change_head(dump: Path, at: int, data: bytes) -> None:
    part = dump.with_name(f"{dump.name}.part0.bin")
    content = bytearray(part.read_bytes())
    content[at : at + len(data)] = data
    part.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "not JSON": (lambda dump: dump.write_bytes(b"\x00\x01"), "not the JSON index"),
    "deep JSON": (lambda dump: dump.write_bytes(b"[" * 100_000), "not the JSON index"),
    "a list": (lambda dump: dump.write_text("[]"), "not the JSON index"),
    "no blocks": (lambda dump: change_index(dump, lambda v: v.pop("blocks")), "lists no blocks"),
    "block out of order": (lambda dump: change_index(dump, lambda v: v["blocks"].reverse()), "out of order"),
    "wrong cursor": (lambda dump: change_index(dump, lambda v: v["blocks"][1].update(iter=5)), "cursor of block 1"),
    "a path": (lambda dump: change_index(dump, lambda v: v["blocks"][0].update(part_file="../x")), "beside the index"),
    "width": (lambda dump: change_index(dump, lambda v: v.update(width=51)), "its name says 50"),
    "truncated part": (lambda dump: cut_part(dump, 1000), "the index says"),
    "too many links": (lambda dump: change_head(dump, 8, b"\xff\xff"), "claims 65535 links"),
    "32-bit hashes": (lambda dump: change_head(dump, 12, struct.pack("<I", 9)), "option word"),
    "no hashes": (lambda dump: change_head(dump, 60, bytes(4)), "impossible values for link 0"),
    "more bits than bytes": (lambda dump: change_head(dump, 28, struct.pack("<Q", 1 << 40)), "impossible values"),
    "bytes missing": (lambda dump: change_head(dump, 20, struct.pack("<Q", 72_000)), "the head says 72000"),
}


def cut_part(dump: Path, size: int) -> None:
    part = dump.with_name(f"{dump.name}.part0.bin")
    part.write_bytes(part.read_bytes()[:size])


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_with_its_file(dump: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(dump)
    with pytest.raises(CorruptFile, match=message) as caught:
        PortraitFilter.open(dump)
    assert str(dump.parent) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_part_is_named(dump: Path) -> None:
    dump.with_name(f"{dump.name}.part0.bin").unlink()
    with pytest.raises(StorageError, match=r"part0\.bin"):
        PortraitFilter.open(dump)


@pytest.mark.parametrize(
    "name", ["stack.bf", "stack.50.bf", "stack.0-50.bf", "stack.50-99999.bf", "50-50.bf", "x.50-50"]
)
def test_a_name_that_tells_no_windows_is_refused(name: str) -> None:
    with pytest.raises(ParameterError):
        geometry_of(name)


@pytest.mark.parametrize(("capacity", "rate"), [(0, 0.1), (10, 0.0), (10, 1.0)])
def test_impossible_sizes_are_refused(tmp_path: Path, capacity: int, rate: float) -> None:
    with pytest.raises(ParameterError):
        write_portrait(tmp_path / "own.20-20.bf", TEXTS, capacity=capacity, error_rate=rate)
    assert not list(tmp_path.iterdir())


def test_an_imported_portrait_answers_check_alone(tmp_path: Path) -> None:
    write_portrait(tmp_path / "own.20-20.bf", TEXTS, capacity=1000, error_rate=1e-6)
    report = import_portraits(tmp_path / "index", [tmp_path / "own.20-20.bf"], corpus_revision="r1")
    assert report.layers == 1 and report.keys > 80
    for path in tmp_path.glob("own*"):
        path.unlink()
    with Index.open(tmp_path / "index") as index:
        index.verify()
        assert (index.corpus.name, index.corpus.revision) == ("own", "r1")
        copied = "new text around\n" + TEXTS[0].decode()[400:800] + "\nmore new text"
        answer = check(index, copied)
        assert answer.verdict == "possible_match"
        assert copied[answer.spans[0].start : answer.spans[0].end] in TEXTS[0].decode()
        assert check(index, "nothing of the kind stands in there, " * 5).verdict == "no_match"
        with pytest.raises(MismatchError):
            trace(index, copied)
        with pytest.raises(EngineUnavailable, match="imported portrait"):
            index.engine.all_words(["x"], Filters(), 1)


def test_lengths_count_characters_not_bytes(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + at * 37 % 5000) for at in range(60))
    write_portrait(tmp_path / "han.20-20.bf", [text.encode()], capacity=100, error_rate=1e-6)
    import_portraits(tmp_path / "index", [tmp_path / "han.20-20.bf"])
    with Index.open(tmp_path / "index") as index:
        found = check(index, f"- {text} -", min_chars=60)
        assert (found.verdict, found.characters, found.filter_spans[0].longest) == ("possible_match", 64, 60)
        assert (found.spans[0].start, found.spans[0].end) == (2, 62)
        assert check(index, f"- {text} -", min_chars=61).verdict == "candidate"
        assert check(index, "漢" * 38, min_chars=20).verdict == "too_short"


def test_partitions_are_asked_as_one_and_order_does_not_count(tmp_path: Path) -> None:
    dumps = [tmp_path / f"part{number}.20-20.bf" for number in range(2)]
    for path, text in zip(dumps, TEXTS, strict=True):
        write_portrait(path, [text], capacity=500, error_rate=1e-6)
    first = import_portraits(tmp_path / "one", dumps)
    import_portraits(tmp_path / "two", [dumps[1]])
    second = import_portraits(tmp_path / "two", [dumps[0]])
    assert first.digest == second.digest
    for folder in ("one", "two"):
        with Index.open(tmp_path / folder) as index:
            assert all(check(index, text, min_chars=20).verdict == "possible_match" for text in TEXTS)


def test_windows_that_differ_are_not_mixed(tmp_path: Path, demo_index: Path) -> None:
    for name in ("a.20-20.bf", "b.30-20.bf"):
        write_portrait(tmp_path / name, TEXTS, capacity=500, error_rate=0.01)
    with pytest.raises(MismatchError):
        import_portraits(tmp_path / "index", [tmp_path / "a.20-20.bf", tmp_path / "b.30-20.bf"])
    import_portraits(tmp_path / "index", [tmp_path / "a.20-20.bf"])
    with pytest.raises(MismatchError, match="other windows"):
        import_portraits(tmp_path / "index", [tmp_path / "b.30-20.bf"])
    with pytest.raises(ParameterError):
        import_portraits(tmp_path / "index", [])


def test_damage_after_import_is_found(tmp_path: Path, dump: Path) -> None:
    import_portraits(tmp_path / "index", [dump])
    part = next((tmp_path / "index").rglob("*.part0.bin"))
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    with Index.open(tmp_path / "index") as index, pytest.raises(CorruptFile, match="checksum"):
        index.verify()


def test_an_index_is_exported_and_imported_again(tmp_path: Path, demo_index: Path, demo_sources: Path) -> None:
    with Index.open(demo_index) as index:
        head = export_portrait(index, tmp_path / "out" / "demo.50-50.bf")
        with pytest.raises(StorageError, match="exists"):
            export_portrait(index, tmp_path / "out" / "demo.50-50.bf")
    assert head.elements <= head.links[0].capacity
    import_portraits(tmp_path / "index", [tmp_path / "out" / "demo.50-50.bf"])
    text = (demo_sources / "cpython" / "argparse.py").read_text()
    with Index.open(tmp_path / "index") as imported:
        found = check(imported, text)
        assert found.coverage > 0.99
        with pytest.raises(ParameterError, match="no texts"):
            export_portrait(imported, tmp_path / "again.50-50.bf")
