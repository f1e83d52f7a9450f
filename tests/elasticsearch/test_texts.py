"""Texts and lists of grams on a cluster: how often it is asked for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from indexer.build import build
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.search.elasticsearch import texts
from provenance.search.elasticsearch.cluster import ClusterSettings
from provenance.search.elasticsearch.texts import ClusterFrames, Key, Texts
from provenance.search.literal import search_literal
from tests.elasticsearch.conftest import Given, module
from tests.elasticsearch.node import Node


@pytest.fixture(scope="module")
def folder(modules: Given, elasticsearch_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts") / "index"
    parameters = Parameters(engine="elasticsearch", segment_bytes=200_000)
    build([modules], folder, parameters=parameters, cluster=ClusterSettings(elasticsearch_node.url, texts="cluster"))
    return folder


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Sequence[Key]]]:
    """What was asked of the cluster, a list of keys for each request."""
    asked: list[Sequence[Key]] = []
    ask = Texts._ask

    def heard(self: Texts, keys: Sequence[Key]) -> list[bytes]:
        asked.append(keys)
        return ask(self, keys)

    monkeypatch.setattr(Texts, "_ask", heard)
    yield asked


def phrase(number: int) -> str:
    return module(number).splitlines()[7]


def test_a_phrase_takes_one_request_for_lists_and_one_for_texts(
    folder: Path, requests: list[Sequence[Key]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "_MORE", 0)
    with Index.open(folder) as index:
        assert len(index.segments) > 1
        (hit,) = search_literal(index, phrase(5)).hits
        assert phrase(5) in hit.snippets[0].text
    kinds = [{kind for _, kind, _ in keys} for keys in requests]
    assert kinds == [{"lists"}, {"text"}]


def test_all_is_soon_there_and_nothing_is_fetched_twice(folder: Path, requests: list[Sequence[Key]]) -> None:
    with Index.open(folder) as index:
        for number in range(0, 240, 5):
            (hit,) = search_literal(index, phrase(number)).hits
            assert [source.path for _, source in hit.documents] == [f"module_{number}.py"]
    keys = [key for keys in requests for key in keys]
    assert len(keys) == len(set(keys))
    assert {kind for _, kind, _ in keys} == {"lists", "text"}
    assert len(requests) < 10


def test_of_what_is_closed_or_too_large_nothing_is_fetched_ahead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_MORE", 1)
    segments = sorted((folder / "segments").iterdir())
    frames = [ClusterFrames(path, "lists") for path in segments]
    shared, left = frames[0].shared(), frames[-1]
    assert len({each.part for each in frames}) > 1
    assert [len(shared._soon(set())), len(shared._soon(set()))] == [1, 2]
    for each in (*frames[:-1], ClusterFrames(segments[-1], "lists")):  # as of another generation that has the part
        each.close()
    assert {part for part, _, _ in shared._soon(set())} == {left.part}
    left.close()
    assert shared._soon(set()) == []
    shared.offer(left.part, "lists", 1 << 14)  # 64 MiB
    assert shared._soon(set()) == []
