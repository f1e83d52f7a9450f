"""Who may write an index, and the moment in which a new generation takes the place of the old.

One process writes at a time: it holds ``writer.lock``. It writes segments and layers beside what readers use, and
replaces index.json last. What no index.json names any more is removed then - unless somebody still reads it:

- every reader holds a shared lock on the index.json it opened (`provenance.index`);
- before index.json is replaced, the old one is linked into ``retired/``;
- the parts that a retired index.json names stay until nobody holds a lock on it. A later writer looks again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from indexer.faults import reach
from provenance.errors import FormatError, IndexBusy, ParameterError, SearchError, StorageError
from provenance.manifest import NAME, Manifest
from provenance.search import discard
from provenance.storage import fsync, refusals_named, write_durably

LOCK = "writer.lock"
FOLDERS = ("segments", "layers", "removed")
"""Folders of parts that index.json names; each part is one folder inside."""


class WriterLock:
    """The right to write one index; creates its folder. Raises `IndexBusy`, `StorageError`, `ParameterError`."""

    def __init__(self, root: Path) -> None:
        """Take the lock, or raise."""
        self.root = root
        with refusals_named(root):
            root.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(root)
            self.descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self.descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise IndexBusy(f"{root}: another process is writing this index; wait until it is done") from None
            raise StorageError(f"{root / LOCK}: {error.strerror}; the file system must support flock") from error

    def __enter__(self) -> WriterLock:
        """Return the lock itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next writer in."""
        os.close(self.descriptor)


def _refuse_foreign(root: Path) -> None:
    if (root / NAME).exists() or (root / LOCK).exists():
        return
    if any(root.iterdir()):
        raise ParameterError(f"{root}: the folder holds other things and no index; name an empty or new folder")


def read_manifest(root: Path) -> Manifest | None:
    """Return what index.json says, or None where there is none. Raises `CorruptFile`, `IncompatibleVersion`."""
    path = root / NAME
    with refusals_named(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    return Manifest.from_bytes(data, path)


def replace_manifest(root: Path, manifest: Manifest) -> list[str]:
    """Make ``manifest`` the index, durably, and remove what nobody needs; the caller holds the lock.

    Returns the parts that stay only because an older generation is being read (`sweep`).
    """
    current = root / NAME
    with refusals_named(root):
        retired = root / "retired"
        retired.mkdir(exist_ok=True)
        if current.exists():
            link = retired / f"{manifest.generation - 1:06d}.json"
            link.unlink(missing_ok=True)
            os.link(current, link)
        write_durably(current, manifest.to_bytes(), before_rename=lambda: reach("manifest-write"))
        fsync(root)
    reach("sweep")
    return sweep(root, manifest)


def sweep(root: Path, manifest: Manifest | None, keep: Iterable[str] = ()) -> list[str]:
    """Remove every part that neither ``manifest`` nor a generation still being read names, nor ``keep``.

    ``keep`` holds parts as ``folder/id``. Returns the parts that stay for readers alone, or because the cluster that
    holds something of theirs does not answer.
    """
    wanted = set(keep) | (parts(manifest) if manifest is not None else set())
    read = _read_elsewhere(root)
    with refusals_named(root):
        for folder in FOLDERS:
            if not (root / folder).is_dir():
                continue
            unwanted = [
                part for part in sorted((root / folder).iterdir()) if f"{folder}/{part.name}" not in wanted | read
            ]
            if folder == "segments":
                try:
                    discard(unwanted)
                except SearchError:
                    # What they have on a cluster that is away would be forgotten with them; a later writer tries again.
                    read |= {f"{folder}/{part.name}" for part in unwanted}
                    continue
            for part in unwanted:
                remove_tree(part)
        (root / f".{NAME}.part").unlink(missing_ok=True)
    return sorted(read - wanted)


def parts(manifest: Manifest) -> set[str]:
    """Return every part that a manifest names, as ``folder/id``."""
    named = {f"segments/{segment.id}" for segment in manifest.segments}
    named |= {f"layers/{layer.id}" for layer in manifest.layers}
    if manifest.removed.path:
        named.add(manifest.removed.path)
    return named


def _read_elsewhere(root: Path) -> set[str]:
    named: set[str] = set()
    with refusals_named(root):
        for path in sorted((root / "retired").glob("*.json")):
            with open(path, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                        try:
                            named |= parts(Manifest.from_bytes(file.read(), path))
                            continue
                        except FormatError:
                            pass  # nobody can be reading parts through a damaged file
                path.unlink()
    return named


def remove_tree(path: Path) -> None:
    """Remove a file or a folder with all it holds; gone already is fine."""
    if path.is_dir() and not path.is_symlink():
        # Renamed first, so that a removal cut short leaves no part that looks complete.
        doomed = path if path.name.startswith(".") else path.with_name(f".{path.name}.gone")
        if doomed != path:
            if doomed.exists():
                shutil.rmtree(doomed)
            os.rename(path, doomed)
        shutil.rmtree(doomed)
    else:
        path.unlink(missing_ok=True)
