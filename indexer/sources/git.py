"""A git repository at a revision, bare or not, read through git's plumbing; the work tree is neither read nor touched.

The blob ids that git gives are the content ids (in a SHA-256 repository they are computed). Nothing is fetched: a
partial clone that lacks objects of the revision is refused. The environment's GIT_DIR and the like are not heeded, so
that a build started from a hook reads what was named.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple

import xxhash

from indexer import licensing
from indexer.rules import compile_patterns, suffix
from indexer.sources.base import UNIT_BYTES, UNIT_ENTRIES, Item, SourceOptions, Unit
from indexer.sources.intake import Intake, Origin, address_template
from indexer.sources.nearest import MAX_LICENCE_BYTES, stated
from indexer.sources.repositories import named
from provenance.errors import CorpusError
from provenance.records import NOASSERTION, Skipped

_AHEAD = 64
"""Object names sent before the first answer is read: 64 of at most 65 bytes, far below what a pipe holds."""


class Blob(NamedTuple):
    """One file of a revision."""

    path: str
    object_id: str
    size: int
    origin: int


def is_repository(path: str) -> bool:
    """Return whether ``path`` is a bare repository or a ``.git`` folder."""
    return all(os.path.exists(os.path.join(path, part)) for part in ("HEAD", "objects", "refs"))


def _environment() -> dict[str, str]:
    """Return the environment without what would point git elsewhere; its configuration stays."""
    kept = {n: value for n, value in os.environ.items() if not n.startswith("GIT_") or n.startswith("GIT_CONFIG")}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}


class GitSource:
    """Every file of one commit that the rules let through."""

    def __init__(self, path: str, revision: str | None = None, options: SourceOptions | None = None) -> None:
        """Take a repository and a revision (default ``HEAD``); git is first called by `plan`."""
        self._path = path
        self._revision = revision or "HEAD"
        self._options = options or SourceOptions()
        self._intake = Intake(self._options.rules)

    @property
    def location(self) -> str:
        """Return the repository and revision as the user named them."""
        return f"{self._path}@{self._revision}"

    def plan(self) -> Iterator[Unit]:
        """Yield runs of blobs of about `UNIT_BYTES`; raises `CorpusError` without git, repository or revision."""
        commit = self._commit()
        self._refuse_missing_objects(commit)
        blobs, skipped = self._tree(commit)
        origins = self._origins(commit, blobs)
        run: list[Blob] = []
        weight = 0
        for blob in blobs:
            folder = blob.path.rpartition("/")[0]
            run.append(blob._replace(origin=_nearest(origins, folder)))
            weight += blob.size
            if weight >= UNIT_BYTES or len(run) >= UNIT_ENTRIES:
                yield self._unit(run, origins, [], weight)
                run, weight = [], 0
        if run:
            yield self._unit(run, origins, [], weight)
        for start in range(0, len(skipped), UNIT_ENTRIES):
            yield self._unit([], origins, skipped[start : start + UNIT_ENTRIES], 0)

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the documents of one run of blobs."""
        blobs, origins, skipped = unit.payload
        yield from skipped
        if not blobs:
            return
        try:
            with _Objects(self._path) as objects:
                for blob, raw in zip(blobs, objects.read_all([blob.object_id for blob in blobs]), strict=True):
                    if raw is None:
                        yield Skipped(blob.path, "missing object", blob.object_id, blob.size)
                        continue
                    known = bytes.fromhex(blob.object_id) if len(blob.object_id) == 40 else None
                    yield from self._intake.raw(raw, blob.path, origins[blob.origin], known)
        except (OSError, CorpusError) as error:
            yield Skipped(self.location, "unreadable", " ".join(str(error).split())[:200])

    def _git(self, *arguments: str, accept: Sequence[int] = (0,)) -> bytes:
        command = ["git", "--no-replace-objects", "-C", self._path, *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, env=_environment(), stdin=subprocess.DEVNULL, check=False
            )
        except FileNotFoundError as error:
            if os.path.isdir(self._path):
                raise CorpusError(
                    f"{self._path}: git is not installed: install it, or name the folder itself"
                ) from error
            raise CorpusError(f"{self._path}: there is no such folder") from error
        except OSError as error:
            raise CorpusError(f"{self._path}: git cannot be run: {error.strerror}") from error
        if done.returncode not in accept:
            raise CorpusError(f"{self._path}: git says: {_said(done.stderr) or f'exit {done.returncode}'}")
        return done.stdout

    def _commit(self) -> str:
        self._git("rev-parse", "--git-dir")
        if self._revision.startswith("-"):
            raise CorpusError(f"{self._path}: {self._revision!r} is not a revision")
        found = self._git("rev-parse", "--verify", "--quiet", f"{self._revision}^{{commit}}", accept=(0, 1, 128))
        commit = found.decode("ascii", "replace").strip()
        if not commit:
            shallow = self._git("rev-parse", "--is-shallow-repository").strip() == b"true"
            named = self._git("rev-parse", "--verify", "--quiet", self._revision, accept=(0, 1, 128)).decode().strip()
            if named and not shallow:
                raise CorpusError(
                    f"{self._path}: {self._revision!r} is object {named[:12]}, which is no commit or is missing: "
                    "git fsck says which"
                )
            why = (
                "; the clone is shallow: git fetch --unshallow" if shallow else "; git branch --all lists what there is"
            )
            raise CorpusError(f"{self._path}: no commit is called {self._revision!r}{why}")
        return commit

    def _refuse_missing_objects(self, commit: str) -> None:
        promisor = self._git(
            "config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$", accept=(0, 1)
        )
        if not promisor:
            return
        listed = self._git("rev-list", "--objects", "--no-walk", "--missing=print", commit)
        missing = sum(line.startswith(b"?") for line in listed.splitlines())
        if missing:
            raise CorpusError(
                f"{self._path}: a partial clone that lacks {missing} objects of {self._revision}: git fetch --refetch"
            )

    def _tree(self, commit: str) -> tuple[list[Blob], list[Skipped]]:
        rules = self._options.rules
        excluded = compile_patterns(rules.exclude)
        blobs: list[Blob] = []
        skipped: list[Skipped] = []
        for record in self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit).split(b"\0"):
            if not record:
                continue
            about, _, name = record.partition(b"\t")
            mode, kind, object_id, size_text = about.split()
            path = name.decode("utf-8", "backslashreplace")
            if kind == b"commit":
                skipped.append(Skipped(path, "submodule"))
                continue
            size = int(size_text)
            if mode == b"120000":
                skipped.append(Skipped(path, "symbolic link"))
            elif not rules.include_hidden and (path.startswith(".") or "/." in path):
                skipped.append(Skipped(path, "hidden", "", size))
            elif excluded(path):
                skipped.append(Skipped(path, "excluded", "", size))
            elif (refusal := self._intake.size(path, size)) is not None:
                skipped.append(refusal)
            elif suffix(path.rpartition("/")[2]) in rules.binary_suffixes:
                skipped.append(Skipped(path, "binary", "by suffix", size))
            else:
                blobs.append(Blob(path, object_id.decode("ascii"), size, 0))
        return blobs, skipped

    def _origins(self, commit: str, blobs: list[Blob]) -> dict[str, tuple[int, Origin]]:
        """Return, for every folder that states a licence, its number and origin; the root is always there."""
        options = self._options
        address = self._git("config", "--get", "remote.origin.url", accept=(0, 1)).decode("utf-8", "replace").strip()
        found = named(address, commit) if address else None
        license = licensing.canonical(options.license).expression if options.license else NOASSERTION
        known = license != NOASSERTION
        name = options.repository or (found[0] if found else _folder_name(self._path))
        root = Origin(
            name,
            commit,
            license,
            "record" if known else "none",
            "repository" if known else "unknown",
            url=address_template(options.url, name, commit) or (found[1] if found else None),
            date=self._git("log", "-1", "--format=%cI", commit).decode("ascii", "replace").strip() or None,
        )
        files: dict[str, dict[str, Blob]] = {}
        for blob in blobs:
            folder, _, name = blob.path.rpartition("/")
            if licensing.is_licence_file(name):
                files.setdefault(folder, {})[name] = blob
        origins = {"": (0, root)}
        if files:
            with _Objects(self._path) as objects:
                for folder in sorted(files):
                    said = stated(files[folder], _reader(objects, files[folder]))
                    if said is None:
                        continue
                    number = 0 if folder == "" else len(origins)
                    origins[folder] = (number, said.applied(root, top=folder == ""))
        return origins

    def _unit(
        self, blobs: list[Blob], origins: dict[str, tuple[int, Origin]], skipped: list[Skipped], weight: int
    ) -> Unit:
        used = {number: origin for number, origin in origins.values()}
        mine = {blob.origin: used[blob.origin] for blob in blobs}
        stamp = xxhash.xxh3_128(repr((blobs, sorted(mine.items()), skipped)).encode("utf-8", "surrogatepass"))
        repositories = frozenset(origin.repository for origin in mine.values())
        return Unit(weight, (tuple(blobs), mine, tuple(skipped)), stamp.hexdigest(), repositories)


