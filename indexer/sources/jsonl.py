"""JSON Lines: plain files in byte ranges, gzip and zstd files as one stream each.

A line belongs to the range in which it starts. A line that is no JSON object, too long or not UTF-8 is skipped; after
a damaged compressed block nothing more can be read, which is said.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, cast

from indexer.sources.base import UNIT_BYTES, Remark, SourceOptions
from indexer.sources.files import DataFile, opened
from indexer.sources.inflate import DamagedStream, Inflated
from indexer.sources.intake import Origin
from indexer.sources.row_values import RowText
from indexer.sources.schemas import Schema, recognise
from provenance.errors import CorpusError
from provenance.records import Skipped

SUFFIXES = (
    *(".jsonl", ".ndjson", ".jsonlines", ".jsonl.gz", ".json.gz", ".ndjson.gz"),
    *(".jsonl.zst", ".jsonl.zstd", ".json.zst", ".ndjson.zst"),
)
_EXPANSION = 5
"""By how much code shrinks when compressed, to weigh a file before it is read."""
_MAX_LINE = 64 << 20


def plan(file: DataFile, options: SourceOptions) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield (weight, byte range); a compressed file is one range of unknown end (-1)."""
    if _is_compressed(file.name):
        yield file.size * _EXPANSION, (0, -1)
        return
    for start in range(0, file.size, UNIT_BYTES):
        end = min(start + UNIT_BYTES, file.size)
        yield end - start, (start, end)


def read(
    file: DataFile, part: tuple[int, int], options: SourceOptions, origin: Origin
) -> Iterator[RowText | Skipped | Remark]:
    """Yield the texts of the lines that start in a range."""
    start, end = part
    # A row may be a whole repository, and escapes make it longer than its text.
    limit = max(_MAX_LINE, 2 * options.rules.max_file_bytes)
    schemas: dict[frozenset[str], Schema | str] = {}
    try:
        with opened(file.path) as raw:
            stream: BinaryIO = raw
            if _is_compressed(file.name):
                stream = cast(BinaryIO, io.BufferedReader(cast(Any, Inflated(raw)), 1 << 16))
            for offset, line in _lines(stream, start, end, limit):
                place = f"{file.name}#{offset}"
                if line is None:
                    yield Skipped(place, "line too long", f"the limit is {limit} bytes")
                elif not line.isspace():
                    yield from _row(line, place, schemas, options, origin)
    except FileNotFoundError:
        yield Skipped(file.name, "vanished", "", file.size)
    except PermissionError:
        yield Skipped(file.name, "no permission", "", file.size)
    except DamagedStream as error:
        yield Skipped(file.name, error.trouble, error.detail, file.size)
    except OSError as error:
        yield Skipped(file.name, "unreadable", error.strerror or type(error).__name__, file.size)


def _is_compressed(name: str) -> bool:
    return name.lower().endswith((".gz", ".zst", ".zstd"))


def _lines(stream: BinaryIO, start: int, end: int, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (offset, line) of the lines that start in [start, end), or (offset, None) for one above ``limit``."""
    offset = start
    if start > 0:
        # The line before belongs to the range before, unless it ends exactly here.
        stream.seek(start - 1)
        offset = start - 1
        while piece := stream.readline(1 << 20):
            offset += len(piece)
            if piece.endswith(b"\n"):
                break
    while end < 0 or offset < end:
        line = stream.readline(limit + 1)
        if not line:
            return
        begin = offset
        offset += len(line)
        if len(line) > limit and not line.endswith(b"\n"):
            yield begin, None
            while piece := stream.readline(1 << 20):
                offset += len(piece)
                if piece.endswith(b"\n"):
                    break
            continue
        yield begin, line


def _row(
    line: bytes, place: str, schemas: dict[frozenset[str], Schema | str], options: SourceOptions, origin: Origin
) -> Iterator[RowText | Skipped | Remark]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        yield Skipped(place, "malformed row", _said(error), len(line))
        return
    if not isinstance(row, Mapping):
        yield Skipped(place, "malformed row", "not an object", len(line))
        return
    keys = frozenset(row)
    schema = schemas.get(keys)
    if schema is None:
        try:
            schema = recognise({key: _inside(value) for key, value in row.items()}, options.columns)
        except CorpusError as error:
            schema = str(error)
        if len(schemas) < 1000:
            schemas[keys] = schema
    if isinstance(schema, str):
        yield Skipped(place, "unknown columns", schema, len(line))
        return
    yield from schema.read(row, place, origin)


def _said(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at {error.start}"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"


def _inside(value: Any) -> frozenset[str]:
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        value = value[0]
    return frozenset(value) if isinstance(value, Mapping) else frozenset()
