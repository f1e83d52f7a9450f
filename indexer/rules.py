"""What a source skips, and how bytes become text: every rule in one place, so that a report can state them.

Rules are tried in this order, cheapest first: hidden name, exclude pattern, suffix of a known binary format, size,
content (binary, not text), line lengths. The first that applies is the reason.

Decoding, in this order:

1. a byte-order mark decides (UTF-8, UTF-16, UTF-32) and is dropped;
2. a NUL in the first 8 KiB is binary;
3. UTF-8, where an encoded lone surrogate becomes U+FFFD;
4. an encoding that the first two lines declare (PEP 263, vim, emacs), if it is an eight-bit or East Asian one;
5. more than one control character in a hundred bytes is binary;
6. Windows-1252, and where that has no meaning for a byte, Latin-1.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from provenance.errors import ParameterError

SNIFF_BYTES = 8192
"""How far a NUL is looked for; git looks at 8,000 bytes."""
BINARY_SUFFIXES = frozenset(
    """
    7z a avi avif bin bmp bz2 class dll dylib eot exe flac gif gz ico jar jpeg jpg lzma mov mp3 mp4
    node npy npz o obj ogg otf parquet pdf pickle pkl png psd pyc pyd pyo rar so sqlite sqlite3 swf tar tgz tif tiff
    ttf wasm wav webm webp whl woff woff2 xls xlsx xz zip zst
    """.split()
)
"""Suffixes (lower case) of formats that hold no source text; such files are not opened."""
SILENT_FOLDERS = frozenset((".git", ".hg", ".svn", "__pycache__"))
"""Folders that are passed over without being counted."""
_INDEX_PARTS = frozenset(("index.json", "build", "segments", "layers"))


@dataclass(frozen=True, slots=True)
class Rules:
    """What is skipped, and what is looked for; recorded in the build report.

    ``max_file_bytes`` and ``min_file_bytes`` count the file as found. ``max_line`` and ``max_average_line`` count
    bytes of UTF-8 in a line; a text above either is taken for minified or machine-made. ``exclude`` holds patterns
    in the manner of .gitignore, relative to the source. Hidden names begin with a dot. ``follow_ignore_files``
    obeys the .gitignore files of a folder. ``binary_suffixes`` are skipped by name, without being opened.
    """

    max_file_bytes: int = 32 << 20
    min_file_bytes: int = 1
    max_line: int = 100_000
    max_average_line: int = 1_000
    exclude: tuple[str, ...] = ()
    include_hidden: bool = False
    follow_ignore_files: bool = False
    binary_suffixes: frozenset[str] = BINARY_SUFFIXES

    def __post_init__(self) -> None:
        """Raise `ParameterError` for a limit below 0 or a pattern that is none."""
        for name in ("max_file_bytes", "min_file_bytes", "max_line", "max_average_line"):
            value = getattr(self, name)
            if value < 0:
                raise ParameterError(f"{name} is {value}: it must be 0 or more")
        compile_patterns(self.exclude)


class Decoded(NamedTuple):
    """Text as UTF-8, the encoding it was decoded from, and how many lone surrogates became U+FFFD."""

    utf8: bytes
    encoding: str
    replaced: int


def is_index(names: Collection[str]) -> bool:
    """Tell from the names in a folder whether it is an index: it holds copies of what it was built from."""
    return "writer.lock" in names and not _INDEX_PARTS.isdisjoint(names)


@lru_cache(maxsize=64)
def compile_patterns(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a test of relative paths against .gitignore patterns; a folder's path ends with a slash.

    Raises `ParameterError` for a pattern that is none.
    """
    if not patterns:
        return _nothing
    from pathspec import GitIgnoreSpec  # slow to import, and seldom needed

    try:
        return GitIgnoreSpec.from_lines(patterns).match_file
    except ValueError as error:
        raise ParameterError(f"exclude pattern not understood: {' '.join(str(error).split())}") from error


def _nothing(path: str) -> bool:
    return False


_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-be"),
)
_DECLARED = re.compile(rb"coding[:=][ \t]*([-\w.]+)")
_DECLARABLE = re.compile(r"(iso8859|latin|cp\d|windows|koi8|mac|euc|gb|big5|shift|iso2022|johab|tis|hz|ptcp|kz)")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\b")) + b"\x7f"
_SURROGATES = re.compile("[\ud800-\udfff]")


