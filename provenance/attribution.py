"""Where code comes from that was edited: candidates by fingerprints and rare words, aligned, weighed, judged.

`tracing` finds what stands in the corpus as it is, white space aside. Here the text is cut into units (a short text is
one), and for each unit the contents that share its rarest fingerprints and its rarest words are aligned with it.
What is found is a range of the text, the sources that match it, best first, and how much speaks for a copy.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from provenance.intervals import Intervals
from provenance.lexing.alignment import Alignment, Code, align
from provenance.lexing.evidence import Evidence, shared_pieces, weigh
from provenance.lexing.fingerprints import fingerprints
from provenance.lexing.languages import FAMILIES, Family, by_path, detect
from provenance.lexing.lexer import opening
from provenance.lexing.units import SMALLEST, units
from provenance.records import ContentRef
from provenance.search.base import Field
from provenance.search.words import words_of

CANDIDATES = 12
"""Contents aligned for a unit. On 13,000 files half of each kind already holds the source of 99 % of the snippets."""
WEIGHED = 6
"""Alignments weighed for a unit: those with the most equal pairs."""
NEAR = 0.5
"""Share of their runs of three tokens that two sources of the same code have in common if one is from the other."""
RARE_WORDS = 12
"""Words of a unit that are looked up: the rarest."""
LONGEST_TOKEN = 512
"""Bytes of a token whose words are looked at."""
PROSE = FAMILIES["text"]
"""A text of that family may hold code of any other: its language is detected."""
LARGEST_SHARE = 0.05
FEWEST = 64
"""Words and fingerprints in more than this share of all contents, and in more than so many, find no candidates."""
LEFT = 60
"""Symbols beside a match in a short text that are looked at by themselves."""
GROUP_SHARE = 0.9
"""Sources of at least this share of the best one's strength are near-duplicates of it."""
COMMON_CONTENTS = 50
"""A range whose rarest fingerprint or word stands in so many contents is common."""


