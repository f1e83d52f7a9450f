"""Other ways to find a source: portrait, winnowing of characters and of tokens, BM25 over trigrams, on the same files.

Each answers with ranked files (none of them knows ranges, so a whole file counts as place: in their favour), and raises
an alarm when its score reaches a threshold that gives at most the same rate of alarms on the tuning half.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xxhash

from benchmarks.quality.corpus import File, split
from benchmarks.quality.tool import Answer

Hashes = npt.NDArray[np.uint64]

_WORDS = re.compile(rb"\w+|[^\w\s]")
_NEWLINES, _BLANKS = re.compile(rb"\s*\n\s*"), re.compile(rb"[^\S\n]+")
_NAME = re.compile(rb"[A-Za-z_]\w*")
_KEPT = frozenset(
    b"and as assert async await break case catch class const continue def default defer del delete do elif else enum"
    b" except export extends false final finally fn for from func function goto if impl implements import in instanceof"
    b" interface is lambda let loop match mod mut new nil None not null of or package pass private protected pub public"
    b" raise return self static struct super switch this throw throws trait true try type use var void while with yield"
    b" False True int char long bool boolean float double".split()
)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_BEST = 10
_token_hash = lru_cache(maxsize=1 << 20)(xxhash.xxh3_64_intdigest)


def _rolling(values: Hashes, length: int) -> Hashes:
    """Return a hash of every run of ``length`` values."""
    count = max(0, len(values) - length + 1)
    hashes = np.zeros(count, np.uint64)
    for step in range(length if count else 0):
        hashes = hashes * _FACTOR + values[step : step + count]
    hashes ^= hashes >> np.uint64(33)
    hashes *= np.uint64(0xFF51AFD7ED558CCD)
    return hashes ^ (hashes >> np.uint64(29))


def _winnow(hashes: Hashes, window: int) -> Hashes:
    """Return the smallest hash of every window (Schleimer, Wilkerson, Aiken, SIGMOD 2003)."""
    if len(hashes) <= window:
        return hashes.min(keepdims=True) if len(hashes) else hashes
    count = len(hashes) - window + 1
    smallest = hashes[:count].copy()
    for step in range(1, window):
        np.minimum(smallest, hashes[step : step + count], out=smallest)
    return smallest


def _tokens(words: Sequence[bytes]) -> Hashes:
    return np.array([_token_hash(word) for word in words], np.uint64)


def portrait(text: bytes, *, every: bool) -> Hashes:
    """Return 50-character windows, at multiples of 50 or at every offset, blanks collapsed as Data Portraits does."""
    flat = _BLANKS.sub(b" ", _NEWLINES.sub(b"\n", text)).strip()
    windows = _rolling(np.frombuffer(flat, np.uint8).astype(np.uint64), 50)
    return np.unique(windows if every else windows[::50])


def winnowed_characters(text: bytes, *, every: bool) -> Hashes:
    """Return winnowed 25-grams of the lower-cased text without blanks; every common run of 50 is noticed."""
    flat = b"".join(text.lower().split())
    return np.unique(_winnow(_rolling(np.frombuffer(flat, np.uint8).astype(np.uint64), 25), 26))


def winnowed_abstract_tokens(text: bytes, *, every: bool) -> Hashes:
    """Return winnowed 15-grams (window 12) of tokens with all identifiers as one: Provenire's parameters."""
    words = [b"ID" if _NAME.fullmatch(word) and word not in _KEPT else word for word in _WORDS.findall(text)]
    return np.unique(_winnow(_rolling(_tokens(words), 15), 12))


class _Postings:
    """Features and the files that have them: three arrays."""

    def __init__(self, by_file: list[tuple[int, Hashes, npt.NDArray[np.float32]]]) -> None:
        features = np.concatenate([features for _, features, _ in by_file])
        numbers = np.concatenate([np.full(len(features), n, np.int32) for n, features, _ in by_file])
        values = np.concatenate([values for _, _, values in by_file])
        order = np.argsort(features, kind="stable")
        self._features, first = np.unique(features[order], return_index=True)
        self._bounds = np.append(first, len(features))
        self.numbers, self.values = numbers[order], values[order]

    def of(self, features: Hashes) -> list[slice]:
        """Return for each of the distinct features that some file has where its postings stand."""
        places = np.searchsorted(self._features, features)
        known = places < len(self._features)
        known[known] = self._features[places[known]] == features[known]
        return [slice(int(self._bounds[at]), int(self._bounds[at + 1])) for at in places[known]]


