"""Loading one segment: its gram file, and engine documents of one *part*, sent in bulk.

A part has a name of its own, used once: what a killed build left under another name is asked by nobody. It is recorded
in the segment's folder before anything is sent, and deleted with the folder. Every document has an id that its address
makes, so that sending again what may have arrived doubles nothing.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from provenance import kernel
from provenance.errors import EngineUnavailable
from provenance.records import Source
from provenance.search.elasticsearch.client import (
    BUSY,
    PATIENCE,
    Pauses,
    answering,
    connect,
    meaning,
    patiently,
)
from provenance.search.elasticsearch.cluster import FOLDER, NAME, Cluster, Part, Record
from provenance.search.elasticsearch.mapping import KEYWORDS
from provenance.search.elasticsearch.texts import Kind, frame_id
from provenance.search.filtering import keywords
from provenance.search.grams import GRAMS, HEAD, LISTS, head_of
from provenance.storage import fsync_all, refusals_named
from provenance.store import LEAST_BLOCK_BYTES
from provenance.store_writer import BlockWriter, frames_of, write_tables

_BODY_BYTES = 4 << 20
"""What one request holds, about; a document has at most a few MB, far from the 100 MB a cluster takes."""
_SENDERS = 2
_PIECE = 8 << 20


class ElasticsearchWriter:
    """Loads one segment."""

    def __init__(self, directory: Path) -> None:
        """Record a new part in ``search/`` of a segment's folder, inside an index folder with a cluster."""
        self._directory = directory
        self._cluster = Record.of(directory.parent.parent).loading
        self.takes_texts = self._cluster.texts == "cluster"
        segment = directory.name.removeprefix(".").removesuffix(".part")
        name = f"{segment}.{secrets.token_hex(8)}"
        self._part = Part(name, self._cluster.index, self._cluster.uuid, None, None, None)
        with refusals_named(directory):
            (directory / FOLDER).mkdir()
        self._part.keep(directory)
        self._client = connect(self._cluster.url)
        self._bulk = Bulk(self._client, self._cluster)
        self._grams = kernel.GramCollector()
        self._found: deque[tuple[list[bytes], str]] = deque()
        self._contents = 0
        self._documents = 0

    def read(self, text: bytes, fingerprints: str = "") -> None:
        """Take the grams, words and fingerprints of the next content."""
        self._grams.add(text)
        self._found.append((list(words_of(text)), fingerprints))

    def add(self, content: int, sources: Sequence[Source]) -> None:
        """Load one content."""
        pieces, fingerprints = self._found.popleft()
        words = keywords(sources)
        fixed: dict[str, Any] = {"part": self._part.part, "content": content}
        fixed |= {field: getattr(words, name) for field, name in KEYWORDS if getattr(words, name)}
        opened = json.dumps(fixed).encode("ascii")[:-1]
        self._contents += 1
        for number, piece in enumerate(pieces):
            self._bulk.add(
                b'{"index":{"_id":"%s/%d/%d"}}\n' % (self._part.part.encode(), content, number)
                # No word holds a character that JSON escapes.
                + b'%s,"piece":%d' % (opened, number)
                + (b',"words":"%s"' % piece if piece else b"")
                + (b',"fingerprints":"%s"' % fingerprints.encode("ascii") if fingerprints and number == 0 else b"")
                + b"}\n"
            )
            self._documents += 1

    def finish(self) -> list[str]:
        """Write the grams, send the rest, see that all of it is there, and record how much."""
        frames, lists, names = 0, 0, [GRAMS]
        if self.takes_texts:
            frames = self._add_frames("text", self._directory / "text.blk")
            lists, names = self._add_lists(), [HEAD, LISTS]
        else:
            with refusals_named(self._directory):
                (self._directory / FOLDER / GRAMS).write_bytes(self._grams.finish())
        self._bulk.finish()
        index, part = self._cluster.index, self._part.part
        with answering(self._cluster.url):
            patiently(lambda: self._client.indices.refresh(index=index))
            answer = patiently(lambda: self._client.count(index=index, query={"term": {"part": part}}))
            found = answer["count"]
        if found != self._documents or answer["_shards"]["failed"]:
            raise EngineUnavailable(
                f"{self._cluster.url}: of {self._documents} documents sent {found} are there; run the build again"
            )
        self._client.close()
        replace(self._part, contents=self._contents, documents=found, frames=frames, lists=lists).keep(self._directory)
        with refusals_named(self._directory):
            folder = self._directory / FOLDER
            fsync_all([*(folder / name for name in names), folder])
        return [f"{FOLDER}/{name}" for name in (NAME, *names)]

    def _add_lists(self) -> int:
        """Write the head of the gram file and send its lists, in blocks as small as can be: one list is read of each.

        Returns how many blocks.
        """
        folder = self._directory / FOLDER
        grams = self._grams.finish()
        with refusals_named(self._directory):
            (folder / HEAD).write_bytes(grams[: head_of(grams)])
            whole = (folder / LISTS).with_suffix(".blk")
            writer = BlockWriter(whole, block_bytes=LEAST_BLOCK_BYTES)
            writer.append(grams[head_of(grams) :])
            writer.finish(durable=False)
            sent = self._add_frames("lists", whole)
            write_tables(whole, folder / LISTS)
            whole.unlink()
        return sent

    def _add_frames(self, kind: Kind, path: Path) -> int:
        part = self._part.part
        sent = 0
        for sent, frame in enumerate(frames_of(path), 1):
            self._bulk.add(
                b'{"index":{"_id":"%s"}}\n{"part":"%s","frame":"%s"}\n'
                % (frame_id(part, kind, sent - 1).encode(), part.encode(), b64encode(frame))
            )
        self._documents += sent
        return sent

    def abandon(self) -> None:
        """Stop sending; what was sent goes with the segment's folder."""
        self._bulk.stop()
        self._client.close()


