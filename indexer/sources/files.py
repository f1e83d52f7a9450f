"""Files of rows, here or behind an fsspec address (``s3://``, ``gs://``, ``hf://`` …): listed, opened, stamped.

fsspec is imported only for an address with ``://`` (``file://`` included).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from provenance.errors import CorpusError

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
    """Return a file open for reading; raises OSError."""
    if not is_remote(path):
        return open(path, "rb")
    system, inner = _file_system(path)
    # The files of fsspec's stores are raw: their readline, for one, takes no limit.
    return cast(BinaryIO, io.BufferedReader(system.open(inner, "rb", cache_type="readahead"), 1 << 18))


def listed(location: str) -> Iterator[DataFile]:
    """Yield the files below a folder in the order of their names, or the one file; raises `CorpusError`.

    Hidden names, and links below the folder, are left out.
    """
    if is_remote(location):
        yield from _listed_remote(location)
        return
    try:
        if not os.path.isdir(location):
            status = os.stat(location)
            yield DataFile(location, os.path.basename(location), status.st_size, _local_stamp(status))
            return
    except OSError as error:
        raise CorpusError(f"{location}: cannot be read: {error.strerror}") from error
    for folder, folders, names in os.walk(location):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.startswith(".") or os.path.islink(path):
                continue
            status = os.stat(path)
            yield DataFile(path, os.path.relpath(path, location), status.st_size, _local_stamp(status))


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