def decode(raw: bytes) -> Decoded | None:
    """Return the text of ``raw``, or None where it is not text. The rule is stated at the top of this module."""
    if raw[:1] in b"\xef\xff\xfe\x00":
        for mark, name, codec in _BOMS:
            if raw.startswith(mark):
                return _marked(raw[len(mark) :], name, codec)
    if raw.find(b"\0", 0, SNIFF_BYTES) >= 0:
        return None
    if raw.isascii():
        return Decoded(raw, "utf-8", 0)
    try:
        raw.decode("utf-8")
        return Decoded(raw, "utf-8", 0)
    except UnicodeDecodeError:
        pass
    try:
        return encode(raw.decode("utf-8", "surrogatepass"), "utf-8")
    except UnicodeDecodeError:
        pass
    declared = _declared(raw)
    if declared is not None:
        return declared
    if 100 * (len(raw) - len(raw.translate(None, _CONTROLS))) > len(raw):
        return None
    try:
        return Decoded(raw.decode("cp1252").encode("utf-8"), "cp1252", 0)
    except UnicodeDecodeError:
        return Decoded(raw.decode("latin-1").encode("utf-8"), "latin-1", 0)


def encode(text: str, encoding: str) -> Decoded:
    """Return ``text`` in UTF-8 with every lone surrogate replaced by U+FFFD, and their number."""
    try:
        return Decoded(text.encode("utf-8"), encoding, 0)
    except UnicodeEncodeError:
        clean, count = _SURROGATES.subn("\ufffd", text)
        return Decoded(clean.encode("utf-8"), encoding, count)


def _marked(body: bytes, name: str, codec: str) -> Decoded | None:
    try:
        return encode(body.decode(codec, "surrogatepass"), name)
    except (UnicodeDecodeError, ValueError):
        return None


def _declared(raw: bytes) -> Decoded | None:
    second = raw.find(b"\n", raw.find(b"\n", 0, 1000) + 1, 2000)
    found = _DECLARED.search(raw, 0, second if second >= 0 else min(len(raw), 1000))
    if found is None:
        return None
    try:
        codec = codecs.lookup(found[1].decode("ascii", "replace").lower())
        if not _DECLARABLE.match(codec.name.replace("-", "").replace("_", "")):
            return None
        return encode(raw.decode(codec.name), codec.name)
    except (LookupError, UnicodeDecodeError):
        return None


def minified(utf8: bytes, rules: Rules) -> str | None:
    """Return why the lines of a text are too long to have been written by hand, or None.

    Lines end at LF; in a text without any LF, at CR.
    """
    size = len(utf8)
    if size <= rules.max_average_line:
        return None
    end = b"\n" if b"\n" in utf8 else b"\r"
    # Counting every line end costs more than all other rules together; only so many need to be found.
    last = -1
    for _ in range(-(-size // rules.max_average_line) - 1 if rules.max_average_line else 0):
        last = utf8.find(end, last + 1)
        if last < 0:
            return f"lines of {size // (utf8.count(end) + 1)} bytes on average, the limit is {rules.max_average_line}"
    start = 0
    # One look backwards a stretch of max_line bytes finds a line end or proves that there is none.
    while size - start > rules.max_line:
        last = utf8.rfind(end, start, start + rules.max_line + 1)
        if last < 0:
            return f"a line of more than {rules.max_line} bytes"
        start = last + 1
    return None


def suffix(name: str) -> str:
    """Return what follows the last dot of a file name in lower case, or an empty string."""
    dot = name.rfind(".")
    return name[dot + 1 :].lower() if dot > 0 else ""


def described(rules: Rules) -> Iterable[tuple[str, str]]:
    """Yield the rules as (what, value) pairs for a report."""
    yield "largest file", f"{rules.max_file_bytes} bytes"
    yield "smallest file", f"{rules.min_file_bytes} bytes"
    yield "longest line", f"{rules.max_line} bytes"
    yield "longest average line", f"{rules.max_average_line} bytes"
    yield "hidden files", "read" if rules.include_hidden else "skipped"
    yield "ignore files", "obeyed" if rules.follow_ignore_files else "not obeyed"
    yield "exclude", ", ".join(rules.exclude) or "nothing"
    yield "not opened", " ".join(sorted(rules.binary_suffixes))


def readable(path: str) -> str:
    r"""Return a path as text: bytes of a file name that are not UTF-8 are written ``\xNN``."""
    try:
        path.encode()
        return path
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte: the name is from an archive
        return path.encode("utf-8", "backslashreplace").decode()
