"""A Python installation inside of a folder: which distribution owns which file.

Formats: ``*.dist-info`` (PyPA, Recording installed projects): METADATA, and RECORD, a CSV file of path, hash and size;
``*.egg-info`` (setuptools before that, and Debian's packages): PKG-INFO, and installed-files.txt or top_level.txt.
"""

from __future__ import annotations

import csv
import os
import posixpath
import re
import sys
import sysconfig
from collections.abc import Collection, Iterable

from indexer.sources.base import Remark
from indexer.sources.intake import Origin
from indexer.sources.metadata import Package, python_package
from indexer.sources.nearest import licence_in_folder
from provenance.records import NOASSERTION

_MAX_RECORD_BYTES = 64 << 20
_NOT_TEXT_OF_ITS_AUTHOR = frozenset(("RECORD", "RECORD.jws", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json"))
_LIBRARY_VERSION = re.compile(r"python(3\.\d+)\Z")
_LIBRARY_FILES = frozenset(("os.py", "site.py", "codecs.py", "__future__.py", "argparse.py"))


def is_site_packages(folder: str, names: Collection[str]) -> bool:
    """Return whether a folder with these entries holds installed distributions.

    ``*.egg-info`` counts only in a folder of the name that installers use: in a source tree it is left by a build.
    """
    if any(name.endswith(".dist-info") for name in names):
        return True
    installed = folder.rpartition("/")[2] in ("site-packages", "dist-packages")
    return installed and any(name.endswith(".egg-info") for name in names)


def is_installer_note(path: str) -> bool:
    """Return whether a file of a distribution is the installer's note, not somebody's text."""
    folder, _, name = path.rpartition("/")
    return folder.endswith(".dist-info") and name in _NOT_TEXT_OF_ITS_AUTHOR


class Distributions:
    """The installed distributions of one folder."""

    def __init__(self, folder: str, names: Iterable[str]) -> None:
        """Read METADATA and RECORD of each; what cannot be read owns nothing."""
        self.remarks: list[Remark] = []
        self._owners: dict[str, Origin] = {}
        self._combined: dict[tuple[Origin, Origin], Origin] = {}
        self._tops: dict[str, Origin] = {}
        for name in names:
            place = f"{folder}/{name}"
            if name.endswith(".dist-info"):
                origin = self._read(place, "METADATA")
                paths, tops = _recorded(f"{place}/RECORD"), []
            elif name.endswith(".egg-info"):
                origin = self._read(place, "" if os.path.isfile(place) else "PKG-INFO")
                paths = _installed_files(folder, name)
                tops = [] if paths else [name, *_lines(f"{place}/top_level.txt")]
            else:
                continue
            if origin is not None:
                self._owners.update((path, origin) for path in paths if path not in self._owners)
                self._tops.update((top, origin) for top in tops if top not in self._tops)

    def _read(self, folder: str, metadata: str) -> Origin | None:
        """Return the origin that the metadata in (or, if they have no name, at) ``folder`` give."""
        path = f"{folder}/{metadata}" if metadata else folder
        package = _package(path)
        if package is None:
            return None
        unknown = package.licence.unknown
        if unknown is not None:
            self.remarks.append(
                Remark("/".join(path.rsplit("/", 2)[-2 if metadata else -1 :]), "unknown licence", unknown)
            )
        return _by_licence_files(package.origin(), folder, unknown is not None)

    def owner(self, path: str) -> Origin | None:
        """Return the origin of the distribution that a file (relative to the folder) belongs to."""
        found = self._owners.get(path)
        if found is None and self._tops:
            top = path.partition("/")[0]
            found = self._tops.get(top) or self._tops.get(top.partition(".")[0])
        return found

    def with_licence(self, owner: Origin, nearest: Origin) -> Origin:
        """Return ``owner`` with the licence of ``nearest``; the same object for the same pair."""
        key = (owner, nearest)
        combined = self._combined.get(key)
        if combined is None:
            combined = owner.under(nearest.license, nearest.license_scope, nearest.copyrights)
            self._combined[key] = combined
        return combined


def _package(path: str) -> Package | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return python_package(file.read(1 << 20))
    except OSError:
        return None


def _by_licence_files(origin: Origin, folder: str, unknown: bool) -> Origin:
    """Return the origin with the copyright lines of the licence files in ``*.dist-info``, and with the licence that
    they state where METADATA names none that is known."""
    for place in (f"{folder}/licenses", folder):
        try:
            said = licence_in_folder(place, os.listdir(place))
        except OSError:
            continue
        if said is not None:
            if unknown and said.expression != NOASSERTION:
                return origin.under(said.expression, "repository", said.copyrights)
            return said.applied(origin, top=True)
    return origin


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [line.strip() for line in file.read(_MAX_RECORD_BYTES).splitlines() if line.strip()]
    except OSError:
        return []


def _installed_files(folder: str, name: str) -> list[str]:
    """Return what installed-files.txt lists, relative to ``folder`` instead of to ``*.egg-info``."""
    paths = (posixpath.normpath(f"{name}/{line}") for line in _lines(f"{folder}/{name}/installed-files.txt"))
    return [path for path in paths if not path.startswith(("../", "/"))]


def _recorded(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return recorded_paths(file.read(_MAX_RECORD_BYTES))
    except OSError:
        return []


def recorded_paths(record: str) -> list[str]:
    """Return the paths that a RECORD lists, those outside of its folder left out; none of one that is no CSV."""
    try:
        rows = csv.reader(record.splitlines())
        return [row[0] for row in rows if row and not row[0].startswith(("../", "/"))]
    except csv.Error:
        return []


def standard_library(folder: str, names: Collection[str]) -> Origin | None:
    """Return the origin of Python's standard library, if a folder with these entries is one.

    The version is that of the running interpreter if the folder is its own library, else the folder's name says two
    parts of it. Its files are ``Lib/…`` in the repository; Python-2.0 is the SPDX id of CPython's whole licence stack.
    """
    if not _LIBRARY_FILES.issubset(names):
        return None
    real = os.path.realpath(folder)
    version: str | None = None
    if real == os.path.realpath(sysconfig.get_path("stdlib")) and sys.implementation.name == "cpython":
        version = ".".join(str(part) for part in sys.version_info[:3])
    else:
        found = _LIBRARY_VERSION.search(real)
        version = found[1] if found else None
    tag = f"v{version}" if version is not None and version.count(".") == 2 else version or "main"
    return Origin(
        "python/cpython",
        version,
        "Python-2.0",
        "detected",
        "repository",
        url=f"https://github.com/python/cpython/blob/{tag}/{{path}}",
    )
