"""Packages that a package carries inside with their metadata: what those say about the files they own.

A wheel's ``_vendor`` folder keeps ``*.dist-info`` of what was copied into it, with METADATA and RECORD; a bundled npm
dependency keeps its package.json below ``node_modules``. The files stay those of the outer package; the licence is
that of the inner one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace

from indexer.sources.intake import Origin
from indexer.sources.metadata import Package, npm_package, python_package
from indexer.sources.python_install import recorded_paths
from provenance.records import NOASSERTION

_INSTALLED = re.compile(r"(.+/)[^/]+\.dist-info/METADATA")
_BUNDLED = re.compile(r"(.*\bnode_modules/(?:@[^/]+/)?[^/@]+)/package\.json")


def carried_origins(metadata: Mapping[str, str], strip: str, origins: Mapping[str, Origin]) -> dict[str, Origin]:
    """Return the origins, by path below ``strip``, of what packages inside of a package own.

    ``metadata`` maps names of members to their text. ``origins`` are those of folders that state a licence: one of
    them inside of the carried package is nearer than its metadata.
    """
    found: dict[str, Origin] = {}
    for name, text in metadata.items():
        inside = name.removeprefix(strip)
        bundled = _BUNDLED.fullmatch(inside)
        if bundled is not None and bundled[1] not in origins:
            _add(found, bundled[1], npm_package(text), origins[""])
        installed = _INSTALLED.fullmatch(inside)
        if installed is None:
            continue
        package = python_package(text)
        for path in recorded_paths(metadata.get(posixpath.dirname(name) + "/RECORD", "")):
            owned = installed[1] + path
            if not _nearer(owned, len(installed[1]), origins):
                _add(found, owned, package, origins[""])
    return found


def _add(found: dict[str, Origin], path: str, package: Package | None, outer: Origin) -> None:
    if package is not None and package.licence.expression != NOASSERTION:
        found[path] = replace(
            outer, license=package.licence.expression, license_origin="record", license_scope="directory", copyrights=()
        )


def _nearer(path: str, base: int, origins: Mapping[str, Origin]) -> bool:
    folder = posixpath.dirname(path)
    while len(folder) >= base:
        if folder in origins:
            return True
        folder = posixpath.dirname(folder)
    return False
