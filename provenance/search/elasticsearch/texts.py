"""Stored texts and lists of grams on the cluster: the frames of a segment's block files, an engine document each.

A file's tables stay in the folder (`provenance.store`), so that lengths are known without asking, and a frame is what
its file says or an error. Frames that were fetched are kept, compressed, up to `KEPT_BYTES` for all segments together.
Where all lists, or lists and texts, fit in half of that, each request brings twice as many more as the one before:
after some questions nothing is asked for, and a single question pays little for it.
"""

from __future__ import annotations

import threading
from base64 import b64decode
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from provenance.errors import EngineUnavailable, MismatchError
from provenance.search.elasticsearch.client import (
    READING_PATIENCE,
    Pauses,
    answering,
    cause_of,
    connect,
    meaning,
    patiently,
)
from provenance.search.elasticsearch.cluster import Cluster, Part, Record
from provenance.store import BLOCK_BYTES, LEAST_BLOCK_BYTES

KEPT_BYTES = 64 << 20
_AHEAD = 32
"""Frames fetched at once for who reads a segment from end to end."""
_TOGETHER = 256
_MORE, _MOST = 8, 128
"""Frames that the first request brings beside those asked for, and that any brings."""
_WANTED = ("docs.found", "docs.fields.frame", "docs.error.type", "docs.error.root_cause.type", "docs.status")

Kind = Literal["text", "lists"]
"""What a block file of a segment holds: its texts, or the lists of its gram file."""
Key = tuple[str, Kind, int]
"""A part, and the number of a block in one of its files."""


