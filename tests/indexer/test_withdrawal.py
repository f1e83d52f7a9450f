from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.build import build
from indexer.compact import compact
from indexer.withdrawal import withdraw
from provenance import kernel
from provenance.errors import CorruptFile, IndexMissing, ParameterError
from provenance.index import Index
from provenance.membership.base import Geometry, Hits
from provenance.parameters import Parameters
from provenance.removal import KEYS, RemovedKeys

Built = Callable[..., Any]


def text_of(name: str, lines: int = 60) -> str:
    return "".join(f"{name}_{n} = compute_{name}({n}, scale={n * 7})\n" for n in range(lines))


@pytest.fixture
def folder(tmp_path: Path, listed: Any, doc: Any) -> Path:
    """Four repositories of two owners; `shared` stands in three of them, each has a text of its own."""
    documents = []
    for repository in ("Alice/one", "alice/two", "bob/three", "bob/four"):
        documents.append(doc(text_of(repository.replace("/", "_")), repository, "own.py", license="MIT"))
        if repository != "bob/four":
            documents.append(doc(text_of("shared"), repository, "shared.py"))
    target = tmp_path / "index"
    build([listed(documents, 1)], target, workers=1, parameters=Parameters(segment_bytes=4_000))
    return target


def hits(index: Index, text: str) -> int:
    """Answer as a checker does: ask the layers, leave out what was withdrawn."""
    normalised = kernel.normalise(text.encode())
    total = 0
    for layer in index.filters:
        answer = layer.test(normalised)
        if index.removed_keys is not None:
            answer = index.removed_keys.without(answer, normalised)
        total += answer.hits
    return total


def repositories(index: Index) -> set[str]:
    return {source.repository for ref in index.refs() for _, source in index.sources(ref)}


def test_withdrawn_repository_is_gone_at_once_and_others_stay(folder: Path) -> None:
    with Index.open(folder) as index:
        before = index.documents
        whole = hits(index, text_of("bob_three"))
        shared = hits(index, text_of("shared"))
    receipt = withdraw(folder, repositories=["BOB/Three"])
    assert (receipt.documents, receipt.contents, receipt.optout_version) == (2, 2, 1)
    assert receipt.repositories == ("bob/three",)
    with Index.open(folder) as index:
        assert repositories(index) == {"Alice/one", "alice/two", "bob/four"}
        assert index.documents == before - 2
        assert whole > 50 and hits(index, text_of("bob_three")) == 0
        assert hits(index, text_of("shared")) == shared > 50
        assert hits(index, text_of("bob_four")) > 50
        assert index.describe()["corpus"]["optout_version"] == 1
        assert index.digest == receipt.digest != receipt.digest_before
        index.verify()


def test_owner_covers_all_of_theirs_and_a_shared_text_goes_with_its_last_holder(folder: Path) -> None:
    withdraw(folder, owners=["alice"])
    with Index.open(folder) as index:
        assert repositories(index) == {"bob/three", "bob/four"}
        assert hits(index, text_of("shared")) > 50
    receipt = withdraw(folder, repositories=["bob/three"])
    assert receipt.contents == 2 and receipt.optout_version == 2
    with Index.open(folder) as index:
        assert repositories(index) == {"bob/four"}
        assert hits(index, text_of("shared")) == hits(index, text_of("Alice_one")) == 0
        assert hits(index, text_of("bob_four")) > 50


def test_single_document_by_its_id(folder: Path, doc: Any) -> None:
    identity = doc(text_of("shared"), "alice/two", "shared.py").id
    receipt = withdraw(folder, documents=[identity])
    assert (receipt.documents, receipt.hidden_keys, receipt.named) == (1, 0, (identity.hex(),))
    with Index.open(folder) as index:
        assert index.find(identity) == []
        assert repositories(index) == {"Alice/one", "alice/two", "bob/three", "bob/four"}
        assert hits(index, text_of("shared")) > 50


