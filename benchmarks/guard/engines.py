"""Does the guard say the same with another filter and another engine?

    python -m benchmarks.guard.engines FOLDER [COUNT]

Indexes a folder three ways - blocked filter and tantivy, pybloomfiltermmap3's filter and tantivy, blocked filter and a
real Elasticsearch node of its own - and streams the same recitals through `annotate`, `copyleft` and `strict` over
each. Prints one JSON line a preset: answers, spans, and how many answers differ in text, spans, actions or sources.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.guard.scripted import recitals, texts_of, told
from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.guard.guarded import Guard, guarded
from provenance.guard.policy_file import PRESETS
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.search.elasticsearch.cluster import ClusterSettings
from tests.elasticsearch.node import Node

WAYS = {
    "blocked, tantivy": Parameters(),
    "pybloom, tantivy": Parameters(filter="pybloom"),
    "blocked, elasticsearch": Parameters(engine="elasticsearch"),
}


def said(index: Index, preset: str, count: int) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """What each recital becomes: the text let out, and its spans with action, length, licences and sources."""
    found = []
    with Guard(index, replace(PRESETS[preset], attempts=0, budget_seconds=60.0)) as guard:
        for each in recitals(texts_of(index), count):
            answer = guarded(lambda prompt, each=each: each.pieces, guard)(each.prompt)
            spans = [
                (
                    decision.action,
                    decision.span,
                    decision.facts.length,
                    decision.facts.kind,
                    decision.facts.licenses,
                    [source["document"] for span in decision.evidence for source in span["sources"]],
                )
                for decision in answer.decisions
            ]
            found.append((answer.text, spans))
    return found


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    node = Node()
    node.start()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            opened = {}
            for number, (way, parameters) in enumerate(WAYS.items()):
                folder = Path(scratch) / str(number)
                cluster = ClusterSettings(url=node.url) if parameters.engine == "elasticsearch" else None
                source = open_source(sys.argv[1], SourceOptions())
                build([source], folder, corpus_name="demo", workers=1, parameters=parameters, cluster=cluster)
                opened[way] = Index.open(folder)
            for preset in ("annotate", "copyleft", "strict"):
                answers = {way: said(index, preset, count) for way, index in opened.items()}
                first = answers["blocked, tantivy"]
                told(
                    "the same with --filter pybloom and the real Elasticsearch node",
                    "same spans",
                    preset=preset,
                    answers=count,
                    spans=sum(len(spans) for _, spans in first),
                    sources=sum(len(span[-1]) for _, spans in first for span in spans),
                    differ={way: sum(a != b for a, b in zip(first, answers[way], strict=True)) for way in answers},
                )
            for index in opened.values():
                index.close()
    finally:
        node.remove()


if __name__ == "__main__":
    main()
