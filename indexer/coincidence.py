"""How often code that has nothing to do with a corpus shares runs with it, measured on the corpus itself.

One repository in sixteen (`indexer.segments.held_out`), chosen by its name, is held out: snippets of it are asked
against the windows of all the others, before the filter joins both. So the snippets are of the same kind as the corpus
and none of its own text can answer; the filter's error plays no part, for the windows themselves are compared.

A snippet that shares a run of `COPIED` windows or more is taken for a copy (vendored code, a fork) and not for
coincidence; the shares are those among the rest. Snippets are chosen by hash, evenly over the text, so that the result
depends on the documents alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from indexer.removals import absent
from provenance import kernel
from provenance.manifest import Coincidence
from provenance.membership.base import Geometry
from provenance.storage import refusals_named

if TYPE_CHECKING:
    from numpy import bool_, int64
    from numpy.typing import NDArray

SNIPPETS = 2000
"""A share of 1.5 percent of as many is right to 0.3 percent (one standard deviation)."""
FEWEST_SNIPPETS = 400
FEWEST_REPOSITORIES = 5
"""Below either nothing is said: a few repositories are no sample of code that has nothing to do with the rest."""
COPIED = 5
_SHORTEST = 250
_APART = 2048
_NUMBER = 4


def snippet_length(geometry: Geometry) -> int:
    """Return how many normalised bytes a snippet has: 250, or as many as a run of copied windows needs."""
    return max(_SHORTEST, geometry.width + (COPIED + 1) * geometry.stride)


class Snippets:
    """Chooses snippets among the texts of repositories that are held out; memory holds only the chosen ones."""

    def __init__(self, geometry: Geometry) -> None:
        """Choose none yet."""
        self._length = snippet_length(geometry)
        self._chosen: list[tuple[int, bytes]] = []

    def add(self, text: bytes, repository: int) -> None:
        """Consider one text: a snippet of every 2 KiB, somewhere inside of them."""
        normalised = kernel.normalise(text)
        number = repository.to_bytes(_NUMBER, "little")
        for start in range(0, len(normalised) - self._length + 1, _APART):
            room = min(_APART, len(normalised) - self._length - start + 1)
            start += xxhash.xxh3_64_intdigest(normalised[start : start + _APART]) % room
            snippet = normalised[start : start + self._length]
            entry = (-xxhash.xxh3_64_intdigest(snippet), number + snippet)
            if len(self._chosen) < SNIPPETS:
                heapq.heappush(self._chosen, entry)
            elif entry > self._chosen[0]:
                heapq.heapreplace(self._chosen, entry)

    def records(self) -> bytes:
        """Return the chosen ones: the repository's number (u32, little-endian) and the text of each."""
        return b"".join(record for _, record in self._chosen)


def measured(windows: Sequence[Path], snippets: Sequence[Path], geometry: Geometry) -> Coincidence | None:
    """Return what the snippets of held-out repositories share with the others, or None where too few were found.

    ``windows`` are sorted runs of the keys of all other repositories, ``snippets`` files of `Snippets.records`.
    Raises `StorageError`.
    """
    import numpy as np

    texts: dict[bytes, bytes] = {}
    for path in snippets:
        texts = _fewest_hashes({**texts, **_read(path, geometry)})
    chosen = list(texts)
    repositories = len(set(texts.values()))
    if len(chosen) < FEWEST_SNIPPETS or repositories < FEWEST_REPOSITORIES:
        return None
    longest = _longest_runs(_hits(chosen, windows, geometry), geometry.stride)
    others = longest[longest < COPIED]
    if len(others) < FEWEST_SNIPPETS // 2:
        return None
    rates = tuple(
        (geometry.width + (count - 1) * geometry.stride, round(float(np.mean(others >= count)), 4))
        for count in range(1, COPIED)
    )
    return Coincidence(rates, len(others), len(chosen) - len(others), repositories)


def _read(path: Path, geometry: Geometry) -> dict[bytes, bytes]:
    """Return the snippets in a file, each with the number of its repository."""
    size = _NUMBER + snippet_length(geometry)
    with refusals_named(path):
        raw = path.read_bytes()
    return {raw[at + _NUMBER : at + size]: raw[at : at + _NUMBER] for at in range(0, len(raw), size)}


def _fewest_hashes(texts: dict[bytes, bytes]) -> dict[bytes, bytes]:
    kept = sorted(texts, key=xxhash.xxh3_64_intdigest)[:SNIPPETS]
    return {text: texts[text] for text in kept}


def _hits(texts: Sequence[bytes], windows: Sequence[Path], geometry: Geometry) -> NDArray[bool_]:
    """Return, for every text and offset, whether the window there stands in one of the runs."""
    import numpy as np

    asked = np.concatenate(
        [np.frombuffer(kernel.window_keys(text, geometry.width, 1, geometry.seed), dtype="<u8") for text in texts]
    )
    missing = np.frombuffer(kernel.sort_unique(asked.view(np.uint8).data), dtype="<u8")
    for path in windows:
        with refusals_named(path):
            missing = absent(missing, np.fromfile(path, dtype="<u8"))
    return ~np.isin(asked, missing).reshape(len(texts), -1)


def _longest_runs(hits: NDArray[bool_], stride: int) -> NDArray[int64]:
    """Return the number of windows in the longest chain of hits one stride apart, for every row."""
    import numpy as np

    rows, offsets = hits.shape
    steps = -(-offsets // stride)
    padded = np.zeros((rows, steps * stride), dtype=bool)
    padded[:, :offsets] = hits
    running = np.zeros((rows, stride), dtype=np.int64)
    longest = np.zeros(rows, dtype=np.int64)
    for step in range(steps):
        running = (running + 1) * padded[:, step * stride : (step + 1) * stride]
        longest = np.maximum(longest, running.max(axis=1))
    return longest
