"""Search and trace give one answer, whichever engine an index has: documents, spans and counts.

``PROVENANCE_QUESTIONS=1000`` asks more than a test run does.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.reports import contract
from provenance.search.base import Filters
from provenance.search.collecting import Reach
from provenance.search.elasticsearch.cluster import ClusterSettings
from provenance.search.literal import search_literal
from provenance.search.ranked import search_words
from provenance.search.regex import search_regex
from provenance.search.words import words_of
from provenance.tracing import trace
from tests.elasticsearch.node import Node

QUESTIONS = int(os.environ.get("PROVENANCE_QUESTIONS", "100"))
FILTERS = (Filters(), Filters(repositories=("cpython",)), Filters(licenses=("MIT",)), Filters(paths=("*.py",)))
WHOLE: dict[str, Any] = {"limit": 50, "reach": Reach(count=None, facets=True)}


@pytest.fixture(scope="module")
def both(
    demo_index: Path, demo_sources: Path, elasticsearch_node: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Index, Index]]:
    """The demo corpus with the embedded engine and on a cluster, texts in the folder."""
    folder = tmp_path_factory.mktemp("cluster") / "index"
    build(
        [open_source(str(demo_sources), SourceOptions(each_folder=True))],
        folder,
        parameters=Parameters(engine="elasticsearch"),
        cluster=ClusterSettings(elasticsearch_node.url),
        corpus_name="demo",
        corpus_revision="r1",
        workers=1,
    )
    with Index.open(demo_index) as embedded, Index.open(folder) as cluster:
        assert embedded.digest == cluster.digest
        yield embedded, cluster


def cut(texts: list[str], generator: random.Random, shortest: int, longest: int) -> str:
    length = generator.randint(shortest, longest)
    text = generator.choice([each for each in texts if len(each) >= length])
    start = generator.randrange(len(text) - length + 1)
    return text[start : start + length]


def questions(texts: list[str], count: int) -> Iterator[Callable[[Index], Any]]:
    """Yield questions of all kinds, in turn, about texts cut anywhere."""
    generator = random.Random(5)
    for number in range(count):
        filters = FILTERS[number // 8 % len(FILTERS)]
        literal, snippet = cut(texts, generator, 5, 40), cut(texts, generator, 250, 250)
        other = cut(texts, generator, 120, 400)
        found = words_of(cut(texts, generator, 60, 60)) or ["self"]
        words = " ".join(generator.sample(found, min(3, len(found))))
        pattern = re.sub(r"\d+", r"\\d+", re.sub(r"([^\w\s])", r"\\\1", literal)) if literal.isascii() else r"def \w+\("
        kinds: tuple[Callable[[Index], Any], ...] = (
            lambda index, q=literal, f=filters: search_literal(index, q, filters=f, **WHOLE),
            lambda index, q=snippet, f=filters: search_literal(index, q, filters=f, **WHOLE),
            lambda index, q=literal, f=filters: search_literal(index, q, filters=f, fold_case=True, **WHOLE),
            lambda index, q=words, f=filters: search_words(index, q, filters=f, **WHOLE),
            lambda index, q=pattern, f=filters: search_regex(index, q, filters=f, **WHOLE),
            lambda index, q=snippet: contract.trace_result("q", trace(index, q)),
            lambda index, q=snippet, o=other: contract.trace_result("q", trace(index, f"{o}\n# new\n{q}\nend()")),
            lambda index, q=snippet: contract.trace_result("q", trace(index, "\n".join(map(str.strip, q.split("\n"))))),
        )
        yield kinds[number % len(kinds)]


def test_both_engines_give_one_answer(both: tuple[Index, Index]) -> None:
    embedded, cluster = both
    texts = [text for text in (embedded.text(ref).decode() for ref in embedded.refs()) if len(text) > 400]
    for number, ask in enumerate(questions(texts, QUESTIONS)):
        expected, found = ask(embedded), ask(cluster)
        assert found == expected, number
