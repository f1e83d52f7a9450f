"""What others do, on the same files and snippets, with their published parameters.

Each finds files by shared features and scores a file by the share of the snippet's features it has. None of the
projects names a threshold for an alarm on snippets, so each gets the one that keeps to the alarm rate asked for on
the tuning half. A place is the whole file, which is right more easily than a range.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import xxhash

from benchmarks.quality.corpus import File, split
from benchmarks.quality.tool import Answer

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


def _hash(parts: Iterable[bytes]) -> int:
    return xxhash.xxh3_64_intdigest(b"\0".join(parts))


def _winnow(hashes: Sequence[int], window: int) -> set[int]:
    """Return the rightmost smallest hash of every window (Schleimer, Wilkerson, Aiken, SIGMOD 2003)."""
    if len(hashes) <= window:
        return {min(hashes)} if hashes else set()
    return {min(hashes[start : start + window]) for start in range(len(hashes) - window + 1)}


def portrait(text: bytes, *, every: bool) -> set[int]:
    """Return 50-character windows, at multiples of 50 or at every offset, blanks collapsed as Data Portraits does."""
    flat = _BLANKS.sub(b" ", _NEWLINES.sub(b"\n", text)).strip()
    return {_hash([flat[at : at + 50]]) for at in range(0, len(flat) - 49, 1 if every else 50)}


def winnowed_characters(text: bytes, *, every: bool) -> set[int]:
    """Return winnowed 25-grams of the lower-cased text without blanks; every common run of 50 is noticed."""
    flat = b"".join(text.lower().split())
    return _winnow([_hash([flat[at : at + 25]]) for at in range(max(0, len(flat) - 24))], 26)


def winnowed_abstract_tokens(text: bytes, *, every: bool) -> set[int]:
    """Return winnowed 15-grams (window 12) of tokens with all identifiers as one: Provenire's parameters."""
    words = [b"ID" if _NAME.fullmatch(word) and word not in _KEPT else word for word in _WORDS.findall(text)]
    return _winnow([_hash(words[at : at + 15]) for at in range(max(0, len(words) - 14))], 12)


class SharedFeatures:
    """Ranks files by the share of the snippet's features they have."""

    def __init__(self, name: str, features: Callable[..., set[int]], files: Sequence[File]) -> None:
        self.name = name
        self.threshold = math.inf
        self._features = features
        self._files = files
        self._postings: dict[int, list[int]] = defaultdict(list)
        for number, file in enumerate(files):
            if split(file.repository).indexed:
                for feature in features(file.text, every=False):
                    self._postings[feature].append(number)

    def score(self, text: bytes) -> tuple[float, list[int]]:
        """Return the best share and the ten best files."""
        asked = self._features(text, every=True)
        counts: Counter[int] = Counter()
        for feature in asked:
            counts.update(self._postings.get(feature, ()))
        best = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))[:10]
        return (best[0][1] / len(asked) if best else 0.0), [number for number, _ in best]

    def ask(self, text: bytes) -> Answer:
        """Return the files as places; an alarm at the threshold."""
        share, numbers = self.score(text)
        return Answer(tuple((n, 0, len(self._files[n].text)) for n in numbers), share >= self.threshold)


class Bm25Trigrams:
    """BM25 (k1 1.2, b 0.75) over trigrams of tokens; the score is a share of what the snippet itself would get."""

    name = "BM25 over token trigrams"

    def __init__(self, files: Sequence[File]) -> None:
        self.threshold = math.inf
        self._files = files
        self._postings: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: dict[int, int] = {}
        for number, file in enumerate(files):
            if split(file.repository).indexed:
                counts = Counter(self._trigrams(file.text))
                self._lengths[number] = sum(counts.values())
                for trigram, count in counts.items():
                    self._postings[trigram].append((number, count))
        self._mean = sum(self._lengths.values()) / max(1, len(self._lengths))

    @staticmethod
    def _trigrams(text: bytes) -> list[int]:
        words = _WORDS.findall(text)
        return [_hash(words[at : at + 3]) for at in range(len(words) - 2)]

    def score(self, text: bytes) -> tuple[float, list[int]]:
        """Return the best score relative to the snippet's own, and the ten best files."""
        scores: dict[int, float] = defaultdict(float)
        whole = 0.0
        for trigram in set(self._trigrams(text)):
            postings = self._postings.get(trigram, ())
            weight = math.log(1 + (len(self._lengths) - len(postings) + 0.5) / (len(postings) + 0.5))
            whole += weight
            for number, count in postings:
                norm = 1.2 * (0.25 + 0.75 * self._lengths[number] / self._mean)
                scores[number] += weight * count * 2.2 / (count + norm)
        best = sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))[:10]
        return (best[0][1] / whole if best else 0.0), [number for number, _ in best]

    def ask(self, text: bytes) -> Answer:
        """Return the files as places; an alarm at the threshold."""
        share, numbers = self.score(text)
        return Answer(tuple((n, 0, len(self._files[n].text)) for n in numbers), share >= self.threshold)


def baselines(files: Sequence[File]) -> list[SharedFeatures | Bm25Trigrams]:
    """Return all of them over the indexed part of the files, without thresholds."""
    return [
        SharedFeatures("portrait 50/50", portrait, files),
        SharedFeatures("winnowing of characters, k 25, w 26", winnowed_characters, files),
        SharedFeatures("winnowing of abstract tokens, k 15, w 12", winnowed_abstract_tokens, files),
        Bm25Trigrams(files),
    ]


def set_threshold(baseline: SharedFeatures | Bm25Trigrams, negatives: Sequence[bytes], rate: float) -> None:
    """Set the lowest threshold that gives at most ``rate`` alarms on these texts."""
    scores = sorted((baseline.score(text)[0] for text in negatives), reverse=True)
    allowed = int(rate * len(scores))
    baseline.threshold = math.nextafter(scores[allowed], math.inf) if allowed < len(scores) else 0.0