def test_compaction_makes_it_physical_and_changes_no_answer(folder: Path) -> None:
    withdraw(folder, owners=["alice"])
    with Index.open(folder) as index:
        digest, documents = index.digest, index.documents
        parts = {name: hits(index, text_of(name)) for name in ("Alice_one", "shared", "bob_three", "bob_four")}
    compact(folder, workers=1)
    with Index.open(folder) as index:
        assert (index.digest, index.documents) == (digest, documents)
        assert {name: hits(index, text_of(name)) for name in parts} == parts
        assert index.removed_keys is None and index.removed_documents == frozenset()
        assert index.corpus.optout_version == 1
        texts = [index.text(ref) for ref in index.refs()]
        assert not any(b"Alice_one" in text or b"alice_two" in text for text in texts)
    assert os.listdir(folder / "removed") == []


@pytest.mark.parametrize("compacted", [False, True])
def test_what_was_withdrawn_stays_out_of_later_additions(compacted: bool, folder: Path, listed: Any, doc: Any) -> None:
    named = doc(text_of("bob_four"), "bob/four", "own.py").id
    withdraw(folder, owners=["alice"], repositories=["later/comer"], documents=[named])
    if compacted:
        compact(folder, workers=1)
    with Index.open(folder) as index:
        digest = index.digest
    again = [
        doc(text_of("Alice_one"), "Alice/one", "own.py", license="MIT"),
        doc(text_of("bob_four"), "bob/four", "own.py", license="MIT"),
        doc(text_of("new"), "host/alice/new"),
        doc(text_of("late"), "Later/Comer"),
    ]
    report = build([listed(again)], folder, workers=1)
    assert (report.withdrawn, report.tally.documents) == (4, 0)
    with Index.open(folder) as index:
        assert index.digest == digest


def test_key_that_an_added_document_holds_is_hidden_no_more(folder: Path, listed: Any, doc: Any) -> None:
    withdraw(folder, repositories=["bob/three"])
    build([listed([doc(text_of("bob_three"), "carol/five")])], folder, workers=1)
    with Index.open(folder) as index:
        assert "carol/five" in repositories(index) and "bob/three" not in repositories(index)
        assert hits(index, text_of("bob_three")) > 50
        index.verify()
    assert len(os.listdir(folder / "removed")) == 1


def test_hidden_keys_outlive_additions_and_merged_layers(folder: Path, listed: Any, doc: Any) -> None:
    withdraw(folder, repositories=["bob/three"])
    for n in range(5):
        build([listed([doc(text_of(f"more{n}"), f"carol/{n}")])], folder, workers=1)
        with Index.open(folder) as index:
            assert hits(index, text_of("bob_three")) == 0
            assert hits(index, text_of(f"more{n}")) > 50


def test_withdrawing_everything_leaves_an_index_that_answers_nothing(folder: Path) -> None:
    withdraw(folder, owners=["alice", "bob"])
    with Index.open(folder) as index:
        assert index.documents == 0 and repositories(index) == set()
    compact(folder, workers=1)
    with Index.open(folder) as index:
        assert index.documents == index.contents == 0
        assert index.filters == () and hits(index, text_of("shared")) == 0
        index.verify()


def test_withdrawing_what_nobody_holds_counts_and_keeps_the_name(folder: Path) -> None:
    receipt = withdraw(folder, repositories=["nobody/nothing"])
    assert (receipt.documents, receipt.hidden_keys, receipt.optout_version) == (0, 0, 1)
    assert receipt.digest == receipt.digest_before
    with Index.open(folder) as index:
        assert index.manifest.removed.repositories == ("nobody/nothing",)


