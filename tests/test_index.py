from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from provenance.errors import CorruptFile, FormatError, IncompatibleVersion, IndexMissing, ProvenanceError, StorageError
from provenance.index import Index
from provenance.manifest import Manifest
from provenance.parameters import Parameters
from provenance.records import ContentRef, Document, Source, git_blob_id


class Few:
    """Six documents of five contents, in two segments."""

    location = "few"

    def plan(self) -> Any:
        from indexer.sources.base import Unit

        yield from (Unit(1000, number, "1") for number in range(6))

    def read(self, unit: Any) -> Any:
        number = min(unit.payload, 4)
        text = b"".join(b"line %d of %d is here\n" % (line, number) for line in range(60))
        yield Document(text, git_blob_id(text), Source("owner/name", f"src/{unit.payload}.py", license="MIT"))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "index"
    build(
        [Few()], folder, workers=1, corpus_name="few", corpus_revision="r9", parameters=Parameters(segment_bytes=3000)
    )
    return folder


@pytest.fixture
def copy(few: Path, tmp_path: Path) -> Path:
    shutil.copytree(few, tmp_path / "index")
    return tmp_path / "index"


def everything(folder: Path) -> list[tuple[bytes, bytes, str, list[tuple[bytes, Source]]]]:
    """Return all that a reader can ask for about contents; checks that documents are found by their ids."""
    found = []
    with Index.open(folder) as index:
        for ref in index.refs():
            sources = index.sources(ref)
            encoding = index.segments[ref.segment].encoding(ref.content)
            found.append((index.text(ref), index.content_id(ref), encoding, sources))
            for identity, source in sources:
                assert (ref, source) in index.find(identity)
    return found


def test_index_says_what_it_is(few: Path) -> None:
    with Index.open(few) as index:
        assert (index.documents, index.contents, len(index.segments)) == (6, 5 + (len(index.segments) > 2), 2)
        described = index.describe()
        assert described["corpus"].pop("built").endswith("Z")
        assert described == {
            "name": "few",
            "digest": index.digest,
            "documents": 6,
            "width": 32,
            "stride": 32,
            "unit": "utf8",
            "normaliser": "layout-1",
            "false_positive_rate": 1e-6,
            "corpus": {"name": "few", "revision": "r9", "complete": True, "optout_version": 0},
        }
        assert index.geometry == index.parameters.geometry
        assert len(bytes.fromhex(index.digest)) == 32


def test_text_can_be_read_in_pieces(few: Path) -> None:
    with Index.open(few) as index:
        for segment in index.segments:
            for content in range(segment.contents):
                text = segment.text(content)
                assert segment.text_length(content) == len(text)
                assert segment.text_slice(content, 7, 99) == text[7:99]
                assert git_blob_id(text) == segment.content_id(content)


