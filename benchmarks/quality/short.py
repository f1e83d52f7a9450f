"""What do 30 tokens tell? python -m benchmarks.quality.short --work DIR

Question: winnowing of characters finds more copies of 30 tokens than `trace`. At what rate of alarms?
Data: the tuning half: snippets of 30 tokens of repositories that are not indexed, and copies of 30 tokens under every
transformation. Winnowing is asked with the threshold it has for 60 to 240 tokens, and with one that gives at most the
same rate of alarms at 30.
Prints alarms, and how many copies each finds: alarm, and the first place in a right file.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.quality.baselines import SharedFeatures, set_threshold, winnowed_characters
from benchmarks.quality.corpus import load, split
from benchmarks.quality.indexed import Traced
from benchmarks.quality.queries import TRANSFORMATIONS, Query, novel, positives
from benchmarks.quality.run import ALARM_RATE
from benchmarks.quality.tool import Answer
from benchmarks.quality.truth import Truth, Verbatim

LENGTH = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/quality"))
    parser.add_argument("--number", type=int, default=25, help="copied snippets a language")
    parser.add_argument("--negatives", type=int, default=6000)
    arguments = parser.parse_args()
    files = load(arguments.work, "packages")
    truth = Truth(files, arguments.work)
    verbatim = Verbatim({n: file.text for n, file in enumerate(files) if split(file.repository).indexed})
    longer, _ = novel(files, truth, verbatim, tuning=True, number=arguments.negatives)
    foreign, _ = novel(files, truth, verbatim, tuning=True, number=arguments.negatives, lengths=(LENGTH,))
    copies = positives(files, truth, tuning=True, number=arguments.number, lengths=(LENGTH,))

    def show(name: str, ask: Callable[[bytes], Answer]) -> None:
        alarms = sum(ask(query.text).alarm for query in foreign)
        found = Counter(query.set for query in copies if _is_found(query, ask(query.text)))
        of = Counter(query.set for query in copies)
        shares = ", ".join(f"{each} {100 * found[each] / of[each]:.1f}" for each in TRANSFORMATIONS)
        print(f"{name}: {alarms} of {len(foreign)} alarm; found, per cent: {shares}", flush=True)

    def _is_found(query: Query, answer: Answer) -> bool:
        assert query.origin is not None
        cut = files[query.origin.file].text[query.origin.start : query.origin.end]
        first = answer.places[0] if answer.alarm and answer.places else None
        return first is not None and truth.is_right(query.origin, verbatim.holders(cut), first)

    show("trace", Traced(files, arguments.work / f"index-tantivy-{truth.stamp}").ask)
    winnowing = SharedFeatures("winnowing of characters", winnowed_characters, files)
    set_threshold(winnowing, [query.text for query in longer], ALARM_RATE)
    show("winnowing, threshold of longer snippets", winnowing.ask)
    set_threshold(winnowing, [query.text for query in foreign], ALARM_RATE)
    show(f"winnowing, threshold of {LENGTH} tokens", winnowing.ask)


if __name__ == "__main__":
    main()
