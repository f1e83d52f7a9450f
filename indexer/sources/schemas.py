"""What the rows of a table mean: which column is the text, and where the text is from.

Published code corpora are recognised by the names of their columns (`recognise`); for anything else the user maps
`FIELDS` to columns, or the usual names are tried. The licence of a row is a record: what it covers is the repository
for corpora that list a repository's licences (The Stack v1 and its kin), the file for those that looked at each file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from indexer.sources.base import Remark
from indexer.sources.intake import Origin
from indexer.sources.row_values import (
    FIELDS,
    Reader,
    Row,
    RowText,
    Said,
    count_of,
    flag_of,
    github_address,
    licence_of,
    one_text,
    struct_of,
    text_of,
)
from provenance.errors import CorpusError, ParameterError
from provenance.records import NOASSERTION, NONE, Skipped


class Schema(NamedTuple):
    """How rows are read: the corpus, the columns that are needed, the reader; ``nested`` rows are repositories."""

    name: str
    columns: tuple[str, ...]
    read: Reader
    nested: bool = False


_USUAL = {
    "text": ("content", "text", "code", "source_code", "body", "file_content", "contents"),
    "path": ("path", "file_path", "filepath", "filename", "file_name", "name"),
    "repository": ("repository", "repo_name", "repository_name", "repo", "repo_path", "repository_full_name"),
    "revision": ("revision", "revision_id", "commit", "commit_id", "commit_sha", "head_hexsha", "version"),
    "license": ("license", "licenses", "licence", "spdx", "detected_licenses", "license_expression"),
    "language": ("language", "lang", "programming_language"),
    "url": ("url", "html_url", "repo_url", "source_url"),
    "stars": ("stars", "star_events_count", "stargazers_count", "max_stars_count"),
    "date": ("date", "created", "timestamp", "committer_date", "revision_date"),
    "kind": ("kind",),
}


def recognise(columns: Mapping[str, frozenset[str]], mapping: tuple[tuple[str, str], ...] = ()) -> Schema:
    """Return the schema of a table.

    ``columns`` maps column names to the names inside of them (of a struct, or a list of structs; else empty).
    Raises `CorpusError` where no column can be the text, `ParameterError` for a mapping that names no field.
    """
    names = frozenset(columns)
    if mapping:
        return _mapped(names, mapping)
    if "files" in names and columns["files"]:
        if "content" not in columns["files"]:
            raise CorpusError("the rows list files without content: fetch the contents first, or map columns")
        return Schema("the-stack-v3", _present(names, _V3_COLUMNS), _stack_v3, nested=True)
    text = next((name for name in ("content", "text") if name in names), None)
    if text is not None:
        if {"hexsha", "max_stars_repo_path"} <= names:
            return Schema("the-stack", _present(names, _V1_COLUMNS, text), _stack_v1)
        if {"max_stars_repo_path", "id"} <= names:
            return Schema("starcoderdata", _present(names, _STARCODER_COLUMNS, text), _starcoderdata)
        if {"repository_name", "licenses", "path"} <= names:
            return Schema("the-stack-smol", _present(names, _SMOL_COLUMNS, text), _stack_smol)
        if {"blob_id", "path"} <= names:
            return Schema("the-stack-v2", _present(names, _V2_COLUMNS, text), _stack_v2)
        if {"id", "source", "text"} <= names:
            return Schema("dolma", _present(names, ("id", "text", "source", "added", "created", "metadata")), _dolma)
        if {"meta", "text"} <= names:
            return Schema("redpajama", _present(names, ("text", "meta", "red_pajama_subset")), _redpajama)
    elif {"blob_id", "path"} <= names:
        raise CorpusError("the rows hold no content, only blob ids: fetch the contents first, or map columns")
    if {"code", "repo_name", "path", "license"} <= names:
        return Schema("github-code", _present(names, ("code", "repo_name", "path", "language", "license")), _usual)
    if {"content", "repo_name", "path", "copies"} <= names:
        return Schema("codeparrot-clean", _present(names, _CODEPARROT_COLUMNS), _codeparrot)
    if not names.intersection(_USUAL["text"]):
        raise CorpusError(
            f"no column holds text (found {', '.join(sorted(names)[:12]) or 'none'}): map one with --column text=NAME"
        )
    usual = tuple(name for choices in _USUAL.values() for name in choices if name in names)
    return Schema("rows", (*usual, *(name for name in ("id", "metadata") if name in names)), _usual)


def _present(names: frozenset[str], wanted: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys((*wanted, *more)) if name in names)


def _mapped(names: frozenset[str], mapping: tuple[tuple[str, str], ...]) -> Schema:
    chosen = dict(mapping)
    strange = sorted(set(chosen) - set(FIELDS))
    if strange:
        raise ParameterError(f"columns: no field {strange[0]!r}; there are {', '.join(FIELDS)}")
    for field, column in chosen.items():
        if _outer(column, names) not in names and field == "text":
            raise CorpusError(f"no column {column!r} (found {', '.join(sorted(names)[:12])})")
    # What is not mapped keeps its usual name.
    for field, choices in _USUAL.items():
        if field not in chosen:
            usual = next((name for name in choices if name in names and name not in chosen.values()), None)
            if usual is not None:
                chosen[field] = usual
    if "text" not in chosen:
        raise CorpusError("no column is mapped to text: --column text=NAME")

    def read(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
        values = {field: _inner(row, column) for field, column in chosen.items()}
        yield from one_text(values.get("text"), place, origin, Said(values))

    return Schema("mapped", _present(names, tuple(_outer(column, names) for column in chosen.values())), read)


def _outer(column: str, names: frozenset[str]) -> str:
    """Return the column that a name stands in: itself, or what stands before its first dot."""
    return column if column in names else column.split(".")[0]


def _inner(row: Row, column: str) -> Any:
    value: Any = row.get(column)
    if value is None and "." in column:
        value = row
        for part in column.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _usual(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    """Read a row by the usual column names; a ``metadata`` struct is looked into for what the row does not say."""
    metadata = struct_of(row.get("metadata"))
    values = {}
    for field, choices in _USUAL.items():
        for name in choices:
            value = row.get(name)
            if value is None and field != "text":
                value = metadata.get(name)
            if value is not None:
                values[field] = value
                break
    if "path" not in values and isinstance(row.get("id"), str):
        values["path"] = row["id"]
    yield from one_text(values.get("text"), place, origin, Said(values))


_V1_COLUMNS = (
    *(f"max_{x}_repo_{y}" for x in ("stars", "issues", "forks") for y in ("path", "name", "head_hexsha", "licenses")),
    *("hexsha", "lang", "max_stars_count", "max_stars_repo_stars_event_min_datetime"),
)


def _stack_v1(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    """Read The Stack v1, v1.1, v1.2 or dedup: of the three repositories that a row names, the first there is."""
    family = next(
        (f"max_{x}_repo_" for x in ("stars", "issues", "forks") if row.get(f"max_{x}_repo_name")), "max_stars_repo_"
    )
    said = Said(
        {
            "path": row.get(family + "path"),
            "repository": row.get(family + "name"),
            "revision": row.get(family + "head_hexsha"),
            "license": row.get(family + "licenses"),
            "language": row.get("lang"),
            "stars": row.get("max_stars_count"),
            "date": row.get("max_stars_repo_stars_event_min_datetime"),
        }
    )
    said.url = github_address(said.repository, said.revision, said.path)
    yield from one_text(row.get("content", row.get("text")), place, origin, said)


_SMOL_COLUMNS = ("repository_name", "path", "licenses", "lang")


def _stack_smol(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    said = Said(
        {
            "path": row.get("path"),
            "repository": row.get("repository_name"),
            "license": row.get("licenses"),
            "language": row.get("lang"),
        }
    )
    said.url = github_address(said.repository, None, said.path)
    yield from one_text(row.get("content", row.get("text")), place, origin, said)


_STARCODER_COLUMNS = ("max_stars_repo_path", "max_stars_repo_name", "max_stars_count", "id")


def _starcoderdata(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    said = Said(
        {
            "path": row.get("max_stars_repo_path"),
            "repository": row.get("max_stars_repo_name"),
            "stars": row.get("max_stars_count"),
        }
    )
    said.url = github_address(said.repository, None, said.path)
    yield from one_text(row.get("content", row.get("text")), place, origin, said)


_V2_COLUMNS = (
    *("path", "repo_name", "revision_id", "detected_licenses", "license_type", "gha_license_id", "language"),
    *("is_vendor", "is_generated", "star_events_count", "committer_date", "revision_date", "blob_id"),
)


def _stack_v2(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    said = Said(
        {
            "path": (text_of(row.get("path")) or "").lstrip("/"),
            "repository": row.get("repo_name"),
            "revision": row.get("revision_id"),
            "license": looked_at(row.get("detected_licenses"), row.get("license_type")),
            "language": row.get("language"),
            "stars": row.get("star_events_count"),
            "date": row.get("committer_date") or row.get("revision_date"),
            "vendored": row.get("is_vendor"),
            "generated": row.get("is_generated"),
        },
        "file",
    )
    if licence_of(said.license).expression in (NOASSERTION, NONE) and row.get("gha_license_id"):
        said.license, said.scope = row["gha_license_id"], "repository"
    said.url = github_address(said.repository, said.revision, said.path)
    yield from one_text(row.get("content", row.get("text")), place, origin, said)


def looked_at(detected: Any, license_type: Any) -> Any:
    """Return the licences that a corpus detected; ``no_license`` with an empty list is `NONE`, for it had looked."""
    if not detected and license_type == "no_license":
        return NONE
    return detected


_V3_COLUMNS = ("repo_path", "repo_name", "commit_id", "revision_id", "github_metadata", "files", "star_events_count")


def _stack_v3(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    """Read a row that is a repository: one text for each of its files."""
    metadata = struct_of(row.get("github_metadata"))
    repository = row.get("repo_path") or row.get("repo_name")
    revision = row.get("commit_id") or row.get("revision_id")
    files = row.get("files")
    if not isinstance(files, list):
        yield Skipped(place, "no text")
        return
    for position, file in enumerate(files):
        here = f"{place}/{position}"
        if not isinstance(file, Mapping):
            yield Skipped(here, "no text")
            continue
        said = Said(
            {
                "path": (text_of(file.get("file_path") or file.get("path")) or "").lstrip("/"),
                "repository": repository,
                "revision": revision,
                "license": looked_at(file.get("detected_licenses"), file.get("license_type")),
                "language": file.get("language"),
                "stars": metadata.get("stars", row.get("star_events_count")),
                "date": file.get("file_timestamp"),
                "vendored": file.get("is_vendor"),
                "generated": file.get("is_generated"),
            },
            "file",
        )
        said.fork = flag_of(metadata.get("is_fork"))
        said.url = github_address(said.repository, said.revision, said.path)
        yield from one_text(file.get("content"), here, origin, said)


_CODEPARROT_COLUMNS = ("content", "repo_name", "path", "license", "autogenerated", "copies")


def _codeparrot(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    said = Said(
        {
            "path": row.get("path"),
            "repository": row.get("repo_name"),
            "license": row.get("license"),
            "generated": row.get("autogenerated"),
        }
    )
    said.url = github_address(said.repository, None, said.path)
    yield from one_text(row.get("content"), place, origin, said)


def _dolma(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    """Read a row of Dolma or OLMo: repository and path stand in ``metadata``, if anywhere; else the id is the path."""
    metadata = struct_of(row.get("metadata"))
    if "max_stars_repo_name" in metadata:
        yield from _stack_v1({**metadata, "content": row.get("text")}, place, origin)
        return
    found = {
        field: next((metadata[name] for name in names if name in metadata), None) for field, names in _USUAL.items()
    }
    found["path"] = found["path"] or row.get("id")
    found["repository"] = found["repository"] or row.get("source")
    found["date"] = found["date"] or row.get("created")
    yield from one_text(row.get("text"), place, origin, Said(found))


def _redpajama(row: Row, place: str, origin: Origin) -> Iterator[RowText | Skipped | Remark]:
    metadata = struct_of(row.get("meta"))
    said = Said(
        {
            "path": metadata.get("path"),
            "repository": metadata.get("repo_name") or row.get("red_pajama_subset") or metadata.get("source"),
            "revision": metadata.get("ref") if isinstance(metadata.get("ref"), str) else None,
            "license": metadata.get("license"),
            "language": _main_language(metadata.get("language")),
            "url": metadata.get("url"),
            "date": metadata.get("timestamp"),
        }
    )
    yield from one_text(row.get("text"), place, origin, said)


def _main_language(value: Any) -> Any:
    """Return the language with the most bytes; RedPajama lists those of the repository with their sizes."""
    if isinstance(value, list) and value:
        sized = [one for one in value if isinstance(one, Mapping) and isinstance(one.get("name"), str)]
        if sized:
            return max(sized, key=lambda one: (count_of(one.get("bytes")) or 0, one["name"]))["name"]
    return value
