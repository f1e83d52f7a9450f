"""Nodes with a lock on the door, and small corpora to load into them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer.sources.base import Item, Unit
from provenance.records import Document, Source, git_blob_id
from tests.elasticsearch.node import Node

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Given:
    """A source of documents that are given; a unit each."""

    documents: tuple[Document, ...]
    location: str = "given"

    def plan(self) -> Iterator[Unit]:
        for number, document in enumerate(self.documents):
            yield Unit(len(document.utf8), number, document.id.hex())

    def read(self, unit: Unit) -> Iterator[Item]:
        yield self.documents[unit.payload]


def document(text: str, repository: str, path: str) -> Document:
    utf8 = text.encode()
    return Document(utf8, git_blob_id(utf8), Source(repository, path, license="MIT", language="Python"))


def module(number: int, lines: int = 40) -> str:
    """Return a text that no other number gives, with one line that all have."""
    total = f"total_{number}"
    body = "".join(f"    {total} = accumulate({total}, {number * 7919 + line})\n" for line in range(lines))
    return f"def computed_{number}(values):\n{body}    return common_tail(values)\n"


@pytest.fixture(scope="session")
def modules() -> Given:
    """240 texts of 12 repositories, a text each, and one text that three of them have."""
    own = tuple(document(module(n), f"team-{n % 4}/repo-{n % 12}", f"module_{n}.py") for n in range(240))
    shared = tuple(document(module(1000), f"team-{n}/repo-{n}", "shared.py") for n in range(3))
    return Given((*own, *shared))


def started(node: Node) -> Node:
    """Start a node; where none can be had the test is skipped, but not in CI."""
    try:
        node.start()
    except RuntimeError as error:
        node.remove()
        if os.environ.get("CI"):
            raise
        pytest.skip(" ".join(str(error).split())[:500])
    return node


@dataclass(frozen=True)
class Secured:
    """A node that asks for a password, over TLS, and the certificate to trust."""

    node: Node
    authority: Path
    stranger: Path


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "stranger"):
        made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
        files = ("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")
        names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        subprocess.run(["openssl", *made, *files, *names], check=True, capture_output=True)
    certificate = ("--certificate", f"{folder}/ours.pem", "--key", f"{folder}/ours.key")
    node = Node("--password", PASSWORD, *certificate)
    try:
        yield Secured(started(node), folder / "ours.pem", folder / "stranger.pem")
    finally:
        node.remove()
