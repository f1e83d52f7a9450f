"""A folder as a source: walked in sorted order, each file with the repository, revision and licence of where it stands.

- Symbolic links are never followed, whatever they point to: they are counted, and what they name inside of the tree
  is read at its own place. So no loop can arise.
- A folder inside that is a git work tree is a repository of its own, named by its remote. A folder inside of a work
  tree is a part of it, with paths from the tree's root; what git ignores there is not.
- A Python installation is recognised: a folder with ``*.dist-info`` (or site-packages with ``*.egg-info``) is read per
  distribution (name, version, licence, home page from its metadata, files by its record), the standard library as
  ``python/cpython`` with the paths it has there.
- So are packages that lie unpacked: below ``node_modules``, in cargo's registry, source distributions.
- An index is not read, wherever it lies: the one that is being built is often inside of its source.
- ``.git``, ``.hg``, ``.svn`` and ``__pycache__`` are passed over in silence; all else that is not read is counted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import xxhash
from pathspec import GitIgnoreSpec

from indexer import licensing
from indexer.rules import SILENT_FOLDERS, compile_patterns, is_index, readable, suffix
from indexer.sources.base import UNIT_BYTES, UNIT_ENTRIES, Item, Remark, SourceOptions, Unit
from indexer.sources.files import failure
from indexer.sources.intake import Intake, Origin, address_template
from indexer.sources.nearest import licence_in_folder
from indexer.sources.python_install import Distributions, is_installer_note, is_site_packages, standard_library
from indexer.sources.repositories import enclosing_work_tree, work_tree_origin
from indexer.sources.unpacked import unpacked_package
from provenance.errors import CorpusError
from provenance.records import NOASSERTION, Skipped


class Run(NamedTuple):
    """Files of one folder with one origin: their names and what their path inside of the repository begins with."""

    origin: Origin
    folder: str
    prefix: str
    names: list[str]
    sizes: list[int]


@dataclass(slots=True)
class _Frame:
    """One folder still to be walked."""

    folder: str
    relative: str
    origin: Origin
    prefix: str
    top: bool
    distributions: Distributions | None = None
    site_prefix: str = ""
    ignored: tuple[tuple[str, GitIgnoreSpec], ...] = ()


@dataclass(slots=True)
class Packer:
    """Cuts what a walk finds into units: runs of entries with their weight and a stamp of names, sizes and times."""

    runs: list[Run] = field(default_factory=list)
    skipped: list[Skipped | Remark] = field(default_factory=list)
    weight: int = 0
    entries: int = 0
    _stamp: xxhash.xxh3_128 = field(default_factory=xxhash.xxh3_128)

    def add(self, origin: Origin, folder: str, prefix: str, name: str, size: int, modified_ns: int) -> None:
        """Add one file."""
        last = self.runs[-1] if self.runs else None
        if last is None or last.origin is not origin or last.folder != folder:
            last = Run(origin, folder, prefix, [], [])
            self.runs.append(last)
        last.names.append(name)
        last.sizes.append(size)
        self.weight += size
        self.entries += 1
        self._stamp.update(f"{folder}/{name}\0{size}\0{modified_ns}\0".encode("utf-8", "surrogatepass"))

    def skip(self, skipped: Skipped | Remark) -> None:
        """Add something that will not be read, or a remark about the tree."""
        self.skipped.append(skipped)
        self.entries += 1
        self._stamp.update(f"{skipped}\0".encode("utf-8", "surrogatepass"))

    @property
    def full(self) -> bool:
        """Return whether a unit should end here."""
        return self.weight >= UNIT_BYTES or self.entries >= UNIT_ENTRIES

    def cut(self) -> Unit:
        """Return what was added since the last cut as a unit."""
        for run in self.runs:
            self._stamp.update(repr(run.origin).encode("utf-8", "surrogatepass"))
        repositories = frozenset(run.origin.repository for run in self.runs)
        unit = Unit(self.weight, (tuple(self.runs), tuple(self.skipped)), self._stamp.hexdigest(), repositories)
        self.runs, self.skipped, self.weight, self.entries = [], [], 0, 0
        self._stamp = xxhash.xxh3_128()
        return unit


class DirectorySource:
    """Every file below a folder that the rules let through."""

    def __init__(self, location: str, options: SourceOptions | None = None) -> None:
        """Take a folder, or a single file; nothing is opened before `plan`."""
        self._location = location
        self._options = options or SourceOptions()
        self._intake = Intake(self._options.rules)

    @property
    def location(self) -> str:
        """Return the folder as the user named it."""
        return self._location

    def plan(self) -> Iterator[Unit]:
        """Yield runs of files of about `UNIT_BYTES`; raises `CorpusError` if the folder cannot be listed."""
        packer = Packer()
        for _ in self._walk(packer):
            if packer.full:
                yield packer.cut()
        if packer.entries:
            yield packer.cut()

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the documents of one run of files."""
        runs, skipped = unit.payload
        yield from skipped
        limit = self._options.rules.max_file_bytes
        for run in runs:
            folder = run.folder + "/" if run.folder else ""
            for name, size in zip(run.names, run.sizes, strict=True):
                path = readable(run.prefix + name)
                raw = read_file(folder + name, limit, size)
                if isinstance(raw, bytes):
                    yield from self._intake.raw(raw, path, run.origin)
                else:
                    yield Skipped(path, *raw)

    def _root_origin(self, root: str) -> Origin:
        options = self._options
        found = work_tree_origin(root)
        name = options.repository or (found.repository if found else None)
        license = licensing.canonical(options.license).expression if options.license else NOASSERTION
        name = name or readable(os.path.basename(os.path.realpath(root)) or "root")
        return Origin(
            name,
            options.revision,
            license,
            "record" if license != NOASSERTION else "none",
            "repository" if license != NOASSERTION else "unknown",
            url=address_template(options.url, name, options.revision) or (found.url if found else None),
        )

    def _placed(self, folder: str) -> tuple[Origin, str, bool]:
        """Return origin and path of a folder in its repository, and whether it is the root of that.

        A folder inside of a work tree has the tree's name, and the licence of the nearest licence file above it.
        """
        tree = None
        if self._options.repository is None and not os.path.exists(f"{folder}/.git"):
            tree = enclosing_work_tree(folder)
        if tree is None:
            return self._root_origin(folder), "", True
        origin = self._root_origin(tree)
        inside = os.path.relpath(os.path.realpath(folder), tree).split(os.sep)
        above = tree
        for depth, part in enumerate(inside):
            try:
                stated = licence_in_folder(above, os.listdir(above))
            except OSError:
                stated = None
            if stated is not None:
                origin = stated.applied(origin, top=depth == 0)
            above = os.path.join(above, part)
        return origin, "/".join(inside) + "/", False

    def _walk(self, packer: Packer) -> Iterator[None]:
        """Yield after every entry that went to ``packer``."""
        root = os.fspath(self._location)
        if not os.path.isdir(root):
            yield from self._single(root, packer)
            return
        root = root.rstrip("/") or "/"
        stack = [_Frame(root, "", *self._placed(root))]
        excluded = compile_patterns(self._options.rules.exclude)
        while stack:
            frame = stack.pop()
            try:
                with os.scandir(frame.folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                if frame.relative == "":
                    raise CorpusError(f"{frame.folder}: cannot be listed: {error.strerror}") from error
                packer.skip(Skipped(readable(frame.relative), *failure(error)))
                yield
                continue
            if is_index([entry.name for entry in entries]):
                if frame.relative == "":
                    raise CorpusError(f"{frame.folder}: this is an index; name what it was built from")
                packer.skip(Skipped(readable(frame.relative), "index"))
                yield
                continue
            self._enter(frame, entries, packer)
            folders: list[_Frame] = []
            for entry in entries:
                below = self._entry(frame, entry, packer, excluded)
                if below is not None:
                    folders.append(below)
                else:
                    yield
            stack.extend(reversed(folders))

    def _single(self, root: str, packer: Packer) -> Iterator[None]:
        path = os.path.realpath(root)
        try:
            status = os.stat(path)
        except OSError as error:
            raise CorpusError(f"{root}: cannot be read: {error.strerror}") from error
        folder, name = os.path.split(path)
        if not stat.S_ISREG(status.st_mode):
            raise CorpusError(f"{root}: not a file but a pipe or device, which cannot be read twice: save it first")
        refusal = self._intake.size(readable(name), status.st_size)
        if refusal is not None:
            packer.skip(refusal)
        else:
            origin, prefix, _ = self._placed(folder)
            packer.add(origin, folder, prefix, name, status.st_size, status.st_mtime_ns)
        yield

    def _enter(self, frame: _Frame, entries: list[os.DirEntry[str]], packer: Packer) -> None:
        """Change the frame's origin by what the folder itself says."""
        names = [entry.name for entry in entries]
        if not frame.top and ".git" in names:
            found = work_tree_origin(frame.folder)
            if found is not None:
                frame.origin, frame.prefix, frame.top = found, "", True
        package = None if ".git" in names else unpacked_package(frame.folder, names)
        if package is not None and (frame.relative or self._options.repository is None):
            frame.origin, frame.prefix, frame.top = package.origin(), "", True
            if package.licence.unknown is not None:
                packer.skip(Remark(readable(frame.relative) or ".", "unknown licence", package.licence.unknown))
        if is_site_packages(frame.folder, names):
            frame.distributions = Distributions(frame.folder, names)
            for remark in frame.distributions.remarks:
                packer.skip(replace(remark, path=readable(f"{frame.relative}{remark.path}")))
            frame.site_prefix = ""
            # What stands above speaks for its own project, not for what was installed into it.
            frame.origin = replace(
                frame.origin, license=NOASSERTION, license_origin="none", license_scope="unknown", copyrights=()
            )
        else:
            library = standard_library(frame.folder, names)
            if library is not None and self._options.repository is None:
                frame.origin, frame.prefix, frame.top = library, "Lib/", True
        found_licence = licence_in_folder(frame.folder, names)
        if found_licence is not None:
            frame.origin = found_licence.applied(frame.origin, top=frame.top)
        if self._options.rules.follow_ignore_files and ".gitignore" in names:
            raw = read_file(f"{frame.folder}/.gitignore", 1 << 20)
            if isinstance(raw, bytes):
                spec = GitIgnoreSpec.from_lines(raw.decode("utf-8", "replace").splitlines())
                frame.ignored = (*frame.ignored, (frame.relative, spec))

    def _entry(
        self, frame: _Frame, entry: os.DirEntry[str], packer: Packer, excluded: Callable[[str], bool]
    ) -> _Frame | None:
        """Add a file to the packer, or return the frame of a folder to go into."""
        name = entry.name
        relative = frame.relative + name
        rules = self._options.rules
        try:
            if entry.is_symlink():
                packer.skip(Skipped(readable(relative), "symbolic link"))
                return None
            folder = entry.is_dir(follow_symlinks=False)
            if folder and name in SILENT_FOLDERS:
                return None
            if name.startswith(".") and not rules.include_hidden:
                packer.skip(Skipped(readable(relative) + ("/" if folder else ""), "hidden"))
                return None
            if excluded(relative + "/" if folder else relative):
                packer.skip(Skipped(readable(relative) + ("/" if folder else ""), "excluded"))
                return None
            if frame.ignored and _ignored(frame.ignored, relative, folder):
                packer.skip(Skipped(readable(relative) + ("/" if folder else ""), "ignored by .gitignore"))
                return None
            if folder:
                return self._below(frame, name, relative, entry.path)
            status = entry.stat(follow_symlinks=False)
            size = status.st_size
            if not entry.is_file(follow_symlinks=False):
                packer.skip(Skipped(readable(relative), "not a file"))
                return None
        except OSError as error:
            packer.skip(Skipped(readable(relative), *failure(error)))
            return None
        refusal = self._intake.size(relative, size)
        if refusal is not None:
            packer.skip(Skipped(readable(relative), refusal.reason, refusal.detail, size))
            return None
        if suffix(name) in rules.binary_suffixes:
            packer.skip(Skipped(readable(relative), "binary", "by suffix", size))
            return None
        origin, prefix = frame.origin, frame.prefix
        if frame.distributions is not None:
            owned = frame.distributions.owner(frame.site_prefix + name)
            if owned is not None:
                if is_installer_note(frame.site_prefix + name):
                    packer.skip(Skipped(readable(relative), "package metadata", "", size))
                    return None
                origin, prefix = self._nearer(owned, frame), frame.site_prefix
        packer.add(origin, frame.folder, prefix, name, size, status.st_mtime_ns)
        return None

    def _nearer(self, owned: Origin, frame: _Frame) -> Origin:
        """Return the owner's origin, with the licence of a licence file that stands nearer to the file."""
        nearest = frame.origin
        if nearest.license_origin != "file" or nearest.license_scope != "directory" or frame.distributions is None:
            return owned
        return frame.distributions.with_licence(owned, nearest)

    def _below(self, frame: _Frame, name: str, relative: str, path: str) -> _Frame:
        if frame.relative == "" and self._options.each_folder:
            found = work_tree_origin(path)
            origin = found or Origin(
                readable(name), None, frame.origin.license, frame.origin.license_origin, frame.origin.license_scope
            )
            return _Frame(path, relative + "/", origin, "", True, ignored=frame.ignored)
        return _Frame(
            path,
            relative + "/",
            frame.origin,
            f"{frame.prefix}{name}/",
            False,
            frame.distributions,
            f"{frame.site_prefix}{name}/",
            frame.ignored,
        )


def _ignored(specs: tuple[tuple[str, GitIgnoreSpec], ...], relative: str, folder: bool) -> bool:
    """Return what the nearest .gitignore that has an opinion says, as git does."""
    path = relative + "/" if folder else relative
    for base, spec in reversed(specs):
        include = spec.check_file(path[len(base) :]).include
        if include is not None:
            return include
    return False


def read_file(path: str, limit: int, expected: int | None = None) -> bytes | tuple[str, str]:
    """Return a file's bytes, at most ``limit`` + 1 of them, or (reason, detail) why they cannot be had.

    ``expected`` is the size that the file had when it was listed. Neither a link nor a pipe that took the file's place
    since then is waited for.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return failure(error)
    try:
        # One byte more than expected, so that a file that did not change takes a single read.
        raw = os.read(handle, limit + 1 if expected is None else min(limit, expected) + 1)
        if len(raw) != expected and raw:
            while more := os.read(handle, limit + 1 - len(raw)):
                raw += more
        return raw
    except OSError as error:
        return failure(error)
    finally:
        os.close(handle)
