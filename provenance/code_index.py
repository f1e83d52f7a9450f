"""An index as attribution asks it (`attribution.CodeIndex`): frequencies, candidates, and stored texts lexed.

Everything counts over the whole index. A text that stands in two segments counts twice among frequencies and is a
candidate once: where its address is lowest. What nobody may see is no candidate.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from provenance.lexing.alignment import Code
from provenance.lexing.languages import family_of_stored
from provenance.records import ContentRef
from provenance.search.base import TIED, Field

if TYPE_CHECKING:
    from provenance.index import Index

LARGEST_TEXT = 4 << 20
"""Longer stored texts are no candidates: lexing one takes 30 ms, and 24 bytes for every four of it."""
CACHE_BYTES = 128 << 20
"""Lexed texts kept by an open index."""


class StoredCode:
    """Lexed stored texts of one index, the last used kept up to a number of bytes; for many threads."""

    def __init__(self, index: Index, cache_bytes: int = CACHE_BYTES) -> None:
        """Keep up to ``cache_bytes`` of texts and symbols."""
        self._index = index
        self._room = cache_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[ContentRef, Code] = OrderedDict()

    def __call__(self, ref: ContentRef) -> Code:
        """Return the lexed text of a content. Raises `CorruptFile`, `StorageError`."""
        with self._lock:
            code = self._kept.get(ref)
            if code is not None:
                self._kept.move_to_end(ref)
                return code
        text = self._index.text(ref)
        # As when it was indexed: by the first document, withdrawn or not.
        source = self._index.segments[ref.segment].sources(ref.content)[0][1]
        code = Code.of(text, family_of_stored(text, source))
        with self._lock:
            if ref not in self._kept:
                self._kept[ref] = code
                self._room -= _size(code)
                while self._room < 0 and len(self._kept) > 1:
                    self._room += _size(self._kept.popitem(last=False)[1])
        return code


class IndexedCode:
    """The contents of an index that count for one query; fulfils `attribution.CodeIndex`."""

    def __init__(self, index: Index, visible: Callable[[ContentRef], bool]) -> None:
        """Take an index with fingerprints; contents that are not ``visible`` are no candidates."""
        self._index = index
        self._engine = index.engine
        self._visible = visible

    @property
    def contents(self) -> int:
        """Return the number of stored contents."""
        return self._index.contents

    def frequencies(self, field: Field, words: Sequence[str]) -> list[int]:
        """Return for each word how many contents hold it."""
        return self._engine.frequencies(field, words)

    def weighted(self, field: Field, weights: Mapping[str, float], limit: int) -> list[ContentRef]:
        """Return the contents with the largest sum of the weights of the words they hold, ties by address."""
        asked = limit
        while True:
            found = self._engine.weighted(field, weights, asked)
            distinct: dict[bytes, ContentRef] = {}
            for ref, _ in found:
                if len(distinct) == limit:
                    break
                identity = self._index.content_id(ref)
                if identity not in distinct and self._counts(ref):
                    distinct[identity] = ref
            if len(distinct) == limit or len(found) < asked or asked >= TIED:
                self._index.expect((ref, 0, None) for ref in distinct.values())
                return list(distinct.values())
            asked = min(4 * asked, TIED)

    def code(self, ref: ContentRef) -> Code:
        """Return the lexed text of a content."""
        return self._index.code(ref)

    def _counts(self, ref: ContentRef) -> bool:
        return self._visible(ref) and self._index.text_length(ref) <= LARGEST_TEXT


def _size(code: Code) -> int:
    return len(code.text) + len(code.packed)
