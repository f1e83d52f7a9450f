"""Opening an index: one immutable snapshot, usable from many threads.

Opening reads index.json and looks whether every part is there; a part is read when it is first needed and checked
then. An open index holds a shared lock on the very index.json it read: whoever replaces that file leaves the parts
it names alone as long as the lock is held (`indexer.commit`), so a snapshot outlives compaction and withdrawal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from provenance.errors import CorruptFile, IndexMissing, StorageError
from provenance.manifest import NAME, Corpus, Manifest, file_sha256
from provenance.parameters import Parameters
from provenance.records import ContentRef, Source
from provenance.storage import refusals_named
from provenance.verdict import COINCIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from provenance.code_index import StoredCode
    from provenance.lexing.alignment import Code
    from provenance.membership.base import Geometry, MembershipFilter
    from provenance.membership.blocked import BlockedFilter
    from provenance.removal import RemovedKeys
    from provenance.search.base import SearchEngine
    from provenance.segment import SegmentReader

T = TypeVar("T")


class Index:
    """One generation of an index, opened for reading."""

    def __init__(self, path: Path, manifest: Manifest, descriptor: int) -> None:
        """Take over ``descriptor``, an open index.json with a shared lock; use `Index.open`."""
        self.path = path
        self.manifest = manifest
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._opened: dict[str, Any] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Index:
        """Return the index in a folder.

        Raises `IndexMissing` where there is none or a part of it is gone, `CorruptFile` for a damaged index.json,
        `IncompatibleVersion` for one of another format, `StorageError` where it may not be read.
        """
        root = Path(path)
        descriptor, data = _read_locked(root / NAME)
        try:
            manifest = Manifest.from_bytes(data, root / NAME)
            for part in _parts(root, manifest):
                if not part.is_dir():
                    raise IndexMissing(f"{part}: a part that {NAME} names is missing; build the index again")
            return cls(root, manifest, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def __enter__(self) -> Index:
        """Return the index itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the index."""
        self.close()

    def __del__(self) -> None:
        """Let go of the lock of an index that nobody closed."""
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)

    @property
    def parameters(self) -> Parameters:
        """Return what the index was built with."""
        return self.manifest.parameters

    @property
    def geometry(self) -> Geometry:
        """Return the windows of the index's own filters."""
        return self.manifest.parameters.geometry

    @property
    def corpus(self) -> Corpus:
        """Return which corpus the index was built from."""
        return self.manifest.corpus

    @property
    def digest(self) -> str:
        """Return the hex SHA-256 over what decides answers: equal digests, equal answers."""
        return self.manifest.digest

    @property
    def coincidence(self) -> Mapping[int, float]:
        """Return the share of unrelated snippets that hold a run of some length by coincidence, by length.

        As measured on this corpus, or where it was not (`Manifest.coincidence` is None) on Python packages.
        """
        measured = self.manifest.coincidence
        return dict(measured.rates) if measured is not None else COINCIDENCE

    @property
    def documents(self) -> int:
        """Return the number of distinct documents that are not withdrawn."""
        return self.manifest.documents

    @property
    def contents(self) -> int:
        """Return the number of stored contents; one text in two segments counts twice."""
        return sum(entry.contents for entry in self.manifest.segments)

    @property
    def segments(self) -> tuple[SegmentReader, ...]:
        """Return the readers of the segments, in input order; what asks the filters alone never imports them."""
        return self._once("segments", self._open_segments)

    @property
    def filters(self) -> tuple[MembershipFilter, ...]:
        """Return the membership filters: one a layer, then the attached ones."""
        return self._once("filters", self._open_filters)

    @property
    def common_filters(self) -> tuple[BlockedFilter, ...]:
        """Return the commonness filters of the layers that have one."""
        return self._once("common_filters", self._open_common_filters)

    @property
    def engine(self) -> SearchEngine:
        """Return the full-text engine over all segments. Raises `EngineUnavailable` or `CorruptFile`."""
        return self._once("engine", self._open_engine)

    @property
    def removed_keys(self) -> RemovedKeys | None:
        """Return the keys to leave out of the answers of the filters, or None where nothing was withdrawn."""
        return self._once("removed_keys", self._open_removed_keys)

    def text(self, ref: ContentRef) -> bytes:
        """Return the UTF-8 text of a content, withdrawn or not: ask `sources` before showing it."""
        return self.segments[ref.segment].text(ref.content)

    def text_slice(self, ref: ContentRef, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a content's text, cut to its length; see `text`."""
        return self.segments[ref.segment].text_slice(ref.content, start, end)

    def text_length(self, ref: ContentRef) -> int:
        """Return the length of a content's text in bytes, without reading it."""
        return self.segments[ref.segment].text_length(ref.content)

    def code(self, ref: ContentRef) -> Code:
        """Return the lexed text of a content; the last used are kept (`code_index.CACHE_BYTES`)."""
        return self._once("code", self._open_code)(ref)

    @property
    def texts_elsewhere(self) -> bool:
        """Tell whether the engine keeps texts, so that reading one is a request."""
        return self._once("texts_elsewhere", self._are_texts_elsewhere)

    def expect(self, pieces: Iterable[tuple[ContentRef, int, int | None]]) -> None:
        """Fetch ranges of texts that will be read next, all in one go; does nothing where texts lie in this folder.

        A piece is a content and a range of bytes of its text, to its end for None. Raises `EngineUnavailable`.
        """
        if not self.texts_elsewhere:
            return
        wanted = [self.segments[ref.segment].elsewhere(ref.content, start, end) for ref, start, end in pieces]
        from provenance.search import expect_frames

        expect_frames([each for each in wanted if each is not None])

    def content_id(self, ref: ContentRef) -> bytes:
        """Return the 20-byte git blob SHA-1 of a content."""
        return self.segments[ref.segment].content_id(ref.content)

    def sources(self, ref: ContentRef) -> list[tuple[bytes, Source]]:
        """Return (document id, source) of every document of a content that is not withdrawn; may be empty."""
        found = self.segments[ref.segment].sources(ref.content)
        hidden = self.removed_documents
        return [entry for entry in found if entry[0] not in hidden] if hidden else found

    def find(self, document: bytes) -> list[tuple[ContentRef, Source]]:
        """Return where a document id stands: once a segment that holds it; empty if none does or it is withdrawn."""
        if document in self.removed_documents:
            return []
        found: list[tuple[ContentRef, Source]] = []
        for number, segment in enumerate(self.segments):
            hit = segment.find(document)
            if hit is not None:
                ref = ContentRef(number, hit[1])
                found.extend((ref, source) for identity, source in segment.sources(ref.content) if identity == document)
        return found

    def refs(self) -> Iterator[ContentRef]:
        """Yield the address of every stored content, ascending."""
        for number, segment in enumerate(self.segments):
            for content in range(segment.contents):
                yield ContentRef(number, content)

    @cached_property
    def removed_documents(self) -> frozenset[bytes]:
        """Return the ids that are hidden; empty where nothing waits to be made physical."""
        removed = self.manifest.removed
        if not removed.path or not removed.documents:
            return frozenset()
        from provenance.removal import DOCUMENTS, read_documents

        return read_documents(self.path / removed.path / DOCUMENTS, removed.documents)

    def describe(self) -> dict[str, Any]:
        """Return the ``index`` object of machine-readable answers; it holds no paths."""
        parameters, corpus = self.parameters, self.corpus
        return {
            "name": corpus.name,
            "digest": self.digest,
            "documents": self.documents,
            "width": parameters.width,
            "stride": parameters.stride,
            "unit": parameters.unit,
            "normaliser": parameters.normaliser,
            "false_positive_rate": parameters.false_positive_rate,
            "corpus": {
                "name": corpus.name,
                "revision": corpus.revision,
                "complete": corpus.complete,
                "built": corpus.built,
                "optout_version": corpus.optout_version,
            },
        }

    def verify(self) -> None:
        """Read every file of the index against its checksums. Raises `CorruptFile` for the first that fails."""
        for segment in self.segments:
            segment.verify()
        for opened in (*self.filters, *self.common_filters):
            opened.verify()
        if self.parameters.engine == "elasticsearch":
            self.engine.verify()
        self.removed_documents  # noqa: B018  both are checked whole when they are read
        self.removed_keys  # noqa: B018

    def close(self) -> None:
        """Close all files; answers asked for afterwards fail."""
        with self._lock:
            engine = self._opened.pop("engine", None)
            if engine is not None:
                engine.close()
            for opened in (*self._opened.pop("filters", ()), *self._opened.pop("common_filters", ())):
                opened.close()
            self._opened.pop("code", None)
            for segment in self._opened.pop("segments", ()):
                segment.close()
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def _once(self, name: str, opener: Callable[[], T]) -> T:
        try:
            found: T = self._opened[name]
            return found
        except KeyError:
            with self._lock:
                if self._descriptor < 0:
                    raise ValueError(f"the index {self.path} is closed") from None
                if name not in self._opened:
                    self._opened[name] = opener()
                found = self._opened[name]
                return found

    def _open_segments(self) -> tuple[SegmentReader, ...]:
        from provenance.segment import SegmentReader

        return tuple(SegmentReader(self.path / "segments" / entry.id, entry) for entry in self.manifest.segments)

    def _are_texts_elsewhere(self) -> bool:
        return self.parameters.engine == "elasticsearch" and any(each.texts_elsewhere for each in self.segments)

    def _open_filters(self) -> tuple[MembershipFilter, ...]:
        from provenance.membership import open_attached, open_layer

        layers = [open_layer(folder, self.geometry) for folder in self._layer_folders()]
        return (*layers, *(open_attached(self.path, entry) for entry in self.manifest.attached))

    def _open_common_filters(self) -> tuple[BlockedFilter, ...]:
        from provenance.membership import open_common

        opened = [open_common(folder, self.geometry) for folder in self._layer_folders()]
        return tuple(layer for layer in opened if layer is not None)

    def _layer_folders(self) -> Iterator[Path]:
        """Yield the folders of the layers, each after its manifest was compared with index.json."""
        for entry in self.manifest.layers:
            folder = self.path / "layers" / entry.id
            if file_sha256(folder / "manifest.json") != entry.manifest:
                raise CorruptFile(folder / "manifest.json", f"not the manifest that {NAME} recorded")
            yield folder

    def _open_engine(self) -> SearchEngine:
        from provenance.search import open_engine

        for segment in self.segments:
            segment.check_search()
        return open_engine(self.parameters.as_dict(), [segment.directory for segment in self.segments])

    def _open_code(self) -> StoredCode:
        from provenance.code_index import StoredCode

        return StoredCode(self)

    def _open_removed_keys(self) -> RemovedKeys | None:
        removed = self.manifest.removed
        if not removed.path or not removed.keys:
            return None
        from provenance.removal import KEYS, RemovedKeys

        return RemovedKeys.load(self.path / removed.path / KEYS, removed.keys, self.geometry)


def _parts(root: Path, manifest: Manifest) -> Iterator[Path]:
    for segment in manifest.segments:
        yield root / "segments" / segment.id
    for layer in manifest.layers:
        yield root / "layers" / layer.id
    if manifest.removed.path:
        yield root / manifest.removed.path


def _read_locked(path: Path) -> tuple[int, bytes]:
    """Return an open descriptor of index.json that holds a shared lock, and the file's content."""
    import fcntl

    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise IndexMissing(_missing(path.parent)) from None
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                # Either a file system without locks, where parts may go while they are open; or a writer just
                # looks for readers of this file, which is replaced by then: the next turn opens its successor.
                pass
            if _is_current(descriptor, path):
                with refusals_named(path):
                    size = os.fstat(descriptor).st_size
                    return descriptor, os.pread(descriptor, size, 0)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return True


def _missing(folder: Path) -> str:
    if not folder.exists():
        return f"{folder}: there is no such folder; build an index with `provenance index SOURCE --index {folder}`"
    return f"{folder}: there is no index in this folder (no {NAME}); build one with `provenance index`"
