"""Writing one segment: texts, sources, tables, the engine's part, and the keys spilled for the filter layer.

Two passes. The first takes documents as they come: a new content's text goes to text.blk, through the key collector
and to the engine, which takes from it what the text is found by; a known content gains a source. The second knows all
sources of each content and has the engine index it. So memory holds sources, ids, keys, words and fingerprints of one
segment, and no text.
"""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.commit import remove_tree
from indexer.faults import reach
from provenance.errors import SearchError
from provenance.manifest import SegmentEntry
from provenance.parameters import Parameters
from provenance.records import Document, Source
from provenance.search import discard, open_writer
from provenance.segment import CONTENT, DOCUMENT, FORMAT, TABLES, TEXT, encode_source, file_checksum
from provenance.storage import fsync_all, refusals_named, rename_durably
from provenance.store_writer import BlockWriter, write_tables

if TYPE_CHECKING:
    from zstandard import ZstdCompressor

    from provenance.kernel import KeyCollector

RUN_BYTES = 64 << 20
"""Text after which keys are spilled, so that the collector's memory is bounded whatever the segment's size."""
HELD_OUT = 16
"""One repository in so many is held out to measure coincidence."""
MAX_DOCUMENTS = 200_000
"""Documents after which a segment ends: their ids and sources are in memory until then."""
_OURS = ("sources.blk", "contents.bin", "documents.bin", "digest.bin", "manifest.json")


