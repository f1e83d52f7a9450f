"""What to ask a full-text engine for a range of a text: its words, cut ones with care.

A range cuts words at its ends: what it begins with may be the end of a longer word of the stored text, and so on.
Where words enough lie inside, they alone are asked for; a text that holds the range has them one after another,
so nothing is missed. Where there are too few, or too many texts have them, the cut words are asked for as such.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from provenance.search.base import Phrase
from provenance.search.words import words_with_places

_PHRASE_WORDS = 24
"""Of a long range this many consecutive words are asked for: more cost time and hardly narrow anything."""
_ENOUGH_BYTES = 8
"""So many bytes in whole words are asked for without the cut ones."""


class Phrases:
    """The phrases of ranges of one UTF-8 text; ranges count bytes."""

    def __init__(self, text: bytes) -> None:
        """Find the words of ``text``."""
        decoded = text.decode("utf-8")
        self._words: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        ascii_only = len(decoded) == len(text)
        at = seen = 0
        for word, start, end in words_with_places(decoded):
            if not ascii_only:
                at += len(decoded[seen:start].encode())
                seen = end
                start, end = at, at + len(word.encode())
                at = end
            self._words.append(word)
            self._starts.append(start)
            self._ends.append(end)
        self._text = text

    def around(self, start: int, end: int) -> Iterator[Phrase]:
        """Yield phrases that every text holding [start, end) has, the most telling last; at least one."""
        starts, ends = self._starts, self._ends
        first = bisect_right(ends, start)
        last = bisect_left(starts, end)
        inner_first = first + (first < last and starts[first] <= start)
        inner_last = last - (inner_first < last and ends[last - 1] >= end)
        inner = inner_last - inner_first
        if inner > _PHRASE_WORDS:
            for at in (inner_first + (inner - _PHRASE_WORDS) // 2, inner_first, inner_last - _PHRASE_WORDS):
                yield Phrase(tuple(self._words[at : at + _PHRASE_WORDS]))
            return
        if sum(map(int.__sub__, ends[inner_first:inner_last], starts[inner_first:inner_last])) >= _ENOUGH_BYTES:
            yield Phrase(tuple(self._words[inner_first:inner_last]))
            if inner == last - first:
                return
        words = []
        for number in range(first, last):
            if inner_first <= number < inner_last:
                words.append(self._words[number])
            else:
                # A range may begin or end inside a character, too; what is left of that character is no part of a word.
                part = self._text[max(starts[number], start) : min(ends[number], end)].decode("utf-8", "ignore")
                if part:
                    words.append(part)
        cut_first = first < last and starts[first] <= start
        cut_last = first < last and ends[last - 1] >= end
        yield Phrase(tuple(words), first_cut=cut_first and bool(words), last_cut=cut_last and bool(words))
