"""Durable writing, and the operating system's refusals as `StorageError`.

A file or folder is complete or does not exist: it is written beside its place, made durable and renamed in.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provenance.errors import StorageError

_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: fsync alone leaves the data in the drive's cache."""


def fsync(path: str | os.PathLike[str]) -> None:
    """Make a file's content, or a folder's list of names, survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fsync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def fsync_descriptor(descriptor: int) -> None:
    """Make what was written to an open file or folder survive a power failure."""
    if _FULL_SYNC is not None:
        try:
            fcntl.fcntl(descriptor, _FULL_SYNC)
            return
        except OSError:
            pass  # network file systems of macOS know only fsync
    os.fsync(descriptor)


def fsync_all(paths: Sequence[str | os.PathLike[str]]) -> None:
    """Make many files and folders durable at once.

    A journalling file system writes one commit for all that wait at the same time: 0.3 ms a file instead of 4.5,
    measured on ext4 with 40 files.
    """
    from concurrent.futures import ThreadPoolExecutor

    if paths:
        with ThreadPoolExecutor(min(16, len(paths))) as pool:
            for _ in pool.map(fsync, paths):
                pass


def reserve(descriptor: int, start: int, end: int) -> None:
    """Take the space of the bytes [start, end) of a file that is going to be written through a mapping.

    There a full disk would end the process; here it is an `OSError`. The bytes are zero afterwards.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
        return
    zeros = bytes(1 << 20)
    for at in range(start, end, len(zeros)):
        os.pwrite(descriptor, zeros[: end - at], at)


def write_durably(path: Path, data: bytes, *, before_rename: Callable[[], None] | None = None) -> None:
    """Replace a file atomically: written beside as ``.<name>.part``, fsync'd, renamed, folder fsync'd."""
    beside = path.with_name(f".{path.name}.part")
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
        fsync_descriptor(file.fileno())
    if before_rename is not None:
        before_rename()
    os.replace(beside, path)
    fsync(path.parent)


def rename_durably(source: Path, target: Path) -> None:
    """Rename a folder whose files are durable already to a name that is free, and fsync both folders' names."""
    fsync(source)
    os.rename(source, target)
    fsync(target.parent)


@contextmanager
def refusals_named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` inside into a `StorageError` that names the file: the error's own, else ``path``."""
    try:
        yield
    except OSError as error:
        named = error.filename if isinstance(error.filename, (str, bytes)) else path
        cause = error.strerror or type(error).__name__
        raise StorageError(f"{os.fsdecode(named)}: {cause}") from error
