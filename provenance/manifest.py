"""index.json: what an index consists of. Read here, replaced by `indexer.commit`.

The file is replaced as a whole, so a reader sees one generation or the next, never a mixture. It carries the
SHA-256 of its own canonical JSON, and of the manifest of every segment, which carries a checksum of every file:
from index.json on, everything that is read can be checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from provenance.errors import CorruptFile, IncompatibleVersion, IndexMissing, ParameterError, StorageError
from provenance.parameters import Parameters, canonical_json

FORMAT = 1
NAME = "index.json"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Which corpus an index was built from.

    ``complete`` is false where something of the corpus could not be read; ``built`` is the UTC time of the last
    change (ISO 8601); ``optout_version`` counts the withdrawals acted on.
    """

    name: str
    revision: str | None = None
    complete: bool = True
    built: str = ""
    optout_version: int = 0


@dataclass(frozen=True, slots=True)
class Coincidence:
    """How often unrelated snippets hold a run by coincidence, as measured when the index was built or compacted.

    ``rates`` are pairs: a length in normalised units, ascending, and the share of ``snippets`` that hold a run of that
    length or more. They come from ``repositories`` that were held out; ``copied`` more were copies and are left out.
    """

    rates: tuple[tuple[int, float], ...]
    snippets: int
    copied: int
    repositories: int


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One segment; ``repositories`` counts the distinct ones in it, ``manifest`` is its manifest's SHA-256."""

    id: str
    documents: int
    contents: int
    text_bytes: int
    repositories: int
    manifest: str


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """One filter layer and the segments whose keys it holds; ``manifest`` is its manifest's SHA-256."""

    id: str
    segments: tuple[str, ...]
    keys: int
    kind: str
    manifest: str


@dataclass(frozen=True, slots=True)
class Removed:
    """What was withdrawn; ``path`` is the folder of the removal set, or empty where there is nothing to hide.

    ``documents`` and ``keys`` count what the removal set hides until it is made physical. ``repositories`` and
    ``owners`` (case-folded) and ``named`` (document ids in hex, named one by one) stay out of later additions too.
    """

    path: str = ""
    documents: int = 0
    keys: int = 0
    repositories: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of index.json; ``documents`` counts distinct document ids that are not withdrawn."""

    parameters: Parameters
    corpus: Corpus
    generation: int = 0
    documents: int = 0
    segments: tuple[SegmentEntry, ...] = ()
    layers: tuple[LayerEntry, ...] = ()
    attached: tuple[Mapping[str, Any], ...] = ()
    digest: str = ""
    removed: Removed = field(default_factory=Removed)
    coincidence: Coincidence | None = None

    def to_bytes(self) -> bytes:
        """Return the file as it is written."""
        value = {
            "format": FORMAT,
            "generation": self.generation,
            "corpus": asdict(self.corpus),
            "parameters": self.parameters.as_dict(),
            "digest": self.digest,
            "documents": self.documents,
            "segments": [asdict(entry) for entry in self.segments],
            "layers": [{**asdict(entry), "segments": list(entry.segments)} for entry in self.layers],
            "attached": [dict(entry) for entry in self.attached],
            "removed": {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.removed).items()},
        }
        if self.coincidence is not None:
            value["coincidence"] = {
                **asdict(self.coincidence),
                "rates": [list(pair) for pair in self.coincidence.rates],
            }
        value["checksum"] = hashlib.sha256(canonical_json(value)).hexdigest()
        return json.dumps(value, indent=1, ensure_ascii=True).encode("ascii") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> Manifest:
        """Return what a file says. Raises `CorruptFile` or `IncompatibleVersion`, naming ``path``."""
        value = read_json(data, path)
        if value.get("format") != FORMAT:
            raise IncompatibleVersion(path, value.get("format"), FORMAT)
        checksum = value.pop("checksum", None)
        if hashlib.sha256(canonical_json(value)).hexdigest() != checksum:
            raise CorruptFile(path, "its checksum does not hold: damaged, or changed by hand")
        try:
            return cls(
                parameters=Parameters.from_dict(value["parameters"]),
                corpus=Corpus(**value["corpus"]),
                generation=int(value["generation"]),
                documents=int(value["documents"]),
                segments=tuple(SegmentEntry(**entry) for entry in value["segments"]),
                layers=tuple(LayerEntry(**{**e, "segments": tuple(e["segments"])}) for e in value["layers"]),
                attached=tuple(value["attached"]),
                digest=str(value["digest"]),
                removed=_removed(value["removed"]),
                coincidence=_coincidence(value.get("coincidence")),
            )
        except (KeyError, TypeError, ValueError, ParameterError) as error:
            raise CorruptFile(path, f"an entry is missing or of the wrong kind ({error})") from None


def _removed(value: Mapping[str, Any]) -> Removed:
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
    return Removed(**fields)


def _coincidence(value: Mapping[str, Any] | None) -> Coincidence | None:
    if value is None:
        return None
    rates = tuple((int(length), float(rate)) for length, rate in value["rates"])
    return Coincidence(rates, int(value["snippets"]), int(value["copied"]), int(value["repositories"]))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a small file in hex. Raises `IndexMissing` or `StorageError`."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise IndexMissing(f"{path}: a file of the index is missing") from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error


def read_json(data: bytes, path: Path) -> dict[str, Any]:
    """Return the JSON object in ``data``. Raises `CorruptFile`, naming ``path``."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise CorruptFile(path, "not JSON: truncated or damaged") from None
    if not isinstance(value, dict):
        raise CorruptFile(path, "not a JSON object")
    return value
