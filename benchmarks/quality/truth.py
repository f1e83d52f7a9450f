"""Ground truth without the toolkit: near-duplicate clusters of functions by MinHash, and verbatim runs by exact scan.

Near-duplicates as in BigCode's pipeline: 5-grams of words and signs, Jaccard similarity 0.7 or more. Candidates come
from MinHash bands, every candidate pair is verified on the full sets; clusters are what verified pairs connect.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from benchmarks.quality.corpus import File, split
from benchmarks.quality.syntax import parse

GRAM = 5
SIMILARITY = 0.7
VERBATIM = 150
"""A common run of so many characters (runs of blanks count as one) takes a snippet out of the negatives."""
_BANDS, _ROWS = 25, 5
_SMALLEST = 30
"""Functions of fewer tokens are nobody's query and are not clustered."""
_WORDS = re.compile(rb"\w+|[^\w\s]")
_BLANKS = re.compile(rb"\s+")
_GENERATOR = np.random.default_rng(20240)
_FACTORS = _GENERATOR.integers(1, 2**63, size=_BANDS * _ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_TERMS = _GENERATOR.integers(0, 2**63, size=_BANDS * _ROWS, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a snippet was cut: number of the file, byte range, number of the function, length in tokens."""

    file: int
    start: int
    end: int
    function: int
    length: int


@dataclass(frozen=True, slots=True)
class FunctionRange:
    """One function of the corpus: file number, byte range, tokens without comments."""

    file: int
    start: int
    end: int
    tokens: int


def grams(text: bytes) -> npt.NDArray[np.uint64]:
    """Return the distinct hashes of the 5-grams of ``text``, ascending."""
    words = _WORDS.findall(text)
    hashes = [xxhash.xxh3_64_intdigest(b" ".join(words[i : i + GRAM])) for i in range(max(1, len(words) - GRAM + 1))]
    return np.unique(np.array(hashes, np.uint64))


def similarity(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> float:
    """Return the Jaccard similarity of two ascending arrays of distinct hashes."""
    common = len(np.intersect1d(left, right, assume_unique=True))
    return common / (len(left) + len(right) - common)


def _bands(hashes: npt.NDArray[np.uint64]) -> list[bytes]:
    minima = (hashes[None, :] * _FACTORS[:, None] + _TERMS[:, None]).min(axis=1)
    return [index.to_bytes(1, "little") + band.tobytes() for index, band in enumerate(minima.reshape(_BANDS, _ROWS))]


def _functions_of(numbered: tuple[int, File]) -> list[tuple[FunctionRange, list[bytes], npt.NDArray[np.uint64]]]:
    number, file = numbered
    parsed = parse(file.text, file.language)
    found = []
    for function in parsed.functions:
        tokens = parsed.tokens[function.first : function.end]
        count = sum(token.kind != "comment" for token in tokens)
        if count < _SMALLEST:
            continue
        start, end = tokens[0].start, tokens[-1].end
        hashes = grams(file.text[start:end])
        found.append((FunctionRange(number, start, end, count), _bands(hashes), hashes))
    return found


class Truth:
    """The functions of a corpus and their clusters."""

    def __init__(self, files: list[File], work: Path) -> None:
        self.stamp = hashlib.sha256(b"".join(hashlib.sha256(file.text).digest() for file in files)).hexdigest()[:16]
        """The digest of the texts, for the names of what is kept beside them."""
        kept = work / f"truth-{self.stamp}.pickle"
        if not kept.exists():
            with ProcessPoolExecutor(2) as pool:
                found = [entry for part in pool.map(_functions_of, enumerate(files), chunksize=64) for entry in part]
            kept.write_bytes(pickle.dumps(([f for f, _, _ in found], _cluster(found))))
        self.functions: list[FunctionRange]
        self.cluster: list[int]
        self.functions, self.cluster = pickle.loads(kept.read_bytes())
        self._by_file: dict[int, list[int]] = defaultdict(list)
        for number, function in enumerate(self.functions):
            self._by_file[function.file].append(number)
        self._indexed_clusters = {
            self.cluster[number]
            for number, function in enumerate(self.functions)
            if split(files[function.file].repository).indexed
        }

    def of_file(self, file: int) -> list[int]:
        """Return the numbers of the functions of a file."""
        return self._by_file.get(file, [])

    def clusters_at(self, file: int, start: int, end: int) -> set[int]:
        """Return the clusters of the functions of a file that overlap a byte range."""
        return {
            self.cluster[n]
            for n in self.of_file(file)
            if self.functions[n].start < end and start < self.functions[n].end
        }

    def is_right(self, origin: Origin, holders: set[int], place: tuple[int, int, int]) -> bool:
        """Tell whether a place (file, start, end) is right for a snippet.

        It is when the file holds the whole snippet as it was cut, white space aside (``holders``), or when the place
        touches a member of the cluster of the function it was cut from.
        """
        return place[0] in holders or self.cluster[origin.function] in self.clusters_at(*place)

    def is_known(self, function: int) -> bool:
        """Tell whether a function's cluster has a member in an indexed repository."""
        return self.cluster[function] in self._indexed_clusters


def _cluster(found: list[tuple[FunctionRange, list[bytes], npt.NDArray[np.uint64]]]) -> list[int]:
    parent = list(range(len(found)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    first_in_band: dict[bytes, list[int]] = defaultdict(list)
    for number, (_, bands, hashes) in enumerate(found):
        tried: set[int] = set()
        for band in bands:
            # Representatives of a bucket: members of different clusters; more than 20 are never kept apart.
            bucket = first_in_band[band]
            for other in bucket:
                if (there := root(other)) == root(number) or other in tried:
                    continue
                tried.add(other)
                if similarity(hashes, found[other][2]) >= SIMILARITY:
                    parent[root(number)] = there
            if len(bucket) < 20 and all(root(other) != root(number) for other in bucket):
                bucket.append(number)
    return [root(number) for number in range(len(found))]


class Verbatim:
    """Finds runs of `VERBATIM` characters that stand in a set of texts, by exact scan."""

    def __init__(self, texts: Mapping[int, bytes]) -> None:
        self._texts = {number: _BLANKS.sub(b" ", text) for number, text in texts.items()}
        half = VERBATIM // 2
        self._blocks: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
        for number, text in self._texts.items():
            for start in range(0, len(text) - half + 1, half):
                places = self._blocks[xxhash.xxh3_64_digest(text[start : start + half])]
                if len(places) < 50:
                    places.append((number, start))

    def longest(self, snippet: bytes) -> int:
        """Return the length of the longest common run, 0 if none reaches half of `VERBATIM`."""
        text, half, best = _BLANKS.sub(b" ", snippet), VERBATIM // 2, 0
        for at in range(len(text) - half + 1):
            for number, start in self._blocks.get(xxhash.xxh3_64_digest(text[at : at + half]), ()):
                other = self._texts[number]
                if other[start : start + half] != text[at : at + half]:
                    continue
                low, high = 0, half
                while low < min(at, start) and text[at - low - 1] == other[start - low - 1]:
                    low += 1
                while at + high < len(text) and start + high < len(other) and text[at + high] == other[start + high]:
                    high += 1
                best = max(best, low + high)
        return best

    def holders(self, snippet: bytes) -> set[int]:
        """Return the numbers of the texts that hold the whole snippet, blanks aside."""
        text = _BLANKS.sub(b" ", snippet).strip()
        half = VERBATIM // 2
        if len(text) < VERBATIM:
            return {number for number, other in self._texts.items() if text in other}
        # Any text that holds it has one of its blocks at one of the first `half` offsets.
        candidates = {
            n for at in range(half) for n, _ in self._blocks.get(xxhash.xxh3_64_digest(text[at : at + half]), ())
        }
        return {number for number in candidates if text in self._texts[number]}
