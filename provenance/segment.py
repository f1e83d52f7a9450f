"""One segment: stored texts, their sources, and the tables that tie them together (ARCHITECTURE.md, Index on disk).

Everything is opened when it is first needed and checked then: the manifest against index.json, every other file
against the manifest (length always, checksum for the tables; block files check themselves).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import CorruptFile, IncompatibleVersion, IndexMissing
from provenance.manifest import SegmentEntry, read_json
from provenance.records import Source, document_id
from provenance.storage import refusals_named
from provenance.store import BlockReader

if TYPE_CHECKING:
    from provenance.store import Frames

FORMAT = 1
CONTENT = struct.Struct("<20sIII")
"""contents.bin: content id, first document ordinal, document count, position of the encoding in the manifest."""
DOCUMENT = struct.Struct("<16sI")
"""documents.bin: document id, document ordinal."""
DIGEST_ROW_BYTES = 48
TEXT = "text.blk"
TABLES = "text.tables"
"""Stands in place of `TEXT` where an engine keeps the frames of the texts."""
CHECKED_AT_OPEN = 1 << 20
"""Files of the search part up to this size are checked whole before an engine opens them."""

_RARE = ("language", "url", "stars", "date", "fork", "vendored", "generated")
_ENCODE = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def encode_source(source: Source) -> bytes:
    """Return the record of sources.blk: a JSON object of the fields that differ from their defaults."""
    value: dict[str, Any] = {"repository": source.repository, "path": source.path}
    if source.revision is not None:
        value["revision"] = source.revision
    if source.license_origin != "none" or source.license != "NOASSERTION" or source.license_scope != "unknown":
        value["license"] = source.license
        value["license_origin"] = source.license_origin
        value["license_scope"] = source.license_scope
    if source.copyrights:
        value["copyrights"] = source.copyrights
    for name in _RARE:
        field = getattr(source, name)
        if field is not None:
            value[name] = field
    if source.kind != "file":
        value["kind"] = source.kind
    return _ENCODE(value).encode("ascii")


def decode_source(record: bytes, path: str) -> Source:
    """Return the source a record holds. Raises `CorruptFile`, naming ``path``."""
    try:
        value = json.loads(record)
        value["copyrights"] = tuple(value.get("copyrights", ()))
        return Source(**value)
    except (ValueError, TypeError, AttributeError):
        raise CorruptFile(path, "a source record is not what it should be") from None


class _Table:
    """Fixed-length records in a file without a header; its length and checksum stand in the manifest."""

    def __init__(self, path: str, record: struct.Struct, count: int, checksum: str) -> None:
        self.path = path
        self._descriptor = -1
        self._record = record
        self._count = count
        with refusals_named(path):
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if file_checksum(path) != checksum:
                raise CorruptFile(path, "its checksum does not hold")
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        self.close()

    def __len__(self) -> int:
        return self._count

    def row(self, ordinal: int) -> tuple[Any, ...]:
        if not 0 <= ordinal < self._count:
            raise IndexError(f"row {ordinal} of {self._count}")
        size = self._record.size
        data = os.pread(self._descriptor, size, ordinal * size)
        if len(data) != size:
            raise CorruptFile(self.path, "truncated while open")
        return self._record.unpack(data)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def file_checksum(path: str | os.PathLike[str]) -> str:
    """Return the XXH3-64 of a file in hex. Raises `StorageError`."""
    import xxhash

    digest = xxhash.xxh3_64()
    with refusals_named(path), open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class SegmentReader:
    """Reads one immutable segment; usable from many threads."""

    def __init__(self, directory: Path, entry: SegmentEntry | None = None) -> None:
        """Name a segment; with ``entry`` from index.json its manifest is checked against it when first read."""
        self.directory = directory
        self.id = directory.name
        self._entry = entry
        self._lock = threading.RLock()
        self._manifest: dict[str, Any] | None = None
        self._parts: dict[str, BlockReader | _Table] = {}

    @property
    def manifest(self) -> dict[str, Any]:
        """Return the segment's manifest; the lengths of all files have been compared with it."""
        with self._lock:
            if self._manifest is None:
                self._manifest = self._read_manifest()
            return self._manifest

    @property
    def contents(self) -> int:
        """Return the number of contents."""
        return self._entry.contents if self._entry is not None else int(self.manifest["contents"])

    @property
    def documents(self) -> int:
        """Return the number of documents."""
        return self._entry.documents if self._entry is not None else int(self.manifest["documents"])

    @property
    def text_bytes(self) -> int:
        """Return the bytes of all texts, each content once."""
        return self._entry.text_bytes if self._entry is not None else int(self.manifest["text_bytes"])

    def text(self, content: int) -> bytes:
        """Return the UTF-8 text of a content. Raises `IndexError`."""
        return self._blocks(TEXT).record(content)

    def text_slice(self, content: int, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a content's text, cut to its length."""
        return self._blocks(TEXT).slice(content, start, end)

    def text_length(self, content: int) -> int:
        """Return the length of a content's text in bytes, without reading it."""
        return self._blocks(TEXT).length(content)

    @property
    def texts_elsewhere(self) -> bool:
        """Tell whether the engine keeps the texts."""
        return TABLES in self.manifest["files"]

    def elsewhere(self, content: int, start: int, end: int | None) -> tuple[Frames, range] | None:
        """Return where bytes [start, end) of a content's text lie and in which blocks; None where they lie here."""
        return self._blocks(TEXT).elsewhere(content, start, end) if self.texts_elsewhere else None

    def content_id(self, content: int) -> bytes:
        """Return the 20-byte git blob SHA-1 of a content."""
        value: bytes = self._contents.row(content)[0]
        return value

    def encoding(self, content: int) -> str:
        """Return what a content was decoded from."""
        number = self._contents.row(content)[3]
        encodings = self.manifest["encodings"]
        if number >= len(encodings):
            raise CorruptFile(self._contents.path, f"content {content} names an encoding that is not listed")
        return str(encodings[number])

    def sources(self, content: int) -> list[tuple[bytes, Source]]:
        """Return (document id, source) of every document of a content, in input order."""
        identity, first, count, _ = self._contents.row(content)
        blocks = self._blocks("sources.blk")
        if first + count > len(blocks):
            raise CorruptFile(self._contents.path, f"content {content} names documents that do not exist")
        found = []
        for ordinal in range(first, first + count):
            source = decode_source(blocks.record(ordinal), blocks.path)
            found.append((document_id(identity, source), source))
        return found

    def find(self, document: bytes) -> tuple[int, int] | None:
        """Return (document ordinal, content ordinal) of a document id, or None."""
        table = self._documents
        low, high = 0, len(table)
        while low < high:
            middle = (low + high) // 2
            if table.row(middle)[0] < document:
                low = middle + 1
            else:
                high = middle
        if low == len(table):
            return None
        identity, ordinal = table.row(low)
        return (ordinal, self._content_of(ordinal)) if identity == document else None

    def document_ids(self) -> Iterator[bytes]:
        """Yield the ids of all documents in ascending order."""
        for identity, _ in self._rows("documents.bin", DOCUMENT):
            yield identity

    def digest_rows(self) -> Iterator[bytes]:
        """Yield the 48-byte rows of the digest in ascending order."""
        for (row,) in self._rows("digest.bin", struct.Struct(f"{DIGEST_ROW_BYTES}s")):
            yield row

    def check(self) -> None:
        """Compare the manifest with index.json and the lengths of all files with the manifest."""
        self.manifest  # noqa: B018  reading it is the check

    def check_search(self) -> None:
        """Compare the small files of the search part with their checksums, after `check`.

        An engine that meets a damaged one may give up in ways that cannot be told from other failures. Raises
        `CorruptFile`.
        """
        for name, recorded in self.manifest["files"].items():
            if name.startswith("search/") and recorded["bytes"] <= CHECKED_AT_OPEN:
                self._check_file(name, recorded["xxh3"])

    def verify(self) -> None:
        """Read every file against its checksum and every block against its own. Raises `CorruptFile`."""
        for name, recorded in self.manifest["files"].items():
            self._check_file(name, recorded["xxh3"])
        self._blocks(TEXT).verify()
        self._blocks("sources.blk").verify()
        for content in range(self.contents):
            self.encoding(content)
            self.sources(content)

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for part in self._parts.values():
                part.close()
            self._parts.clear()

    def _check_file(self, name: str, recorded: str) -> None:
        if file_checksum(self.directory / name) != recorded:
            raise CorruptFile(self.directory / name, "its checksum does not hold")

    def _read_manifest(self) -> dict[str, Any]:
        path = self.directory / "manifest.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise IndexMissing(f"{self.directory}: the segment is missing or incomplete") from None
        except OSError as error:
            with refusals_named(path):
                raise error
        if self._entry is not None and hashlib.sha256(data).hexdigest() != self._entry.manifest:
            raise CorruptFile(path, "not the manifest that index.json recorded")
        value = read_json(data, path)
        if value.get("format") != FORMAT:
            raise IncompatibleVersion(path, value.get("format"), FORMAT)
        try:
            for name, recorded in value["files"].items():
                length = os.stat(self.directory / name).st_size
                if length != recorded["bytes"]:
                    raise CorruptFile(
                        self.directory / name, f"{length} bytes long, the manifest says {recorded['bytes']}"
                    )
            if not isinstance(value["encodings"], list):
                raise TypeError
        except FileNotFoundError as error:
            raise IndexMissing(f"{error.filename}: a file of the index is missing") from None
        except (KeyError, TypeError, AttributeError):
            raise CorruptFile(path, "an entry is missing or of the wrong kind") from None
        return value

    @property
    def _contents(self) -> _Table:
        return self._table("contents.bin", CONTENT, self.contents)

    @property
    def _documents(self) -> _Table:
        return self._table("documents.bin", DOCUMENT, self.documents)

    def _table(self, name: str, record: struct.Struct, count: int) -> _Table:
        part = self._parts.get(name)
        if part is None:
            with self._lock:
                part = self._parts.get(name)
                if part is None:
                    recorded = self.manifest["files"][name]
                    if recorded["bytes"] != count * record.size:
                        raise CorruptFile(self.directory / name, f"does not hold {count} rows")
                    part = _Table(os.fspath(self.directory / name), record, count, recorded["xxh3"])
                    self._parts[name] = part
        assert isinstance(part, _Table)
        return part

    def _blocks(self, name: str) -> BlockReader:
        part = self._parts.get(name)
        if part is None:
            with self._lock:
                part = self._parts.get(name)
                if part is None:
                    self.check()
                    part = self._open_blocks(name)
                    expected = self.contents if name == TEXT else self.documents
                    if len(part) != expected:
                        raise CorruptFile(part.path, f"holds {len(part)} records, the manifest says {expected}")
                    self._parts[name] = part
        assert isinstance(part, BlockReader)
        return part

    def _open_blocks(self, name: str) -> BlockReader:
        if name != TEXT or not self.texts_elsewhere:
            return BlockReader(self.directory / name)
        from provenance.search import open_frames

        frames = open_frames(self.directory)
        try:
            return BlockReader(self.directory / TABLES, frames)
        except BaseException:
            frames.close()
            raise

    def _content_of(self, document: int) -> int:
        table = self._contents
        low, high = 0, len(table)
        while high - low > 1:
            middle = (low + high) // 2
            if table.row(middle)[1] <= document:
                low = middle
            else:
                high = middle
        return low

    def _rows(self, name: str, record: struct.Struct) -> Iterator[tuple[Any, ...]]:
        path = self.directory / name
        size = record.size * 4096
        with refusals_named(path), open(path, "rb") as file:
            while chunk := file.read(size):
                if len(chunk) % record.size:
                    raise CorruptFile(path, "truncated")
                yield from record.iter_unpack(chunk)
