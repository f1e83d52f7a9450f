"""Does a copy get past the guard, when is it noticed, and what does that cost answers that copy nothing?

    python -m benchmarks.guard.recitation INDEX [COUNT]

The scripted model recites the index's texts in prose and code, in other layout too, cut as tokens are; and it writes
functions that nobody has written. Prints one JSON line a claim:

- `strict`: runs of at least the floor that are let out, by exact scan; answers that copy nothing and are altered;
- hold-back: the most of a copy that a client has seen at any moment, in normalised characters;
- detection: fed one character at a time, how far a copy goes before the scanner has a span long enough to be judged.

INDEX should be small (a few MB of text): the scan is exact.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.guard.scripted import Recital, cut, function, recitals, runs, texts_of, told
from provenance.guard.guarded import Guard, guarded
from provenance.guard.policy_file import PRESETS
from provenance.guard.scanner import Scanner
from provenance.index import Index
from provenance.windows import check_floor


def provoked(index: Index, texts: Sequence[str], made: Sequence[Recital], floor: int) -> None:
    said = {each.prompt: each for each in made}
    unguarded = runs(texts, ["".join(each.pieces) for each in made], floor)
    with Guard(index, replace(PRESETS["strict"], attempts=0)) as guard:
        speak = guarded(lambda prompt: said[prompt].pieces, guard)
        whole = [speak(prompt) for prompt in said]
        streamed = ["".join(speak.stream(prompt)) for prompt in said]
    told(
        "strict, prompts that provoke recitation",
        "0 runs of the floor emitted",
        floor=floor,
        prompts=len(made),
        runs_unguarded=len(unguarded),
        runs_emitted=len(runs(texts, [each.text for each in whole], floor)),
        ended=sum(each.ending != "complete" for each in whole),
    )
    seen = runs(texts, streamed, 32)
    told(
        "hold-back: nothing past the floor reaches the client",
        "0",
        streams=len(streamed),
        past_the_floor=sum(length >= floor for length in seen),
        longest_seen=max(seen, default=0),
    )


def harmless(index: Index, count: int) -> None:
    rng = random.Random(5)
    altered = 0
    with Guard(index, PRESETS["strict"]) as guard:
        for seed in range(count):
            text = f"Here is one way to do it:\n\n```python\n{function(10_000 + seed)}```\nIt takes {seed} steps.\n"
            answer = guarded(lambda prompt, text=text: cut(text, rng), guard)("p")
            altered += answer.text != text
    told(
        "strict, prompts that do not provoke it",
        ">= 99 % useful",
        answers=count,
        altered=altered,
        useful=1 - altered / count,
    )


def noticed(index: Index, made: Sequence[Recital], floor: int) -> None:
    delays = []
    for each in made:
        scanner = Scanner(index)
        scanner.feed("Quiz: vexing jukebox fjord, nymph waltz.\n")
        begun = scanner.normalised + 1  # for the white space that waits
        for character in each.copied:
            before = scanner.normalised
            growing = scanner.feed(character).growing
            if any(span.longest >= scanner.min_chars for span in growing):
                # One character may bring several bytes: those of its own, and white space that waited for it.
                delays.append(before + 1 - begun)
                break
    delays.sort()
    told(
        "detection after the copy starts",
        "<= floor, always",
        copies=len(made),
        noticed=len(delays),
        floor=floor,
        median=delays[len(delays) // 2],
        most=delays[-1],
        later_than_the_floor=sum(delay > floor for delay in delays),
    )


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with Index.open(sys.argv[1]) as index:
        texts = texts_of(index)
        floor = check_floor(index.geometry, PRESETS["strict"].min_chars)
        made = recitals(texts, count)
        provoked(index, texts, made, floor)
        harmless(index, count)
        noticed(index, made, floor)


if __name__ == "__main__":
    main()
