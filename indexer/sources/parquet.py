"""Parquet: a unit is one row group; only the columns that are needed are read, batch by batch.

pyarrow is imported when the first file is opened. A batch holds about 8 MiB of decoded rows, a repository row (The
Stack v3) comes alone; pages are streamed, so that memory does not grow with the row group.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from indexer.sources.base import Remark, SourceOptions
from indexer.sources.files import DataFile, is_remote, one_line, opened
from indexer.sources.intake import Origin
from indexer.sources.row_values import RowText
from indexer.sources.schemas import Schema, recognise
from provenance.errors import CorpusError
from provenance.records import Skipped

if TYPE_CHECKING:
    import pyarrow.parquet

SUFFIXES = (".parquet",)
_BATCH_BYTES = 8 << 20
_STREAM_BYTES = 1 << 20


@contextmanager
def _file(path: str) -> Iterator[pyarrow.parquet.ParquetFile]:
    import pyarrow.parquet

    with ExitStack() as stack:
        # A local path is given to pyarrow itself: its own reads do not come back through Python.
        place = stack.enter_context(opened(path)) if is_remote(path) else stack.enter_context(pyarrow.OSFile(path))
        yield stack.enter_context(
            pyarrow.parquet.ParquetFile(
                place, pre_buffer=False, buffer_size=_STREAM_BYTES, page_checksum_verification=True
            )
        )


def _failures() -> tuple[type[Exception], ...]:
    import pyarrow

    # pyarrow reports damage by any of these, depending on where in the file it is.
    return (pyarrow.ArrowException, OSError, ValueError, NotImplementedError, IndexError)


def plan(file: DataFile, options: SourceOptions) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield (weight, (row group, number of its first row)); raises `CorpusError` if it is no Parquet or has no text."""
    try:
        with _file(file.path) as table:
            _schema(table, options)
            metadata = table.metadata
            first = 0
            groups = []
            for group in range(metadata.num_row_groups):
                about = metadata.row_group(group)
                if about.num_rows:
                    groups.append((about.total_byte_size, (group, first)))
                first += about.num_rows
    except CorpusError as error:
        raise CorpusError(f"{file.path}: {error}") from error
    except _failures() as error:
        raise CorpusError(f"{file.path}: not a readable Parquet file: {one_line(error)}") from error
    yield from groups


def read(
    file: DataFile, part: tuple[int, int], options: SourceOptions, origin: Origin
) -> Iterator[RowText | Skipped | Remark]:
    """Yield the texts of one row group."""
    group, number = part
    try:
        with _file(file.path) as table:
            schema = _schema(table, options)
            about = table.metadata.row_group(group)
            size = (
                1 if schema.nested else max(1, min(4096, _BATCH_BYTES * about.num_rows // (about.total_byte_size + 1)))
            )
            batches = table.iter_batches(size, [group], list(schema.columns), use_threads=False)
            for batch in batches:
                for row in _rows(batch):
                    yield from schema.read(row, f"{file.name}#{number}", origin)
                    number += 1
    except FileNotFoundError:
        yield Skipped(file.name, "vanished", "", file.size)
    except PermissionError:
        yield Skipped(file.name, "no permission", "", file.size)
    except CorpusError as error:
        yield Skipped(file.name, "unreadable table", str(error), file.size)
    except _failures() as error:
        place = f"{file.name}#{number} (row group {group})"
        yield Skipped(place, "corrupt row group", one_line(error), file.size)


def _rows(batch: pyarrow.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a batch; where a value has no Python form, times come as text and broken text as bytes.

    Parquet does not make sure that text is UTF-8, nor that a time lies in a year that Python knows; nanoseconds need
    pandas. All of a batch would be lost for one such value.
    """
    import pyarrow

    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
        return rows
    except (ValueError, OverflowError, pyarrow.ArrowInvalid):
        plain = pyarrow.schema([field.with_type(_plain(field.type)) for field in batch.schema])
        return [{name: _decoded(value) for name, value in row.items()} for row in batch.cast(plain).to_pylist()]


def _decoded(value: Any) -> Any:
    """Return a value with every bytes inside that is UTF-8 as a string."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    return {name: _decoded(one) for name, one in value.items()} if isinstance(value, dict) else value


def _plain(kind: Any) -> Any:
    """Return the type that has every value of ``kind`` in a Python form, inside of lists and structs too."""
    import pyarrow
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind):
        return pyarrow.large_list(_plain(kind.value_type))
    if types.is_struct(kind):
        return pyarrow.struct([field.with_type(_plain(field.type)) for field in kind])
    if types.is_timestamp(kind) or types.is_date(kind):
        return pyarrow.string()
    return pyarrow.large_binary() if types.is_string(kind) or types.is_large_string(kind) else kind


def _schema(table: pyarrow.parquet.ParquetFile, options: SourceOptions) -> Schema:
    """Return what the rows mean; raises `CorpusError` if a column that must hold text cannot."""
    import pyarrow.types as types

    arrow = table.schema_arrow
    for field, column in options.columns:
        if column not in arrow.names and column.split(".")[0] not in arrow.names:
            found = ", ".join(sorted(arrow.names)[:12])
            raise CorpusError(f"no column {column!r} for {field} (found {found})")
    schema = recognise({field.name: _inside(field.type) for field in arrow}, options.columns)
    twice = [name for name in schema.columns if arrow.names.count(name) > 1]
    if twice:
        raise CorpusError(f"two columns are called {twice[0]!r}: no row can tell them apart")
    texts = (
        ("content", "text", "code") if schema.name != "mapped" else tuple(c for f, c in options.columns if f == "text")
    )
    for name in texts:
        if name in schema.columns and name in arrow.names:
            kind = arrow.field(name).type
            if types.is_dictionary(kind):
                kind = kind.value_type
            if not (_is_text(kind) or types.is_nested(kind)):
                raise CorpusError(f"column {name!r} is {kind}, not text: map another with --column text=NAME")
    return schema


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return any(getattr(types, f"is_{test}")(kind) for test in tests)


def _inside(kind: Any) -> frozenset[str]:
    """Return the names inside of a struct or a list of structs."""
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind):
        kind = kind.value_type
    return frozenset(field.name for field in kind) if types.is_struct(kind) else frozenset()