def test_opening_and_reading_imports_only_what_is_used(few: Path) -> None:
    script = f"""
import sys
from provenance.index import Index
heavy = ("numpy", "pyarrow", "tantivy", "zstandard", "xxhash", "typer", "rich", "indexer", "elasticsearch")
with Index.open({str(few)!r}) as index:
    print([name for name in heavy if name in sys.modules])
    index.describe()
    index.refs().__next__()
    print([name for name in heavy if name in sys.modules])
    from provenance.records import ContentRef
    index.text(ContentRef(0, 0))
    print([name for name in heavy if name in sys.modules])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]", "['zstandard', 'xxhash']"]


def test_opening_reads_nothing_but_the_manifest(copy: Path) -> None:
    for path in copy.rglob("*"):
        if path.is_file() and path.name != "index.json":
            path.write_bytes(b"damaged")
    with Index.open(copy) as index:
        assert index.documents == 6


@pytest.mark.parametrize("there", ["nothing", "empty folder", "a file"])
def test_no_index_is_said(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "index"
    if there == "empty folder":
        folder.mkdir()
    if there == "a file":
        folder.write_text("x")
    with pytest.raises(IndexMissing, match=str(folder)):
        Index.open(folder)


def test_folder_in_place_of_index_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.json").mkdir()
    with pytest.raises(StorageError, match=r"index\.json: Is a directory"):
        Index.open(tmp_path)


def test_no_flipped_bit_of_index_json_goes_unnoticed(copy: Path) -> None:
    path = copy / "index.json"
    whole = bytearray(path.read_bytes())
    expected = Manifest.from_bytes(bytes(whole), path)
    generator = random.Random(8)
    for _ in range(300):
        at, bit = generator.randrange(len(whole)), generator.randrange(8)
        whole[at] ^= 1 << bit
        try:
            assert Manifest.from_bytes(bytes(whole), path) == expected  # a blank became another blank
            assert chr(whole[at]).isspace()
        except FormatError as error:
            assert str(path) in str(error)
        whole[at] ^= 1 << bit


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"format": 1}', b"\xff\xfe", b"[" * 100_000])
def test_index_json_that_is_none_is_corrupt(copy: Path, data: bytes) -> None:
    (copy / "index.json").write_bytes(data)
    with pytest.raises(FormatError, match=r"index\.json"):
        Index.open(copy)


def test_truncated_index_json_is_corrupt(copy: Path) -> None:
    whole = (copy / "index.json").read_bytes()
    for length in range(0, len(whole) - 2, 37):
        (copy / "index.json").write_bytes(whole[:length])
        with pytest.raises(CorruptFile):
            Index.open(copy)


def test_index_of_another_version_is_named(copy: Path) -> None:
    value = json.loads((copy / "index.json").read_text())
    (copy / "index.json").write_text(json.dumps({**value, "format": 7}))
    with pytest.raises(IncompatibleVersion, match="format version 7, this release reads 1"):
        Index.open(copy)


def test_manifest_survives_its_file(few: Path) -> None:
    path = few / "index.json"
    manifest = Manifest.from_bytes(path.read_bytes(), path)
    assert Manifest.from_bytes(manifest.to_bytes(), path) == manifest
    assert manifest.to_bytes() == path.read_bytes()


@pytest.mark.parametrize("part", ["segments", "layers"])
def test_missing_part_is_named_when_opening(copy: Path, part: str) -> None:
    victim = sorted((copy / part).iterdir())[0]
    shutil.rmtree(victim)
    with pytest.raises(IndexMissing, match=str(victim)):
        Index.open(copy)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*/**/*") if path.is_file())


def test_every_missing_file_is_named(copy: Path) -> None:
    for name in files(copy):
        path = copy / name
        data = path.read_bytes()
        path.unlink()
        with Index.open(copy) as index, pytest.raises(ProvenanceError, match=f"{path.name}|missing or incomplete"):
            index.verify()
        path.write_bytes(data)
    with Index.open(copy) as index:
        index.verify()


def test_damage_to_any_file_is_found_and_never_answered_from(copy: Path) -> None:
    expected = everything(copy)
    generator = random.Random(9)
    for name in files(copy):
        path = copy / name
        whole = path.read_bytes()
        damages = [whole[:-1], whole + b"\0", whole[: len(whole) // 2], b""]
        for _ in range(6):
            at = generator.randrange(len(whole))
            damages.append(whole[:at] + bytes([whole[at] ^ (1 << generator.randrange(8))]) + whole[at + 1 :])
        for damaged in damages:
            path.write_bytes(damaged)
            with Index.open(copy) as index, pytest.raises(ProvenanceError, match=path.name.replace(".", r"\.")):
                index.verify()
            try:
                assert everything(copy) == expected
            except FormatError as error:
                assert str(copy) in str(error)
        path.write_bytes(whole)


def test_a_damaged_file_of_the_search_part_is_named_before_an_engine_opens_it(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in files(copy) if "/search/" in str(name)]:
        path = copy / name
        whole = path.read_bytes()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with Index.open(copy) as index, pytest.raises(CorruptFile, match=path.name.replace(".", r"\.")):
            index.engine  # noqa: B018
        path.write_bytes(whole)
    # What gives up inside an engine would have said so there.
    assert capfd.readouterr().err == ""


def test_swapped_segment_is_noticed(copy: Path) -> None:
    one, other = sorted((copy / "segments").iterdir())
    one.rename(copy / "aside")
    other.rename(one)
    (copy / "aside").rename(other)
    with Index.open(copy) as index, pytest.raises(CorruptFile, match="not the manifest that index.json recorded"):
        index.text(ContentRef(0, 0))


def test_addresses_outside_of_the_index_are_refused(few: Path) -> None:
    with Index.open(few) as index:
        for ref in (ContentRef(9, 0), ContentRef(0, 99), ContentRef(0, -1)):
            for ask in (index.text, index.sources, index.content_id):
                with pytest.raises(IndexError):
                    ask(ref)


def test_moved_and_read_only_index_answers(few: Path, tmp_path: Path) -> None:
    shutil.copytree(few, tmp_path / "a" / "b")
    for path in sorted((tmp_path / "a").rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert everything(tmp_path / "a" / "b") == everything(few)
        with Index.open(tmp_path / "a" / "b") as index:
            index.verify()
    finally:
        for path in (tmp_path / "a").rglob("*"):
            if path.is_dir():
                path.chmod(0o755)


def test_closed_index_lets_go_of_everything(few: Path) -> None:
    for _ in range(3):
        index = Index.open(few)
        index.text(ContentRef(0, 0))
        index.sources(ContentRef(1, 0))
        assert index.filters and index.engine is index.engine
        index.close()
        index.close()
        with pytest.raises(ValueError, match="closed"):
            index.filters  # noqa: B018
    if os.path.isdir("/proc/self/fd"):
        assert not [name for name in map(_opened, os.listdir("/proc/self/fd")) if name.startswith(str(few))]


def _opened(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # another thread's, closed meanwhile
        return ""


def test_many_threads_ask_one_index(few: Path) -> None:
    expected = everything(few)
    failures: list[BaseException] = []
    with Index.open(few) as index:
        refs = list(index.refs())
        barrier = threading.Barrier(8)

        def ask(seed: int) -> None:
            generator = random.Random(seed)
            try:
                barrier.wait()
                for _ in range(60):
                    number = generator.randrange(len(refs))
                    assert index.text(refs[number]) == expected[number][0]
                    assert index.sources(refs[number]) == expected[number][3]
                    assert index.filters is index.filters
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
