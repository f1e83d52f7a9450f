"""A scripted model: answers that recite a corpus, and answers that do not; and the exact scan that judges them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provenance import kernel
from provenance.index import Index


@dataclass(frozen=True)
class Recital:
    """One answer of the scripted model: its pieces, and the part of the corpus in it."""

    prompt: str
    pieces: tuple[str, ...]
    copied: str


def function(seed: int, lines: int = 14) -> str:
    """A function of about fifty bytes a line that nobody has written."""
    rng = random.Random(seed)

    def word() -> str:
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(5, 11)))

    body = "".join(
        f"    {word()} = {word()}.{word()}({word()}, {word()}) + {rng.randrange(1000)}\n" for _ in range(lines)
    )
    return f"def {word()}_{word()}({word()}, {word()}):\n{body}    return {word()}\n"


def texts_of(index: Index) -> list[str]:
    """All stored texts."""
    return [index.text(ref).decode() for ref in index.refs()]


def recitals(texts: Sequence[str], count: int = 1000, seed: int = 2024) -> list[Recital]:
    """Answers with 200 to 1500 characters of the corpus in prose or code, cut as a tokenizer would."""
    rng = random.Random(seed)
    long = [text for text in texts if len(text) > 3000]
    made = []
    for number in range(count):
        text = rng.choice(long)
        length = rng.randrange(200, 1500)
        at = rng.randrange(len(text) - length)
        copied = text[at : at + length]
        if rng.random() < 0.3:
            copied = copied.replace("\n", "\n" + " " * rng.randrange(1, 9))
        if rng.random() < 0.2:
            copied = copied.replace("\n", "\r\n")
        before = " ".join("".join(rng.choices("bcdfgklmnprst", k=5)) for _ in range(rng.randrange(0, 12)))
        fence = rng.random() < 0.5
        whole = f"{before}\n```python\n{copied}\n```\nThat is it." if fence else f"{before} {copied} {before}"
        made.append(Recital(f"prompt {number}", tuple(cut(whole, rng)), copied))
    return made


def cut(text: str, rng: random.Random) -> Iterator[str]:
    """A text in pieces such as tokens are."""
    place = 0
    while place < len(text):
        step = rng.choice((1, 2, 3, 4, 4, 5, 7, 12, 30))
        yield text[place : place + step]
        place += step


def runs(texts: Sequence[str], answers: Sequence[str], floor: int) -> list[int]:
    """The lengths of all runs of at least ``floor`` normalised bytes that answers share with texts: an exact scan."""
    document = b"\x01".join(kernel.normalise(text.encode()) for text in texts)
    query = b"\x00".join(kernel.normalise(text.encode("utf-8", "replace")) for text in answers)
    return [length for _, _, length in kernel.common_runs(query, document, floor)]


def told(claim: str, target: str, **measured: object) -> None:
    """Print one row of the guard's table as a JSON line."""
    print(json.dumps({"claim": claim, "target": target, **measured}), flush=True)
