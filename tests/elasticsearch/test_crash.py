"""Nodes that are killed while they are loaded and asked: nothing is lost, doubled, or silently missing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import ApiError, Elasticsearch

from indexer.build import build
from provenance.errors import EngineUnavailable
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.search.collecting import Reach
from provenance.search.elasticsearch.cluster import ClusterSettings, Record
from provenance.search.literal import search_literal
from provenance.search.ranked import search_words
from tests.elasticsearch.conftest import Given, document, module, started
from tests.elasticsearch.node import Node, free_port

SMALL = {"segment_bytes": 1 << 17}
MANY = Given(tuple(document(module(n, 120), f"crash/repo-{n % 9}", f"module_{n}.py") for n in range(300)))
"""2 MB in some twenty segments."""


def load(folder: Path, documents: Given, url: str, **settings: Any) -> None:
    parameters = Parameters(engine="elasticsearch", **SMALL)  # type: ignore[arg-type]
    cluster = ClusterSettings(url, **settings)
    build([documents], folder, parameters=parameters, cluster=cluster, workers=1, corpus_name="crash")


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the embedded engine's index of the same documents."""
    folder = tmp_path_factory.mktemp("embedded") / "index"
    build([MANY], folder, parameters=Parameters(**SMALL), workers=1, corpus_name="crash")  # type: ignore[arg-type]
    with Index.open(folder) as index:
        return index.digest


def check_whole(folder: Path, digest: str) -> None:
    """Compare everything with what was given: digest, documents on the cluster, answers."""
    with Index.open(folder) as index:
        assert index.digest == digest
        index.verify()
        record = Record.of(folder).loading
        client = Elasticsearch(record.url.split(",")[-1])
        client.indices.refresh(index=record.index)
        query = {"term": {"piece": 0}}
        # One first piece a content: none twice, none missing, and nothing that no segment names.
        assert client.count(index=record.index, query=query)["count"] == len(MANY.documents)
        client.close()
        tail = search_literal(index, "common_tail(values)", limit=1000, reach=Reach(count=None))
        assert (tail.total.value, tail.total.exact) == (len(MANY.documents), True)
        for number in range(0, len(MANY.documents), 50):
            (hit,) = search_literal(index, f"computed_{number}(values):").hits
            assert hit.documents[0][1].path == f"module_{number}.py"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A node of one writing thread and a queue of one: three requests at once are one too many."""
    narrow = ("--set", "thread_pool.write.size=1", "--set", "thread_pool.write.queue_size=1")
    node = Node(*narrow)
    try:
        yield started(node)
    finally:
        node.remove()


def test_a_full_queue_is_waited_for(node: Node, digest: str, tmp_path: Path) -> None:
    client = Elasticsearch(node.url)
    stopping = threading.Event()

    def crowd() -> None:
        lines = [{"index": {}}, {"words": "crowd " * 20}] * 50
        while not stopping.is_set():
            try:
                client.bulk(index="crowd", operations=lines)
            except ApiError as error:
                assert error.status_code == 429

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(crowd) for _ in range(3)]
        try:
            load(tmp_path / "index", MANY, node.url)
        finally:
            stopping.set()
        for each in others:
            each.result()
    (about,) = client.nodes.stats(metric="thread_pool")["nodes"].values()
    client.close()
    assert about["thread_pool"]["write"]["rejected"] > 0
    check_whole(tmp_path / "index", digest)


def test_a_node_killed_while_it_is_loaded_and_back_soon_is_waited_for(node: Node, digest: str, tmp_path: Path) -> None:
    def restart() -> None:
        _segments(tmp_path / "index", 3)
        node.kill()
        node.start()

    with ThreadPoolExecutor(1) as pool:
        restarted = pool.submit(restart)
        load(tmp_path / "index", MANY, node.url, texts="cluster")
        restarted.result()
    check_whole(tmp_path / "index", digest)


def test_a_build_that_gave_up_on_a_dead_node_resumes_when_it_is_back(
    node: Node, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("client", "loading"):
        monkeypatch.setattr(f"provenance.search.elasticsearch.{name}.PATIENCE", 1.0)
    folder = tmp_path / "index"
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(lambda: (_segments(folder, 3), node.kill()))
        with pytest.raises(EngineUnavailable, match="cannot be reached; is it running there"):
            load(folder, MANY, node.url)
        killed.result()
    assert not (folder / "index.json").exists()
    monkeypatch.undo()
    node.start()
    parameters = Parameters(engine="elasticsearch", **SMALL)  # type: ignore[arg-type]
    report = build([MANY], folder, parameters=parameters, workers=1, corpus_name="crash")
    assert report.resumed_tasks >= 3
    check_whole(folder, digest)


def _segments(folder: Path, count: int) -> None:
    """Return when a build has finished so many segments."""
    end = time.monotonic() + 120
    while len([each for each in folder.glob("build/*/tasks/*.json")]) < count:
        assert time.monotonic() < end, "the build has not come so far, or is over"
        time.sleep(0.02)


def test_a_node_killed_while_it_is_asked_gives_errors_and_then_right_answers(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    load(folder, MANY, node.url, texts="cluster")
    with Index.open(folder) as index:
        asking = Asking(index)
        with asking:
            asking.await_answers(50)
            node.kill()
            asking.await_failures(3)
            node.start()
            asking.await_answers(50)
    assert asking.wrong == []
    assert all(
        "cannot be reached" in each or "overloaded or a part of it is away" in each or "not on the cluster" in each
        for each in asking.failures
    ), set(asking.failures)


class Asking:
    """Two threads that ask and compare every answer with the one there must be."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(seed,)) for seed in range(2)]
        self.answers = 0
        self.failures: list[str] = []
        self.wrong: list[object] = []

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def await_answers(self, more: int) -> None:
        start = self.answers
        self._wait(lambda: self.answers >= start + more)

    def await_failures(self, more: int) -> None:
        start = len(self.failures)
        self._wait(lambda: len(self.failures) >= start + more)

    def _wait(self, reached: Any) -> None:
        end = time.monotonic() + 120
        while not reached():
            assert time.monotonic() < end, (self.answers, self.failures[-3:])
            time.sleep(0.02)

    def _ask(self, seed: int) -> None:
        generator = random.Random(seed)
        while not self._stopping.is_set():
            number = generator.randrange(len(MANY.documents))
            try:
                rare = search_literal(self._index, f"computed_{number}(values):")
                common = search_literal(self._index, "common_tail(", limit=1, reach=Reach(count=None))
                ranked = search_words(self._index, "accumulate values", limit=1, reach=Reach(count=None))
            except EngineUnavailable as error:
                self.failures.append(str(error))
                continue
            except Exception as error:  # noqa: BLE001  anything else is what the test is about
                self.wrong.append(error)
                return
            paths = [source.path for hit in rare.hits for _, source in hit.documents]
            totals = {common.total.value, ranked.total.value}
            if paths != [f"module_{number}.py"] or totals != {len(MANY.documents)}:
                self.wrong.append((number, paths, totals))
            self.answers += 1


