"""The nouns of the toolkit, as frozen values.

Offsets are half-open everywhere. A `Span` always refers to the text as the caller gave it
(never to normalised text) and carries the range in every unit a consumer may count in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from struct import Struct
from typing import Literal, NamedTuple

NOASSERTION = "NOASSERTION"
"""SPDX: nobody has said under which licence this is (unknown)."""
NONE = "NONE"
"""SPDX: it was looked for, and there is no licence."""

LicenseOrigin = Literal["record", "header", "file", "detected", "none"]
"""Where a licence is known from: the corpus row or package metadata, an SPDX header in the file,
the nearest licence file, recognition of a text, or nowhere."""
LicenseScope = Literal["file", "directory", "repository", "unknown"]
"""What the licence statement covers."""
Verdict = Literal["too_short", "no_match", "candidate", "possible_match", "match"]
Kind = str
"""Level of likeness; an open enumeration. Here: ``exact`` and ``layout``."""


KINDS = ("file", "commit", "issue", "notebook")
"""Kinds of text that are recognised; a corpus may name others."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place where a text stands: repository, path, revision, licence.

    ``license`` is an SPDX expression, `NOASSERTION` or `NONE`. ``kind`` is what the text is
    (``file``, ``commit``, ``issue``, ``notebook``). ``stars``, ``date`` (ISO 8601), ``fork``,
    ``vendored`` and ``generated`` are what the corpus says; None where it says nothing.
    """

    repository: str
    path: str
    revision: str | None = None
    license: str = NOASSERTION
    license_origin: LicenseOrigin = "none"
    license_scope: LicenseScope = "unknown"
    copyrights: tuple[str, ...] = ()
    language: str | None = None
    kind: str = "file"
    url: str | None = None
    stars: int | None = None
    date: str | None = None
    fork: bool | None = None
    vendored: bool | None = None
    generated: bool | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One text from one place, as a source of documents yields it.

    ``utf8`` is the decoded text in UTF-8 (CR kept; lone surrogates are U+FFFD already);
    ``content_id`` is the git blob SHA-1 of the bytes as they were found, before decoding;
    ``encoding`` names what they were decoded from.
    """

    utf8: bytes
    content_id: bytes
    source: Source
    encoding: str = "utf-8"

    @property
    def id(self) -> bytes:
        """Return the 16-byte document id."""
        return document_id(self.content_id, self.source)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something a source found and did not yield, with the rule or failure that stopped it."""

    path: str
    reason: str
    detail: str = ""
    size: int = 0


class ContentRef(NamedTuple):
    """Address of one stored content in one index snapshot: segment position, content ordinal."""

    segment: int
    content: int


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of the text that was asked about, in every unit; lines are 1-based, inclusive.

    ``start``/``end`` count code points, ``*_byte`` UTF-8 bytes, ``*_utf16`` UTF-16 code units.
    ``common`` tells whether what stands here stands in many repositories of the corpus, or tells little for
    another reason (`provenance.usual`).
    """

    start: int
    end: int
    start_byte: int
    end_byte: int
    start_utf16: int
    end_utf16: int
    start_line: int
    end_line: int
    common: bool = False


def git_blob_id(raw: bytes) -> bytes:
    """Return the 20-byte git blob SHA-1 of ``raw``: the hash in ``swh:1:cnt:…``."""
    digest = hashlib.sha1(b"blob %d\0" % len(raw), usedforsecurity=False)
    digest.update(raw)
    return digest.digest()


_FOUR_LENGTHS = Struct("<4Q")


def document_id(content_id: bytes, source: Source) -> bytes:
    """Return the first 16 bytes of SHA-256 over content id, repository, revision and path.

    Each part is preceded by its length as eight little-endian bytes, so that no two different
    tuples share a serialisation; a revision of None counts as the empty string.
    """
    repository = source.repository.encode("utf-8", "surrogatepass")
    revision = source.revision.encode("utf-8", "surrogatepass") if source.revision else b""
    path = source.path.encode("utf-8", "surrogatepass")
    lengths = _FOUR_LENGTHS.pack(len(content_id), len(repository), len(revision), len(path))
    parts = (lengths[:8], content_id, lengths[8:16], repository, lengths[16:24], revision, lengths[24:], path)
    return hashlib.sha256(b"".join(parts)).digest()[:16]
