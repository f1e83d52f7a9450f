"""The guard over a real Elasticsearch node that goes away while an answer is written."""

from __future__ import annotations

import json
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.guard.guarded import Guard
from provenance.guard.policy_file import PRESETS
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.search.elasticsearch.cluster import ClusterSettings
from tests.elasticsearch.node import Node

COLUMNS = {"text": "content", "path": "path", "repository": "repo", "license": "license"}


class Line:
    """A line to a server that can be cut: both ways, for good."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._over = False
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                # The listener goes on for one more caller where it is closed while it waits.
                if self._over:
                    near.close()
                    return
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
        except OSError:
            pass
        finally:
            other.close()

    def cut(self) -> None:
        self._over = True
        self._listener.close()
        for each in self._ends:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


@pytest.fixture
def line(elasticsearch_node: Node) -> Iterator[Line]:
    line = Line(urllib.parse.urlsplit(elasticsearch_node.url).port or 0)
    yield line
    line.cut()


@pytest.mark.parametrize("on_error", ["open", "closed"])
def test_an_engine_that_goes_away_is_a_failure(
    line: Line, licensed_rows: list[dict[str, str]], function_of: Callable[[int], str], tmp_path: Path, on_error: Any
) -> None:
    rows = "".join(json.dumps({name: row[name] for name in COLUMNS.values()}) + "\n" for row in licensed_rows)
    (tmp_path / "rows.jsonl").write_text(rows)
    source = open_source(str(tmp_path / "rows.jsonl"), SourceOptions(columns=tuple(COLUMNS.items())))
    settings = {"parameters": Parameters(engine="elasticsearch"), "cluster": ClusterSettings(url=line.url)}
    build([source], tmp_path / "index", corpus_name="licensed", workers=1, **settings)
    copied = licensed_rows[1]["content"]
    text = function_of(5000) + "\n" + copied
    policy = replace(PRESETS["copyleft"], on_error=on_error, budget_seconds=20.0, attempts=0)
    with Index.open(tmp_path / "index") as index, Guard(index, policy) as guard:
        before = guard.session()
        assert before.feed(licensed_rows[2]["content"]).ended
        assert before.decisions[0].facts.licenses == ("LGPL-2.1-only",)
        session = guard.session()
        out = session.feed(text[: len(text) - len(copied) + 20]).text
        line.cut()
        out += "".join(session.feed(text[at : at + 9]).text for at in range(len(text) - len(copied) + 20, len(text), 9))
        out += session.finish().text
    assert session.failure == "engine" and (out == text) == (on_error == "open")
    assert session.ending == ("complete" if on_error == "open" else "failed")
    assert on_error == "open" or len(out) < len(text) - len(copied) + 64