class CodeIndex(Protocol):
    """What attribution asks of an index."""

    @property
    def contents(self) -> int:
        """Return the number of contents."""
        ...

    def frequencies(self, field: Field, words: Sequence[str]) -> list[int]:
        """Return for each word how many contents hold it."""
        ...

    def weighted(self, field: Field, weights: Mapping[str, float], limit: int) -> list[ContentRef]:
        """Return the contents with the largest sum of the weights of the words they hold, ties by address."""
        ...

    def code(self, ref: ContentRef) -> Code:
        """Return the lexed text of a content."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """One content that matches a part of the text."""

    ref: ContentRef
    alignment: Alignment
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Attribution:
    """A part of the text, in bytes, and the contents it may come from, best first.

    The first is the best; the others are near-duplicates of it in this part. ``contents`` bounds from above in how many
    contents all of this stands: where the rarest shared fingerprint or word stands. ``common``: these are many.
    """

    start: int
    end: int
    matches: tuple[Match, ...]
    contents: int
    common: bool

    @property
    def verdict(self) -> Literal["match", "possible_match"]:
        """Return ``match`` where the evidence of the best suffices."""
        return "match" if self.matches[0].evidence.is_match else "possible_match"


def attribute(index: CodeIndex, text: bytes, path: str | None = None) -> list[Attribution]:
    """Return what is found for each unit of ``text`` (UTF-8), ascending; units of which nothing is found are left out.

    The language is that of ``path`` if it has a known extension, else what the text looks like.
    """
    found = [result for result in attributions(index, text, path) if result is not None]
    return sorted(found, key=lambda result: (result.start, result.end))


def attributions(
    index: CodeIndex, text: bytes, path: str | None = None, *, covered: Intervals | None = None
) -> Iterator[Attribution | None]:
    """Yield what is found for each unit of ``text``, None for nothing: `attribute` unit by unit, as far as is wanted.

    ``covered`` are ranges of the text, in bytes, of which enough is known: units that hold little else are left out.
    Of a text of one unit, what lies beside a match is looked at once more.
    """
    known = by_path(path) if path else None
    if known == PROSE:
        known = None
    family = known or detect(text.decode("utf-8", "replace"))
    code = Code.of(text, family, opening(text, family))
    readings = _Readings(code, guessed=known is None)
    waiting = units(code)[::-1]
    one_unit = len(waiting) == 1
    while waiting:
        first, end = waiting.pop()
        if covered and _uncovered(code, first, end, covered) < min(SMALLEST, (end - first + 1) // 2):
            continue
        found = _attribute(index, code.part(first, end), readings)
        yield found
        if one_unit and found is not None and found.verdict == "match":
            parts = (first, _symbol_at(code, found.start)), (_symbol_at(code, found.end), end)
            waiting += [part for part in parts if part[1] - part[0] >= LEFT]


def compare(index: CodeIndex, text: bytes, ref: ContentRef, path: str | None = None) -> Evidence | None:
    """Return how much speaks for a whole text and one content being one code, None where nothing corresponds.

    Only the two are compared, rarity is that of the corpus, and there are no rivals; see `evidence.ALIKE`. Of a long
    text the first 1,024 symbols count.
    """
    document = index.code(ref)
    family = (by_path(path) if path else None) or document.family
    alignment = align(Code.of(text, family, opening(text, family)), document)
    if alignment is None:
        return None
    rarity = _Rarity(index)
    shared = _shared(alignment)
    rarity.learn("fingerprints", shared)
    rarity.learn("words", {word for token in alignment.equal_tokens for word in _words(token)})
    evidence = weigh(alignment, rarity.of_token, sum(rarity.gram_bits(word) for word in shared))
    return replace(evidence, pieces=shared_pieces(alignment), contents=rarity.holders(shared, alignment.equal_tokens))


def _uncovered(code: Code, first: int, end: int, covered: Intervals) -> int:
    return sum(not covered.has_around(code[symbol].start, code[symbol].end) for symbol in range(first, end))


def _symbol_at(code: Code, at: int) -> int:
    """Return the first symbol that starts at a byte or behind it."""
    return bisect_left(range(len(code)), at, key=lambda symbol: code[symbol].start)


class _Readings:
    """A text as other families read it: where its language was guessed, a document may know better."""

    def __init__(self, code: Code, *, guessed: bool) -> None:
        self._guessed = guessed
        self._codes = {code.family.name: code}

    def of(self, unit: Code, family: Family) -> Code:
        """Return the unit, read as the family of a document where the language of the text was guessed."""
        if not self._guessed or family == unit.family or not len(unit):
            return unit
        code = self._codes.get(family.name)
        if code is None:
            code = self._codes[family.name] = Code.of(unit.text, family, opening(unit.text, family))
        return code.part(_symbol_at(code, unit[0].start), _symbol_at(code, unit[len(unit) - 1].end))


def _attribute(index: CodeIndex, unit: Code, readings: _Readings) -> Attribution | None:
    rarity = _Rarity(index)
    prints = fingerprints(unit.packed)
    rarity.learn("fingerprints", prints)
    words = {word for i in range(len(unit)) for word in _words(unit.token(i))}
    rarity.learn("words", words)
    aligned: list[tuple[float, ContentRef, Alignment]] = []
    for ref in _candidates(index, rarity, prints, words):
        document = index.code(ref)
        if alignment := align(readings.of(unit, document.family), document):
            aligned.append((_first_look(alignment), ref, alignment))
    aligned.sort(key=lambda entry: (-entry[0], entry[1]))
    weighed = [(ref, alignment, _shared(alignment)) for _, ref, alignment in aligned[:WEIGHED]]
    # A query's symbols may be other ones as another family reads them.
    rarity.learn("fingerprints", {word for _, _, shared in weighed for word in shared})
    tokens = {token for _, alignment, _ in weighed for token in alignment.equal_tokens}
    rarity.learn("words", {word for token in tokens for word in _words(token)})
    matches: list[Match] = []
    rarest: dict[ContentRef, int] = {}
    for ref, alignment, shared in weighed:
        evidence = weigh(alignment, rarity.of_token, sum(rarity.gram_bits(word) for word in shared))
        rarest[ref] = rarity.holders(shared, alignment.equal_tokens)
        matches.append(Match(ref, alignment, evidence))
    matches.sort(key=lambda match: (-match.evidence.strength, not _same_text(match.alignment), match.ref))
    if not matches or matches[0].evidence.strength <= 0:
        return None
    best, others = matches[0], matches[1:]
    near = [match for match in others if _are_near(best.alignment, match.alignment)]
    rival = max((match.evidence.strength for match in others if match not in near), default=0.0)
    contents = rarest[best.ref]
    evidence = replace(
        best.evidence,
        rival=max(0.0, rival / best.evidence.strength),
        pieces=shared_pieces(best.alignment),
        contents=contents,
    )
    best = replace(best, evidence=evidence)
    start, end = best.alignment.query_bytes
    close = (best, *(match for match in near if match.evidence.strength >= GROUP_SHARE * best.evidence.strength))
    return Attribution(start, end, close, contents, contents >= COMMON_CONTENTS)


class _Rarity:
    """How rare the words and fingerprints of one unit are."""

    def __init__(self, index: CodeIndex) -> None:
        self._index = index
        self._total = max(1, index.contents)
        self._known: dict[Field, dict[str, int]] = {"words": {}, "fingerprints": {}}

    def learn(self, field: Field, words: Iterable[str]) -> None:
        asked = sorted(set(words) - self._known[field].keys())
        if asked:
            self._known[field].update(zip(asked, self._index.frequencies(field, asked), strict=True))

    def contents(self, field: Field, word: str) -> int:
        return self._known[field].get(word, 0)

    def weights(self, field: Field, words: Iterable[str]) -> dict[str, float]:
        """Return the weights of those words that some contents hold, and not too many, in 64ths."""
        most = max(FEWEST, LARGEST_SHARE * self._total)
        counts = ((word, self.contents(field, word)) for word in words)
        bits = ((word, math.log2(1 + self._total / count)) for word, count in counts if 0 < count <= most)
        return {word: round(64 * weight) / 64 for word, weight in bits}

    def gram_bits(self, word: str) -> float:
        return math.log2(1 + self._total / max(1, self.contents("fingerprints", word)))

    def holders(self, shared: Iterable[str], tokens: Iterable[bytes]) -> int:
        """Return in how many contents the rarest of these fingerprints, or of the words of these tokens, stands."""
        grams = [self.contents("fingerprints", word) for word in shared]
        words = [self.contents("words", word) for token in tokens for word in _words(token)]
        return min(filter(None, grams + words), default=0)

    def of_token(self, token: bytes) -> float:
        """Return the bits of a name or literal: those of its rarest word; 0 without a word."""
        counts = [self.contents("words", word) for word in _words(token)]
        return max(0.0, math.log2(self._total / (1 + min(counts)))) if counts else 0.0


def _candidates(
    index: CodeIndex, rarity: _Rarity, prints: Mapping[str, object], words: Iterable[str]
) -> list[ContentRef]:
    """Return the best contents by fingerprints and by rare words, taken in turn."""
    of_words = rarity.weights("words", (word for word in words if not word.isdigit()))
    rarest = dict(sorted(of_words.items(), key=lambda entry: (-entry[1], entry[0]))[:RARE_WORDS])
    of_prints = rarity.weights("fingerprints", prints)
    by_prints = index.weighted("fingerprints", of_prints, CANDIDATES) if of_prints else []
    by_words = index.weighted("words", rarest, CANDIDATES) if rarest else []
    in_turn = [ref for place in range(CANDIDATES) for refs in (by_prints, by_words) for ref in refs[place : place + 1]]
    return list(dict.fromkeys(in_turn))[:CANDIDATES]


def _first_look(alignment: Alignment) -> float:
    equal = sum(one.value == other.value for one, other in alignment.symbols)
    return len(alignment.pairs) + 0.5 * equal - 1.5 * alignment.gaps


def _same_text(alignment: Alignment) -> bool:
    """Tell whether the ranges are equal but for white space."""
    query, document = alignment.query.text, alignment.document.text
    return query[slice(*alignment.query_bytes)].split() == document[slice(*alignment.document_bytes)].split()


def _are_near(one: Alignment, other: Alignment) -> bool:
    """Tell whether the documents' ranges are near-duplicates of each other: see `NEAR`."""
    left, right = (_runs(alignment) for alignment in (one, other))
    return len(left & right) >= NEAR * len(left | right)


def _runs(alignment: Alignment) -> set[tuple[int, int, int]]:
    document = alignment.document
    values = [document[j].value for j in range(alignment.pairs[0][1], alignment.pairs[-1][1] + 1)]
    return set(zip(values, values[1:], values[2:], strict=False))


def _shared(alignment: Alignment) -> list[str]:
    """Return the fingerprints that both aligned ranges have."""
    first, last = alignment.pairs[0], alignment.pairs[-1]
    there = fingerprints(alignment.document.part(first[1], last[1] + 1).packed)
    return [word for word in fingerprints(alignment.query.part(first[0], last[0] + 1).packed) if word in there]


def _words(token: bytes) -> list[str]:
    """Return the words of a token; of a very long one, a string of data, the first."""
    words = words_of(token[:LONGEST_TOKEN].decode("utf-8", "replace"))
    return words[:-1] if len(token) > LONGEST_TOKEN else words
