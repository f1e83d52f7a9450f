"""Archives as a source: packages of the registries, source archives, alone or a folder full of them.

Known packages: wheels and source distributions (PyPI), crates (cargo), ``.tgz`` of npm, jars (Maven), module archives
of Go. Their own metadata gives repository (``ecosystem:name``), revision (the version), licence and home page; a
``.pom`` beside a jar counts as its metadata. Any other archive is a repository named after its one top folder or
itself. A path is what stands below the top folder, as in the repository that was packed.

A name that is absolute or climbs (``..``), a link, a device is refused and counted. An archive is surveyed once at
planning, for its metadata and licence files; a member that cannot be read is counted, and after damage that hides what
follows the archive is named with what is wrong.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import xxhash

from indexer import licensing
from indexer.rules import compile_patterns, decode, readable, suffix
from indexer.sources.base import Item, Remark, SourceOptions, Unit, skipped_unit
from indexer.sources.carried import carried_origins
from indexer.sources.files import DataFile, is_remote, listed, one_line, opened
from indexer.sources.inflate import DamagedStream
from indexer.sources.intake import Intake, Origin, address_template
from indexer.sources.members import Member, is_zip, members_of
from indexer.sources.metadata import Package, cargo_package, maven_package, npm_package, python_package
from indexer.sources.nearest import MAX_LICENCE_BYTES, stated
from indexer.sources.python_install import is_installer_note
from provenance.errors import CorpusError
from provenance.records import NOASSERTION, Skipped

SUFFIXES = (
    *(".whl", ".crate", ".jar", ".tgz", ".zip", ".tar"),
    *(".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst"),
)
_UNIT_BYTES = 512 << 20
"""A later unit of a tar archive inflates all before it once more, so that units are few and large."""
_ZIP_UNIT_BYTES = 64 << 20
"""A zip archive knows where its members are; each unit reads the directory once more."""
_METADATA = frozenset(("METADATA", "PKG-INFO", "Cargo.toml", "package.json", "pom.xml", "MANIFEST.MF"))
_MAX_METADATA = 1 << 20
_MAX_KEPT = 64 << 20
_MOST_PLACES = 12
# A wheel keeps its licence files in a folder of their own, below it with the paths that they had in the source.
_KEPT_LICENCES = re.compile(r"[^/]+\.dist-info(?:/licenses(?:/(?:src/)?(.+))?)?")
_GO_MODULE = re.compile(r"([^@]+)@(v\d[^/]*)/")


class Part(NamedTuple):
    """What a unit reads: an archive, members [first, last) of it, and where they are from."""

    file: DataFile
    first: int
    last: int
    strip: str
    origins: dict[str, Origin]


@dataclass(slots=True)
class _Survey:
    """What one pass over an archive finds: safe file names' top folder, cuts by size, metadata, licence files."""

    cuts: list[tuple[int, int]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    licences: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tops: set[str] = field(default_factory=set)
    module: str | None = ""
    count: int = 0
    kept: int = 0
    trouble: DamagedStream | None = None


class ArchivesSource:
    """Every member of every archive at a location that the rules let through."""

    def __init__(self, location: str, options: SourceOptions | None = None) -> None:
        """Take an archive, a folder or an address; nothing is opened before `plan`."""
        self._location = location
        self._options = options or SourceOptions()
        self._intake = Intake(self._options.rules)

    @property
    def location(self) -> str:
        """Return the archive or folder as the user named it."""
        return self._location

    def plan(self) -> Iterator[Unit]:
        """Yield runs of members; raises `CorpusError` without an archive that can be read."""
        found = list(listed(self._location))
        archives = [file for file in found if isinstance(file, DataFile) and self._is_archive(file)]
        skipped = [one for one in found if isinstance(one, Skipped)]
        if not archives and not skipped:
            raise CorpusError(f"{self._location}: no archive is here; known are {', '.join(SUFFIXES)}")
        if skipped:
            yield skipped_unit(skipped)
        for file in archives:
            yield from self._units(file, alone=len(archives) == 1 and not skipped)

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the documents of one run of members."""
        if isinstance(unit.payload, list):
            yield from unit.payload
            return
        part, notes = unit.payload
        yield from notes
        if part is None:
            return
        excluded = compile_patterns(self._options.rules.exclude)
        try:
            with members_of(part.file) as members:
                for number, member in enumerate(members):
                    if number >= part.last:
                        break
                    if number >= part.first and member.kind != "folder":
                        yield from self._member(member, part, excluded)
        except DamagedStream as error:
            # The survey has said so already, unless the file changed since.
            if part.last > 0 and not any(isinstance(note, Skipped) for note in notes):
                yield Skipped(part.file.name, error.trouble, error.detail, part.file.size)
        except FileNotFoundError:
            yield Skipped(part.file.name, "vanished", "", part.file.size)
        except PermissionError:
            yield Skipped(part.file.name, "no permission", "", part.file.size)
        except Exception as error:
            # Stores behind fsspec raise what their own libraries raise.
            if not isinstance(error, OSError) and not is_remote(part.file.path):
                raise
            yield Skipped(part.file.name, "unreadable", one_line(error), part.file.size)

    def _is_archive(self, file: DataFile) -> bool:
        return self._options.format == "archive" and file.path == self._location or file.name.lower().endswith(SUFFIXES)

    def _units(self, file: DataFile, *, alone: bool) -> Iterator[Unit]:
        try:
            survey = _survey(file)
        except OSError as error:
            survey = _Survey(trouble=DamagedStream("corrupt", error.strerror or type(error).__name__))
        trouble = survey.trouble
        if trouble is not None and survey.count == 0 and alone:
            raise CorpusError(f"{file.path}: not a readable archive ({trouble.trouble}): {trouble.detail}")
        strip, package = _identified(file, survey)
        notes: list[Skipped | Remark] = []
        if trouble is not None:
            notes.append(Skipped(file.name, f"{trouble.trouble} archive", trouble.detail, file.size))
        if package is not None and package.licence.unknown is not None:
            notes.append(Remark(file.name, "unknown licence", package.licence.unknown))
        origins = self._origins(file, survey, strip, package)
        stamp = f"{file.path}\0{file.stamp}\0{strip}\0{sorted(origins.items())}\0{notes}"
        first = 0
        for last, weight in survey.cuts:
            part = Part(file, first, last, strip, origins)
            digest = xxhash.xxh3_128_hexdigest(f"{stamp}\0{first} {last}".encode("utf-8", "surrogatepass"))
            yield Unit(weight, (part, tuple(notes)), digest)
            first, notes = last, []
        if notes:
            yield Unit(0, (None, tuple(notes)), xxhash.xxh3_128_hexdigest(stamp.encode("utf-8", "surrogatepass")))

    def _origins(self, file: DataFile, survey: _Survey, strip: str, package: Package | None) -> dict[str, Origin]:
        """Return the origin of the root (``""``), of folders that state a licence, of files that inner packages own."""
        options = self._options
        if package is not None:
            root = package.origin()
        else:
            license = licensing.canonical(options.license).expression if options.license else NOASSERTION
            known = license != NOASSERTION
            module = _GO_MODULE.match(strip)
            name = options.repository or (module[1] if module else strip.rstrip("/") or _stem(file.name))
            revision = options.revision or (module[2] if module else None)
            root = Origin(
                name,
                revision,
                license,
                "record" if known else "none",
                "repository" if known else "unknown",
                url=address_template(options.url, name, revision),
            )
        by_root: dict[str, bytes] = {}
        nearer: dict[str, dict[str, bytes]] = {}
        for folder, texts in survey.licences.items():
            inside = (folder + "/").removeprefix(strip).rstrip("/")
            kept = _KEPT_LICENCES.fullmatch(inside)
            if kept is not None:
                inside = kept[1] or ""
            if inside in ("", "META-INF", "licenses", "LICENSES"):
                by_root.update(texts)
            elif ".dist-info" not in inside:
                nearer.setdefault(inside, texts)
        said = stated(by_root, by_root.get)
        if said is not None:
            if package is not None and package.licence.unknown is not None and said.expression != NOASSERTION:
                root = root.under(said.expression, "repository", said.copyrights)
            root = said.applied(root, top=True)
        origins = {"": root}
        for inside in sorted(nearer):
            said = stated(nearer[inside], nearer[inside].get)
            if said is not None:
                origins[inside] = said.applied(root, top=False)
        return {**origins, **carried_origins(survey.metadata, strip, origins)}

    def _member(self, member: Member, part: Part, excluded: Callable[[str], bool]) -> Iterator[Item]:
        rules = self._options.rules
        name = _safe(member.name)
        if name is None:
            yield Skipped(f"{part.file.name}!{member.name[:200]}", "unsafe path", "", max(member.size, 0))
            return
        path = name.removeprefix(part.strip)
        shown = f"{part.file.name}!{name}"
        if member.kind != "file":
            yield Skipped(shown, member.kind, "", max(member.size, 0))
            return
        if not rules.include_hidden and (path.startswith(".") or "/." in path):
            yield Skipped(shown, "hidden", "", member.size)
        elif excluded(path):
            yield Skipped(shown, "excluded", "", member.size)
        elif is_installer_note(path):
            yield Skipped(shown, "package metadata", "", member.size)
        elif suffix(posixpath.basename(path)) in rules.binary_suffixes:
            yield Skipped(shown, "binary", "by suffix", member.size)
        elif (refusal := self._intake.size(shown, member.size)) is not None:
            yield refusal
        else:
            yield from self._content(member, part, path, shown)

    def _content(self, member: Member, part: Part, path: str, shown: str) -> Iterator[Item]:
        try:
            raw = member.read(self._options.rules.max_file_bytes + 1)
        except DamagedStream as error:
            if not is_zip(part.file.name):
                raise
            yield Skipped(shown, error.trouble, error.detail, member.size)
            return
        place = path
        while place and place not in part.origins:
            place = posixpath.dirname(place)
        yield from self._intake.raw(raw, path, part.origins[place])


def _safe(name: str) -> str | None:
    """Return a member's name with plain slashes, or None for one that points outside."""
    name = readable(name.replace("\\", "/"))
    while name.startswith("./"):
        name = name[2:]
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\0" in name:
        return None
    parts = name.rstrip("/").split("/")
    return None if not name or any(part in ("", ".", "..") for part in parts) else "/".join(parts)


def _survey(file: DataFile) -> _Survey:
    found = _Survey()
    weight = 0
    unit_bytes = _ZIP_UNIT_BYTES if is_zip(file.name) else _UNIT_BYTES
    try:
        with members_of(file) as members:
            for number, member in enumerate(members):
                weight += max(member.size, 0)
                found.count = number + 1
                if weight >= unit_bytes:
                    found.cuts.append((number + 1, weight))
                    weight = 0
                if member.kind == "file":
                    _look(member, found)
    except DamagedStream as error:
        found.trouble = error
    if found.count > (found.cuts[-1][0] if found.cuts else 0):
        found.cuts.append((found.count, weight))
    return found


def _look(member: Member, found: _Survey) -> None:
    """Take note of a member's top folder, and of its content if it tells about the package."""
    name = _safe(member.name)
    if name is None:
        return
    folder, base = posixpath.split(name)
    if len(found.tops) < 3:
        found.tops.add(name.partition("/")[0] if folder else "")
    if found.module == "":
        module = _GO_MODULE.match(name)
        found.module = module[0] if module else None
    elif found.module is not None and not name.startswith(found.module):
        found.module = None
    if found.kept > _MAX_KEPT:
        return
    told = base in _METADATA or base == "RECORD" and "/" in folder
    if told and folder.count("/") <= 3 and member.size <= _MAX_METADATA:
        raw = member.read(_MAX_METADATA)
        found.metadata.setdefault(name, raw.decode("utf-8", "replace"))
        found.kept += len(raw)
    elif licensing.is_licence_file(base) and 0 < member.size <= MAX_LICENCE_BYTES:
        raw = member.read(MAX_LICENCE_BYTES)
        found.licences.setdefault(folder, {})[base] = raw
        found.kept += len(raw)


def _identified(file: DataFile, survey: _Survey) -> tuple[str, Package | None]:
    """Return the folder that all names begin with, if it is only packing, and what the package says it is."""
    name = file.name.lower()
    metadata = survey.metadata
    top = next(iter(survey.tops)) + "/" if len(survey.tops) == 1 and "" not in survey.tops else ""
    if name.endswith(".whl"):
        said = next((text for path, text in sorted(metadata.items()) if path.endswith(".dist-info/METADATA")), None)
        return "", python_package(said) if said is not None else None
    if name.endswith(".jar"):
        manifest = metadata.get("META-INF/MANIFEST.MF")
        return "", maven_package(_main_pom(file, metadata), manifest, _base(file.name), _pom_finder(file, metadata))
    if name.endswith(".crate") and f"{top}Cargo.toml" in metadata:
        return top, cargo_package(metadata[f"{top}Cargo.toml"])
    if name.endswith(".tgz") and f"{top}package.json" in metadata:
        return top, npm_package(metadata[f"{top}package.json"])
    if top and f"{top}PKG-INFO" in metadata:
        return top, python_package(metadata[f"{top}PKG-INFO"])
    if survey.module:
        return survey.module, None
    return top, None


def _main_pom(file: DataFile, metadata: dict[str, str]) -> str | None:
    """Return the POM of a jar: the one beside it, else the one inside that the file is named after."""
    beside = _pom_at(file, re.sub(r"(?:-sources|-javadoc)?\.jar$", ".pom", file.path))
    if beside is not None:
        return beside
    poms = {path.split("/")[-2]: text for path, text in sorted(metadata.items()) if path.endswith("/pom.xml")}
    base = _base(file.name)
    for artifact in sorted(poms, key=len, reverse=True):
        if base.startswith(artifact):
            return poms[artifact]
    return next(iter(poms.values())) if len(poms) == 1 else None


def _pom_finder(file: DataFile, metadata: dict[str, str]) -> Callable[[str, str, str], str | None]:
    """Return how a parent POM is found: in the jar, beside it, or where a repository of Maven keeps it."""

    def find(group: str, artifact: str, version: str) -> str | None:
        inside = metadata.get(f"META-INF/maven/{group}/{artifact}/pom.xml")
        name = f"{artifact}-{version}.pom"
        if inside is not None or not {group, artifact, version}.isdisjoint((".", "..")) or "/" in group + name:
            return inside
        folder = posixpath.dirname(file.path)
        places = [f"{folder}/{name}"]
        # …/group/as/folders/artifact/version/artifact-version.jar
        above = posixpath.dirname(posixpath.dirname(folder))
        places += [f"{above}/{artifact}/{version}/{name}"]
        path = f"{group.replace('.', '/')}/{artifact}/{version}/{name}"
        while above not in ("", "/"):
            above = posixpath.dirname(above)
            places.append(f"{above}/{path}")
        return next((text for place in places[:_MOST_PLACES] if (text := _pom_at(file, place)) is not None), None)

    return find


def _pom_at(file: DataFile, path: str) -> str | None:
    if is_remote(file.path):
        return None
    try:
        with opened(path) as stream:
            decoded = decode(stream.read(_MAX_METADATA))
    except OSError:
        return None
    return decoded.utf8.decode("utf-8", "replace") if decoded is not None else None


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _stem(name: str) -> str:
    base = _base(name)
    ending = next((one for one in sorted(SUFFIXES, key=len, reverse=True) if base.lower().endswith(one)), "")
    return base[: len(base) - len(ending)] or base
