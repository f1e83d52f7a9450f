"""Stored texts as verification reads them: short ones whole, long ones around the places in question.

A stretch is cut out of a text, and what is cut out of a text normalises to a range of its normal form. With room for
the longest run on both sides of every place where a string may stand, stretches hold all runs around that string.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from provenance import kernel
from provenance.index import Index
from provenance.intervals import joined_ranges
from provenance.records import ContentRef
from provenance.text import NormalisedText

WHOLE_BYTES = 1 << 13
"""Texts up to this size are read whole: they have two cells of a gram file at most."""
_SPARE = 256

Places = tuple[tuple[int, int], ...]
"""Ranges of a source text in one of which a string, or some byte of it, begins; none where that is not known."""


class Stretch:
    """Bytes [start, end) of a source text, and their normal form, without white space at its ends."""

    __slots__ = ("end", "normalised", "ref", "source", "start", "whole_after", "whole_before")

    def __init__(self, ref: ContentRef, source: bytes, start: int, length: int) -> None:
        """Take ``source``, which begins at ``start`` of a text of ``length`` bytes."""
        self.ref = ref
        self.source = source
        self.start = start
        self.end = start + len(source)
        self.whole_before = start == 0
        self.whole_after = self.end == length
        self.normalised = kernel.normalise(source)

    @property
    def is_whole(self) -> bool:
        """Tell whether the stretch is all of the text."""
        return self.whole_before and self.whole_after

    @property
    def key(self) -> tuple[ContentRef, int, int]:
        """Return what tells the stretch from all others."""
        return self.ref, self.start, self.end

    def common_runs(self, query: bytes | memoryview, minimum: int) -> Iterator[tuple[int, int]]:
        """Yield the maximal common runs as ranges of the query; those that the stretch cuts off are left out."""
        first, last = 0 if self.whole_before else 1, len(self.normalised) - (not self.whole_after)
        for at, place, length in kernel.common_runs(query, self.normalised, minimum):
            if first <= place and place + length <= last or self._stands(query[at : at + length], first, last):
                yield at, at + length

    def _stands(self, part: bytes | memoryview, first: int, last: int) -> bool:
        return self.normalised.find(part, first, last) >= 0

    def exact(self, written: bytes) -> int | None:
        """Return where a string first stands in the source text, as it is; None where it does not."""
        at = self.source.find(written)
        return self.start + at if at >= 0 else None

    def laid_out(self, part: bytes) -> tuple[int, int] | None:
        """Return the first range of the source text whose normal form is ``part``; None where there is none."""
        at = self.normalised.find(part)
        if at < 0:
            return None
        start, end = NormalisedText(self.source).source_bytes(at, at + len(part))
        return self.start + start, self.start + end


class StoredTexts:
    """Stretches of the stored texts of one index, the last used kept up to a number of bytes; for one thread."""

    def __init__(self, index: Index, cache_bytes: int) -> None:
        """Keep up to ``cache_bytes`` of text and of its normal form together."""
        self._index = index
        self._room = cache_bytes
        self.bytes_read = 0
        self._lengths: dict[ContentRef, int] = {}
        self._read_of: dict[ContentRef, int] = {}
        self._kept: OrderedDict[tuple[ContentRef, int, int], Stretch] = OrderedDict()

    def expect(self, located: Iterable[tuple[ContentRef, Places]], margin: int) -> None:
        """Fetch what will be asked for next in one go, where texts are not at hand."""
        if self._index.texts_elsewhere:
            self._index.expect(
                (ref, low, high)
                for ref, places in located
                for low, high in self._ranges(ref, places, margin)
                if (ref, low, high) not in self._kept
            )

    def around(self, ref: ContentRef, places: Places, margin: int) -> list[Stretch]:
        """Return stretches with every occurrence of what stands at ``places``, ascending.

        Beside each there are ``margin`` normalised bytes, or all of the text. Without places it is the whole text.
        """
        return [self._stretch(ref, low, high, margin) for low, high in self._ranges(ref, places, margin)]

    def locate(self, ref: ContentRef, places: Places, part: bytes, written: bytes) -> tuple[int, int, bool]:
        """Return the first range of a source text that is ``written``; else, and False, whose normal form is ``part``.

        ``written`` is a source text of ``part``, which stands there, at one of ``places`` where these are known.
        """
        stretches = self.around(ref, places, len(part))
        exact = [at for stretch in stretches if (at := stretch.exact(written)) is not None]
        if exact:
            return min(exact), min(exact) + len(written), True
        return *min(found for stretch in stretches if (found := stretch.laid_out(part)) is not None), False

    def _length(self, ref: ContentRef) -> int:
        length = self._lengths.get(ref)
        if length is None:
            length = self._lengths[ref] = self._index.text_length(ref)
        return length

    def _ranges(self, ref: ContentRef, places: Places, margin: int) -> Iterable[tuple[int, int]]:
        """Return what to read: ranges that hold places with about the margin on both sides."""
        length = self._length(ref)
        whole = [(0, length)]
        if not places or length <= WHOLE_BYTES or (ref, 0, length) in self._kept:
            return whole
        reach = _reach(margin)
        ranges = joined_ranges((max(0, start - reach), min(length, end + reach)) for start, end in places)
        # Who reads half of a text in pieces reads it all: what is at hand is compared at once, and never again.
        more = sum(high - low for low, high in ranges if (ref, low, high) not in self._kept)
        return whole if 2 * (self._read_of.get(ref, 0) + more) > length else ranges

    def _stretch(self, ref: ContentRef, low: int, high: int, margin: int) -> Stretch:
        key = (ref, low, high)
        stretch = self._kept.get(key)
        if stretch is not None:
            self._kept.move_to_end(key)
            return stretch
        stretch = self._read(ref, low, high, margin)
        size = len(stretch.source)
        self.bytes_read += size
        self._read_of[ref] = self._read_of.get(ref, 0) + size
        self._kept[key] = stretch
        self._room -= size + len(stretch.normalised)
        while self._room < 0 and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._room += len(gone.source) + len(gone.normalised)
        return stretch

    def _read(self, ref: ContentRef, low: int, high: int, margin: int) -> Stretch:
        """Read a range, and as much more as white space takes away from the margin."""
        length = self._length(ref)
        first, last = low + _reach(margin), high - _reach(margin)
        while True:
            source = self._index.text_slice(ref, low, high)
            wide = low == 0 or len(kernel.normalise(source[: first - low])) >= margin
            if not wide:
                low = max(0, low - (first - low))
            if high < length and len(kernel.normalise(source[last - high :])) < margin:
                high = min(length, high + (high - last))
            elif wide:
                return Stretch(ref, source, low, length)


def _reach(margin: int) -> int:
    """Return how many bytes of source text are read for a margin: indentation takes a third of most code."""
    return 2 * margin + _SPARE
