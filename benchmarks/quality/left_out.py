"""Alarms on indexed repositories without themselves: python -m benchmarks.quality.left_out --work DIR

Question: of code of one repository, how often does `trace` raise an alarm for another one, and how near is the rest?
Data: functions of the tuning half's indexed repositories that have no near-duplicate in another repository, each asked
with its own repository excluded. So indexed repositories give negatives, too.
A snippet with a run of 150 characters or more in another repository is left out, as in `queries.novel`.
Prints the alarms, and how many snippets come within 1, 2 and 3 of evidence of one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from benchmarks.quality.corpus import File, load, split
from benchmarks.quality.fetch import fetch
from benchmarks.quality.indexed import Traced
from benchmarks.quality.queries import NEGATIVE_LENGTHS, Cutter, Query
from benchmarks.quality.truth import VERBATIM, Truth
from provenance.attribution import attributions
from provenance.code_index import IndexedCode
from provenance.index import Index
from provenance.records import Span
from provenance.search.base import Filters
from provenance.traced import Catalogue
from provenance.tracing import trace

_index: Index


class Answer(NamedTuple):
    """Whether something stands in another repository as it is; the alarms' sources; the strongest evidence."""

    verbatim: bool
    alarms: list[str]
    evidence: float


def snippets(files: list[File], truth: Truth, number: int) -> list[Query]:
    """Return up to ``number`` snippets a language and length whose function is in one repository alone."""
    holders: dict[int, set[str]] = defaultdict(set)
    for function, cluster in zip(truth.functions, truth.cluster, strict=True):
        if split(repository := files[function.file].repository).indexed:
            holders[cluster].add(repository)
    cutter = Cutter(files, truth, indexed=True, tuning=True)
    generator = random.Random(4)
    found: dict[bytes, Query] = {}
    for language in cutter.languages:
        for length in NEGATIVE_LENGTHS:
            for _ in range(number):
                cut = cutter.cut(language, length, generator)
                if cut is not None and len(holders[truth.cluster[cut[1].function]]) == 1:
                    snippet, origin = cut
                    repository = files[origin.file].repository
                    found[snippet.text] = Query("left out", snippet.text, language, repository, origin)
    return list(found.values())


def open_index(folder: Path) -> None:
    """Open the index that this process asks."""
    global _index
    _index = Index.open(folder)


def ask(query: Query) -> Answer:
    """Trace a snippet without its repository."""
    index = _index
    spans = trace(index, query.text, exclude_repositories=[query.repository]).spans
    catalogue = Catalogue(index, Filters(exclude_repositories=(query.repository,)))
    found = [each for each in attributions(IndexedCode(index, catalogue.has_documents), query.text) if each]
    return Answer(
        any(each.kind in ("exact", "layout") and _length(query.text, each.span) >= VERBATIM for each in spans),
        [each.sources[0].source.repository for each in spans if not each.span.common],
        max((each.matches[0].evidence.log_odds for each in found if not each.common), default=float("-inf")),
    )


def _length(text: bytes, span: Span) -> int:
    return len(b" ".join(text[span.start_byte : span.end_byte].split()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/quality"))
    parser.add_argument("--number", type=int, default=330, help="snippets a language and length")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    fetch(arguments.work / "archives", "packages")
    files = load(arguments.work, "packages")
    truth = Truth(files, arguments.work)
    asked = snippets(files, truth, arguments.number)
    folder = arguments.work / f"index-tantivy-{truth.stamp}"
    Traced(files, folder)
    with multiprocessing.get_context("fork").Pool(arguments.processes, open_index, (folder,)) as pool:
        answers = pool.map(ask, asked, chunksize=32)
    judged = [(query, answer) for query, answer in zip(asked, answers, strict=True) if not answer.verbatim]
    alarms = [(query, answer) for query, answer in judged if answer.alarms]
    near = [sum(-reach <= answer.evidence for _, answer in judged) for reach in (1, 2, 3)]
    print(
        f"{len(alarms)} of {len(judged)} alarm ({len(asked) - len(judged)} left out); evidence from -1, -2, -3: {near}"
    )
    for query, answer in alarms:
        print(f"\n{query.language} {query.repository} -> {answer.alarms}\n{query.text.decode()}")


if __name__ == "__main__":
    main()
