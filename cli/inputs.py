"""What `check` and `trace` are asked about: files, folders, standard input."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from provenance.errors import InputError, ProvenanceError, StorageError

if TYPE_CHECKING:
    from indexer.rules import Rules

STDIN = "-"


class Text(NamedTuple):
    """One text to be judged, in UTF-8, and the name it is shown under."""

    path: str
    utf8: bytes


class Failure(NamedTuple):
    """A file that was asked about and cannot be judged."""

    path: str
    error: ProvenanceError


class Inputs:
    """The texts behind the paths of a command line, read one by one.

    A path that was named must be readable text, whatever its size; what lies in a folder goes by the rules that
    an index is built with, and is counted in ``skipped`` by reason.
    """

    def __init__(self, paths: Sequence[str], exclude: Sequence[str] = ()) -> None:
        """Read ``paths``, or standard input where there are none; ``exclude`` are patterns for folders."""
        self.paths = paths
        self.exclude = exclude
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Text | Failure]:
        """Yield every text, and every named path that cannot be read."""
        for path in self.paths or (STDIN,):
            try:
                if path == STDIN:
                    yield Text(STDIN, _decoded(STDIN, _stdin()))
                elif os.path.isdir(path):
                    yield from self._folder(path)
                else:
                    yield Text(_readable(path), _decoded(path, _read(path)))
            except ProvenanceError as error:
                yield Failure(_readable(path), error)

    def _folder(self, root: str) -> Iterator[Text]:
        from indexer.rules import SILENT_FOLDERS, Rules, compile_patterns

        rules = Rules(exclude=tuple(self.exclude))
        excluded = compile_patterns(rules.exclude)
        stack = [""]
        while stack:
            relative = stack.pop()
            try:
                with os.scandir(os.path.join(root, relative)) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                if not relative:
                    raise StorageError(f"{_readable(root)}: cannot be listed: {error.strerror}") from error
                self.skipped["unreadable"] += 1
                continue
            below = []
            for entry in entries:
                path = relative + entry.name
                if entry.is_symlink():
                    self.skipped["symbolic link"] += 1
                elif entry.is_dir(follow_symlinks=False):
                    if entry.name in SILENT_FOLDERS:
                        continue
                    if entry.name.startswith("."):
                        self.skipped["hidden"] += 1
                    elif excluded(path + "/"):
                        self.skipped["excluded"] += 1
                    else:
                        below.append(path + "/")
                else:
                    utf8, reason = _file_in_folder(entry, rules, excluded(path))
                    if utf8 is None:
                        self.skipped[reason] += 1
                    else:
                        yield Text(_readable(os.path.join(root, path)), utf8)
            stack.extend(reversed(below))


def _file_in_folder(entry: os.DirEntry[str], rules: Rules, excluded: bool) -> tuple[bytes | None, str]:
    """Return the text of a file, or None and the rule that stopped it."""
    from indexer.rules import decode, minified, suffix

    if entry.name.startswith("."):
        return None, "hidden"
    if excluded:
        return None, "excluded"
    if suffix(entry.name) in rules.binary_suffixes:
        return None, "binary"
    try:
        size = entry.stat(follow_symlinks=False).st_size
        if not entry.is_file(follow_symlinks=False):
            return None, "not a file"
        if size < rules.min_file_bytes:
            return None, "empty"
        if size > rules.max_file_bytes:
            return None, "too large"
        with open(entry.path, "rb") as file:
            raw = file.read()
    except OSError:
        return None, "unreadable"
    text = decode(raw)
    if text is None:
        return None, "binary"
    if minified(text.utf8, rules) is not None:
        return None, "minified"
    return text.utf8, ""


def _stdin() -> bytes:
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("-: standard input is closed; name a file")
    if sys.stdin.isatty():
        print("provenance: reading from the terminal; end with Ctrl-D, or name a file", file=sys.stderr)
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(f"-: cannot be read: {error.strerror}") from error


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"{_readable(path)}: cannot be read: {error.strerror}") from error


def _decoded(path: str, raw: bytes) -> bytes:
    if raw.isascii() and b"\0" not in raw:
        return raw  # as the rules say too, without their import
    from indexer.rules import decode

    text = decode(raw)
    if text is None:
        raise InputError(f"{_readable(path)}: this is binary, not text ({len(raw)} bytes)")
    return text.utf8


def _readable(path: str) -> str:
    if path.isascii():
        return path
    from indexer.rules import readable

    return readable(path)
