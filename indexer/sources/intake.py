"""The door that every text passes on its way in: from bytes, or a row's string, to a document.

The cost of this per file bounds the speed of a build, so that cheap tests on bytes come first and no regular
expression ever sees more than the first `HEAD_BYTES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

from indexer import licensing
from indexer.licensing import HEAD_BYTES
from indexer.recognition import detected
from indexer.rules import SNIFF_BYTES, Rules, decode, encode, minified
from indexer.sources.base import Item, Remark
from provenance.languages import language_of
from provenance.records import (
    NOASSERTION,
    Document,
    LicenseOrigin,
    LicenseScope,
    Skipped,
    Source,
    git_blob_id,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of the files of one folder, package or commit before any is opened.

    ``url`` is a template with ``{path}``, or the same address for all. ``stars``, ``date`` and ``fork`` are the
    repository's. ``unknown_license`` is the string that nobody could understand, for a remark.
    """

    repository: str
    revision: str | None = None
    license: str = NOASSERTION
    license_origin: LicenseOrigin = "none"
    license_scope: LicenseScope = "unknown"
    copyrights: tuple[str, ...] = ()
    url: str | None = None
    stars: int | None = None
    date: str | None = None
    fork: bool | None = None

    def noting(self, copyrights: tuple[str, ...]) -> Origin:
        """Return this origin with the copyright lines of its licence file."""
        return replace(self, copyrights=copyrights) if copyrights else self

    def under(self, license: str, scope: LicenseScope, copyrights: tuple[str, ...]) -> Origin:
        """Return this origin with the licence of a licence file found on the way down."""
        return replace(
            self, license=license, license_origin="file", license_scope=scope, copyrights=copyrights or self.copyrights
        )


_LFS = b"version https://git-lfs.github.com/spec/v1"
_VENDORED = re.compile(
    r"(?:^|/)(?:_?vendor(?:ed|s)?|third[-_]?party|3rd[-_]?party|node_modules|bower_components|extern(?:al)?s?|Pods|Godeps"
    r"|_vendored_packages)/"
)
_GENERATED_WORDS = re.compile(
    rb"@generated\b|\bdo not (?:edit|modify)\b|\bauto-?(?:matically )?generated\b"
    rb"|\bgenerated (?:automatically|by|from|file|code)\b"
)
_GENERATED_ENDINGS = (
    "_pb2.py", "_pb2.pyi", "_pb2_grpc.py", ".pb.go", ".pb.cc", ".pb.h", ".g.dart", ".designer.cs", ".Designer.cs",
    ".min.js", ".min.css", "-lock.json", ".lock", "go.sum", "-lock.yaml",
)  # fmt: skip
_GENERATED_HEAD = 2048


def address_template(url: str | None, repository: str, revision: str | None) -> str | None:
    """Return a template of which ``{path}`` alone is left to fill in."""
    if url is None:
        return None
    return url.replace("{repository}", quote(repository)).replace("{revision}", quote(revision or "HEAD"))


def vendored(path: str) -> bool | None:
    """Return True if a folder on the path is one that projects keep foreign code in, else None."""
    return True if _VENDORED.search(path) is not None else None


def generated(path: str, lowered: bytes) -> bool | None:
    """Return True if the name or the first 2 KiB (in lower case) say that a program wrote the text, else None."""
    if lowered.find(b"generated", 0, _GENERATED_HEAD) >= 0 or lowered.find(b"do not ", 0, _GENERATED_HEAD) >= 0:
        if _GENERATED_WORDS.search(lowered, 0, _GENERATED_HEAD) is not None:
            return True
    return True if path.endswith(_GENERATED_ENDINGS) else None


