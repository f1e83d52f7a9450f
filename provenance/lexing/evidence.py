"""How much an alignment says: the measures behind a verdict, and the verdict.

Every measure counts what coincidence would hardly repeat. A symbol whose two predecessors were followed by it n times
before in the same text counts 1/(n+1)², digits taken for one another, and so does a name that differs from n others in
digits alone: tables and chains of alike statements say little however long they are.

- ``structure``: bits of the corresponding symbols: 3 a keyword, 1.5 a string or number, 1.2 an operator, 1 a name.
- ``names``, ``literals``: bits of equal names and of equal strings and numbers, once each: log2 of contents in the
  corpus over contents that hold its rarest word, at most `MOST_BITS` for a literal.
- ``grams``: bits of the fingerprints both texts have inside of the range, by their frequency in the corpus.
- ``verbatim``, ``verbatim_characters``: the longest run of pairs of equal tokens, and the length of these tokens.
- ``pieces``: the share of the query's text, blanks left out, that stands in pieces of `PIECE` characters or more around
  the document's range, comments included, in any order. Of code with changed lines the others stay as they were; this
  is what winnowing of characters counts, of one place of one text.
- ``contents``: in how many contents of the corpus all of this can stand at most.
- ``rival``: the strength of the best source that is no near-duplicate of this one, as a share of this one's. What is
  merely usual code matches several sources alike; a copy matches one, and those that have it from there.
- ``consistent``, ``conflicts``: names that met the same partner before, or another one; ``gaps``: places where symbols
  are missing on a side.

A *match* is one of three things, whose numbers were chosen on the tuning half of benchmarks/quality (see there):
a long verbatim run of tokens that is no table; names that were mostly kept (in a text of few symbols, and in a longer
one), or names that were mostly replaced, with enough evidence.
Evidence is the log-odds of a logistic regression on the square roots of the measures above, with the coverage of the
query and the density of pairs in both ranges; its coefficients may only have the sign that their measure speaks for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from provenance.lexing.alignment import IDENTIFIERS, NUMBERS, STRINGS, Alignment, Symbol

MOST_BITS = 15.0
PIECE = 12
AROUND = 300
"""Bytes of the document looked at for pieces on either side of the range."""
LONGEST_TOKEN = 30
"""What a longer token counts among verbatim characters: one long string is no run of code."""
_KEYWORD, _LITERAL, _OPERATOR, _NAME = 3.0, 1.5, 1.2, 1.0
_DIGITS = b"0123456789"
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

Regime = Literal["verbatim", "pieces", "kept", "renamed"]

VERBATIM_TOKENS = 60
VERBATIM_CHARACTERS = 130
VERBATIM_STRUCTURE = 20.0
"""Bits of structure below which a verbatim run is a table of equal rows; of 2,657 copies judged by their run none has
less than 21."""
KEPT_NAMES = 0.35
"""From this share of equal names on, an alignment is judged as one whose names were kept."""
FEW_SYMBOLS = 90
"""Of a text of so few symbols it is judged by the pieces, too, that stand in the document as they are: more of it is
easily lost between changed lines than of a longer one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measures of one alignment; see the module. ``rival``, ``pieces`` and ``contents`` are known of the best."""

    structure: float
    names: float
    literals: float
    grams: float
    verbatim: int
    verbatim_characters: int
    consistent: int
    conflicts: int
    gaps: int
    missing: int
    symbols: int
    coverage: float
    density: float
    kept: float
    rival: float = 0.0
    pieces: float = 0.0
    contents: int = 1

    @property
    def strength(self) -> float:
        """Return one number to rank sources of the same code by: bits that agree, less what disagrees."""
        agree = self.structure + 0.6 * (self.names + self.literals) + 2 * self.consistent
        return agree - 4 * self.conflicts - 2 * self.gaps - 0.3 * self.missing

    @property
    def regime(self) -> Regime:
        """Return by which rule the alignment is judged."""
        is_long = self.verbatim >= VERBATIM_TOKENS or self.verbatim_characters >= VERBATIM_CHARACTERS
        if is_long and self.structure >= VERBATIM_STRUCTURE:
            return "verbatim"
        if self.kept < KEPT_NAMES:
            return "renamed"
        return "pieces" if self.symbols <= FEW_SYMBOLS else "kept"

    @property
    def measures(self) -> dict[str, float]:
        """Return what the evidence is computed from, by name."""
        root = math.sqrt
        return {
            "structure": root(self.structure),
            "names": root(self.names),
            "literals": root(self.literals),
            "grams": root(self.grams),
            "verbatim": root(self.verbatim_characters),
            "consistent": root(self.consistent),
            "conflicts": root(self.conflicts),
            "gaps": root(self.gaps),
            "coverage": self.coverage,
            "density": self.density,
            "rival": self.rival,
            "pieces": self.pieces,
            "contents": math.log2(max(1, self.contents)),
        }

    @property
    def log_odds(self) -> float:
        """Return the evidence that this is a copy, 0 at the threshold of a match; infinite for a verbatim run."""
        if (regime := self.regime) == "verbatim":
            return math.inf
        weights = WEIGHTS[regime]
        return weights["bias"] + sum(weights[name] * value for name, value in self.measures.items() if name in weights)

    @property
    def is_match(self) -> bool:
        """Tell whether the evidence suffices for a match."""
        return self.log_odds >= 0


ALIKE = -6.5
"""Evidence from which two codes are called alike where a person will look at them: less than a match asks for.

