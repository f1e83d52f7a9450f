"""What packages say about themselves: name, version, licence and home page.

Formats: PyPA core metadata (METADATA of wheels and installed distributions, PKG-INFO of source distributions),
Cargo.toml, npm's package.json, Maven's POM and the manifest of a jar. Ecosystems are named as package URLs name them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import HeaderParser
from typing import Any, TypeAlias
from xml.etree import ElementTree

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
        labelled.setdefault(label.strip().lower().replace("-", " "), url.strip())
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


def cargo_package(text: str) -> Package | None:
    """Return what Cargo.toml says; ``A/B`` in its licence, as Cargo once had it, is a choice."""
    try:
        package = tomllib.loads(text).get("package")
    except (ValueError, RecursionError):
        return None
    if not isinstance(package, dict) or not _string(package.get("name")):
        return None
    said = _string(package.get("license"))
    urls = (package.get("repository"), package.get("homepage"))
    return Package(
        "cargo",
        package["name"],
        _string(package.get("version")),
        licensing.canonical(said) if said else Licence(NOASSERTION),
        _address(urls),
    )


def npm_package(text: str) -> Package | None:
    """Return what package.json says: ``license`` as a string or ``{type}``, or the old ``licenses``, any of them."""
    try:
        package = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(package, dict) or not _string(package.get("name")):
        return None
    repository = package.get("repository")
    address = repository.get("url") if isinstance(repository, dict) else repository
    if isinstance(address, str):
        address = address.removeprefix("git+").removesuffix(".git").replace("git://", "https://", 1)
        shorthand = re.fullmatch(r"(?:github:)?([\w.-]+/[\w.-]+)", address)
        address = f"https://github.com/{shorthand[1]}" if shorthand else address
    return Package(
        "npm",
        package["name"],
        _string(package.get("version")),
        _npm_licence(package),
        _address((address, package.get("homepage"))),
    )


def _npm_licence(package: dict[str, Any]) -> Licence:
    said = package.get("license", package.get("licence"))
    if said is None:
        said = package.get("licenses")
    if isinstance(said, dict):
        said = said.get("type") or said.get("name")
    if isinstance(said, list):
        names = [one.get("type") if isinstance(one, dict) else one for one in said]
        licences = [licensing.canonical(name) for name in names if isinstance(name, str)]
        if licences and all(one.unknown is None and one.expression != NOASSERTION for one in licences):
            return Licence(licensing.either(one.expression for one in licences))
        said = " ".join(name for name in names if isinstance(name, str))
    # "SEE LICENSE IN file" points to a file, which speaks for itself; UNLICENSED is npm's word for no permission.
    if not isinstance(said, str) or said.upper().startswith("SEE LICEN"):
        return Licence(NOASSERTION)
    if said.upper() == "UNLICENSED":
        return Licence("LicenseRef-UNLICENSED")
    return licensing.canonical(said)


PomReader: TypeAlias = Callable[[str, str, str], str | None]
"""Returns the text of the POM of a group, artifact and version, or None where it cannot be had."""
_MOST_PARENTS = 16


def maven_package(
    pom: str | None, manifest: str | None, file_name: str, read_pom: PomReader | None = None
) -> Package | None:
    """Return what a POM says, what it lacks from the jar's manifest, and what that lacks from the file's name.

    Several licences in a POM are a choice (Maven: "the user may choose"). Group, version, licences and addresses that
    a POM does not state are its parent's, which ``read_pom`` finds.
    """
    found = _with_parents(_pom(pom), read_pom) if pom is not None else {}
    main = _manifest(manifest) if manifest is not None else {}
    stem = re.sub(r"-(?:sources|javadoc)$", "", file_name.removesuffix(".jar"))
    named = re.fullmatch(r"(.+?)-(\d[\w.+-]*)", stem)
    artifact = found.get("artifact") or (named[1] if named else stem)
    group = found.get("group")
    version = found.get("version") or main.get("implementation-version") or main.get("bundle-version")
    said = found.get("licences") or _listed(main.get("bundle-license"))
    licences = [licensing.canonical(one) for one in said]
    good = [one.expression for one in licences if one.unknown is None and one.expression != NOASSERTION]
    licence = Licence(licensing.either(good)) if good and len(good) == len(licences) else licensing.every(said)
    if not artifact:
        return None
    return Package(
        "maven",
        f"{group}:{artifact}" if group else artifact,
        version or (named[2] if named else None),
        licence,
        _address((found.get("scm"), found.get("url"), main.get("bundle-docurl"))),
    )


def _with_parents(found: dict[str, Any], read_pom: PomReader | None) -> dict[str, Any]:
    """Return a POM with what it inherits; a circle or a missing parent ends the search."""
    parent = found.get("parent")
    for _ in range(_MOST_PARENTS):
        if read_pom is None or parent is None or not all(parent):
            break
        text = read_pom(*parent)
        if text is None:
            break
        above = _pom(text)
        for field in ("url", "scm", "licences"):
            found[field] = found.get(field) or above.get(field)
        parent = above.get("parent")
    return found


def _pom(text: str) -> dict[str, Any]:
    # A document type can define entities that grow without bound; no POM needs one.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return {}
    try:
        root = ElementTree.fromstring(text.encode("utf-8", "replace"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return {}

    def inside(element: ElementTree.Element | None, *names: str) -> ElementTree.Element | None:
        for name in names:
            if element is None:
                return None
            element = next((child for child in element if child.tag.rpartition("}")[2] == name), None)
        return element

    def said(*names: str) -> str | None:
        element = inside(root, *names)
        value = " ".join((element.text or "").split()) if element is not None else ""
        return None if not value or "${" in value else value

    licences = inside(root, "licenses")
    names = []
    for licence in licences if licences is not None else ():
        name, url = inside(licence, "name"), inside(licence, "url")
        for element in (name, url):
            value = " ".join((element.text or "").split()) if element is not None else ""
            if value and (licensing.canonical(value).unknown is None or element is url):
                names.append(value)
                break
        else:
            if name is not None and name.text:
                names.append(" ".join(name.text.split()))
    return {
        "group": said("groupId") or said("parent", "groupId"),
        "artifact": said("artifactId"),
        "version": said("version") or said("parent", "version"),
        "url": said("url"),
        "scm": said("scm", "url"),
        "licences": names,
        "parent": (said("parent", "groupId"), said("parent", "artifactId"), said("parent", "version"))
        if inside(root, "parent") is not None
        else None,
    }


def _manifest(text: str) -> dict[str, str]:
    """Return the main section of META-INF/MANIFEST.MF; a line that begins with a blank goes on the one before."""
    fields: dict[str, str] = {}
    last = None
    for line in text.splitlines():
        if not line.strip():
            break
        if line.startswith(" ") and last is not None:
            fields[last] += line[1:]
        elif ": " in line:
            last, _, value = line.partition(": ")
            last = last.lower()
            fields[last] = value
    return fields


def _listed(bundle_license: str | None) -> list[str]:
    """Return the licences of OSGi's Bundle-License: names or addresses, with attributes after a semicolon."""
    return [one.split(";")[0].strip() for one in (bundle_license or "").split(",") if one.strip()]


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value and len(value) < 300 else None


def _address(candidates: Iterable[Any]) -> str | None:
    return next((one for one in candidates if isinstance(one, str) and is_web_address(one)), None)
