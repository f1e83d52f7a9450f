"""What a cluster refuses, and what is said then: real refusals of a real node."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from indexer.build import build
from provenance.errors import CorruptFile, EngineUnavailable, MismatchError, ParameterError
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.search.base import Filters
from provenance.search.elasticsearch import mapping
from provenance.search.elasticsearch.client import API_KEY, CA, PASSWORD, URL, USER, answering, connect
from provenance.search.elasticsearch.cluster import ClusterSettings, Record
from provenance.search.literal import search_literal
from provenance.search.ranked import search_words
from provenance.search.regex import search_regex
from tests.elasticsearch.conftest import PASSWORD as SECRET
from tests.elasticsearch.conftest import Given, Secured, document, module
from tests.elasticsearch.node import Node

ELASTICSEARCH = Parameters(engine="elasticsearch", segment_bytes=1 << 18)


def load(folder: Path, documents: Given, url: str, **settings: Any) -> None:
    cluster = ClusterSettings(url, **settings)
    build([documents], folder, parameters=ELASTICSEARCH, cluster=cluster, workers=1, corpus_name="refusals")


@pytest.fixture
def known(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> Secured:
    """The secured node, and an environment that opens it."""
    monkeypatch.setenv(USER, "elastic")
    monkeypatch.setenv(PASSWORD, SECRET)
    monkeypatch.setenv(CA, str(secured.authority))
    return secured


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make writers and readers give up soon."""
    for name in ("client", "loading"):
        monkeypatch.setattr(f"provenance.search.elasticsearch.{name}.PATIENCE", 1.0)
    for name in ("client", "querying", "texts"):
        monkeypatch.setattr(f"provenance.search.elasticsearch.{name}.READING_PATIENCE", 0.5)


def test_password_and_certificate_open_the_door_and_stand_nowhere(
    known: Secured, modules: Given, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, known.node.url)
    with Index.open(folder) as index:
        assert search_literal(index, "computed_7(").total.value == 1
    for path in folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_an_api_key_with_no_more_rights_than_documented_is_enough(
    known: Secured, modules: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(known.node.url)
    rights = {
        "cluster": ["manage_index_templates", "monitor"],
        "indices": [{"names": ["provenance-*"], "privileges": ["manage", "read", "write"]}],
    }
    key = client.security.create_api_key(name="provenance", role_descriptors={"provenance": rights})["encoded"]
    reading = {"indices": [{"names": ["provenance-*"], "privileges": ["read", "view_index_metadata"]}]}
    reader = client.security.create_api_key(name="reader", role_descriptors={"reader": reading})["encoded"]
    client.close()
    monkeypatch.delenv(USER)
    monkeypatch.delenv(PASSWORD)
    monkeypatch.setenv(API_KEY, key)
    load(tmp_path / "index", modules, known.node.url, texts="cluster")
    monkeypatch.setenv(API_KEY, reader)
    with Index.open(tmp_path / "index") as index:
        assert search_literal(index, "computed_7(").total.value == 1
    with pytest.raises(EngineUnavailable, match=r"this user may not do that \(HTTP 403"):
        load(tmp_path / "other", modules, known.node.url)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({PASSWORD: "wrong"}, "the credentials are wrong or missing (401)"),
        ({USER: "", PASSWORD: ""}, "the credentials are wrong or missing (401)"),
        ({API_KEY: "bm90OmtleQ=="}, "the credentials are wrong or missing (401)"),
        ({CA: "stranger"}, f"no trusted TLS connection; name the cluster's certificate authority in {CA}"),
        ({CA: ""}, f"no trusted TLS connection; name the cluster's certificate authority in {CA}"),
    ],
)
def test_a_wrong_password_key_or_certificate_is_named(
    known: Secured, modules: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str],
    message: str,
) -> None:  # fmt: skip
    folder = tmp_path / "index"
    load(folder, modules, known.node.url)
    for name, value in settings.items():
        monkeypatch.setenv(name, str(known.stranger) if value == "stranger" else value)
    with Index.open(folder) as index, pytest.raises(EngineUnavailable) as reading:
        search_literal(index, "computed_7(")
    with pytest.raises(EngineUnavailable) as writing:
        load(tmp_path / "other", modules, known.node.url)
    for error in (reading.value, writing.value):
        assert message in str(error)
        assert "\n" not in str(error)
        assert "wrong" not in str(error).replace(message, "")


