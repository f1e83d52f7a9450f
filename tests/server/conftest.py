"""Real servers on the loopback: the demo index, a portrait of it, and a small index of hostile names and code.

`client` asks one over tantivy, `cluster_client` one over the same sources in a real Elasticsearch node.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from indexer.build import build
from indexer.portraits import export_portrait, import_portraits
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.search.elasticsearch.cluster import ClusterSettings
from provenance.server.run import Address, configured
from provenance.server.settings import Settings

HOSTILE_CODE = (
    '"""</pre></code><script>alert(1)</script><img src=x onerror=alert(2)>"""\n'
    "value = '&lt;b&gt; {{ 7 * 7 }} {% raw %}' + \"\\u202e\"\n"
    "def a_function_that_nobody_else_has_written(first, second):\n"
    "    return [first for _ in range(second) if first != second]\n"
)
HOSTILE_PATH = "<script>alert(3)</script>.py"
HOSTILE_REPOSITORY = "evil/<img src=x onerror=alert(4)>"


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Asks one server, a connection a question."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.base = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, path: str, value: Any, **headers: str) -> Reply:
        return self.ask("POST", path, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def form(self, path: str, fields: str) -> Reply:
        return self.ask("POST", path, fields.encode(), Content_Type="application/x-www-form-urlencoded")


@contextmanager
def serving(settings: Settings) -> Iterator[Client]:
    """Run a server with ``settings`` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configured(replace(settings, drain_seconds=2.0), Address()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started
    try:
        yield Client(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def portrait_index(demo_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo index as a portrait."""
    folder = tmp_path_factory.mktemp("portrait")
    with Index.open(demo_index) as index:
        export_portrait(index, folder / "demo.50-50.bf")
    import_portraits(folder / "index", [folder / "demo.50-50.bf"])
    return folder / "index"


@pytest.fixture(scope="session")
def hostile_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in which names, paths and code are markup."""
    folder = tmp_path_factory.mktemp("hostile")
    row = {
        "content": HOSTILE_CODE,
        "path": HOSTILE_PATH,
        "repo": HOSTILE_REPOSITORY,
        "url": "javascript:alert(5)",
        "license": "MIT",
    }
    good = {
        "content": "".join(f"def harmless_{n}(value):\n    return value + {n} * 1000003\n" for n in range(9)),
        "path": "good.py",
        "repo": "github.com/good/code",
        "url": "https://github.com/good/code/blob/v1/good.py",
        "license": "MIT",
    }
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (row, good)))
    return folder / "rows.jsonl"


def build_hostile(rows: Path, folder: Path, **options: Any) -> Path:
    """Build an index of `hostile_rows` and return its folder."""
    columns = {"text": "content", "path": "path", "repository": "repo", "url": "url", "license": "license"}
    source = open_source(str(rows), SourceOptions(columns=tuple(columns.items())))
    build([source], folder, corpus_name="hostile", workers=1, **options)
    return folder


@pytest.fixture(scope="session")
def hostile_index(hostile_rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index in which names, paths and code are markup."""
    return build_hostile(hostile_rows, tmp_path_factory.mktemp("hostile") / "index")


@pytest.fixture(scope="session")
def cluster_indexes(
    demo_sources: Path, hostile_rows: Path, elasticsearch_node: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The demo index and the hostile one, searched by a real Elasticsearch node."""
    folder = tmp_path_factory.mktemp("cluster")
    options: dict[str, Any] = {
        "parameters": Parameters(engine="elasticsearch"),
        "cluster": ClusterSettings(elasticsearch_node.url),
    }
    source = open_source(str(demo_sources), SourceOptions(each_folder=True))
    build([source], folder / "demo", corpus_name="demo", corpus_revision="r1", workers=1, **options)
    return folder / "demo", build_hostile(hostile_rows, folder / "hostile", **options)


@pytest.fixture(scope="session")
def hostile_code() -> str:
    """The code in the hostile index."""
    return HOSTILE_CODE


@pytest.fixture(scope="session")
def settings(demo_index: Path, portrait_index: Path, hostile_index: Path) -> Settings:
    """What the shared server runs with."""
    return Settings(
        indexes=(("demo", demo_index), ("portrait", portrait_index), ("hostile", hostile_index)),
        body_bytes=1 << 20,
        batch=20,
    )


@pytest.fixture(scope="session")
def client(settings: Settings) -> Iterator[Client]:
    """A client of the shared server."""
    with serving(settings) as client:
        yield client


@pytest.fixture(scope="session")
def cluster_client(settings: Settings, cluster_indexes: tuple[Path, Path]) -> Iterator[Client]:
    """A client of a server like the shared one, over Elasticsearch."""
    (demo, _), portrait, (hostile, _) = settings.indexes
    demo_there, hostile_there = cluster_indexes
    with serving(replace(settings, indexes=((demo, demo_there), portrait, (hostile, hostile_there)))) as client:
        yield client


@pytest.fixture
def start() -> Callable[[Settings], Any]:
    """What runs a server of its own for a test."""
    return serving


@pytest.fixture(scope="session")
def snippet(demo_sources: Path) -> str:
    """Sixty lines of argparse."""
    return "\n".join((demo_sources / "cpython" / "argparse.py").read_text("utf-8").split("\n")[160:220]) + "\n"
