from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xxhash
from pybloomfilter import BloomFilter

from cli.main import main
from indexer.attaching import attach, detach
from indexer.build import build
from indexer.commit import WriterLock
from indexer.compact import compact
from provenance.checking import check
from provenance.errors import CorruptFile, IndexBusy, IndexMissing, MismatchError, ParameterError
from provenance.index import Index
from provenance.windows import DEFAULT_SEED

OWN = "".join(f"own_{n} = compute_own({n}, scale={n * 7})\n" for n in range(60))
STRINGS = "".join(f"strings_{n} = read_strings({n}, limit={n * 11})\n" for n in range(60))
INTEGERS = "".join(f"integers_{n} = read_integers({n}, limit={n * 13})\n" for n in range(60))


@pytest.fixture
def folder(tmp_path: Path, listed: Callable[..., Any], doc: Callable[..., Any]) -> Path:
    build([listed([doc(OWN)])], tmp_path / "index", workers=1)
    return tmp_path / "index"


def made_by_the_library(path: Path, keys: list[str] | list[int]) -> Path:
    library = BloomFilter(1000, 1e-9, str(path))
    library.update(keys)
    library.close()
    return path


@pytest.fixture
def strings(tmp_path: Path) -> Path:
    windows = [STRINGS[at : at + 50] for at in range(0, len(STRINGS) - 49, 50)]
    return made_by_the_library(tmp_path / "strings.bloom", windows)


@pytest.fixture
def integers(tmp_path: Path) -> Path:
    windows = [INTEGERS[at : at + 32].encode() for at in range(0, len(INTEGERS) - 31, 32)]
    keys = [xxhash.xxh3_64_intdigest(window, DEFAULT_SEED) for window in windows]
    return made_by_the_library(tmp_path / "integers.bloom", keys)


def verdicts(folder: Path) -> list[str]:
    with Index.open(folder) as index:
        return [check(index, text).verdict for text in (OWN, STRINGS, INTEGERS)]


def test_files_of_the_library_are_asked_until_they_are_detached(folder: Path, strings: Path, integers: Path) -> None:
    with Index.open(folder) as index:
        digest, geometry = index.digest, index.geometry
    assert verdicts(folder) == ["possible_match", "no_match", "no_match"]
    attach(folder, strings, replace(geometry, width=50, stride=50), keys="strings")
    attach(folder, integers, keys="integers")
    assert verdicts(folder) == ["possible_match"] * 3
    with Index.open(folder) as index:
        index.verify()
        assert index.digest == digest and [each.kind for each in index.filters] == ["blocked", "pybloom", "pybloom"]
    detach(folder, strings)
    assert verdicts(folder) == ["possible_match", "no_match", "possible_match"]
    with pytest.raises(ParameterError, match="not attached; the index has 1"):
        detach(folder, strings)


def test_an_attached_filter_outlives_additions_and_compaction(
    folder: Path, integers: Path, listed: Callable[..., Any], doc: Callable[..., Any]
) -> None:
    attach(folder, integers, keys="integers")
    build([listed([doc(STRINGS, path="b.py")])], folder, workers=1)
    assert verdicts(folder) == ["possible_match"] * 3
    compact(folder, workers=1)
    assert verdicts(folder) == ["possible_match"] * 3


def test_attaching_again_describes_the_file_anew(folder: Path, integers: Path) -> None:
    attach(folder, integers, keys="strings")
    assert verdicts(folder)[2] == "no_match"
    attach(folder, integers, keys="integers")
    with Index.open(folder) as index:
        assert len(index.filters) == 2
    assert verdicts(folder)[2] == "possible_match"


def test_a_filter_inside_of_the_index_moves_with_it(folder: Path, integers: Path, tmp_path: Path) -> None:
    shutil.move(integers, folder / "others.bloom")
    attach(folder, folder / "others.bloom", keys="integers")
    shutil.move(folder, tmp_path / "elsewhere")
    assert verdicts(tmp_path / "elsewhere")[2] == "possible_match"


def test_what_cannot_be_asked_is_refused_and_changes_nothing(folder: Path, strings: Path, tmp_path: Path) -> None:
    before = (folder / "index.json").read_bytes()
    (tmp_path / "foreign").write_bytes(os.urandom(5000))
    with pytest.raises(CorruptFile, match="not a filter file of any known kind"):
        attach(folder, tmp_path / "foreign")
    with Index.open(folder) as index, pytest.raises(MismatchError, match="portrait-1"):
        attach(folder, strings, replace(index.geometry, normaliser="portrait-1"))
    with pytest.raises(IndexMissing):
        attach(tmp_path, strings)
    with WriterLock(folder), pytest.raises(IndexBusy):
        attach(folder, strings)
    assert (folder / "index.json").read_bytes() == before


def test_a_filter_changed_after_it_was_attached_is_noticed(folder: Path, strings: Path) -> None:
    attach(folder, strings)
    whole = strings.read_bytes()
    strings.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CorruptFile, match="strings.bloom"), Index.open(folder) as index:
        index.verify()


def test_the_command_line_attaches_and_detaches(
    folder: Path, strings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ["--index", str(folder)]
    assert main(["attach", str(strings), "--keys", "strings", "--width", "50", "--stride", "50", *index]) == 0
    assert "attached; 2 filters are asked" in capsys.readouterr().out
    assert verdicts(folder)[1] == "possible_match"
    assert main(["attach", str(strings), "--remove", *index]) == 0
    assert verdicts(folder)[1] == "no_match"
    assert main(["attach", str(strings), "--keys", "floats", *index]) == 2
    assert "must be 'strings' or 'integers'" in capsys.readouterr().err
