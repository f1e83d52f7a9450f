"""The licence that a folder states for what lies below it, by its licence files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from indexer import licensing
from indexer.recognition import from_files
from indexer.rules import decode
from provenance.records import NOASSERTION

MAX_LICENCE_BYTES = 256 << 10
_MAX_FILES = 8


class Stated(NamedTuple):
    """The expression that the licence files of one folder state together, and the copyright lines in them."""

    expression: str
    copyrights: tuple[str, ...]


def licence_in_folder(folder: str, names: Iterable[str]) -> Stated | None:
    """Return what the licence files among ``names`` state, or None where there is none that says anything."""
    candidates = [name for name in names if licensing.is_licence_file(name)]
    if not candidates:
        return None

    def read(name: str) -> bytes | None:
        try:
            with open(f"{folder}/{name}", "rb") as file:
                return file.read(MAX_LICENCE_BYTES)
        except OSError:
            return None

    return stated(candidates, read)


def stated(names: Iterable[str], read: Callable[[str], bytes | None]) -> Stated | None:
    """Return what licence files state, given how to read one of them."""
    texts: dict[str, str] = {}
    lines: dict[str, None] = {}
    for name in sorted(names)[:_MAX_FILES]:
        raw = read(name)
        decoded = decode(raw) if raw is not None else None
        if decoded is not None:
            texts[name] = decoded.utf8.decode("utf-8", "replace")
            lines.update(dict.fromkeys(licensing.copyrights(decoded.utf8[: licensing.HEAD_BYTES])))
    said = from_files(texts)
    copyrights = tuple(lines)[: licensing.MAX_COPYRIGHTS]
    return Stated(said, copyrights) if said != NOASSERTION or copyrights else None