def test_plain_http_to_a_node_with_tls_and_nobody_at_all(
    known: Secured, modules: Given, tmp_path: Path, hasty: None
) -> None:
    with pytest.raises(EngineUnavailable, match="cannot be reached; is it running there"):
        load(tmp_path / "one", modules, known.node.url.replace("https", "http"))
    with pytest.raises(EngineUnavailable, match="cannot be reached; is it running there"):
        load(tmp_path / "two", modules, "http://127.0.0.1:9")
    with pytest.raises(ParameterError, match="credentials are not sent over plain http to another host"):
        load(tmp_path / "three", modules, "http://elsewhere.invalid:9200")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:9200", "ftp://host", "http://", "http://host:99999", "http://host/?q=1", "http://h:1,ftp://h:2",
        "http://h:1,https://h:2", "",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ParameterError, match="Elasticsearch URL"):
        ClusterSettings(url)


def test_credentials_in_an_address_are_refused() -> None:
    with pytest.raises(ParameterError, match=f"put them into {USER} and {PASSWORD}") as refused:
        ClusterSettings("https://me:secret@host:9200")
    assert "secret" not in str(refused.value)


@pytest.fixture
def loaded(elasticsearch_node: Node, modules: Given, tmp_path: Path) -> tuple[Path, Elasticsearch, str]:
    """An index folder, a client, and the name of the index on the cluster."""
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url, texts="cluster")
    return folder, Elasticsearch(elasticsearch_node.url), Record.of(folder).loading.index


def test_an_index_that_a_full_disk_made_read_only_is_named_and_goes_on(
    loaded: tuple[Path, Elasticsearch, str], modules: Given, elasticsearch_node: Node
) -> None:
    folder, client, name = loaded
    more = Given((*modules.documents, *(_more(modules))))
    block = {"index.blocks.read_only_allow_delete": True}  # what the node sets past the flood stage
    client.indices.put_settings(index=name, settings=block)
    with pytest.raises(EngineUnavailable, match=r"the index is read-only .*a disk of the cluster is nearly full"):
        load(folder, more, elasticsearch_node.url)
    with Index.open(folder) as index:
        assert search_literal(index, "computed_7(").total.value == 1
    client.indices.put_settings(index=name, settings={"index.blocks.read_only_allow_delete": None})
    load(folder, more, elasticsearch_node.url)
    with Index.open(folder) as index:
        assert index.documents == len(more.documents)
    client.close()


def _more(modules: Given) -> Iterator[Any]:
    yield from (document(module(n), "more/repo", f"more_{n}.py") for n in range(2000, 2010))


def test_an_index_that_is_gone_or_another_or_lacks_documents_is_refused(
    loaded: tuple[Path, Elasticsearch, str], modules: Given, elasticsearch_node: Node
) -> None:
    folder, client, name = loaded
    with Index.open(folder) as before:
        assert before.engine.ranked(["accumulate"], Filters(), 5).refs
        client.delete_by_query(index=name, query={"term": {"content": 3}}, refresh=True)
        python = Filters(languages=("python",))
        for ask in (
            lambda: before.engine.ranked(["tail"], Filters(), 5),
            lambda: before.engine.frequencies("words", ["common"]),
            lambda: before.engine.holding(b"computed_8(", python, 5),
            lambda: before.engine.holding(b"", python, 5),
            before.verify,
        ):
            with pytest.raises(MismatchError, match=r"has \d+ documents of this index, not \d+: it was changed"):
                ask()
        client.indices.delete(index=name)
        with pytest.raises(EngineUnavailable, match="the index is not on the cluster"):
            before.engine.ranked(["tail"], Filters(), 5)
    with Index.open(folder) as index, pytest.raises(EngineUnavailable, match="the index is not on the cluster"):
        search_literal(index, "computed_7(")
    with Index.open(folder) as index, pytest.raises(EngineUnavailable, match="the index is not on the cluster"):
        index.text(next(index.refs()))
    client.indices.create(index=name)
    with Index.open(folder) as index, pytest.raises(MismatchError, match="another index than the one that was loaded"):
        search_literal(index, "computed_7(")
    client.close()


def test_lists_that_are_gone_or_changed_are_noticed(
    loaded: tuple[Path, Elasticsearch, str],
) -> None:
    folder, client, name = loaded
    with Index.open(folder) as index:
        index.verify()
        assert index.engine.holding(b"computed_7(", Filters(), 5).refs
        part = index.segments[0].directory / "search" / "elasticsearch.json"
        first = f"{json.loads(part.read_text())['part']}/lists/0"
        answer = client.get(index=name, id=first, stored_fields=["frame"], realtime=False)
        frame = base64.b64decode(answer["fields"]["frame"][0])
    other = base64.b64encode(frame[:-1] + bytes([frame[-1] ^ 1])).decode()
    named = {"part": first.partition("/")[0]}
    client.index(index=name, id=first, document={**named, "frame": other}, refresh=True)
    with Index.open(folder) as index, pytest.raises(CorruptFile, match=r"grams.tables.*block 0 is damaged"):
        index.verify()
    with Index.open(folder) as index, pytest.raises(CorruptFile, match=r"grams.tables.*block 0 is damaged"):
        index.engine.holding(b"\nreturn", Filters(), 5)  # the lists of the lowest grams come first
    client.index(index=name, id=first.replace("/lists/", "/others/"), document={**named, "frame": other})
    client.delete(index=name, id=first, refresh=True)  # the number of documents is what it was
    with Index.open(folder) as index, pytest.raises(MismatchError, match="has not all of the stored texts"):
        index.verify()
    client.close()