def _said(stderr: bytes) -> str:
    """Return the complaint in what git wrote, and after it the command that git proposes, on one line."""
    lines = [" ".join(line.split()) for line in stderr.decode("utf-8", "replace").splitlines()]
    complaint = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    remedy = next((line for line in lines if line.startswith("git ")), "")
    return f"{complaint}; {remedy}"[:400] if remedy and remedy != complaint else complaint[:300]


def _reader(objects: _Objects, blobs: dict[str, Blob]) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        blob = blobs[name]
        return objects.read(blob.object_id) if blob.size <= MAX_LICENCE_BYTES else None

    return read


def _nearest(origins: dict[str, tuple[int, Origin]], folder: str) -> int:
    while folder not in origins:
        folder = folder.rpartition("/")[0]
    return origins[folder][0]


def _folder_name(path: str) -> str:
    real = os.path.realpath(path).rstrip("/")
    if os.path.basename(real) == ".git":
        real = os.path.dirname(real)
    name = os.path.basename(real).removesuffix(".git")
    return os.fsencode(name).decode("utf-8", "backslashreplace") or "repository"


class _Objects:
    """One running ``git cat-file --batch``."""

    def __init__(self, path: str) -> None:
        self._process = subprocess.Popen(
            ["git", "--no-replace-objects", "-C", path, "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._ask: IO[bytes] = self._process.stdin
        self._answer: IO[bytes] = self._process.stdout

    def __enter__(self) -> _Objects:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._ask.close()
        except OSError:
            pass
        self._answer.close()
        self._process.wait()

    def read(self, object_id: str) -> bytes | None:
        """Return the bytes of an object, or None if the repository does not have it."""
        return next(iter(self.read_all([object_id])))

    def read_all(self, object_ids: Sequence[str]) -> Iterator[bytes | None]:
        """Yield the bytes of each object; the names go ahead in small batches that the pipe holds."""
        for start in range(0, len(object_ids), _AHEAD):
            batch = object_ids[start : start + _AHEAD]
            try:
                self._ask.write("".join(f"{object_id}\n" for object_id in batch).encode("ascii"))
                self._ask.flush()
            except OSError as error:
                raise CorpusError(f"git cat-file ended: {error.strerror}") from error
            for _ in batch:
                yield self._next()

    def _next(self) -> bytes | None:
        head = self._answer.readline(256).split()
        if len(head) == 2 and head[1] == b"missing":
            return None
        size = int(head[2]) if len(head) == 3 else 0
        raw = self._answer.read(size + 1)
        if len(head) != 3 or len(raw) != size + 1:
            raise CorpusError("git cat-file ended early: the repository is damaged (git fsck says where)")
        return raw[:-1]