@dataclass(frozen=True, slots=True)
class Spill:
    """Files of keys written for one segment, to be merged into a layer.

    ``held`` are tiles too, of repositories that are held out to measure coincidence (`indexer.coincidence`), and
    ``snippets`` the snippets chosen in them.
    """

    tiles: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    snippets: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all files."""
        return (*self.tiles, *self.samples, *self.held, *self.snippets)


@lru_cache(maxsize=65536)
def repository_number(repository: str) -> int:
    """Return the number of a repository in samples: the low 32 bits of XXH3-64 of its case-folded name.

    A function of the name alone, so workers need no common table. Two of a million repositories share a number
    with a chance that matters nothing to a count that ends at ten.
    """
    import xxhash

    return xxhash.xxh3_64_intdigest(repository.casefold().encode("utf-8", "surrogatepass")) & 0xFFFFFFFF


def held_out(repository: str) -> bool:
    """Return whether a repository is held out to measure coincidence: one in `HELD_OUT`."""
    return repository_number(repository) % HELD_OUT == 0


class KeySpiller:
    """Gathers the keys of texts and spills them as sorted runs, those of repositories that are held out by themselves.

    Nothing is held out where no samples are gathered: there are too few repositories.
    """

    def __init__(self, prefix: Path, parameters: Parameters, group: int) -> None:
        """Spill to files that begin with ``prefix``; ``group`` 0 gathers no samples."""
        from indexer.coincidence import Snippets

        self._prefix = prefix
        self._parameters = parameters
        self._group = group
        self._tiles: list[str] = []
        self._samples: list[str] = []
        self._held: list[str] = []
        self._bytes = self._held_bytes = 0
        self._snippets = Snippets(parameters.geometry)
        self.samples = group > 0
        """Whether samples are gathered."""
        self._collector = self._new_collector(group)
        self._apart = self._new_collector(0)

    def _new_collector(self, group: int) -> KeyCollector:
        from provenance import kernel

        p = self._parameters
        return kernel.KeyCollector(p.width, p.stride, p.seed, group, words=False)

    def add(self, text: bytes, repository: str) -> None:
        """Gather from a text that is new."""
        number = repository_number(repository) if self.samples else 0
        if self.samples and held_out(repository):
            self._snippets.add(text, number)
            self._apart.add(text, 0)
            self._collector.add_samples(text, number)
            self._held_bytes += len(text)
        else:
            self._collector.add(text, number)
        self._bytes += len(text)
        if self._bytes >= RUN_BYTES:
            self._spill()
            self._collector = self._new_collector(self._group)
        if self._held_bytes >= RUN_BYTES:
            self._spill_held()
            self._apart = self._new_collector(0)

    def add_repository(self, text: bytes, repository: str, others: Iterable[str]) -> None:
        """Gather that a known text stands in one more repository than ``others``."""
        if held_out(repository) or not all(map(held_out, others)):
            self._collector.add_samples(text, repository_number(repository))
        else:
            self._collector.add(text, repository_number(repository))

    def finish(self) -> Spill:
        """Spill the rest; return the files."""
        self._spill()
        if self._held_bytes:
            self._spill_held()
        del self._collector, self._apart  # their memory is the engine's from here on
        snippets = []
        if records := self._snippets.records():
            path = self._prefix.with_name(f"{self._prefix.name}.snippets")
            _write(path, records)
            snippets.append(path.name)
        return Spill(tuple(self._tiles), tuple(self._samples), tuple(self._held), tuple(snippets))

    def make_durable(self, spill: Spill) -> None:
        """Wait until the files are on disk."""
        with refusals_named(self._prefix):
            fsync_all([self._prefix.with_name(name) for name in spill.names])

    def _spill(self) -> None:
        run = len(self._tiles)
        tiles = self._prefix.with_name(f"{self._prefix.name}-{run}.tiles")
        _write(tiles, self._collector.tiles())
        self._tiles.append(tiles.name)
        reach("spill")
        if self.samples:
            keys, repositories = self._collector.samples()
            samples = tiles.with_suffix(".samples")
            _write(samples, struct.pack("<Q", len(keys) // 8), keys, repositories)
            self._samples.append(samples.name)
        self._bytes = 0

    def _spill_held(self) -> None:
        held = self._prefix.with_name(f"{self._prefix.name}-{len(self._held)}.held")
        _write(held, self._apart.tiles())
        self._held.append(held.name)
        self._held_bytes = 0


class SegmentBuilder:
    """Writes one segment from documents in input order; one thread.

    Nothing stands under the segment's name before `finish`; `abandon` removes what was written.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        spills: Path,
        parameters: Parameters,
        group: int,
        segment_bytes: int,
        compressor: ZstdCompressor,
    ) -> None:
        """Write to ``folder/.name.part`` until ``segment_bytes`` of text; spill keys to ``spills/name-RUN.*``."""
        self._parameters = parameters
        self._segment_bytes = segment_bytes
        self._target = folder / name
        self._part = folder / f".{name}.part"
        with refusals_named(self._part):
            remove_tree(self._part)
            self._part.mkdir(parents=True)
        self._engine = open_writer(parameters.as_dict(), self._part)
        self._text = BlockWriter(self._part / TEXT, compressor=compressor)
        self._compressor = compressor
        self._keys = KeySpiller(spills / name, parameters, group)
        # By arrival, one entry a document; ordinals are given at the end, when all documents of a content are known.
        self._ids: list[bytes] = []
        self._sources: list[Source] = []
        self._content_of = array("I")
        self._known: set[bytes] = set()
        # By content.
        self._contents: dict[bytes, int] = {}
        self._first = array("I")
        self._encoding_of = array("I")
        self._encodings: dict[str, int] = {}
        self._repositories: dict[int, set[str]] = {}
        self.text_bytes = 0
        """Bytes of text so far, each content once."""

    @property
    def full(self) -> bool:
        """Tell whether the next document belongs to the next segment."""
        return self.text_bytes >= self._segment_bytes or len(self._ids) >= MAX_DOCUMENTS

    @property
    def contents(self) -> int:
        """Return the number of contents so far."""
        return len(self._contents)

    def add(self, document: Document, identity: bytes) -> bool:
        """Take one document with its id; returns whether it was new to this segment."""
        if identity in self._known:
            return False
        self._known.add(identity)
        content = self._contents.get(document.content_id)
        if content is None:
            content = self._text.append(document.utf8)
            self._contents[document.content_id] = content
            self._first.append(len(self._ids))
            self._encoding_of.append(self._encodings.setdefault(document.encoding, len(self._encodings)))
            self.text_bytes += len(document.utf8)
            self._keys.add(document.utf8, document.source.repository)
            self._engine.read(document.utf8, self._fingerprints(document))
        elif self._keys.samples:
            self._shared(content, document)
        self._ids.append(identity)
        self._sources.append(document.source)
        self._content_of.append(content)
        return True

    def _fingerprints(self, document: Document) -> str:
        if self._parameters.fingerprints == "none":
            return ""
        from provenance.lexing.fingerprints import fingerprint_text
        from provenance.lexing.languages import family_of_stored

        return fingerprint_text(document.utf8, family_of_stored(document.utf8, document.source))

    def _shared(self, content: int, document: Document) -> None:
        holders = self._repositories.get(content)
        if holders is None:
            holders = self._repositories[content] = {self._sources[self._first[content]].repository.casefold()}
        name = document.source.repository.casefold()
        # Who is held by as many repositories as it takes is common already.
        if name not in holders and len(holders) < self._parameters.common_repositories:
            self._keys.add_repository(document.utf8, name, holders)
            holders.add(name)

    def finish(self) -> tuple[SegmentEntry, Spill]:
        """Write what is left, make all of it durable, and give the segment its name."""
        from concurrent.futures import ThreadPoolExecutor

        self._text.finish(durable=False)
        spill = self._keys.finish()
        with ThreadPoolExecutor(1) as pool:
            # Keys go to disk while the engine is at work, and then the rest waits for less.
            keys = pool.submit(self._keys.make_durable, spill)
            texts, written = self._write_documents()
            keys.result()
        files = [texts, "sources.blk", "contents.bin", "documents.bin", "digest.bin", *written]
        entry = self._write_manifest(files)
        with refusals_named(self._target):
            # The engine's own files are durable: it wrote them.
            fsync_all([self._part / name for name in (texts, *_OURS)])
            reach("segment-commit")
            remove_tree(self._target)
            rename_durably(self._part, self._target)
        return entry, spill

    def _write_documents(self) -> tuple[str, list[str]]:
        """Write sources, tables and the engine's part; return the names of the texts' file and of the engine's."""
        sources = BlockWriter(self._part / "sources.blk", compressor=self._compressor)
        ids, content_of = self._ids, self._content_of
        arrivals = sorted(range(len(ids)), key=content_of.__getitem__)
        contents = bytearray()
        licences: dict[str, bytes] = {}
        digest_rows = []
        at = 0
        for content, identity in enumerate(self._contents):
            first = at
            while at < len(arrivals) and content_of[arrivals[at]] == content:
                at += 1
            held = [self._sources[arrival] for arrival in arrivals[first:at]]
            contents += CONTENT.pack(identity, first, at - first, self._encoding_of[content])
            for arrival, source in zip(arrivals[first:at], held, strict=True):
                sources.append(encode_source(source))
                licence = licences.get(source.license)
                if licence is None:
                    encoded = source.license.encode("utf-8", "surrogatepass")
                    licence = licences[source.license] = hashlib.sha256(encoded).digest()
                digest_rows.append(ids[arrival] + licence)
            self._engine.add(content, held)
        sources.finish(durable=False)
        written = self._engine.finish()
        digest_rows.sort()
        rows = sorted(zip((ids[arrival] for arrival in arrivals), range(len(arrivals)), strict=True))
        _write(self._part / "contents.bin", contents)
        _write(self._part / "documents.bin", b"".join(DOCUMENT.pack(*row) for row in rows))
        _write(self._part / "digest.bin", b"".join(digest_rows))
        if not self._engine.takes_texts:
            return TEXT, written
        with refusals_named(self._part):
            write_tables(self._part / TEXT, self._part / TABLES)
            (self._part / TEXT).unlink()
        return TABLES, written

    def _write_manifest(self, files: list[str]) -> SegmentEntry:
        repositories = len({source.repository.casefold() for source in self._sources})
        value: dict[str, Any] = {
            "format": FORMAT,
            "id": self._target.name,
            "documents": len(self._ids),
            "contents": len(self._contents),
            "text_bytes": self.text_bytes,
            "repositories": repositories,
            "parameters": self._parameters.as_dict(),
            "encodings": list(self._encodings),
            "files": {
                name: {"bytes": (self._part / name).stat().st_size, "xxh3": file_checksum(self._part / name)}
                for name in sorted(files)
            },
        }
        data = json.dumps(value, indent=1, ensure_ascii=True).encode("ascii") + b"\n"
        _write(self._part / "manifest.json", data)
        return SegmentEntry(
            id=self._target.name,
            documents=len(self._ids),
            contents=len(self._contents),
            text_bytes=self.text_bytes,
            repositories=repositories,
            manifest=hashlib.sha256(data).hexdigest(),
        )

    def abandon(self) -> None:
        """Stop, and remove what was written."""
        self._engine.abandon()
        self._text.abandon()
        try:
            discard([self._part])
        except SearchError:
            return  # the next writer finds the folder, and what it has elsewhere
        with refusals_named(self._part):
            remove_tree(self._part)


def _write(path: Path, *pieces: bytes | bytearray) -> None:
    with refusals_named(path), open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)
