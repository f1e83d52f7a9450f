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
    """One text to be judged: the name it is shown under, its UTF-8, and the bytes it was decoded from."""

    path: str
    utf8: bytes
    raw: bytes


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
                    yield _decoded(STDIN, _stdin())
                elif os.path.isdir(path):
                    yield from self._folder(path)
                else:
                    yield _decoded(path, _read(path))
            except ProvenanceError as error:
                yield Failure(_readable(path), error)

    def _folder(self, root: str) -> Iterator[Text]:
        from indexer.rules import SILENT_FOLDERS, Rules, compile_patterns, is_index

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
            if is_index([entry.name for entry in entries]):
                self.skipped["index"] += 1
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
                    found = _file_in_folder(entry, os.path.join(root, path), rules, excluded(path))
                    if isinstance(found, Text):
                        yield found
                    else:
                        self.skipped[found] += 1
            stack.extend(reversed(below))


def _file_in_folder(entry: os.DirEntry[str], path: str, rules: Rules, excluded: bool) -> Text | str:
    """Return the text of a file, or the rule that stopped it."""
    from indexer.rules import decode, minified, suffix

    if entry.name.startswith("."):
        return "hidden"
    if excluded:
        return "excluded"
    if suffix(entry.name) in rules.binary_suffixes:
        return "binary"
    try:
        size = entry.stat(follow_symlinks=False).st_size
        if not entry.is_file(follow_symlinks=False):
            return "not a file"
        if size < rules.min_file_bytes:
            return "empty"
        if size > rules.max_file_bytes:
            return "too large"
        with open(entry.path, "rb") as file:
            raw = file.read()
    except OSError:
        return "unreadable"
    text = decode(raw)
    if text is None:
        return "binary"
    if minified(text.utf8, rules) is not None:
        return "minified"
    return Text(_readable(path), text.utf8, raw)


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


def _decoded(path: str, raw: bytes) -> Text:
    if raw.isascii() and b"\0" not in raw:
        return Text(_readable(path), raw, raw)  # as the rules say too, without their import
    from indexer.rules import decode

    text = decode(raw)
    if text is None:
        raise InputError(f"{_readable(path)}: this is binary, not text ({len(raw)} bytes)")
    return Text(_readable(path), text.utf8, raw)


def _readable(path: str) -> str:
    if path.isascii():
        return path
    from indexer.rules import readable

    return readable(path)
