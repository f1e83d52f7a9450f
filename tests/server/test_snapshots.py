"""New generations of an index are picked up while requests go on, and no answer mixes two."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.sources import open_source
from provenance.errors import CorruptFile, EngineUnavailable, IndexMissing
from provenance.server.settings import Settings
from provenance.server.snapshots import Slot, Snapshots, UnknownIndex


def text_of(number: int) -> str:
    return "".join(f"def generation_{number}_function_{n}(x):\n    return x * {n * 7919}\n" for n in range(20))


def add(folder: Path, number: int) -> None:
    source = folder / f"source{number}"
    source.mkdir(parents=True)
    (source / "module.py").write_text(text_of(number))
    build([open_source(str(source))], folder / "index", corpus_name="growing", workers=1)


def test_additions_are_served_and_no_answer_mixes_generations(
    tmp_path: Path, start: Callable[[Settings], Any], settings: Settings
) -> None:
    add(tmp_path, 0)
    changed = replace(settings, indexes=(("growing", tmp_path / "index"),), poll_seconds=0.01)
    with start(changed) as client:
        failures: list[str] = []
        stop = threading.Event()

        def ask() -> None:
            # The digest tells the generation; the number of generations found must be what that one held.
            held: dict[str, int] = {}
            while not stop.is_set():
                answer = client.post("/api/v1/trace", {"texts": [{"text": text_of(n)} for n in range(4)]})
                if answer.status != 200:
                    failures.append(answer.text)
                    continue
                value = answer.json
                found = sum(each["verdict"] == "match" for each in value["results"])
                if held.setdefault(value["index"]["digest"], found) != found or value["index"]["documents"] != found:
                    failures.append(str((value["index"], found)))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(1, 4):
            add(tmp_path, number)
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures, failures[:3]
        answer = client.post("/api/v1/trace", {"text": text_of(3)}).json
        assert answer["results"][0]["verdict"] == "match"


def test_a_generation_that_cannot_be_read_leaves_the_last_one_serving(
    scratch_index: Path, start: Callable[[Settings], Any], settings: Settings, snippet: str
) -> None:
    changed = replace(settings, indexes=(("demo", scratch_index),), poll_seconds=0.0)
    with start(changed) as client:
        assert client.get("/readyz").status == 200
        good = (scratch_index / "index.json").read_bytes()
        (scratch_index / "new").write_bytes(b"{}")
        (scratch_index / "new").rename(scratch_index / "index.json")
        assert client.post("/api/v1/trace", {"text": snippet}).json["results"][0]["verdict"] == "match"
        answer = client.get("/readyz")
        assert (answer.status, answer.json["stale_indexes"]) == (503, ["demo"])
        (scratch_index / "new").write_bytes(good)
        (scratch_index / "new").rename(scratch_index / "index.json")
        assert client.post("/api/v1/trace", {"text": snippet}).status == 200
        assert client.get("/readyz").status == 200


def test_the_old_snapshot_is_closed_with_its_last_lease(scratch_index: Path) -> None:
    slot = Slot("demo", scratch_index, 0.0)
    with slot.lease() as old:
        copy = scratch_index / "new"
        shutil.copy(scratch_index / "index.json", copy)
        copy.rename(scratch_index / "index.json")
        with slot.lease() as new:
            assert new is not old
        assert old.index.engine.frequencies("words", ["import"])[0] > 0
    with pytest.raises(ValueError, match="closed"):
        _ = old.index.engine
    with slot.lease() as current:
        assert current is new
        slot.close()
        assert current.index.filters
    with pytest.raises(ValueError, match="closed"):
        _ = current.index.filters
    with pytest.raises(EngineUnavailable), slot.lease():
        pass


def test_a_server_does_not_start_with_an_index_it_cannot_read(tmp_path: Path, scratch_index: Path) -> None:
    with pytest.raises(IndexMissing):
        Snapshots((("good", scratch_index), ("none", tmp_path / "none")), 1.0)
    filter_file = next(scratch_index.rglob("membership.flt"))
    filter_file.write_bytes(filter_file.read_bytes()[:-1])
    with pytest.raises(CorruptFile):
        Snapshots((("bad", scratch_index),), 1.0)


def test_names_that_are_not_there_are_told_with_those_that_are(scratch_index: Path) -> None:
    snapshots = Snapshots((("a", scratch_index), ("b", scratch_index)), 1.0)
    with pytest.raises(UnknownIndex, match="a, b"):
        snapshots.slot("c")
    assert snapshots.slot(None).name == snapshots.slot("").name == "a"
    snapshots.close()
