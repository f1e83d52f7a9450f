"""Which documents count: one reading of `Filters` for all engines, and the keywords engines index for it.

An engine compares keywords of a content, whichever document they come from, so its answer may hold
contents none of whose documents passes as a whole. `passes` decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from provenance.records import Source
from provenance.search.base import Filters

KEYWORD_LIMIT = 8191
"""Keywords of more UTF-8 bytes are not indexed (Lucene ends at 32,766 bytes, tantivy at 65,530)."""

_OPERATORS = frozenset({"and", "or", "with"})
_LICENSE_PART = re.compile(r"[^\s()]+")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Keywords:
    """What an engine indexes about the documents of one content, folded, distinct and sorted."""

    languages: tuple[str, ...]
    repositories: tuple[str, ...]
    owners: tuple[str, ...]
    licenses: tuple[str, ...]


def fold_keyword(value: str) -> str:
    """Return ``value`` with ASCII letters in lower case."""
    return value.encode("utf-8", "replace").lower().decode("utf-8")


@lru_cache(maxsize=4096)
def license_members(expression: str) -> frozenset[str]:
    """Return the licence and exception ids in an SPDX expression, in lower case (SPDX compares without case)."""
    return frozenset(_LICENSE_PART.findall(fold_keyword(expression))) - _OPERATORS


@lru_cache(maxsize=4096)
def owners_of(repository: str) -> frozenset[str]:
    """Return who a repository belongs to, folded: every part of its name but the last, the scheme of a URL aside."""
    parts = fold_keyword(_SCHEME.sub("", repository)).split("/")
    return frozenset(parts[:-1]) - {""}


def keywords(sources: Sequence[Source]) -> Keywords:
    """Return the keywords of the documents of one content."""
    return _keywords(frozenset((source.language, source.repository, source.license) for source in sources))


@lru_cache(maxsize=4096)
def _keywords(sources: frozenset[tuple[str | None, str, str]]) -> Keywords:
    def distinct(values: set[str]) -> tuple[str, ...]:
        return tuple(sorted(value for value in values if value and len(value.encode()) <= KEYWORD_LIMIT))

    return Keywords(
        languages=distinct({fold_keyword(language) for language, _, _ in sources if language}),
        repositories=distinct({fold_keyword(repository) for _, repository, _ in sources}),
        owners=distinct(set().union(*(owners_of(repository) for _, repository, _ in sources))),
        licenses=distinct(set().union(*(license_members(license) for _, _, license in sources))),
    )


def indexed(values: Sequence[str]) -> tuple[str, ...] | None:
    """Return the values of one filter as an engine has them, or None where an engine cannot tell."""
    folded = tuple(fold_keyword(value) for value in values)
    return None if any(len(value.encode()) > KEYWORD_LIMIT for value in folded) else folded


class DocumentFilter:
    """Decides for single documents; made once a query."""

    def __init__(self, filters: Filters) -> None:
        """Fold the values once."""
        self._all = not filters
        self._languages = frozenset(map(fold_keyword, filters.languages))
        self._repositories = frozenset(map(fold_keyword, filters.repositories))
        self._owners = frozenset(map(fold_keyword, filters.owners))
        self._licenses = frozenset(map(fold_keyword, filters.licenses))
        self._paths = filters.paths
        self._kinds = frozenset(filters.kinds)
        self._excluded = tuple(map(fold_keyword, filters.exclude_repositories))

    def passes(self, source: Source) -> bool:
        """Tell whether one document counts."""
        if self._all:
            return True
        repository = fold_keyword(source.repository)
        return (
            (not self._languages or fold_keyword(source.language or "") in self._languages)
            and (not self._repositories or repository in self._repositories)
            and (not self._owners or not self._owners.isdisjoint(owners_of(source.repository)))
            and (not self._licenses or not self._licenses.isdisjoint(license_members(source.license)))
            and (not self._kinds or source.kind in self._kinds)
            and (not self._paths or any(fnmatchcase(source.path, pattern) for pattern in self._paths))
            and not any(fnmatchcase(repository, pattern) for pattern in self._excluded)
        )
