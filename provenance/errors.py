"""Everything the library raises on purpose.

    ProvenanceError
    ├── ParameterError (also ValueError)   a setting or argument out of range
    ├── InputError                         text or a file to be judged cannot be read
    ├── FormatError                        a file is not what it should be
    │   ├── CorruptFile                    damaged or truncated: path and cause
    │   └── IncompatibleVersion            made by another version: found and supported
    ├── MismatchError                      two parts do not belong together (geometry, digest)
    ├── IndexMissing                       no index where one was named
    ├── IndexBusy                          another process is writing this index
    ├── CorpusError                        a source of documents cannot be read at all
    ├── StorageError                       disk full, no permission
    ├── ModelError                         a language model cannot be loaded, or does not answer
    └── SearchError
        ├── EngineUnavailable              the engine or a part of it does not answer
        └── QueryRejected                  the query cannot be run (a bad regular expression)

A message is one line: what, value, limit, remedy. It never holds text that a user asked about.
``kind`` is the stable name that machine-readable output carries.
"""

from __future__ import annotations

from os import PathLike, fspath


class ProvenanceError(Exception):
    """Base of everything raised on purpose."""

    kind = "error"


class ParameterError(ProvenanceError, ValueError):
    """A setting or argument is out of range."""

    kind = "parameter"


class InputError(ProvenanceError):
    """The text or file to be judged cannot be read."""

    kind = "input"


class FormatError(ProvenanceError):
    """A file is not what it should be."""

    kind = "format"


class CorruptFile(FormatError):
    """A file is damaged, truncated or foreign; the message names its path and the cause."""

    kind = "corrupt"

    def __init__(self, path: str | PathLike[str], cause: str) -> None:
        """Name the file and what is wrong with it."""
        super().__init__(f"{fspath(path)}: {cause}")
        self.path = fspath(path)
        self.cause = cause

    def __reduce__(self) -> tuple[type[CorruptFile], tuple[str, str]]:
        """Return what makes the same error in another process."""
        return CorruptFile, (self.path, self.cause)


class IncompatibleVersion(FormatError):
    """A file was written in a format version this release does not read."""

    kind = "version"

    def __init__(self, path: str | PathLike[str], found: object, supported: object) -> None:
        """Name the file, the version it has and the versions that can be read."""
        super().__init__(f"{fspath(path)}: format version {found}, this release reads {supported}")
        self.path = fspath(path)
        self.found = found
        self.supported = supported

    def __reduce__(self) -> tuple[type[IncompatibleVersion], tuple[str, object, object]]:
        """Return what makes the same error in another process."""
        return IncompatibleVersion, (self.path, self.found, self.supported)


class MismatchError(ProvenanceError):
    """Two parts that must agree do not (window geometry, normaliser, digest)."""

    kind = "mismatch"


class IndexMissing(ProvenanceError):
    """There is no index at the place that was named."""

    kind = "missing"


class IndexBusy(ProvenanceError):
    """Another process is writing this index."""

    kind = "busy"


class CorpusError(ProvenanceError):
    """A source of documents cannot be read at all."""

    kind = "corpus"


class StorageError(ProvenanceError):
    """The operating system refused to store or read: disk full, no permission."""

    kind = "storage"


class ModelError(ProvenanceError):
    """A language model cannot be loaded, or does not answer."""

    kind = "model"


class SearchError(ProvenanceError):
    """The full-text engine could not answer."""

    kind = "search"


class EngineUnavailable(SearchError):
    """The engine, or a part of it that the answer needs, does not respond."""

    kind = "engine"


class QueryRejected(SearchError):
    """The query cannot be run, whatever the engine's state."""

    kind = "query"
