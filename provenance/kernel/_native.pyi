"""The compiled kernel; `provenance.kernel.reference` has the same names and identical results.

Buffers in, bytes out. Arrays are little-endian ``u64`` as bytes unless said. The GIL is released in every call;
nobody may change a buffer while a call reads it.
Offsets are bytes; ranges are half-open. Formats and rules: ARCHITECTURE.md.
A size, width or count out of range raises ValueError, an integer that does not fit its type OverflowError.

``codepoints``: windows are of ``width`` code points and start at code points; window numbers and ranges then
count code points, not bytes. The text must be UTF-8.
"""

from collections.abc import Sequence
from mmap import mmap
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap
"""Anything with a contiguous buffer."""

def isa() -> str:
    """Return the instruction set in use: ``avx512``, ``avx2``, ``portable`` (``reference`` in the reference)."""

def normalise(text: Buffer) -> bytes:
    """Return ``layout-1`` of ``text``."""

def normalise_map(text: Buffer) -> tuple[bytes, bytes, bytes]:
    """Return the normalised text and its breakpoints: normalised offsets, source offsets."""

def window_keys(normalised: Buffer, width: int, stride: int, seed: int, *, codepoints: bool = False) -> bytes:
    """Return the key of every window that starts at a multiple of ``stride``."""

def sample_positions(normalised: Buffer, width: int, group: int) -> bytes:
    """Return the distinct starts of the sampled windows, ascending. ``group`` is at least 1."""

def sort_unique(keys: Buffer) -> bytes:
    """Return the distinct keys in ascending order."""

class KeyCollector:
    """What a build gathers from the texts of one segment, in memory. Not for use by two threads at once."""

    def __init__(
        self, width: int, stride: int, seed: int, group: int, *, words: bool = True, codepoints: bool = False
    ) -> None:
        """``group`` 0 gathers no samples; ``words`` false gathers no words; ``codepoints`` is for the tiles alone."""
    def add(self, text: Buffer, repository: int) -> None:
        """Normalise one source text; gather its tile keys, its samples and its words."""
    def add_samples(self, text: Buffer, repository: int) -> None:
        """Gather samples only: the same content once more, from another repository."""
    def tiles(self) -> bytes:
        """Return the distinct tile keys in ascending order."""
    def samples(self) -> tuple[bytes, bytes]:
        """Return the distinct (key, repository) pairs in ascending order: keys u64, repositories u32."""
    def words(self) -> bytes:
        """Return the distinct words (at most 255 bytes each), sorted bytewise, joined by newlines."""

Place: TypeAlias = tuple[int, int, int, int]
"""A place in a source text: code points, UTF-8 bytes, UTF-16 units and line ends before it."""

class TextStream:
    """A text that comes in pieces: its windows are asked as soon as they are complete, and chains carried on.

    Memory does not depend on the text's length. Not for use by two threads at once. Offsets count bytes of the
    ``layout-1`` form, from where `begin` was called last; what came before is negative.
    """

    def __init__(
        self,
        geometries: Sequence[
            tuple[
                int,
                int,
                int,
                Sequence[tuple[Buffer, int, int]],
                Sequence[tuple[Buffer, int, Sequence[int], int | None]],
            ]
        ],
    ) -> None:
        """Begin a text. A geometry is (width, stride, seed of the keys, filters as for `hits`, as for `pybloom_hits`).

        A window hits where any filter of its geometry holds it. The filters' buffers are held as long as the object.
        """
    def hide(self, number: int, keys: Buffer) -> None:
        """From now on windows of geometry ``number`` with one of these keys do not hit. The keys ascend."""
    def feed(self, piece: str) -> tuple[Place, int, list[tuple[int, int, Place, Place]]]:
        """Read the next piece, which holds no lone surrogate.

        Return how far neither a chain that may go on nor a window to come reaches, as a place of the source before
        which all of that ends, and in normalised bytes; and the chains that have new hits, ascending: start, end,
        and where they begin and end in the source, without white space and broken characters at the ends.
        """
    def begin(self) -> None:
        """Let a text of its own begin here, into which chains and windows go on; an LF ends a line there."""
    def copy(self) -> TextStream:
        """Return a stream that has read the same and may go on in another way."""
    def living(self, number: int) -> list[tuple[int, int]]:
        """Return start and last hit of the chains of geometry ``number`` that the next hit may lengthen."""
    @property
    def length(self) -> int:
        """The length of the normal form."""
    @property
    def written(self) -> Place:
        """How much was read."""