Between coincidence and copies on one half of the rewritten solutions of benchmarks/quality; 1.2 % of novel snippets
reach it against 13,000 files."""
WEIGHTS: dict[Regime, dict[str, float]] = {
    "pieces": {
        "bias": -10.892,
        "names": 0.402,
        "literals": 0.632,
        "consistent": 0.376,
        "conflicts": -1.051,
        "gaps": -0.513,
        "coverage": 4.503,
        "rival": -2.921,
        "pieces": 4.984,
        "contents": -0.606,
    },
    "kept": {
        "bias": -12.3,
        "names": 0.523,
        "literals": 0.81,
        "conflicts": -1.257,
        "gaps": -0.902,
        "coverage": 10.384,
        "rival": -4.244,
    },
    "renamed": {
        "bias": -25.1,
        "literals": 1.033,
        "structure": 1.423,
        "grams": 0.141,
        "conflicts": -1.391,
        "gaps": -0.502,
        "coverage": 8.259,
        "density": 10.134,
        "rival": -6.801,
    },
}
"""Coefficients by regime, set by benchmarks/quality/tune.py; the threshold is in ``bias``.

Beyond what separates the tuning half there is a margin in it: 2.5 by pieces, 0.5 where names were kept, 2.1 where they
were replaced.
"""


def shared_pieces(alignment: Alignment) -> float:
    """Return the share of the query's text that stands in pieces around the document's range: see the module."""
    query, document = alignment.query, alignment.document.text
    low, high = alignment.document_bytes
    ours = b"".join(query.text[query[0].start : query[len(query) - 1].end].split())
    theirs = b"".join(document[max(0, low - AROUND) : high + AROUND].split())
    first: dict[bytes, int] = {}
    for at in range(len(theirs) - PIECE + 1):
        first.setdefault(theirs[at : at + PIECE], at)
    shared = at = 0
    while at + PIECE <= len(ours):
        there = first.get(ours[at : at + PIECE])
        if there is None:
            at += 1
            continue
        end = at + PIECE
        ahead = there - at
        while end < len(ours) and end + ahead < len(theirs) and ours[end] == theirs[end + ahead]:
            end += 1
        shared += end - at
        at = end
    return shared / len(ours)


def weigh(alignment: Alignment, bits_of_token: Callable[[bytes], float], grams: float) -> Evidence:
    """Return the measures of an alignment.

    ``bits_of_token`` gives the rarity of a name or literal in the corpus; ``grams`` is the sum of the bits of the
    shared fingerprints inside of the range.
    """
    query = alignment.query
    kinds = [0, 0, *(_kind(query.text, symbol) for symbol in query)]
    seen: Counter[tuple[int, int, int] | bytes] = Counter()
    forth: dict[int, int] = {}
    back: dict[int, int] = {}
    structure = names = literals = 0.0
    consistent = conflicts = equal_names = all_names = 0
    run = run_characters = verbatim = verbatim_characters = 0
    before = (-2, -2)
    for (i, j), (one, other) in zip(alignment.pairs, alignment.symbols, strict=True):
        worth = _worth(seen, (kinds[i + 1], kinds[i], kinds[i + 2]))
        equal = one.value == other.value
        if one.kind == IDENTIFIERS:
            bits = _NAME
            all_names += 1
            equal_names += equal
            if one.value in forth or other.value in back:
                if forth.get(one.value) == other.value and back.get(other.value) == one.value:
                    consistent += 1
                else:
                    conflicts += 1
                forth.setdefault(one.value, other.value)
                back.setdefault(other.value, one.value)
            else:
                forth[one.value], back[other.value] = other.value, one.value
                if equal:
                    token = query.token(i)
                    names += bits_of_token(token) * _worth(seen, token.translate(None, _DIGITS))
        elif one.kind in (STRINGS, NUMBERS):
            bits = _LITERAL
            if equal and worth == 1:
                literals += min(MOST_BITS, bits_of_token(query.token(i)))
        else:
            bits = _KEYWORD if query.text[one.start] in _LETTERS else _OPERATOR
        structure += bits * worth
        follows = before == (i - 1, j - 1)
        before = (i, j)
        run, run_characters = (run, run_characters) if follows and equal else (0, 0)
        if equal:
            run, run_characters = run + 1, run_characters + min(one.end - one.start, LONGEST_TOKEN)
        verbatim, verbatim_characters = max(verbatim, run), max(verbatim_characters, run_characters)
    pairs = len(alignment.pairs)
    return Evidence(
        structure=structure,
        names=names,
        literals=literals,
        grams=grams,
        verbatim=verbatim,
        verbatim_characters=verbatim_characters,
        consistent=consistent,
        conflicts=conflicts,
        gaps=alignment.gaps,
        missing=alignment.query_length + alignment.document_length - 2 * pairs,
        symbols=len(query),
        coverage=alignment.coverage,
        density=pairs / max(alignment.query_length, alignment.document_length),
        kept=equal_names / all_names if all_names else 1.0,
    )


def _kind(text: bytes, symbol: Symbol) -> int:
    """Return the class of a symbol, which of a digit is that of other numbers here."""
    return NUMBERS if text[symbol.start] in _DIGITS else symbol.kind


def _worth(seen: Counter[tuple[int, int, int] | bytes], what: tuple[int, int, int] | bytes) -> float:
    """Count something, and return what it is worth this time: see the module."""
    seen[what] += 1
    return 1 / seen[what] ** 2