class Intake:
    """Turns what a source found into what it yields, by one set of rules."""

    def __init__(self, rules: Rules) -> None:
        """Keep ``rules``."""
        self.rules = rules

    def raw(self, raw: bytes, path: str, origin: Origin, content_id: bytes | None = None) -> Iterator[Item]:
        """Yield the document of a file's bytes, or why there is none; ``content_id`` if it is known already."""
        size = len(raw)
        refusal = self.size(path, size)
        if refusal is not None:
            yield refusal
            return
        decoded = decode(raw)
        if decoded is None:
            yield Skipped(path, "binary", "", size)
            return
        utf8, encoding, replaced = decoded
        refusal = self._unwanted(utf8, path, size)
        if refusal is not None:
            yield refusal
            return
        if replaced:
            yield Remark(path, "lone surrogates replaced", f"{replaced} by U+FFFD")
        head = utf8[:HEAD_BYTES]
        low = head.lower()
        license, license_origin, license_scope = origin.license, origin.license_origin, origin.license_scope
        said = licensing.header(head)
        if said is not None:
            if said.unknown is not None:
                yield Remark(path, "unknown licence", said.unknown)
            if said.expression != NOASSERTION:
                license, license_origin, license_scope = said.expression, "header", "file"
        elif (notice := detected(head, low)) is not None:
            license, license_origin, license_scope = notice, "detected", "file"
        url = origin.url
        if url is not None and "{path}" in url:
            url = url.replace("{path}", quote(path, errors="surrogatepass"))
        yield Document(
            utf8,
            content_id if content_id is not None else git_blob_id(raw),
            Source(
                origin.repository,
                path,
                origin.revision,
                license,
                license_origin,
                license_scope,
                licensing.copyrights(head, low) or origin.copyrights,
                language_of(path, head),
                "file",
                url,
                origin.stars,
                origin.date,
                origin.fork,
                vendored(path),
                generated(path, low),
            ),
            encoding,
        )

    def row(self, text: str, place: str, source: Source) -> Iterator[Item]:
        """Yield the document of a row's text, or why there is none; what the row does not say is found out.

        The content id is that of the text as the row holds it, in UTF-8: a corpus that changed the text (redacted
        it, decoded it) no longer holds the blob that its own hash names.
        """
        utf8, _, replaced = encode(text, "utf-8")
        size = len(utf8)
        refusal = self.size(place, size)
        if refusal is None and utf8.find(b"\0", 0, SNIFF_BYTES) >= 0:
            refusal = Skipped(place, "binary", "", size)
        if refusal is None:
            refusal = self._unwanted(utf8, place, size)
        if refusal is not None:
            yield refusal
            return
        if replaced:
            yield Remark(place, "lone surrogates replaced", f"{replaced} by U+FFFD")
        head = utf8[:HEAD_BYTES]
        low = head.lower()
        changes: dict[str, object] = {}
        if source.license_scope != "file":
            said = licensing.header(head)
            if said is not None and said.unknown is not None:
                yield Remark(place, "unknown licence", said.unknown)
            if said is None:
                notice = detected(head, low)
                if notice is not None:
                    changes.update(license=notice, license_origin="detected", license_scope="file")
            elif said.expression != NOASSERTION:
                changes.update(license=said.expression, license_origin="header", license_scope="file")
        if not source.copyrights:
            changes["copyrights"] = licensing.copyrights(head, low)
        if source.language is None:
            changes["language"] = language_of(source.path, head)
        if source.vendored is None:
            changes["vendored"] = vendored(source.path)
        if source.generated is None:
            changes["generated"] = generated(source.path, low)
        yield Document(utf8, git_blob_id(utf8), replace(source, **changes))  # type: ignore[arg-type]

    def size(self, path: str, size: int) -> Skipped | None:
        """Return why a file of this size is not read, or None."""
        if size < self.rules.min_file_bytes:
            return Skipped(path, "empty" if size == 0 else "too small", "", size)
        if size > self.rules.max_file_bytes:
            return Skipped(path, "too large", f"{size} bytes, the limit is {self.rules.max_file_bytes}", size)
        return None

    def _unwanted(self, utf8: bytes, path: str, size: int) -> Skipped | None:
        if size < 1024 and utf8.startswith(_LFS):
            return Skipped(path, "git-lfs pointer", "", size)
        long = minified(utf8, self.rules)
        return Skipped(path, "minified", long, size) if long is not None else None
