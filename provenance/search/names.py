"""Names in filters that nobody knows: they explain why nothing was found."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice

from provenance.errors import ParameterError
from provenance.index import Index
from provenance.languages import LANGUAGES
from provenance.records import KINDS
from provenance.search.base import Filters
from provenance.search.filtering import fold_keyword
from provenance.search.results import SearchResults

_LOOKED_AT = 20_000
"""Texts looked at for a kind of the corpus' own, which engines do not know."""


def refuse_unknown_names(index: Index, filters: Filters, found: SearchResults) -> None:
    """Raise `ParameterError` where nothing was found and a kind or language is known neither here nor to the index.

    The message has the nearest names, and not what was given: servers do not repeat what they were asked.
    """
    if found.total.value or not found.total.exact:
        return
    for number, kind in enumerate(filters.kinds, 1):
        if kind not in KINDS and not _stands_in(index, kind):
            said = f"nothing of this kind was found; kinds are {', '.join(KINDS)}"
            raise ParameterError(f"{_which('kind', number, len(filters.kinds))}: {said}")
    known = {fold_keyword(language): language for language in LANGUAGES}
    for number, language in enumerate(filters.languages, 1):
        folded = fold_keyword(language)
        if folded not in known and not index.engine.frequencies("language", [folded])[0]:
            near = [known[each] for each in get_close_matches(folded, known, cutoff=0.5)]
            said = f"the nearest are {', '.join(near)}" if near else "names are those of GitHub's linguist"
            which = _which("language", number, len(filters.languages))
            raise ParameterError(f"{which}: this index has no documents in a language of this name; {said}")


def _stands_in(index: Index, kind: str) -> bool:
    """Tell whether some document has a kind, of the texts that are looked at."""
    refs = islice(index.refs(), _LOOKED_AT)
    return any(source.kind == kind for ref in refs for _, source in index.sources(ref))


def _which(name: str, number: int, count: int) -> str:
    return name if count == 1 else f"{name} {number} of {count}"
