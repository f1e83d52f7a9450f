"""Files of rows, here or behind an fsspec address (``s3://``, ``gs://``, ``hf://`` …): listed, opened, stamped.

fsspec is imported only for an address with ``://`` (``file://`` included).
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from indexer.rules import readable
from provenance.errors import CorpusError
from provenance.records import Skipped

_STAMPS = ("ETag", "etag", "version_id", "generation", "md5", "LastModified", "last_modified", "mtime", "created")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file: where it is opened, its name inside of what the user named, its size, and what changes with it."""

    path: str
    name: str
    size: int
    stamp: str


def is_remote(location: str) -> bool:
    """Return whether a location goes through fsspec."""
    return "://" in location


def _file_system(location: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise CorpusError(f"{location}: needs fsspec: pip install 'corpus-provenance[remote]'") from error
    try:
        return cast("tuple[Any, str]", url_to_fs(location))
    except (ImportError, ValueError) as error:
        raise CorpusError(f"{location}: {one_line(error)}") from error


def opened(path: str) -> BinaryIO:
    """Return a file open for reading; raises OSError, for a pipe or device too."""
    if not is_remote(path):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(None, "not a file")
        return open(handle, "rb")
    system, inner = _file_system(path)
    # The files of fsspec's stores are raw: their readline, for one, takes no limit.
    return cast(BinaryIO, io.BufferedReader(system.open(inner, "rb", cache_type="readahead"), 1 << 18))


def listed(location: str) -> Iterator[DataFile | Skipped]:
    """Yield the files below a folder in the order of their names, or the one file; raises `CorpusError`.

    Hidden names are left out in silence; links, what is no file and what cannot be looked at come as `Skipped`. The
    links that Hugging Face's cache consists of (from ``snapshots`` to ``blobs``) stand for what they point to.
    """
    if is_remote(location):
        yield from _listed_remote(location)
        return
    try:
        status = os.stat(location)
    except OSError as error:
        raise CorpusError(f"{location}: cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        if not stat.S_ISREG(status.st_mode):
            raise CorpusError(f"{location}: not a file but a pipe or device, which cannot be read twice: save it first")
        yield DataFile(location, os.path.basename(location), status.st_size, _local_stamp(status))
        return
    blobs = _blobs(location)
    denied: list[OSError] = []
    for folder, folders, names in os.walk(location, onerror=denied.append):
        yield from _refused(denied, location)
        denied.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield _local_file(os.path.join(folder, name), location, blobs)
    yield from _refused(denied, location)


def _refused(errors: list[OSError], location: str) -> list[Skipped]:
    return [Skipped(readable(os.path.relpath(one.filename, location)), *failure(one)) for one in errors]


def _local_file(path: str, location: str, blobs: str | None) -> DataFile | Skipped:
    name = os.path.relpath(path, location)
    shown = readable(name)
    try:
        if os.path.islink(path) and (blobs is None or not os.path.realpath(path).startswith(blobs)):
            return Skipped(shown, "symbolic link")
        status = os.stat(path)
    except OSError as error:
        return Skipped(shown, *failure(error))
    if not stat.S_ISREG(status.st_mode):
        return Skipped(shown, "not a file")
    return DataFile(path, name, status.st_size, _local_stamp(status))


def _blobs(location: str) -> str | None:
    """Return the folder of contents that belongs to a snapshot in the cache of `huggingface_hub`."""
    head, found, _ = (os.path.realpath(location) + "/").rpartition("/snapshots/")
    return f"{head}/blobs/" if found and os.path.isdir(f"{head}/blobs") else None


def failure(error: OSError) -> tuple[str, str]:
    """Return the reason and detail for what could not be read."""
    if isinstance(error, FileNotFoundError):
        return "vanished", ""
    if isinstance(error, PermissionError):
        return "no permission", ""
    return "unreadable", error.strerror or type(error).__name__


def _local_stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def _listed_remote(location: str) -> Iterator[DataFile]:
    system, inner = _file_system(location)
    try:
        if system.isfile(inner):
            found = {inner: system.info(inner)}
            base = inner.rpartition("/")[0]
        else:
            found = system.find(inner, detail=True)
            base = inner.rstrip("/")
    except Exception as error:  # what a file system raises is its own affair, and there are dozens
        raise CorpusError(f"{location}: cannot be read: {one_line(error)}") from error
    if not found:
        raise CorpusError(f"{location}: there is nothing")
    for path in sorted(found):
        about = found[path]
        name = path[len(base) :].lstrip("/")
        if any(part.startswith(".") for part in name.split("/")):
            continue
        stamp = " ".join(str(about[key]) for key in _STAMPS if key in about)
        size = int(about.get("size") or 0)
        yield DataFile(system.unstrip_protocol(path), name, size, f"{size} {stamp}")


def one_line(error: BaseException) -> str:
    """Return what an error of another library says, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
