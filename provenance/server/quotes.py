"""Reports in the shape of Data Portraits' server: which windows are members, their chains, quotes.

Positions count code points of the normalised text. An index with windows of bytes answers the same way: a window
that begins inside a character counts for that character, so that for ASCII nothing differs.
Deviations from the original are listed in docs/portraits.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from provenance.index import Index
from provenance.membership.asking import ask
from provenance.text import NormalisedText, Offsets


@dataclass(frozen=True, slots=True)
class Quotes:
    """Windows of one text that are members of the corpus.

    ``hits`` are where they begin, ascending, in units of the index (bytes or code points of ``document``).
    """

    text: NormalisedText
    document: str
    hits: tuple[int, ...]
    windows: int
    width: int
    stride: int
    in_bytes: bool

    @classmethod
    def of(cls, index: Index, text: str) -> Quotes:
        """Return the quotes of a text, from the index's own filters."""
        geometry = index.geometry
        normalised = NormalisedText(text, geometry.normaliser)
        content = normalised.normalised
        found: set[int] = set()
        own = [each for each in index.filters if each.geometry == geometry]
        windows = 0
        for _, answer in ask(own, content):
            if index.removed_keys is not None:
                answer = index.removed_keys.without(answer, content)
            windows = answer.windows
            for start, end in answer.chains:
                found.update(range(start, end - geometry.width + 1, geometry.stride))
        return cls(
            text=normalised,
            document=content.decode("utf-8"),
            hits=tuple(sorted(found)),
            windows=windows,
            width=geometry.width,
            stride=geometry.stride,
            in_bytes=geometry.unit == "utf8" and not content.isascii(),
        )

    def chains(self, step: int) -> list[list[int]]:
        """Return the maximal runs of members ``step`` apart, ascending by start; a miss ends a run."""
        members = set(self.hits)
        runs = []
        for hit in self.hits:
            if hit - step not in members:
                run = [hit]
                while run[-1] + step in members:
                    run.append(run[-1] + step)
                runs.append(run)
        return runs

    def bounds(self, run: Sequence[int]) -> tuple[int, int]:
        """Return what a run covers of the normalised text, in bytes, without cut characters."""
        start, end = run[0], run[-1] + self.width
        content = self.text.normalised
        if not self.in_bytes:
            offsets = Offsets(content)
            return offsets.byte(start), offsets.byte(end)
        while content[start] & 0xC0 == 0x80:
            start -= 1
        while end < len(content) and content[end] & 0xC0 == 0x80:
            end += 1
        return start, end


def report(quotes: Quotes, number: int, step: int) -> dict[str, Any]:
    """Return the report on one text, with chains longest first."""
    offsets = Offsets(quotes.text.normalised)
    place: Callable[[int], int] = (lambda at: offsets.code_point(at + 1) - 1) if quotes.in_bytes else (lambda at: at)
    members = {place(hit) for hit in quotes.hits}
    count = len(quotes.document) - quotes.width + 1 if not quotes.in_bytes else place(quotes.windows - 1) + 1
    runs = sorted(quotes.chains(step), key=len, reverse=True)
    longest = max(map(len, runs), default=0)
    expected = quotes.windows / quotes.width if quotes.windows else 0
    return {
        "idx": number,
        "doc": quotes.document,
        "segments": [],
        "is_member": [at in members for at in range(count)] if quotes.windows else [],
        "chains": [[_window(quotes, hit) for hit in run] for run in runs],
        "chain_idxs": [[place(hit) for hit in run] for run in runs],
        "longest_chain": longest,
        "expected_longest": expected,
        "badness": longest / expected if expected else 0.0,
    }


def _window(quotes: Quotes, hit: int) -> str:
    if not quotes.in_bytes:
        return quotes.document[hit : hit + quotes.width]
    start, end = quotes.bounds([hit])
    return quotes.text.normalised[start:end].decode("utf-8")


def overlap(quotes: Quotes, raw: str) -> dict[str, Any]:
    """Return the spans of the raw text in code points, ascending, and what stands there on both sides."""
    source = quotes.text
    spans, segments, raw_segments = [], [], []
    for run in quotes.chains(quotes.width):
        start, end = quotes.bounds(run)
        first = source.source_offset(start)
        last = source.source_offset(end - 1) + 1
        while last < len(source.source) and source.source[last] & 0xC0 == 0x80:
            last += 1
        span = (source.offsets.code_point(first), source.offsets.code_point(last))
        spans.append(span)
        segments.append(source.normalised[start:end].decode("utf-8"))
        raw_segments.append(raw[span[0] : span[1]])
    return {"spans": spans, "segments": segments, "raw_segments": raw_segments}


def quip(quotes: Quotes, number: int, *, formatted: bool) -> dict[str, Any]:
    """Return the report with the share of windows that are members (QUIP), and the text with quotes marked."""
    made = report(quotes, number, 1)
    made["segments"] = [quotes.document[at : at + quotes.width] for at in range(len(made["is_member"]))]
    members = sum(made["is_member"])
    total = len(made["is_member"])
    made["quip_report"] = {
        "too_short": total == 0,
        "numerator": members,
        "denominator": total,
        "quip_25_beta": members / total if total else None,
    }
    if formatted:
        depths = _depths(made, quotes.width)
        made["quote_latex"] = _marked(quotes.document, depths, _latex_start, lambda depth: "}}")
        made["quote_text"] = _marked(quotes.document, depths, lambda depth: "[" * depth, lambda depth: "]" * depth)
    return made


def _latex_start(depth: int) -> str:
    return f"{{\\sethlcolor{{quoted!{depth * 20}}}\\hl{{"


def _depths(made: dict[str, Any], width: int) -> list[int]:
    """Return how many chains cover each character."""
    length = len(made["doc"])
    changes = [0] * (length + 1)
    for chain in made["chain_idxs"]:
        changes[chain[0]] += 1
        changes[min(length, chain[-1] + width)] -= 1
    depths, depth = [], 0
    for change in changes[:length]:
        depth += change
        depths.append(depth)
    return depths


def _marked(text: str, depths: Sequence[int], start: Callable[[int], str], end: Callable[[int], str]) -> str:
    parts = []
    for depth, group in groupby(range(len(text)), key=depths.__getitem__):
        places = list(group)
        parts += [start(depth), text[places[0] : places[-1] + 1], end(depth)]
    return "".join(parts)
