"""The licence that a folder states for what lies below it, by its licence files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from indexer import licensing
from indexer.recognition import from_files
from indexer.rules import decode
from indexer.sources.intake import Origin
from provenance.records import NOASSERTION

MAX_LICENCE_BYTES = 256 << 10
_MAX_FILES = 8
_TAG = re.compile(rb"SPDX-License-Identifier:[^\r\n]{1,100}")
_MOST_TAGS = 5
"""A file with more different tags explains licences (the kernel's license-rules.rst); it does not state one."""


class Stated(NamedTuple):
    """The expression that the licence files of one folder state together, and the copyright lines in them.

    `NOASSERTION`: none of them was recognised.
    """

    expression: str
    copyrights: tuple[str, ...]

    def applied(self, origin: Origin, *, top: bool) -> Origin:
        """Return the origin of what lies in or below the folder; ``top`` is the root of a repository or package.

        At the root a record that names a licence stands. Below it a licence file that nobody recognises leaves the
        licence open: what the root says does not hold where something nearer says otherwise.
        """
        if top and (origin.license_origin == "record" or self.expression == NOASSERTION):
            return origin.noting(self.copyrights)
        return origin.under(self.expression, "repository" if top else "directory", self.copyrights)


def licence_in_folder(folder: str, names: Iterable[str]) -> Stated | None:
    """Return what the licence files among ``names`` state, or None where there is none."""
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
        if decoded is not None and len(set(_TAG.findall(decoded.utf8))) <= _MOST_TAGS:
            texts[name] = decoded.utf8.decode("utf-8", "replace")
            lines.update(dict.fromkeys(licensing.copyrights(decoded.utf8[: licensing.HEAD_BYTES])))
    said = from_files(texts)
    copyrights = tuple(lines)[: licensing.MAX_COPYRIGHTS]
    mere = all(name.lower().startswith("copyright") for name in texts)
    return None if said == NOASSERTION and mere else Stated(said, copyrights)
