"""The members of an archive in their order: tar in any compression as one forward stream, zip by its directory.

Nothing is ever written to disk. Bombs are refused: by the ratio of what comes out to what went in, by zip members that
share their bytes, by headers of tar that are larger than any header is.
"""

from __future__ import annotations

import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, NamedTuple, cast

from indexer.sources.files import DataFile, one_line, opened
from indexer.sources.inflate import DamagedStream, Inflated

RATIO = 200
"""No source archive comes near: text compresses 4 to 10 times, machine-made tables up to 50."""
_MAX_HEADER = 1 << 20
_MAX_DIRECTORY = 256 << 20
_FREE_BYTES = 64 << 20

Kind = Literal["file", "folder", "symbolic link", "hard link", "not a file", "encrypted", "bomb"]
_ZIP_TROUBLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, EOFError, struct.error, OverflowError)
_TAR_TROUBLE = (
    *(tarfile.TarError, ValueError, OverflowError, IndexError, KeyError, TypeError, AttributeError),
    *(RecursionError, struct.error),
)


class Member(NamedTuple):
    """One entry: its name as written, its size by the archive's word, and how to read at most so many bytes of it.

    ``read`` raises `DamagedStream`, and works only until the next member is asked for.
    """

    name: str
    size: int
    kind: Kind
    read: Callable[[int], bytes]


def is_zip(name: str) -> bool:
    """Return whether a file of this name is a zip archive."""
    return name.lower().endswith((".zip", ".whl", ".jar"))


@contextmanager
def members_of(file: DataFile) -> Iterator[Iterator[Member]]:
    """Open an archive for one pass over its members; iterating raises `DamagedStream` or OSError."""
    with opened(file.path) as raw:
        yield _zip(raw, file.size) if is_zip(file.name) else _tar(raw)


class _Headers:
    """What `tarfile` reads headers from: the stream, one small piece at a time."""

    def __init__(self, stream: Inflated) -> None:
        self._stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise DamagedStream("bomb", f"a header of {size} bytes")
        self.last = _exactly(self._stream, size)
        return self.last

    def seek(self, offset: int) -> int:
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()


def _exactly(stream: Inflated, size: int) -> bytes:
    """Return ``size`` bytes, or fewer at the end of the stream."""
    pieces = []
    while size > 0 and (piece := stream.read(min(size, 1 << 20))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _tar(raw: BinaryIO) -> Iterator[Member]:
    stream = Inflated(raw, ratio=RATIO)
    headers = _Headers(stream)
    try:
        archive = tarfile.open(fileobj=cast(Any, headers), mode="r:", errorlevel=2)  # noqa: SIM115
        while (entry := archive.next()) is not None:
            # tarfile keeps all it has seen, for random access that a stream does not have.
            archive.members = []  # type: ignore[attr-defined]
            yield Member(entry.name, entry.size, _tar_kind(entry), _tar_reader(stream, entry))
    except DamagedStream:
        raise
    except _TAR_TROUBLE as error:
        early = "unexpected end" in str(error)
        raise DamagedStream("truncated" if early else "corrupt", one_line(error)) from error
    # tarfile takes a header that makes no sense for the end; the true end is a block of zeros, or nothing more.
    if headers.last.strip(b"\0"):
        raise DamagedStream("truncated" if len(headers.last) < tarfile.BLOCKSIZE else "corrupt", "a header is damaged")


def _tar_kind(entry: tarfile.TarInfo) -> Kind:
    if entry.isdir():
        return "folder"
    if entry.issym():
        return "symbolic link"
    if entry.islnk():
        return "hard link"
    return "file" if entry.isreg() and not entry.issparse() else "not a file"


def _tar_reader(stream: Inflated, entry: tarfile.TarInfo) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        size = min(entry.size, limit)
        stream.seek(entry.offset_data)
        raw = _exactly(stream, size)
        if len(raw) < size:
            raise DamagedStream("truncated", "the archive ends inside of a member")
        return raw

    return read


def _zip(raw: BinaryIO, size: int) -> Iterator[Member]:
    _refuse_huge_directory(raw, size)
    try:
        archive = zipfile.ZipFile(raw)
    except _ZIP_TROUBLE as error:
        raise DamagedStream("corrupt", one_line(error)) from error
    with archive:
        entries = archive.infolist()
        if sum(entry.compress_size for entry in entries) > size:
            raise DamagedStream("bomb", "members share their bytes")
        for entry in entries:
            yield Member(entry.filename, entry.file_size, _zip_kind(entry), _zip_reader(archive, entry))


def _refuse_huge_directory(raw: BinaryIO, size: int) -> None:
    """Look at the end record before `zipfile` loads the whole directory."""
    raw.seek(max(0, size - 66_000))
    tail = raw.read(66_000)
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raw.seek(0)
        if raw.read(2) != b"PK":
            raise DamagedStream("corrupt", "not a zip archive")
        raise DamagedStream("truncated", "a zip archive without an end")
    (directory,) = struct.unpack_from("<L", tail, end + 12)
    if directory != 0xFFFFFFFF and directory > _MAX_DIRECTORY:
        raise DamagedStream("bomb", f"a directory of {directory} bytes")
    raw.seek(0)


def _zip_kind(entry: zipfile.ZipInfo) -> Kind:
    if entry.is_dir():
        return "folder"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "symbolic link"
    if entry.flag_bits & 1:
        return "encrypted"
    if entry.file_size > _FREE_BYTES and entry.file_size > RATIO * max(entry.compress_size, 1):
        return "bomb"
    return "file"


def _zip_reader(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        try:
            with archive.open(entry) as stream:
                return stream.read(limit)
        except (*_ZIP_TROUBLE, RuntimeError) as error:
            raise DamagedStream("corrupt", one_line(error)) from error

    return read
