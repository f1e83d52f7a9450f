"""Candidates one after another, fetched in pages that grow, so that what is common costs one small page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge

from provenance.records import ContentRef
from provenance.search.base import Candidates

FIRST_PAGE = 64
"""Where an engine has no more candidates than this, all of them are verified, and counts are exact."""
_LAST_PAGE = 8192
_GROWTH = 4

Fetch = Callable[[int, "ContentRef | None"], Candidates]
"""Returns candidates: at most so many, behind an address."""
Places = tuple[tuple[int, int], ...]
"""Ranges of a text's bytes in one of which a match begins; none where that is not known."""


class CandidateStream:
    """Ascending, distinct candidates of one question or of several alternatives."""

    def __init__(self, alternatives: Sequence[Fetch]) -> None:
        """Ask nothing yet; ``alternatives`` are joined by or."""
        self._pagers = [_Pager(fetch) for fetch in alternatives]

    @property
    def few(self) -> bool:
        """Tell whether the first pages hold all candidates."""
        return all(pager.few for pager in self._pagers)

    def __iter__(self) -> Iterator[ContentRef]:
        """Yield the candidates."""
        return (ref for ref, _ in self.with_places())

    def with_places(self) -> Iterator[tuple[ContentRef, Places]]:
        """Yield the candidates, each with its places."""
        if len(self._pagers) == 1:
            yield from self._pagers[0]
            return
        last = None
        for ref, _ in merge(*self._pagers):
            if ref != last:
                last = ref
                yield ref, ()


class _Pager:
    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.few = False

    def __iter__(self) -> Iterator[tuple[ContentRef, Places]]:
        size = FIRST_PAGE
        page = self._fetch(size, None)
        self.few = page.complete
        while True:
            yield from zip(page.refs, page.places or ((),) * len(page.refs), strict=True)
            if page.complete:
                return
            size = min(size * _GROWTH, _LAST_PAGE)
            page = self._fetch(size, page.refs[-1] if page.refs else None)