class Baseline(ABC):
    """What all share: a score of the best file, the best files, a threshold."""

    name: str

    def __init__(self, files: Sequence[File]) -> None:
        self.threshold = math.inf
        self._files = files
        self._indexed = [number for number, file in enumerate(files) if split(file.repository).indexed]

    @abstractmethod
    def score(self, text: bytes) -> tuple[float, list[int]]:
        """Return the best file's score and the ten best files."""

    def ask(self, text: bytes) -> Answer:
        """Return the files as places; an alarm at the threshold."""
        share, numbers = self.score(text)
        return Answer(tuple((n, 0, len(self._files[n].text)) for n in numbers), share >= self.threshold)

    @staticmethod
    def _best(
        parts: list[slice], values: npt.NDArray[np.float32], numbers: npt.NDArray[np.int32]
    ) -> list[tuple[int, float]]:
        if not parts:
            return []
        holders = np.concatenate([numbers[part] for part in parts])
        sums = np.bincount(holders, weights=np.concatenate([values[part] for part in parts]))
        best = np.argsort(-sums, kind="stable")[:_BEST]
        return [(int(number), float(sums[number])) for number in best if sums[number] > 0]


class SharedFeatures(Baseline):
    """Ranks files by the share of the snippet's features they have."""

    def __init__(self, name: str, features: Callable[..., Hashes], files: Sequence[File]) -> None:
        super().__init__(files)
        self.name = name
        self._features = features
        found = [(number, features(files[number].text, every=False)) for number in self._indexed]
        self._postings = _Postings([(n, each, np.ones(len(each), np.float32)) for n, each in found])

    def score(self, text: bytes) -> tuple[float, list[int]]:
        """Return the best share and the ten best files."""
        asked = self._features(text, every=True)
        best = self._best(self._postings.of(asked), self._postings.values, self._postings.numbers)
        return (best[0][1] / len(asked) if best else 0.0), [number for number, _ in best]


class Bm25Trigrams(Baseline):
    """BM25 (k1 1.2, b 0.75) over trigrams of tokens; the score is a share of what the snippet itself would get."""

    name = "BM25 over token trigrams"

    def __init__(self, files: Sequence[File]) -> None:
        super().__init__(files)
        counted = {n: np.unique(self._trigrams(files[n].text), return_counts=True) for n in self._indexed}
        lengths = {number: int(counts.sum()) for number, (_, counts) in counted.items()}
        mean = sum(lengths.values()) / max(1, len(lengths))
        rows = []
        for number, (trigrams, counts) in counted.items():
            norm = 1.2 * (0.25 + 0.75 * lengths[number] / mean)
            rows.append((number, trigrams, (counts * 2.2 / (counts + norm)).astype(np.float32)))
        self._postings = _Postings(rows)

    @staticmethod
    def _trigrams(text: bytes) -> Hashes:
        return _rolling(_tokens(_WORDS.findall(text)), 3)

    def score(self, text: bytes) -> tuple[float, list[int]]:
        """Return the best score relative to the snippet's own, and the ten best files."""
        asked = np.unique(self._trigrams(text))
        parts = self._postings.of(asked)
        total = len(self._indexed)
        weights = [math.log(1 + (total - (n := part.stop - part.start) + 0.5) / (n + 0.5)) for part in parts]
        whole = sum(weights) + (len(asked) - len(parts)) * math.log(1 + (total + 0.5) / 0.5)
        if not parts:
            return 0.0, []
        holders = np.concatenate([self._postings.numbers[part] for part in parts])
        values = np.concatenate(
            [self._postings.values[part] * weight for part, weight in zip(parts, weights, strict=True)]
        )
        sums = np.bincount(holders, weights=values)
        best = np.argsort(-sums, kind="stable")[:_BEST]
        return float(sums[best[0]]) / whole, [int(number) for number in best if sums[number] > 0]


def baselines(files: Sequence[File]) -> list[Callable[[], Baseline]]:
    """Return what makes each of them over the indexed part of the files, without thresholds."""
    return [
        lambda: SharedFeatures("portrait 50/50", portrait, files),
        lambda: SharedFeatures("winnowing of characters, k 25, w 26", winnowed_characters, files),
        lambda: SharedFeatures("winnowing of abstract tokens, k 15, w 12", winnowed_abstract_tokens, files),
        lambda: Bm25Trigrams(files),
    ]


def set_threshold(baseline: Baseline, negatives: Sequence[bytes], rate: float) -> None:
    """Set the lowest threshold that gives at most ``rate`` alarms on these texts."""
    scores = sorted((baseline.score(text)[0] for text in negatives), reverse=True)
    allowed = int(rate * len(scores))
    baseline.threshold = math.nextafter(scores[allowed], math.inf) if allowed < len(scores) else 0.0
