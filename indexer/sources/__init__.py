"""Where documents come from, behind one Protocol."""

from __future__ import annotations

import os

from indexer.sources.base import DocumentSource, SourceOptions
from provenance.errors import CorpusError, ParameterError

FORMATS = ("directory", "git", "jsonl", "parquet")
"""What ``format`` can force."""
_BESIDE_TABLES = (
    "readme",
    "license",
    "licence",
    "dataset_infos",
    "dataset_info",
    "gitattributes",
    "_success",
    "state.json",
)


def open_source(location: str, options: SourceOptions | None = None) -> DocumentSource:
    """Return the source of what stands at ``location``; nothing is read beyond what tells what it is.

    In this order: the format that the options force; ``git:PATH`` or ``git:PATH@REVISION``; an address with ``://``
    (tables behind fsspec); a bare repository, or a folder with ``.git`` if a revision is given; ``PATH@REVISION``; a
    table by its suffix; a folder of nothing but tables and their descriptions; any other folder or file as it is.
    Raises `CorpusError` if nothing is there.
    """
    options = options or SourceOptions()
    if options.format is not None and options.format not in FORMATS:
        raise ParameterError(f"format {options.format!r} is not known; there are {', '.join(FORMATS)}")
    if options.format == "git" or location.startswith("git:"):
        return _git(location.removeprefix("git:"), options)
    if options.format == "directory":
        return _directory(location, options)
    from indexer.sources.files import is_remote

    if options.format in ("jsonl", "parquet") or is_remote(location):
        return _rows(location, options)
    from indexer.sources.git import is_repository

    if not os.path.lexists(location):
        path, at, _ = location.rpartition("@")
        if at and (is_repository(path) or os.path.exists(os.path.join(path, ".git"))):
            return _git(location, options)
        raise CorpusError(f"{location}: there is no such file or folder")
    if os.path.isdir(location):
        if is_repository(location) or options.revision is not None and os.path.exists(os.path.join(location, ".git")):
            return _git(location, options)
        return _rows(location, options) if _only_tables(location) else _directory(location, options)
    from indexer.sources.rows import SUFFIXES

    return _rows(location, options) if location.lower().endswith(SUFFIXES) else _directory(location, options)


def _git(location: str, options: SourceOptions) -> DocumentSource:
    from indexer.sources.git import GitSource

    path, at, revision = location.rpartition("@")
    if not at or os.path.isdir(location):
        path, revision = location, ""
    return GitSource(path, options.revision or revision or None, options)


def _directory(location: str, options: SourceOptions) -> DocumentSource:
    from indexer.sources.directory import DirectorySource

    return DirectorySource(location, options)


def _rows(location: str, options: SourceOptions) -> DocumentSource:
    from indexer.sources.rows import RowsSource

    return RowsSource(location, options)


def _only_tables(folder: str) -> bool:
    """Return whether the first thousand files of a folder are tables and what describes them."""
    from indexer.sources.rows import SUFFIXES

    tables = 0
    for count, name in enumerate(name for _, _, names in os.walk(folder) for name in names):
        if count == 1000:
            break
        lower = name.lower()
        if lower.endswith(SUFFIXES):
            tables += 1
        elif not lower.lstrip(".").startswith(_BESIDE_TABLES):
            return False
    return tables > 0
