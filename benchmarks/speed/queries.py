"""How long does a question take, over a whole corpus and in a warm process?

Data: the index of `benchmarks.speed.building`. Questions are cut from its own texts at random places, the same ones
in every run: snippets of 250 characters for check and trace, literals of 5 to 40 characters, cut anywhere, for
search. Each is asked once, after as many others have been asked.

    python -m benchmarks.speed queries --index FOLDER
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.speed.measuring import Figures, percentile
from provenance.checking import check
from provenance.index import Index
from provenance.search.literal import search_literal
from provenance.tracing import trace

_LEAST = 5
"""Questions of a kind, for fewer of which there are no figures."""
# A text is chosen evenly among all files, or by its length: half of the Linux source are headers of up to 15 MB that a
# program wrote, and a byte taken at random stands in one of those.
TARGETS: dict[str, dict[str, float]] = {"trace": {"p50": 5, "p99": 20}, "search": {"p50": 5, "p99": 150}}


def questions(
    index: Index, count: int, lengths: Callable[[], int], chosen: random.Random, *, by_length: bool = False
) -> list[str]:
    """Return strings that stand in the corpus, each from a text chosen evenly, or ``by_length``."""
    refs = list(index.refs())
    sizes = [len_of(index, ref) if by_length else 1 for ref in refs]
    found: list[str] = []
    for ref in chosen.choices(refs, weights=sizes, k=count * 2):
        text = index.text(ref).decode("utf-8", "replace")
        length = lengths()
        if len(text) > length and len(found) < count:
            start = chosen.randrange(len(text) - length)
            part = text[start : start + length]
            if part.strip():
                found.append(part)
    return found


def len_of(index: Index, ref: tuple[int, int]) -> int:
    return index.segments[ref[0]].text_length(ref[1])


def run(figures: Figures, index_folder: Path, full: bool) -> None:
    count = 1000 if full else 200
    chosen = random.Random(8)
    with Index.open(index_folder) as index:
        snippets = questions(index, 2 * count, lambda: 250, chosen)
        literals = questions(index, 2 * count, lambda: chosen.randint(5, 40), chosen)
        by_length = questions(index, count // 2, lambda: 250, chosen, by_length=True)
        literals_by_length = questions(index, count // 2, lambda: chosen.randint(5, 40), chosen, by_length=True)

        def traced(text: str) -> bool:
            return bool(trace(index, text).spans)

        def searched(text: str) -> bool:
            return bool(search_literal(index, text, limit=10).hits)

        for name, asked, answer in (
            ("check", snippets, lambda text: check(index, text).verdict == "possible_match"),
            ("trace", snippets, traced),
            ("search", literals, searched),
            ("trace, texts by length", by_length, traced),
            ("search, texts by length", literals_by_length, searched),
        ):
            half = len(asked) // 2
            if half < _LEAST:
                print(f"queries: {name} is left out: the texts are too few or too short to cut {_LEAST} questions from")
                continue
            for text in asked[half:]:
                answer(text)
            spent, found = [], 0
            for text in asked[:half]:
                begun = time.perf_counter()
                found += answer(text)
                spent.append((time.perf_counter() - begun) * 1000)
            for label, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
                # Five parts of the questions show how far the percentile moves.
                fifths = [percentile(spent[part::5], share) for part in range(5)]
                figures.add(
                    "queries",
                    f"{name} {label}",
                    "ms",
                    [percentile(spent, share)],
                    at_most=TARGETS.get(name, {}).get(label),
                    note=f"{found} of {len(spent)} found; fifths {min(fifths):.2f} to {max(fifths):.2f}",
                )
            figures.add("queries", f"{name} mean", "ms", [statistics.mean(spent)])
