"""Portraits in every kernel: against the original library's answers, Python's own regular expressions, and big ints."""

from __future__ import annotations

import json
import os
import re
import sysconfig
from array import array
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

SHARED = Path(os.environ.get("PROVENANCE_PORTRAITS", Path(__file__).parents[3] / "shared" / "portraits"))
MASK = (1 << 64) - 1
MULTIPLIER = 0xC6A4A7935BD1E995
GOLDEN = Path(__file__).parents[1] / "golden" / "portraits"
SPACES = [
    *"\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000",
    "\r\n",
    "\n \n",
    "\u200b",
]
texts = st.lists(st.one_of(st.sampled_from(SPACES), st.text(max_size=8), st.sampled_from(["x = 1", "漢字", "😀"]))).map(
    lambda parts: "".join(parts).encode("utf-8", "replace").decode()
)
Link = tuple[list[bytes], int, int]


def normalised_by_the_original(text: str) -> str:
    """Return what the original's three regular expressions make of a text."""
    text = re.sub(r"[\r\n]+", "\n", text)
    text = re.sub(r"[^\S\n]+", " ", text)
    return re.sub(r"\n\s", "\n", text).strip()


def murmur(data: bytes, seed: int) -> int:
    """Return MurmurHash64A in plain integers."""
    hashed = (seed ^ len(data) * MULTIPLIER) & MASK
    for at in range(0, len(data) // 8 * 8, 8):
        block = int.from_bytes(data[at : at + 8], "little") * MULTIPLIER & MASK
        block = (block ^ block >> 47) * MULTIPLIER & MASK
        hashed = (hashed ^ block) * MULTIPLIER & MASK
    rest = data[len(data) // 8 * 8 :]
    if rest:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * MULTIPLIER & MASK
    hashed = (hashed ^ hashed >> 47) * MULTIPLIER & MASK
    return hashed ^ hashed >> 47


def positions(window: str, bits: int, hashes: int) -> list[int]:
    """Return the bits of one window."""
    a = murmur(window.encode(), MULTIPLIER)
    b = murmur(window.encode(), a)
    return [(a + probe * b & MASK) % bits for probe in range(hashes)]


def members(kernel: ModuleType, links: list[Link], text: bytes, width: int) -> str:
    """Return the kernel's answers as zeros and ones."""
    count = max(0, len(text.decode()) - width + 1)
    packed = kernel.portrait_hits(links, text, width)
    return "".join(str(packed[at // 8] >> at % 8 & 1) for at in range(count))


def runs(hits: str, stride: int) -> list[list[int]]:
    """Return the maximal runs of hits one stride apart, ascending."""
    found = []
    for at, hit in enumerate(hits):
        if hit == "1" and (at < stride or hits[at - stride] == "0"):
            run = [at]
            while run[-1] + stride < len(hits) and hits[run[-1] + stride] == "1":
                run.append(run[-1] + stride)
            found.append(run)
    return found


def bridging_runs(hits: str, stride: int) -> list[list[int]]:
    """Return the runs as the original makes them: past misses, and once more from every miss before a hit."""
    found: list[list[int]] = []
    seen: set[int] = set()
    for at in range(len(hits)):
        run = [later for later in range(at, len(hits), stride) if hits[later] == "1"]
        if at not in seen and run:
            found.append(run)
            seen.update(run)
    return sorted(found, key=len, reverse=True)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the original library's answers are not on this machine")
@pytest.mark.parametrize("name", ["quip.25-1", "stdlib.50-50"])
def test_every_answer_of_the_original_library_is_reproduced(kernel: ModuleType, name: str) -> None:
    width, stride = (int(number) for number in name.split(".")[1].split("-"))
    info = json.loads((SHARED / f"{name}.bf").read_text())["bf_info"]
    bits = (SHARED / f"{name}.bf.part0.bin").read_bytes()[73:]
    answers: list[dict[str, Any]] = json.loads((SHARED / f"{name}.bf.answers.json").read_text())
    assert len(answers) == 15
    for answer in answers:
        text = kernel.portrait_normalise_map(answer["text"].encode())[0]
        assert text.decode() == answer["normalised"]
        link = ([bits[:1000], bits[1000:]], info["bits"], info["hashes"])
        assert members(kernel, [link], text, width) == answer["is_member"]
        assert bridging_runs(answer["is_member"], stride) == answer["chain_starts"]
        hits, packed = kernel.portrait_chains([link], text, width, stride)
        pairs = array("Q", packed)
        found = [
            list(range(start, end - width + 1, stride)) for start, end in zip(pairs[::2], pairs[1::2], strict=True)
        ]
        assert found == runs(answer["is_member"], stride)
        assert hits == answer["is_member"].count("1")
        if not any(bridges_a_miss(run, stride) for run in answer["chain_starts"]):
            assert max(map(len, found), default=0) == answer["longest_chain"]


def test_a_dump_of_the_original_answers_as_plain_integers_do(kernel: ModuleType) -> None:
    """Modules that the dump was made of: those of this Python may differ, but not from their first line on."""
    info = json.loads((GOLDEN / "stdlib.50-50.bf").read_text())["bf_info"]
    bits = (GOLDEN / "stdlib.50-50.bf.part0.bin").read_bytes()[73:]
    found = 0
    for name in ("textwrap.py", "json/scanner.py", "email/header.py"):
        source = (Path(sysconfig.get_path("stdlib")) / name).read_text("utf-8")[:3000]
        text = normalised_by_the_original(source)
        windows = (positions(text[at : at + 50], info["bits"], info["hashes"]) for at in range(len(text) - 49))
        expected = "".join(str(int(all(bits[p >> 3] >> (p & 7) & 1 for p in places))) for places in windows)
        assert members(kernel, [([bits], info["bits"], info["hashes"])], text.encode(), 50) == expected
        found += expected[::50].count("1")
    assert found > 10


def bridges_a_miss(run: list[int], stride: int) -> bool:
    """Tell whether a run of the original goes on after a miss."""
    return any(later - sooner != stride for sooner, later in zip(run, run[1:], strict=False))


@given(text=texts)
def test_normalising_is_what_the_originals_regular_expressions_do(kernel: ModuleType, text: str) -> None:
    normalised, ours, theirs = kernel.portrait_normalise_map(text.encode())
    assert normalised.decode() == normalised_by_the_original(text)
    source = text.encode()
    marks = list(zip(array("Q", ours), array("Q", theirs), strict=True))
    assert marks == sorted(set(marks)) and (not normalised or marks[0][0] == 0)
    at = -1
    for offset, byte in enumerate(normalised):
        if at + 1 < len(marks) and marks[at + 1][0] == offset:
            at += 1
        place = marks[at][1] + offset - marks[at][0]
        assert source[place] == byte or byte in b" \n"


@given(text=st.binary(max_size=200))
def test_any_bytes_are_normalised_alike(native: ModuleType, reference: ModuleType, text: bytes) -> None:
    assert native.portrait_normalise_map(text) == reference.portrait_normalise_map(text)


@given(
    text=texts, width=st.integers(1, 70), stride=st.integers(1, 20), bits=st.integers(1, 2000), hashes=st.integers(1, 9)
)
def test_inserting_and_asking_agree_with_plain_integers(
    kernel: ModuleType, text: str, width: int, stride: int, bits: int, hashes: int
) -> None:
    body = bytearray(bits // 8 + 1)
    added = kernel.portrait_insert(body, bits, hashes, text.encode(), width, stride)
    windows = [text[at : at + width] for at in range(len(text) - width + 1)]
    expected: set[int] = set()
    new = 0
    for window in windows[::stride]:
        places = set(positions(window, bits, hashes))
        new += not places <= expected
        expected |= places
    assert added == new
    assert {at for at in range(8 * len(body)) if body[at // 8] >> at % 8 & 1} == expected
    assert kernel.count_ones(body) == len(expected)
    asked = members(kernel, [([bytes(body)], bits, hashes)], text.encode(), width)
    assert asked == "".join(str(int(set(positions(window, bits, hashes)) <= expected)) for window in windows)


@given(text=texts, cuts=st.lists(st.integers(0, 64), max_size=4), seed=st.binary(min_size=128, max_size=128))
def test_links_are_united_wherever_their_bits_are_cut(
    kernel: ModuleType, text: str, cuts: list[int], seed: bytes
) -> None:
    first, second = seed[:64], seed[64:]
    edges = [0, *sorted(cuts), 64]
    pieces = [first[low:high] for low, high in zip(edges, edges[1:], strict=False)]
    alone = [members(kernel, [([bits], size, 2)], text.encode(), 3) for bits, size in ((first, 512), (second, 509))]
    both = members(kernel, [(pieces, 512, 2), ([second], 509, 2)], text.encode(), 3)
    assert both == "".join(str(int("1" in pair)) for pair in zip(*alone, strict=True))


def test_long_texts_take_the_same_path_in_blocks(kernel: ModuleType, reference: ModuleType) -> None:
    text = b"".join(b"%d value = lookup(table, %d)\n" % (at, at * 7919 % 1000) for at in range(400))
    body = bytearray(1 << 12)
    kernel.portrait_insert(body, 1 << 15, 4, text[::2], 50, 3)
    links = [([bytes(body)], 1 << 15, 4)]
    for part in (text, text + "é".encode(), text[:305], text[:49], b""):
        assert kernel.portrait_hits(links, part, 50) == reference.portrait_hits(links, part, 50)
        assert kernel.portrait_chains(links, part, 50, 3) == reference.portrait_chains(links, part, 50, 3)


@pytest.mark.parametrize(
    ("bits", "count", "hashes", "width"),
    [(b"12", 17, 1, 5), (b"", 1, 1, 5), (b"1", 0, 1, 5), (b"1", 8, 0, 5), (b"1", 8, 1, 0)],
)
def test_impossible_filters_are_refused(kernel: ModuleType, bits: bytes, count: int, hashes: int, width: int) -> None:
    with pytest.raises(ValueError):
        kernel.portrait_hits([([bits], count, hashes)], b"some text", width)
