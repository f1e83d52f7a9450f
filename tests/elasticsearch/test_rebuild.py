"""A new index beside the one in force: behind a running server, after a change of mapping, to other places."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from elasticsearch import Elasticsearch

from cli.main import main
from indexer import run
from indexer.build import build
from indexer.cluster import drop_former, indices
from indexer.compact import compact
from indexer.withdrawal import withdraw
from provenance.errors import EngineUnavailable, IndexBusy, ParameterError
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.reports import contract
from provenance.search.collecting import Reach
from provenance.search.elasticsearch import mapping
from provenance.search.elasticsearch.client import URL
from provenance.search.elasticsearch.cluster import ClusterSettings, Record
from provenance.search.literal import search_literal
from provenance.server.app import create_app, guarded
from provenance.server.run import LOGGING
from provenance.server.settings import Settings
from provenance.server.snapshots import Slot
from provenance.tracing import trace
from tests.elasticsearch.conftest import Given, module
from tests.elasticsearch.node import Node

SMALL = {"segment_bytes": 1 << 17}
ALL = Reach(count=None)


def load(folder: Path, documents: Given, url: str, **settings: Any) -> None:
    parameters = Parameters(engine="elasticsearch", **SMALL)  # type: ignore[arg-type]
    cluster = ClusterSettings(url, **settings)
    build([documents], folder, parameters=parameters, cluster=cluster, workers=1, corpus_name="rebuild")


def answers(folder: Path) -> Any:
    """Return what an index says to some questions, and its digest."""
    with Index.open(folder) as index:
        tail = search_literal(index, "common_tail(", limit=500, reach=ALL)
        traced = trace(index, module(7))
        return (
            index.digest,
            tail.total,
            sorted(identity for hit in tail.hits for identity, _ in hit.documents),
            contract.trace_result("module", traced),
        )


def client_of(node: Node) -> Elasticsearch:
    return Elasticsearch(node.url)


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = create_app(Settings(indexes=(("rebuild", folder),), poll_seconds=0.05))
        server = uvicorn.Server(uvicorn.Config(guarded(app), log_config=LOGGING, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def ask(port: int, route: str, body: dict[str, Any]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_behind_a_running_server_no_answer_fails_and_none_is_mixed(
    elasticsearch_node: Node, modules: Given, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url)
    before = indices(folder)
    digests = {answers(folder)[0]: 243}
    seen: list[tuple[str, int]] = []
    wrong: list[object] = []
    stopping = threading.Event()

    def asking(port: int) -> None:
        while not stopping.is_set():
            for route, body in (
                ("/api/v1/search", {"query": "common_tail(", "limit": 1, "facets": True}),
                ("/api/v1/trace", {"text": module(7)}),
            ):
                status, answer = ask(port, route, body)
                if status != 200:
                    wrong.append((status, answer))
                elif route.endswith("trace"):
                    # A copy that the withdrawal does not touch is there before and after, once.
                    paths = [each["path"] for span in answer["results"][0]["spans"] for each in span["sources"]]
                    if paths != ["module_7.py"]:
                        wrong.append(paths)
                else:
                    seen.append((answer["index"]["digest"], answer["total"]["value"]))

    with serving(folder) as port:
        threads = [threading.Thread(target=asking, args=(port,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            _until_more(seen)
            # What it holds changes with the index: an answer of both would have the count of neither.
            withdraw(folder, repositories=["team-1/repo-1"])
            digests[answers(folder)[0]] = 222
            compact(folder, workers=1, cluster=ClusterSettings(texts="cluster", shards=2))
            _until_more(seen)
            dropped = _dropped(folder)
            _until_more(seen)
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
    assert wrong == []
    assert {total for _, total in seen} == {243, 222}
    assert [(digest, total) for digest, total in seen if digests[digest] != total] == []
    now = indices(folder)
    assert before.current is not None and now.current is not None
    assert [each.index for each in dropped] == [before.current.index]
    assert (now.alias, now.former) == (before.alias, ())
    assert (now.current.shards, now.current.texts) == (2, "cluster")
    with client_of(elasticsearch_node) as client:
        assert list(client.indices.get_alias(name=now.alias)) == [now.current.index]
        assert not client.indices.exists(index=before.current.index)


def test_a_new_generation_is_looked_at_again_when_the_cluster_is_back(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url)
    slot = Slot("rebuild", folder, 0.0)
    withdraw(folder, repositories=["team-1/repo-1"])
    monkeypatch.setenv(URL, "http://127.0.0.1:9")
    with slot.lease() as snapshot:
        assert search_literal(snapshot.index, "common_tail(", reach=ALL).total.value == 243
    assert isinstance(slot.failure, EngineUnavailable)
    monkeypatch.delenv(URL)
    with slot.lease() as snapshot:
        assert search_literal(snapshot.index, "common_tail(", reach=ALL).total.value == 222
    assert slot.failure is None
    slot.close()


def _until_more(seen: list[Any]) -> None:
    """Wait for some more answers."""
    enough, end = len(seen) + 20, time.monotonic() + 120
    while len(seen) < enough:
        assert time.monotonic() < end
        time.sleep(0.02)


def _dropped(folder: Path) -> Any:
    """Drop the former index as soon as the server has let go of it."""
    end = time.monotonic() + 60
    while True:
        try:
            return drop_former(folder)
        except IndexBusy:
            assert time.monotonic() < end
            time.sleep(0.1)
            withdraw(folder, repositories=["nobody/at-all"])  # a writer, which removes what nobody reads


def test_the_index_before_stays_until_it_is_dropped_and_not_while_it_is_read(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url, texts="cluster")
    whole = answers(folder)
    old = Record.of(folder).loading.index
    with Index.open(folder) as reader:
        report = compact(folder, workers=1, cluster=ClusterSettings())
        assert any(f"{old} is in force no more" in notice for notice in report.notices)
        with pytest.raises(IndexBusy, match="an older generation that is being read"):
            drop_former(folder)
        assert search_literal(reader, "common_tail(", reach=ALL).total.value == 243
        assert reader.text(next(reader.refs())).startswith(b"def computed_")
    assert answers(folder) == whole
    withdraw(folder, repositories=["nobody/at-all"])
    assert main(["cluster", "info", "--index", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert f"former   {old} at " in shown and f"current  {Record.of(folder).loading.index} at " in shown
    assert main(["cluster", "drop", "--yes", "--index", str(folder)]) == 0
    assert f"dropped  {old}" in capsys.readouterr().out
    assert main(["cluster", "drop", "--index", str(folder)]) == 0
    assert capsys.readouterr().out == "nothing to drop\n"
    with client_of(elasticsearch_node) as client:
        assert not client.indices.exists(index=old)
    assert answers(folder)[1:] == whole[1:]


def test_a_mapping_of_another_release_is_replaced_by_compaction(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url, texts="cluster")
    whole, old = answers(folder), Record.of(folder).loading
    version = mapping.VERSION + 1
    monkeypatch.setattr(mapping, "VERSION", version)
    monkeypatch.setattr(mapping, "TEMPLATE", f"provenance-{version}")
    monkeypatch.setattr(mapping, "PREFIX", f"provenance-{version}-")
    compact(folder, workers=1)
    new = Record.of(folder).loading
    assert new.uuid != old.uuid and new.index.startswith(f"provenance-{version}-")
    assert answers(folder) == whole
    with client_of(elasticsearch_node) as client:
        template = client.indices.get_index_template(name=f"provenance-{version}")["index_templates"][0]
        assert template["index_template"]["version"] == version
        drop_former(folder)
        assert list(client.indices.get(index=f"{mapping.PREFIX}{new.index.split('-', 2)[2]}")) == [new.index]
        client.indices.delete(index=new.index)
        client.indices.delete_index_template(name=f"provenance-{version}")


def test_a_rebuild_that_was_cut_short_goes_on_or_is_left_behind(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url)
    whole, old = answers(folder), Record.of(folder).loading

    def cut_short(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "replace_manifest", cut_short)  # all is loaded, and nothing in force
    with pytest.raises(KeyboardInterrupt):
        compact(folder, workers=1, cluster=ClusterSettings())
    monkeypatch.undo()
    begun = Record.of(folder).loading
    assert begun.uuid != old.uuid
    assert answers(folder) == whole
    report = compact(folder, workers=1, cluster=ClusterSettings())
    assert report.resumed_tasks == report.tasks
    assert Record.of(folder).loading == begun
    assert answers(folder) == whole
    drop_former(folder)

    monkeypatch.setattr(run, "replace_manifest", cut_short)
    with pytest.raises(KeyboardInterrupt):
        compact(folder, workers=1, cluster=ClusterSettings())
    monkeypatch.undo()
    left = Record.of(folder).loading
    more = Given((*modules.documents, *_more()))
    load(folder, more, elasticsearch_node.url)  # goes into the index in force
    assert Record.of(folder).loading == begun
    with Index.open(folder) as index:
        assert index.documents == len(more.documents)
        index.verify()
    assert [each.index for each in drop_former(folder)] == [left.index]


def test_a_rebuild_that_was_cut_short_after_it_is_in_force_loses_nothing(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url)
    whole, old = answers(folder), Record.of(folder).loading

    def cut_short(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "settle", cut_short)
    with pytest.raises(KeyboardInterrupt):
        compact(folder, workers=1, cluster=ClusterSettings())
    assert answers(folder) == whole
    record = Record.of(folder)
    assert record.loading.uuid != old.uuid
    with client_of(elasticsearch_node) as client:
        assert list(client.indices.get_alias(name=record.alias)) == [old.index]
        assert [each.index for each in drop_former(folder)] == [old.index]
        assert list(client.indices.get_alias(name=record.alias)) == [record.loading.index]
    assert answers(folder) == whole


def _more() -> Iterator[Any]:
    from tests.elasticsearch.conftest import document

    yield from (document(module(n), "more/repo", f"more_{n}.py") for n in range(3000, 3010))


def test_an_embedded_index_moves_to_a_cluster_and_back(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    build([modules], folder, parameters=Parameters(**SMALL), workers=1, corpus_name="rebuild")  # type: ignore[arg-type]
    whole = answers(folder)
    command = ["compact", "--index", str(folder), "-j", "1"]
    there = ("--elasticsearch-url", elasticsearch_node.url, "--elasticsearch-text", "cluster")
    assert main([*command, "--engine", "elasticsearch"]) == 2
    assert "needs the address of a cluster" in capsys.readouterr().err
    assert main([*command, *there]) == 2
    assert "is for the engine elasticsearch alone" in capsys.readouterr().err
    assert main([*command, "--engine", "elasticsearch", *there]) == 0
    assert answers(folder) == whole
    texts = list(folder.glob("segments/*/text.*"))
    assert [each.name for each in texts] == ["text.tables"] * len(texts)
    with Index.open(folder) as index:
        assert index.engine.name == "elasticsearch"
        document = next(iter(index.sources(next(index.refs()))))[0].hex()
    capsys.readouterr()
    assert main(["show", document, "--index", str(folder)]) == 0
    assert main([*command, "--engine", "tantivy"]) == 0
    assert answers(folder) == whole
    assert main(["cluster", "drop", "--yes", "--index", str(folder)]) == 0
    assert not (folder / "elasticsearch.json").exists()


def test_a_cluster_that_is_lost_is_replaced_and_forgotten(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url)
    whole = answers(folder)
    record = folder / "elasticsearch.json"
    record.write_text(record.read_text().replace(elasticsearch_node.url, "http://127.0.0.1:9"))
    compact(folder, workers=1, cluster=ClusterSettings(elasticsearch_node.url))
    assert answers(folder) == whole
    drop = ["cluster", "drop", "--yes", "--index", str(folder)]
    assert main(["cluster", "info", "--index", str(folder)]) == 0
    assert "cannot be reached" in capsys.readouterr().out
    assert main(drop) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert main([*drop, "--forget"]) == 0
    assert indices(folder).former == ()
    assert answers(folder) == whole


def test_settings_of_an_index_are_not_changed_in_passing(
    elasticsearch_node: Node, modules: Given, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url)
    load(folder, modules, elasticsearch_node.url, shards=1, replicas=0, texts="folder")
    for settings in ({"shards": 2}, {"replicas": 1}, {"texts": "cluster"}):
        with pytest.raises(ParameterError, match="compact --elasticsearch-new` makes an index with other settings"):
            load(folder, modules, elasticsearch_node.url, **settings)
    for settings in ({"shards": 0}, {"replicas": 17}, {"texts": "elsewhere"}):
        with pytest.raises(ParameterError, match="it must be"):
            ClusterSettings(elasticsearch_node.url, **settings)  # type: ignore[arg-type]


def test_what_is_withdrawn_is_gone_from_the_cluster_after_compaction(
    elasticsearch_node: Node, modules: Given, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url, texts="cluster")
    withdraw(folder, repositories=["team-1/repo-1"])
    assert answers(folder)[1].value == 222
    compact(folder, workers=1)
    assert answers(folder)[1].value == 222
    record = Record.of(folder).loading
    with client_of(elasticsearch_node) as client:
        # One first piece a text: three documents share one.
        assert client.count(index=record.index, query={"term": {"piece": 0}})["count"] == 221
        withdrawn = {"term": {"repository": "team-1/repo-1"}}
        assert client.count(index=record.index, query=withdrawn)["count"] == 0
        about = client.indices.stats(index=record.index, metric="docs")["_all"]["primaries"]["docs"]
        assert about["deleted"] == 0  # not only marked
