"""Where documents come from, behind one Protocol."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from indexer.rules import is_index
from indexer.sources.base import DocumentSource, SourceOptions
from provenance.errors import CorpusError, ParameterError

FORMATS = ("directory", "git", "archive", "jsonl", "parquet", "datasets")
"""What ``format`` can force."""
_BESIDE = ("readme", "license", "licence", "dataset_info", "gitattributes", "_success", "state.json")
"""What describes a folder of tables or archives, as names begin."""


def open_source(location: str, options: SourceOptions | None = None) -> DocumentSource:
    """Return the source of what stands at ``location``; nothing is read beyond what tells what it is.

    In this order: the format that the options force; ``git:PATH`` or ``git:PATH@REVISION``; ``datasets:NAME`` (Hugging
    Face); an address with ``://`` (tables and archives behind fsspec); a bare repository, or a folder with ``.git`` if
    a revision is given; ``PATH@REVISION``; a table or archive by its suffix; a saved data set; a folder of nothing but
    tables, or but archives; any other folder or file as it is.
    Raises `CorpusError` if nothing is there.
    """
    options = options or SourceOptions()
    if options.format is not None and options.format not in FORMATS:
        raise ParameterError(f"format {options.format!r} is not known; there are {', '.join(FORMATS)}")
    if options.format == "git" or location.startswith("git:"):
        return _git(location.removeprefix("git:"), options)
    if options.format == "datasets" or location.startswith("datasets:"):
        return _data_set(location, options)
    if options.format == "directory":
        return _directory(location, options)
    from indexer.sources.files import is_remote

    if options.format == "archive" or is_remote(location) and _is_archive(location):
        return _archives(location, options)
    if options.format in ("jsonl", "parquet") or is_remote(location):
        return _rows(location, options)
    from indexer.sources.git import is_repository

    if not os.path.lexists(location):
        path, at, _ = location.rpartition("@")
        if at and (is_repository(path) or os.path.exists(os.path.join(path, ".git"))):
            return _git(location, options)
        raise CorpusError(f"{location}: there is no such file or folder")
    if os.path.isdir(location):
        from indexer.sources.hub import is_saved_data_set

        if is_saved_data_set(location):
            return _data_set(location, options)
        if is_repository(location) or options.revision is not None and os.path.exists(os.path.join(location, ".git")):
            return _git(location, options)
        if _only(location, _is_table):
            return _rows(location, options)
        return _archives(location, options) if _only(location, _is_archive) else _directory(location, options)
    if _is_archive(location):
        return _archives(location, options)
    return _rows(location, options) if _is_table(location) else _directory(location, options)


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


def _data_set(location: str, options: SourceOptions) -> DocumentSource:
    from indexer.sources.hub import DatasetsSource

    return DatasetsSource(location, options)


def _archives(location: str, options: SourceOptions) -> DocumentSource:
    from indexer.sources.archives import ArchivesSource

    return ArchivesSource(location, options)


def _is_table(name: str) -> bool:
    from indexer.sources.rows import SUFFIXES

    return name.lower().endswith(SUFFIXES)


def _is_archive(name: str) -> bool:
    from indexer.sources.archives import SUFFIXES

    return name.lower().endswith(SUFFIXES)


def _only(folder: str, wanted: Callable[[str], bool]) -> bool:
    """Return whether the first thousand files of a folder are wanted ones and what describes them.

    Hidden folders do not count: a data set cloned from Hugging Face has a ``.git``. Nor does an index in the folder.
    """
    found = 0
    for count, name in enumerate(_names(folder)):
        if count == 1000:
            break
        if wanted(name):
            found += 1
        elif not name.lower().lstrip(".").startswith(_BESIDE) and not name.lower().endswith(".pom"):
            return False
    return found > 0


def _names(folder: str) -> Iterator[str]:
    for _, folders, names in os.walk(folder):
        if is_index([*folders, *names]):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from names