def test_one_of_three_nodes_killed_under_load_leaves_no_wrong_answer(digest: str, tmp_path: Path) -> None:
    names = ("n1", "n2", "n3")
    ports = [free_port() for _ in names]
    seeds = [argument for port in ports for argument in ("--seed", f"127.0.0.1:{port}")]
    masters = [argument for name in names for argument in ("--master", name)]
    common = (*seeds, *masters, "--cluster", "provenance-three", "--heap", "384m")
    nodes = [Node(*common, name=name, transport_port=port) for name, port in zip(names, ports, strict=True)]
    try:
        for each in nodes:
            each.start(wait=False)
        for each in nodes:
            each.wait()
        urls = ",".join(each.url for each in nodes)
        with Elasticsearch(nodes[1].url, request_timeout=90) as client:
            client.cluster.health(wait_for_nodes="3", timeout="60s")
            first, second = tmp_path / "first", tmp_path / "second"
            load(first, MANY, urls, shards=3, replicas=1, texts="cluster")
            # Every shard has its copy, so whichever node goes, all of it stays.
            client.cluster.health(wait_for_status="green", timeout="60s")
        with Index.open(first) as index, Asking(index) as asking, ThreadPoolExecutor(1) as pool:
            asking.await_answers(20)
            killed = pool.submit(lambda: (_segments(second, 3), nodes[0].kill()))
            load(second, MANY, urls, shards=3, replicas=1)
            killed.result()
            asking.await_answers(50)
        assert asking.wrong == []
        check_whole(first, digest)
        check_whole(second, digest)
    finally:
        for each in nodes:
            each.remove()
