"""How fast is text brought into the form that is compared, and cut into keys?

Data: 64 texts of 1 MiB of Python's standard library. Side by side in every round: the kernel's normaliser, with and
without the map back; normalising and hashing of every window that is stored; Python's `re` doing the same in two
steps; a plain copy.

    python -m benchmarks.speed normalising
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.speed.measuring import Figures, interleaved, ratios
from benchmarks.speed.texts import standard_library
from provenance import kernel

PIECE = 1 << 20
"""Texts of this size: a larger one would time how the system hands out memory."""
BREAKS = re.compile(rb"[\t\v\f ]*[\r\n][\s]*")
BLANKS = re.compile(rb"[\t\v\f ]+")


def with_re(text: bytes) -> bytes:
    """Return `layout-1` of a text by regular expressions."""
    return BLANKS.sub(b" ", BREAKS.sub(b"\n", text.strip(b"\t\n\v\f\r ")))


def run(figures: Figures, scratch: Path, full: bool) -> None:
    text = standard_library(64 << 20)
    short = text[: 2 << 20]
    if with_re(short) != kernel.normalise(short):
        raise AssertionError("the regular expressions normalise otherwise than the kernel")

    def over(data: bytes, work: Callable[[bytes], object]) -> Callable[[], float]:
        pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]

        def candidate() -> float:
            for piece in pieces:
                work(piece)
            return len(data) / 1e6

        return candidate

    def keys(data: bytes) -> object:
        return kernel.window_keys(kernel.normalise(data), 32, 32, 0)

    rates = interleaved(
        9 if full else 5,
        {
            "normalise": over(text, kernel.normalise),
            "normalise with map": over(text, kernel.normalise_map),
            "normalise and keys": over(text, keys),
            "Python re": over(short, with_re),
            "memcpy": over(text, bytearray),
        },
    )
    for name, values in rates.items():
        figures.add("normaliser", name, "MB/s", values, at_least=500 if name == "normalise and keys" else None)
    figures.add("normaliser", "normalise / Python re", "x", ratios(rates, "normalise", "Python re"))
    figures.add("normaliser", "normalise / memcpy", "x", ratios(rates, "normalise", "memcpy"))
