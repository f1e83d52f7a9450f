"""One row of a table as a text with its source: values of whatever type a corpus holds, in the types of `Source`."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

from indexer import licensing
from indexer.rules import decode
from indexer.sources.base import Remark
from indexer.sources.intake import Origin
from indexer.sources.starcoder import starcoder_text
from provenance.records import NOASSERTION, LicenseOrigin, LicenseScope, Skipped, Source

FIELDS = ("text", "path", "repository", "revision", "license", "language", "url", "stars", "date", "kind")
"""What ``--column`` can map; ``text`` is the one that must be there."""

Row: TypeAlias = Mapping[str, Any]


class RowText(NamedTuple):
    """One text of a row with where it is from."""

    text: str
    place: str
    source: Source


Reader: TypeAlias = Callable[[Row, str, Origin], Iterator[RowText | Skipped | Remark]]


class Said:
    """The fields of one row, as far as it says them, in the types of `Source`."""

    def __init__(self, values: Mapping[str, Any], scope: LicenseScope = "repository") -> None:
        """Take values by the names in `FIELDS`, ``vendored`` and ``generated`` besides."""
        self.path = text_of(values.get("path"))
        self.repository = text_of(values.get("repository"))
        self.revision = text_of(values.get("revision"))
        self.language = text_of(values.get("language"))
        self.url = text_of(values.get("url"))
        self.stars = count_of(values.get("stars"))
        self.date = iso_date(values.get("date"))
        self.kind = text_of(values.get("kind")) or "file"
        self.license: Any = values.get("license")
        self.scope: LicenseScope = scope
        self.fork: bool | None = None
        self.vendored: bool | None = flag_of(values.get("vendored"))
        self.generated: bool | None = flag_of(values.get("generated"))

    def read_tokens(self, text: str) -> str:
        """Return ``text`` without the tokens of a StarCoder text that stand before it, having heeded them."""
        text, kind, prefix = starcoder_text(text)
        if kind != "file":
            self.kind = kind
        if prefix:
            self.path = self.path or prefix.get("path")
            self.repository = self.repository or prefix.get("repository")
            self.url = self.url or github_address(self.repository, self.revision, self.path)
        return text


def one_text(text: Any, place: str, origin: Origin, said: Said) -> Iterator[RowText | Skipped | Remark]:
    """Yield the text of one row with its source, or why there is none."""
    if text is None:
        yield Skipped(place, "no text")
        return
    if isinstance(text, bytes):
        decoded = decode(text)
        if decoded is None:
            yield Skipped(place, "binary", "", len(text))
            return
        text = decoded.utf8.decode("utf-8")
    if not isinstance(text, str):
        yield Skipped(place, "wrong type", f"the text is {type(text).__name__}, not a string")
        return
    if text.startswith("<"):
        text = said.read_tokens(text)
    license, unknown = licence_of(said.license)
    if unknown is not None:
        yield Remark(place, "unknown licence", unknown)
    origin_of_licence: LicenseOrigin = "record"
    scope: LicenseScope = said.scope
    if license == NOASSERTION:
        license, origin_of_licence, scope = origin.license, origin.license_origin, origin.license_scope
    repository = said.repository or origin.repository
    revision = said.revision or origin.revision
    path = said.path or place
    url = said.url or origin.url
    if url is not None and "{" in url:
        url = _filled(url, repository, revision, path)
    yield RowText(
        text,
        place,
        Source(
            repository,
            path,
            revision,
            license,
            origin_of_licence,
            scope,
            origin.copyrights,
            said.language,
            said.kind,
            url,
            said.stars if said.stars is not None else origin.stars,
            said.date or origin.date,
            said.fork,
            said.vendored,
            said.generated,
        ),
    )


def _filled(template: str, repository: str, revision: str | None, path: str) -> str:
    for name, value in (("repository", repository), ("revision", revision or "HEAD"), ("path", path)):
        template = template.replace("{" + name + "}", quote(value, errors="replace"))
    return template


def licence_of(said: Any) -> licensing.Licence:
    """Return the expression of a string, or of a list of strings (all of which hold)."""
    if isinstance(said, str):
        if said.startswith("["):
            try:
                return licence_of(json.loads(said))
            except ValueError:
                pass
        return licensing.canonical(said)
    if isinstance(said, list | tuple):
        return licensing.every(one for one in said if isinstance(one, str))
    return licensing.Licence(NOASSERTION)


def text_of(value: Any) -> str | None:
    """Return a string that may stand in a `Source`, or None; a lone surrogate is replaced."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def count_of(value: Any) -> int | None:
    """Return a count; copies made with pandas hold floats, and NaN where there is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int) and 0 <= value < 1 << 63:
        return value
    if isinstance(value, float) and value >= 0 and value == int(value if value < 1e18 else -1):
        return int(value)
    return None


def flag_of(value: Any) -> bool | None:
    """Return a truth value that a row states as one."""
    return value if isinstance(value, bool) else None


def iso_date(value: Any) -> str | None:
    """Return a date or time as ISO 8601; numbers are seconds since 1970, in UTC."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return text_of(value) if isinstance(value, str) and re.match(r"\d{4}-\d\d", value) else None


def github_address(repository: str | None, revision: str | None, path: str | None) -> str | None:
    """Return where GitHub shows a file, if the repository is ``owner/name``."""
    if repository is None or path is None or repository.count("/") != 1:
        return None
    return f"https://github.com/{quote(repository)}/blob/{quote(revision or 'HEAD')}/{quote(path)}"


def struct_of(value: Any) -> Mapping[str, Any]:
    """Return a mapping that a row holds as such, as JSON, or as Python writes one."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and len(value) < 100_000:
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                continue
            if isinstance(found, Mapping):
                return found
    return {}
