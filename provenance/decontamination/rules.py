"""The rules that corpora were cleaned with, asked of an index instead of a scan.

- ``substring``: StarCoder's. A part of a problem (statement or solution), blanks at its ends aside, stands in a text,
  whatever the case of its letters; solutions that everybody writes are exempt (Li et al., "StarCoder", 2023, section
  on decontamination names four).
- ``10-gram``: any ten words in a row, white space between them aside, as DeepSeek-Coder's and Qwen2.5-Coder's reports
  describe it; letters count as they are. Words are what white space separates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import re2

from provenance.decontamination.problems import Part, Problem
from provenance.index import Index
from provenance.search.base import Filters
from provenance.search.collecting import Reach
from provenance.search.literal import search_literal
from provenance.search.regex import search_regex
from provenance.search.results import SearchResults

GRAM = 10
TRIVIAL = frozenset({"return x + y", "return len(string)", "return n**2", "return ''.join(strings)"})
"""Solutions that the substring rule passes over."""

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class RuleHit:
    """What a rule found of one part: the range in the problem's text (code points), and the texts that hold it."""

    part: Part
    start: int
    end: int
    found: SearchResults


def substring(index: Index, problem: Problem, filters: Filters, limit: int) -> list[RuleHit]:
    """Return the parts of a problem that stand in the corpus as wholes, whatever the case."""
    hits = []
    for part in problem.parts:
        text = problem.text[part.start : part.end]
        start = part.start + len(text) - len(text.lstrip())
        whole = text.strip()
        if not whole or whole in TRIVIAL:
            continue
        found = search_literal(index, whole, fold_case=True, filters=filters, limit=limit, reach=Reach(count=100))
        if found.hits:
            hits.append(RuleHit(part, start, start + len(whole), found))
    return hits


def ten_grams(index: Index, problem: Problem, filters: Filters, limit: int) -> list[RuleHit]:
    """Return for each part the first ten words in a row that stand in the corpus."""
    hits = []
    for part in problem.parts:
        words = [(m.start(), m.end(), m[0]) for m in _WORD.finditer(problem.text, part.start, part.end)]
        for at in range(len(words) - GRAM + 1):
            run = words[at : at + GRAM]
            pattern = r"\s+".join(re2.escape(word) for _, _, word in run)
            if len(pattern) > 4096:
                continue  # ten words of such length are data; the engine's expressions end there
            found = search_regex(index, pattern, filters=filters, limit=limit, reach=Reach(count=100))
            if found.hits:
                hits.append(RuleHit(part, run[0][0], run[-1][1], found))
                break
    return hits