def words_of(text: bytes) -> Iterator[bytes]:
    """Yield the words of a text, as often as they weigh (`kernel.weighed_words`), each word in one piece alone.

    There is at least one piece. The cluster takes 100 MB at once, and a text may be larger.
    """
    words = kernel.weighed_words(text)
    start = 0
    while len(words) - start > _PIECE:
        end = words.find(b" ", start + _PIECE - 1)
        if end < 0:
            break
        word = words[words.rfind(b" ", 0, end) + 1 : end]
        while end < len(words) and words[end + 1 : end + 2 + len(word)].rstrip(b" ") == word:
            end += len(word) + 1
        yield words[start:end]
        start = end + 1
    yield words[start:]


class Bulk:
    """Sends documents, a few requests at a time: who adds waits until there is room.

    Busy and absent clusters are asked again, with pauses, for `PATIENCE` seconds; of a request that was taken in part,
    the rest is sent again. Raises `EngineUnavailable` for what is refused for good; nothing is left out.
    """

    def __init__(self, client: Elasticsearch, cluster: Cluster, patience: float | None = None) -> None:
        """Send to the index of a cluster."""
        self._client = client
        self._cluster = cluster
        self._patience = PATIENCE if patience is None else patience
        self._pool = ThreadPoolExecutor(_SENDERS, thread_name_prefix="bulk")
        self._sent: deque[Future[None]] = deque()
        self._documents: list[bytes] = []
        self._bytes = 0

    def add(self, document: bytes) -> None:
        """Take one document: the two lines of a bulk request."""
        self._documents.append(document)
        self._bytes += len(document)
        if self._bytes >= _BODY_BYTES:
            self._dispatch()

    def finish(self) -> None:
        """Return when everything has been taken."""
        if self._documents:
            self._dispatch()
        while self._sent:
            self._sent.popleft().result()
        self.stop()

    def stop(self) -> None:
        """Send nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _dispatch(self) -> None:
        documents, self._documents, self._bytes = self._documents, [], 0
        while len(self._sent) > _SENDERS:
            self._sent.popleft().result()
        self._sent.append(self._pool.submit(self._send, documents))

    def _send(self, documents: list[bytes]) -> None:
        pauses = Pauses(self._patience)
        with answering(self._cluster.url):
            while True:
                statuses = patiently(lambda rest=documents: self._request(rest), self._patience)  # type: ignore[misc]
                if statuses is None:
                    return
                refused = [found for found in statuses if found is not None and found[0] not in BUSY]
                blocked = [found for found in statuses if found is not None and found[1] == "cluster_block_exception"]
                if refused or blocked:
                    self._refuse((refused or blocked)[0], len(refused or blocked))
                documents = [each for each, found in zip(documents, statuses, strict=True) if found is not None]
                if not documents:
                    return
                if not pauses.next():
                    self._refuse((429, ""), len(documents))

    def _request(self, documents: list[bytes]) -> list[tuple[int, str] | None] | None:
        """Send once; return status and cause of each document that was not taken, or None if all were."""
        answer = self._client.perform_request(
            "POST",
            f"/{self._cluster.index}/_bulk",
            params={"filter_path": "errors,items.*.status,items.*.error.type", "require_alias": "false"},
            headers={"accept": "application/json", "content-type": "application/x-ndjson"},
            body=b"".join(documents),
        )
        body: Mapping[str, Any] = answer.body
        if not body["errors"]:
            return None
        found = [next(iter(item.values())) for item in body["items"]]
        return [(each["status"], each["error"]["type"]) if "error" in each else None for each in found]

    def _refuse(self, found: tuple[int, str], count: int) -> None:
        raise EngineUnavailable(f"{self._cluster.url}: {count} documents were not taken: {meaning(*found)}")