def test_what_the_folder_holds_is_answered_while_the_cluster_is_away(
    elasticsearch_node: Node, modules: Given, tmp_path: Path, hasty: None
) -> None:
    folder = tmp_path / "index"
    load(folder, modules, elasticsearch_node.url)
    name = Record.of(folder).loading.index
    with Index.open(folder) as index, Elasticsearch(elasticsearch_node.url) as client:
        assert search_words(index, "computed").hits
        client.indices.close(index=name)
        assert search_literal(index, "computed_7(").total.value == 1
        assert search_regex(index, r"computed_1\d\(").total.value == 10
        with pytest.raises(EngineUnavailable):
            search_words(index, "values")
        with pytest.raises(EngineUnavailable):
            search_literal(index, "computed_7(", filters=Filters(languages=("python",)))
    with Index.open(folder) as index, pytest.raises(EngineUnavailable):
        search_literal(index, "computed_7(")  # who opens an index sees that the cluster has it


def test_a_mapping_of_another_version_is_refused(
    loaded: tuple[Path, Elasticsearch, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, client, _ = loaded
    monkeypatch.setattr(mapping, "VERSION", mapping.VERSION + 1)
    expected = f"has a mapping of version {mapping.VERSION - 1}, this release asks {mapping.VERSION}"
    with Index.open(folder) as index:
        with pytest.raises(MismatchError, match=f"{expected}; `provenance compact --elasticsearch-new` loads"):
            search_literal(index, "computed_7(")
        assert index.text(next(index.refs())).startswith(b"def computed_")  # texts are no matter of the mapping
    client.close()


class _Answerer(BaseHTTPRequestHandler):
    """Answers as servers do that are none of ours."""

    status = 200
    body = b"{}"
    headers_sent: tuple[tuple[str, str], ...] = ()

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        for name, value in (("Content-Type", "application/json"), *self.headers_sent):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_PUT = do_POST = do_HEAD = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answerer(**answer: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answerer", (_Answerer,), answer))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_that_is_no_elasticsearch_is_named(modules: Given, tmp_path: Path) -> None:
    # What OpenSearch 2 answers to a template, and to anything: no X-Elastic-Product.
    with answerer(body=b'{"acknowledged":true}') as url, pytest.raises(EngineUnavailable, match="an OpenSearch server"):
        load(tmp_path / "index", modules, url)
    # And another web server, to what it does not know.
    with (
        answerer(status=404, body=b'{"detail":"Not Found"}') as url,
        pytest.raises(EngineUnavailable, match="this is not Elasticsearch"),
    ):
        load(tmp_path / "other", modules, url)


def test_a_server_of_another_major_version_is_named(elasticsearch_node: Node) -> None:
    # The node answers so to a client of a version that it does not know, as an older one would to ours.
    newer = {"accept": "application/vnd.elasticsearch+json; compatible-with=9"}
    with Elasticsearch(elasticsearch_node.url) as client, pytest.raises(EngineUnavailable) as refused:
        with answering(elasticsearch_node.url):
            client.perform_request("GET", "/_cluster/health", headers=newer)
    assert "Elasticsearch of another version than 8 or 9" in str(refused.value)


def test_another_address_may_come_from_the_environment(
    loaded: tuple[Path, Elasticsearch, str], elasticsearch_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, client, _ = loaded
    record = (folder / "elasticsearch.json").read_text()
    (folder / "elasticsearch.json").write_text(record.replace(elasticsearch_node.url, "http://127.0.0.1:9"))
    with Index.open(folder) as index, pytest.raises(EngineUnavailable, match="cannot be reached"):
        search_literal(index, "computed_7(")
    # Of several nodes one is enough.
    monkeypatch.setenv(URL, f"http://127.0.0.1:9,{elasticsearch_node.url}")
    with Index.open(folder) as index:
        for _ in range(4):
            assert search_literal(index, "computed_7(").total.value == 1
    client.close()