def test_reader_opened_before_sees_its_snapshot(folder: Path) -> None:
    with Index.open(folder) as before:
        withdraw(folder, owners=["bob"])
        assert "bob/four" in repositories(before)
        with Index.open(folder) as after:
            assert "bob/four" not in repositories(after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to withdraw"),
        ({"repositories": [" "]}, "empty name"),
        ({"documents": [b"short"]}, "must have 16"),
    ],
)
def test_senseless_withdrawals_are_refused(folder: Path, options: dict[str, Any], message: str) -> None:
    before = (folder / "index.json").read_bytes()
    with pytest.raises(ParameterError, match=message):
        withdraw(folder, **options)
    assert (folder / "index.json").read_bytes() == before


def test_withdrawing_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        withdraw(tmp_path / "none", owners=["a"])


def test_damaged_removal_set_is_noticed_and_hides_nothing_by_mistake(folder: Path, tmp_path: Path) -> None:
    withdraw(folder, repositories=["bob/three"])
    (removal,) = (folder / "removed").iterdir()
    for name in sorted(os.listdir(removal)):
        whole = (removal / name).read_bytes()
        for damaged in (whole[:-1], whole[:20], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b""):
            (removal / name).write_bytes(damaged)
            with Index.open(folder) as index, pytest.raises(CorruptFile, match=name):
                index.verify()
        (removal / name).write_bytes(whole)
    shutil.rmtree(removal)
    with pytest.raises(IndexMissing, match="removed"):
        Index.open(folder)


GEOMETRY = Geometry(8, 4, "utf8", 99, "layout-1")


@settings(max_examples=150)
@given(
    text=st.text("ab \n", min_size=0, max_size=90),
    stored=st.sets(st.integers(0, 80)),
    gone=st.sets(st.integers(0, 80)),
)
def test_hits_without_removed_keys_are_those_of_a_filter_that_never_had_them(
    text: str, stored: set[int], gone: set[int]
) -> None:
    normalised = kernel.normalise(text.encode())
    starts = range(max(0, len(normalised) - GEOMETRY.width + 1))
    keys = [int.from_bytes(kernel.window_keys(normalised[at : at + 8], 8, 8, GEOMETRY.seed), "little") for at in starts]
    inserted = {keys[at] for at in stored if at < len(keys)}
    removed = {keys[at] for at in gone if at < len(keys)}

    def answer(held: set[int]) -> Hits:
        hit = {at for at in starts if keys[at] in held}
        chains = []
        for at in sorted(hit):
            if at - GEOMETRY.stride not in hit:
                end = at
                while end + GEOMETRY.stride in hit:
                    end += GEOMETRY.stride
                chains.append((at, end + GEOMETRY.width))
        return Hits(len(starts), len(hit), tuple(sorted(chains)))

    packed = b"".join(key.to_bytes(8, "little") for key in sorted(removed))
    assert RemovedKeys(packed, GEOMETRY).without(answer(inserted), normalised) == answer(inserted - removed)


def test_set_of_keys_is_exactly_what_only_the_withdrawn_hold(folder: Path, built: Built) -> None:
    def keys(texts: list[bytes]) -> set[bytes]:
        p = Parameters()
        found = set()
        for text in texts:
            packed = kernel.window_keys(kernel.normalise(text), p.width, p.stride, p.seed)
            found |= {packed[at : at + 8] for at in range(0, len(packed), 8)}
        return found

    with Index.open(folder) as index:
        pairs = [(index.text(ref), {s.repository for _, s in index.sources(ref)}) for ref in index.refs()]
    withdraw(folder, owners=["alice"])
    gone = keys([text for text, names in pairs if all(name.lower().startswith("alice") for name in names)])
    left = keys([text for text, names in pairs if any(name.startswith("bob") for name in names)])
    (removal,) = (folder / "removed").iterdir()
    data = (removal / KEYS).read_bytes()[32:]
    rows = [data[at : at + 8] for at in range(0, len(data), 8)]
    assert set(rows) == gone - left
    assert rows == sorted(rows, key=lambda row: int.from_bytes(row, "little"))
