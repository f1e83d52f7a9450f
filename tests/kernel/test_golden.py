"""Fixed values: what an index holds must be read by every later release.

`golden/kernel.json` is never regenerated; a change of these values is a new format version.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xxhash

GOLDEN = Path(__file__).parents[1] / "golden" / "kernel.json"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return values


def hexadecimal(keys: bytes) -> list[str]:
    return [f"{key:016x}" for key in np.frombuffer(keys, "<u8").tolist()]


def test_normal_form_and_map_are_as_ever(kernel: ModuleType, golden: dict[str, Any]) -> None:
    normalised, at, source = kernel.normalise_map(golden["source"].encode())
    assert normalised.decode() == golden["normalised"]
    pairs = zip(np.frombuffer(at, "<u8").tolist(), np.frombuffer(source, "<u8").tolist(), strict=True)
    assert [list(pair) for pair in pairs] == golden["breakpoints"]


def test_keys_are_as_ever_and_those_of_xxh3(kernel: ModuleType, golden: dict[str, Any]) -> None:
    normalised, seed = golden["normalised"].encode(), int(golden["seed"], 16)
    assert hexadecimal(kernel.window_keys(normalised, 32, 32, seed)) == golden["keys_32_32"]
    assert golden["keys_32_32"][1] == xxhash.xxh3_64_hexdigest(normalised[32:64], seed)
    keys = kernel.window_keys(normalised, 50, 50, 0, codepoints=True)
    assert hexadecimal(keys) == golden["keys_50_50_code_points_seed_0"]
    assert golden["keys_50_50_code_points_seed_0"] == [xxhash.xxh3_64_hexdigest(golden["normalised"][:50].encode())]


def test_samples_and_words_are_as_ever(kernel: ModuleType, golden: dict[str, Any]) -> None:
    normalised = golden["normalised"].encode()
    for name, width, group in (("samples_32_33", 32, 33), ("samples_8_4", 8, 4)):
        assert np.frombuffer(kernel.sample_positions(normalised, width, group), "<u8").tolist() == golden[name]
    collector = kernel.KeyCollector(32, 32, int(golden["seed"], 16), 33)
    collector.add(golden["source"].encode(), 5)
    keys, repositories = collector.samples()
    assert hexadecimal(keys) == golden["sample_keys"]
    assert repositories == (5).to_bytes(4, "little") * len(golden["sample_keys"])
    assert collector.words().decode().split("\n") == golden["words"]


def test_filter_bytes_are_as_ever(kernel: ModuleType, golden: dict[str, Any]) -> None:
    expected = golden["filter"]
    keys = np.array([int(key, 16) for key in expected["keys"]], "<u8").tobytes()
    body = bytearray(expected["halves"] * expected["regions"] * 4096)
    kernel.insert_sorted(body, expected["regions"], expected["halves"], 0, expected["regions"], keys)
    bits = np.flatnonzero(np.unpackbits(np.frombuffer(body, np.uint8), bitorder="little"))
    assert bits.tolist() == expected["bits"]
