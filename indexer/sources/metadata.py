"""What packages say about themselves: name, version, licence and home page.

Formats: PyPA core metadata (METADATA of wheels and installed distributions, PKG-INFO of source distributions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import HeaderParser

from indexer import licensing
from indexer.licensing import Licence
from indexer.sources.intake import Origin
from provenance.records import NOASSERTION

_SEPARATORS = re.compile(r"[-_.]+")
_HOME_LABELS = ("source", "source code", "repository", "code", "github", "homepage", "home", "home page", "website")


@dataclass(frozen=True, slots=True)
class Package:
    """One package of one ecosystem; ``name`` as the ecosystem writes it."""

    ecosystem: str
    name: str
    version: str | None
    licence: Licence
    url: str | None

    def origin(self) -> Origin:
        """Return where the package's files come from: repository ``ecosystem:name``, the version as revision."""
        known = self.licence.expression != NOASSERTION
        return Origin(
            f"{self.ecosystem}:{self.name}",
            self.version,
            self.licence.expression,
            "record" if known else "none",
            "repository" if known else "unknown",
            url=self.url,
        )


def python_package(text: str) -> Package | None:
    """Return what core metadata says, or None where it has no name.

    Licence: License-Expression; else the License field, if it names one; else the licence classifiers, all of them.
    """
    try:
        fields = HeaderParser().parsestr(text)
        name = _one(fields, "Name")
        if name is None:
            return None
        urls = [_one(fields, "Home-page"), *_project_urls(fields)]
        return Package(
            "pypi",
            _SEPARATORS.sub("-", name).lower(),
            _one(fields, "Version"),
            _python_licence(fields),
            next((url for url in urls if url is not None and is_web_address(url)), None),
        )
    except (MessageError, ValueError, LookupError):
        return None


def is_web_address(url: str) -> bool:
    """Return whether ``url`` may be shown as a link: http(s), short, without blanks or credentials."""
    return re.fullmatch(r"https?://[^\s@<>\"']{1,500}", url) is not None


def _one(fields: Message, name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    text = " ".join(str(value).split())
    return text if text and text != "UNKNOWN" else None


def _project_urls(fields: Message) -> Iterable[str]:
    labelled: dict[str, str] = {}
    for value in fields.get_all("Project-URL", []):
        label, _, url = str(value).partition(",")
        labelled.setdefault(label.strip().lower(), url.strip())
    return [labelled[label] for label in _HOME_LABELS if label in labelled]


def _python_licence(fields: Message) -> Licence:
    expression = _one(fields, "License-Expression")
    if expression is not None:
        return licensing.canonical(expression)
    said = _one(fields, "License")
    named = licensing.canonical(said) if said is not None else Licence(NOASSERTION)
    if named.unknown is None and named.expression != NOASSERTION:
        return named
    classifiers = [str(value).strip() for value in fields.get_all("Classifier", [])]
    classified = licensing.every(value for value in classifiers if value.startswith("License ::"))
    if classified.expression == NOASSERTION:
        return named
    return classified