def insert_sorted(body: Buffer, regions: int, halves: int, first_region: int, region_count: int, keys: Buffer) -> None:
    """Set the bits of ``keys`` in ``body``: the lines of regions [first, first + count), first half then second half.

    ``regions`` is the whole filter's. Raises ValueError, with nothing set, if a key falls outside of the regions
    or a size is off. Any order gives the same bits; sorted keys fill memory from front to back.
    """

def contains(body: Buffer, regions: int, halves: int, keys: Buffer) -> bytes:
    """Return one byte a key: 1 where the filter body holds it, else 0."""

def hits(
    filters: Sequence[tuple[Buffer, int, int]], normalised: Buffer, width: int, seed: int, *, codepoints: bool = False
) -> bytes:
    """Return one bit a window at every offset (LSB first): set where any (body, regions, halves) holds it."""

def chains(
    filters: Sequence[tuple[Buffer, int, int]],
    normalised: Buffer,
    width: int,
    stride: int,
    seed: int,
    *,
    codepoints: bool = False,
) -> tuple[int, bytes]:
    """Return the number of hits, and the maximal chains as pairs (start, end), ascending by (start, end).

    A chain is a maximal run of hits ``stride`` apart; it covers [first hit, last hit + width).
    """

def random_read_limit(body: Buffer, count: int, seed: int, *, prefetched: bool = True) -> int:
    """Return the sum (mod 2^64) of the first word of ``count`` pseudo-random 64-byte lines of ``body``.

    The reads are independent, so that the time of a call is the machine's limit for a filter that reads one line a
    window; benchmarks time it beside `chains`. Lines are asked for ahead of their use, or if not ``prefetched`` only
    as far as the processor looks ahead; which is faster depends on the machine.
    """

def pybloom_contains(bits: Buffer, bit_count: int, hash_seeds: Sequence[int], keys: Buffer) -> bytes:
    """Return one byte an integer key: 1 where pybloomfiltermmap3 would say that it is in the filter, else 0.

    ``bits`` is the library's bit array (``data_array``), of ``bit_count`` bits (``num_bits``).
    """

def pybloom_insert(bits: Buffer, bit_count: int, hash_seeds: Sequence[int], keys: Buffer) -> None:
    """Set the bits of integer keys, as the library's ``add`` does."""

def pybloom_hits(
    bits: Buffer,
    bit_count: int,
    hash_seeds: Sequence[int],
    normalised: Buffer,
    width: int,
    seed: int | None,
    *,
    codepoints: bool = False,
) -> bytes:
    """Return one bit a window at every offset (LSB first), as the library itself answers.

    With a ``seed`` the window's XXH3-64 key is asked for, as an int; with None the window's text, as str or bytes.
    """

def pybloom_chains(
    bits: Buffer,
    bit_count: int,
    hash_seeds: Sequence[int],
    normalised: Buffer,
    width: int,
    stride: int,
    seed: int | None,
    *,
    codepoints: bool = False,
) -> tuple[int, bytes]:
    """Return what `chains` returns, for the hits of `pybloom_hits`."""

def portrait_normalise_map(text: Buffer) -> tuple[bytes, bytes, bytes]:
    """Return ``portrait-1`` of ``text`` (UTF-8) and its breakpoints: normalised offsets, source offsets, in bytes."""

def portrait_hits(links: Sequence[tuple[Sequence[Buffer], int, int]], normalised: Buffer, width: int) -> bytes:
    """Return one bit a window of ``width`` code points at every code point (LSB first), as RedisBloom answers.

    A link is (pieces of its bits, number of bits, number of hashes); a window counts where any link holds it.
    """

def portrait_chains(
    links: Sequence[tuple[Sequence[Buffer], int, int]], normalised: Buffer, width: int, stride: int
) -> tuple[int, bytes]:
    """Return what `chains` returns, for the hits of `portrait_hits`, in code points."""

def portrait_insert(bits: Buffer, bit_count: int, hashes: int, normalised: Buffer, width: int, stride: int) -> int:
    """Put the windows that start at multiples of ``stride`` code points into a link.

    Returns how many of them it did not seem to hold before, which is what RedisBloom counts as its size.
    """

def count_ones(bits: Buffer) -> int:
    """Return the number of set bits."""

def common_runs(query: Buffer, document: Buffer, minimum: int) -> list[tuple[int, int, int]]:
    """Return the maximal common runs of at least ``minimum`` bytes: (query start, document start, length).

    A range of the query is returned when it stands in the document and no longer range of the query around it does;
    with it comes the earliest place in the document where the whole range stands. So the byte before differs and
    the byte after differs (or a text ends), and every common stretch that long lies in a returned range. Further
    occurrences of the same range are left out; no returned range holds another. Ascending by query start.
    Time and memory stay near-linear whatever the texts.
    """