_USUAL_BYTES: dict[Kind, int] = {"lists": LEAST_BLOCK_BYTES, "text": BLOCK_BYTES // 3}
"""How large frames are: lists hardly compress, code takes a fifth or a fourth of its size."""


def frame_id(part: str, kind: Kind, block: int) -> str:
    """Return the id of a frame's document."""
    return f"{part}/{kind}/{block}"


class Texts:
    """Fetches frames of one index; shared by all its segments, and by threads."""

    def __init__(self, cluster: Cluster) -> None:
        """Connect. Raises `MismatchError` where another index answers, `EngineUnavailable`."""
        self._cluster = cluster
        self._client = connect(cluster.url)
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._room = KEPT_BYTES
        self._files: dict[tuple[str, Kind], range] = {}
        self._readers: Counter[tuple[str, Kind]] = Counter()
        self._more = _MORE
        cluster.found(self._client)

    def __del__(self) -> None:
        """Let go of the connections with the last segment that used them."""
        client = getattr(self, "_client", None)
        if client is not None:
            client.close()

    def frame(self, key: Key, ahead: Sequence[Key]) -> bytes:
        """Return one frame; where it is not kept, it comes together with those ``ahead``."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        return self.fetch([key, *ahead])[0]

    def fetch(self, keys: Iterable[Key]) -> list[bytes]:
        """Return frames; those that are not kept come in as few answers as can be."""
        wanted = list(keys)
        with self._lock:
            found = {key: self._kept[key] for key in wanted if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
            missing = [key for key in dict.fromkeys(wanted) if key not in found]
            if missing:
                missing.extend(self._soon(set(missing)))
        for first in range(0, len(missing), _TOGETHER):
            some = missing[first : first + _TOGETHER]
            found.update(zip(some, self._ask(some), strict=True))
        with self._lock:
            for key in missing:
                if key not in self._kept:
                    self._kept[key] = found[key]
                    self._room -= len(found[key])
            while self._room < 0:
                self._room += len(self._kept.popitem(last=False)[1])
        return [found[key] for key in wanted]

    def offer(self, part: str, kind: Kind, count: int) -> None:
        """Take note of one more reader of a part, whose frames may be fetched before they are asked for."""
        with self._lock:
            self._readers[part, kind] += 1
            self._files.setdefault((part, kind), range(count))

    def withdraw(self, part: str, kind: Kind) -> None:
        """Take note that a reader of a part is gone; with the last one the part may be deleted."""
        with self._lock:
            self._readers[part, kind] -= 1
            if not self._readers[part, kind]:
                del self._readers[part, kind], self._files[part, kind]

    def _soon(self, asked: set[Key]) -> list[Key]:
        """Return frames to fetch with others, none of them kept, lists first; for who holds the lock."""
        more: list[Key] = []
        room = KEPT_BYTES // 2
        for kind, usual in _USUAL_BYTES.items():
            files = {file: blocks for file, blocks in self._files.items() if file[1] == kind}
            room -= sum(blocks.stop for blocks in files.values()) * usual
            if room < 0:
                break
            for (part, _), blocks in files.items():
                while blocks and len(more) < self._more:
                    key = (part, kind, blocks.start)
                    blocks = blocks[1:]
                    if key not in self._kept and key not in asked:
                        more.append(key)
                self._files[part, kind] = blocks
        self._more = min(2 * self._more, _MOST)
        return more

    def _ask(self, keys: Sequence[Key]) -> list[bytes]:
        index, url = self._cluster.index, self._cluster.url
        body = {"docs": [{"_id": frame_id(*key), "_source": False, "stored_fields": ["frame"]} for key in keys]}
        pauses = Pauses(READING_PATIENCE)
        while True:
            with answering(url):
                answer = patiently(
                    lambda: self._client.mget(index=index, body=body, realtime=False, filter_path=_WANTED),
                    READING_PATIENCE,
                )
            documents = answer["docs"]
            failed = next((each for each in documents if "error" in each), None)
            if failed is None:
                break
            if not pauses.next():
                raise EngineUnavailable(f"{url}: {meaning(failed.get('status', 503), cause_of(failed))}")
        if not all(each["found"] for each in documents):
            raise MismatchError(
                f"{url}: {index} has not all of the stored texts and grams: it was changed, or not restored in full; "
                "build the index again"
            )
        return [b64decode(each["fields"]["frame"][0]) for each in documents]


class ClusterFrames:
    """The frames of one block file of a segment."""

    def __init__(self, segment: Path, kind: Kind = "text") -> None:
        """Take the segment in a folder of an index."""
        part = Part.of(segment)
        cluster = Record.of(segment.parent.parent).holder(part)
        count = part.frames if kind == "text" else part.lists
        if cluster is None or count is None:
            raise MismatchError(f"{segment}: its texts were loaded into {part.index}, which the index does not name")
        self._texts: Texts | None = _shared(cluster)
        self.part = part.part
        self._kind = kind
        self._count = count
        self._last = -2
        self._texts.offer(self.part, kind, count)

    def frame(self, block: int) -> bytes:
        """Return one frame; those behind it come with it, where the one before it was asked for last."""
        end = min(self._count, block + _AHEAD) if block == self._last + 1 else block + 1
        self._last = block
        return self.shared().frame(self.key(block), [self.key(each) for each in range(block + 1, end)])

    def expect(self, blocks: Sequence[int]) -> None:
        """Fetch frames that will be asked for next."""
        expect([(self, blocks)])

    def close(self) -> None:
        """Let go of what is shared; asking afterwards raises `ValueError`."""
        if self._texts is not None:
            self._texts.withdraw(self.part, self._kind)
        self._texts = None

    def key(self, block: int) -> Key:
        """Return what a frame is fetched by."""
        return self.part, self._kind, block

    def shared(self) -> Texts:
        """Return what fetches for all segments of the index."""
        if self._texts is None:
            raise ValueError(f"the texts of {self.part} are closed")
        return self._texts


def expect(wanted: Iterable[tuple[ClusterFrames, Sequence[int]]]) -> None:
    """Fetch frames of several segments, all in one go."""
    keys: dict[Texts, list[Key]] = {}
    for frames, blocks in wanted:
        keys.setdefault(frames.shared(), []).extend(map(frames.key, blocks))
    for texts, some in keys.items():
        texts.fetch(some)


_open: WeakValueDictionary[Cluster, Texts] = WeakValueDictionary()
_opening = threading.Lock()


def _shared(cluster: Cluster) -> Texts:
    with _opening:
        texts = _open.get(cluster)
        if texts is None:
            texts = _open[cluster] = Texts(cluster)
        return texts