def find_all(haystack: Buffer, needle: Buffer, *, fold_case: bool = False, limit: int = 0) -> bytes:
    """Return the offsets of the non-overlapping occurrences, ascending; ``fold_case`` folds ASCII letters only.

    At most ``limit`` of them (0: all). An empty needle raises ValueError.
    """

class GramCollector:
    """Gathers which three bytes stand where in the texts of one segment (ARCHITECTURE.md, Gram file), in memory."""

    def __init__(self) -> None:
        """Begin with no text."""
    def add(self, text: Buffer) -> None:
        """Normalise the next source text and gather its grams."""
    def finish(self) -> bytes:
        """Return the gram file; texts count from 0 in the order they came."""

def holding(
    grams: Buffer,
    part: Buffer,
    after: int,
    limit: int,
    *,
    fold_case: bool = False,
    verbatim: bool = False,
    most: int = 64,
    lists: Buffer | None = None,
) -> tuple[bytes, bool]:
    """Return where ``part`` may stand in the texts of a gram file, and whether there are no more.

    ``part`` is a range of normalised text; if ``verbatim``, of source text, with every white space as it stands.
    Places are triples of little-endian u32: a text, and the range of its source (ending with the text where the end
    is 2^32 - 1) in which ``part``, or what of it is looked for, begins. They ascend; texts are those behind ``after``
    (-1: all), at most ``limit``. None that holds ``part`` is missing. ``fold_case`` folds ASCII letters and takes any
    other character for any. ``most`` lists are intersected at most, the shortest: alternatives count as one.
    ``lists`` are those that `wanted_lists` names, one after another, where ``grams`` ends before its lists.
    Raises ValueError for a buffer that is no gram file.
    """

def wanted_lists(
    grams: Buffer, part: Buffer, *, fold_case: bool = False, verbatim: bool = False, most: int = 64
) -> bytes:
    """Return where in the lists of a gram file those lie that `holding` intersects: pairs of little-endian u32.

    Counted from the beginning of the lists, which need not be in ``grams``; in the order in which `holding` takes
    them. Parameters are as for `holding`.
    """

def weighed_words(text: Buffer) -> bytes:
    """Return the distinct words of a text (at most 255 bytes each), by first place, joined by blanks.

    Each stands as often as the number of its occurrences has binary digits.
    """

class Lexer:
    """The lexer of one family of languages; the tables are those of `provenance.lexing.languages`."""

    def __init__(
        self,
        lines: Sequence[tuple[bytes, bool, bool, bytes]],
        blocks: Sequence[tuple[bytes, bytes, bytes, Sequence[bool]]],
        prefixes: bytes,
        flags: Sequence[bool],
        keywords: Sequence[bytes],
        regex_after: Sequence[bytes],
        operators: Sequence[bytes],
        core: Sequence[bytes],
    ) -> None:
        """Comments to the line's end: (opener, blank before, blank after, not after).

        Blocks: (opener, closer, fence, (comment, escape, doubled, lines, nested, to end, one)).
        ``flags``: regular expressions, docstrings, separators in numbers. Nothing is empty but a fence.
        """
    def lex(self, text: Buffer, inside: int = -1) -> tuple[bytes, bytes]:
        """Return one kind a token, and the tokens' (start, end) as pairs of u32.

        Kinds: 0 comment, 1 string, 2 number, 3 identifier, 4 keyword, 5 punctuation.
        ``inside`` >= 0: the text begins inside of that block. A text of 4 GiB or more raises ValueError.
        """
    def symbols(self, text: Buffer, inside: int = -1) -> bytes:
        """Return one record a symbol: class u64, value u64, start u32, end u32 (`provenance.lexing.fingerprints`)."""
    def fingerprint_text(self, text: Buffer, length: int, part: int) -> bytes:
        """Return the distinct fingerprints as words of eight base-32 digits, ascending, joined by blanks."""

def fingerprints(symbols: Buffer, length: int, part: int) -> tuple[bytes, bytes]:
    """Return the hashes of the selected grams of ``length`` symbols, and the number of each one's first symbol.

    A gram is selected when the smallest hash of its runs of ``part`` classes stands in its middle.
    """

def align_symbols(query: Buffer, document: Buffer) -> bytes:
    """Return the pairs (query symbol, document symbol) of the best region, ascending, as pairs of u32.

    At most 1024 symbols of the query are looked at; see `provenance.lexing.alignment`.
    """
