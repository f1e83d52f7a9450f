"""Hugging Face `datasets` as a source: a data set saved on disk, or one that is streamed by name.

Needs the extra ``datasets``, imported at the first use. A location is ``datasets:NAME_OR_FOLDER``, with
``?config=…&split=…`` after it if wanted (all splits otherwise); the revision is an option. A unit is one shard, so that
an interrupted build goes on with the shards that are left. Streamed data is never held whole, nor written to disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import xxhash

from indexer import licensing
from indexer.sources.base import UNIT_BYTES, Item, SourceOptions, Unit
from indexer.sources.files import one_line
from indexer.sources.intake import Intake, Origin
from indexer.sources.row_values import RowText
from indexer.sources.schemas import Schema, recognise
from provenance.errors import CorpusError, ParameterError
from provenance.records import NOASSERTION, Skipped

_ROWS = 2000
"""Rows in one unit of a data set on disk, if its size is not known."""


class Shard(NamedTuple):
    """One piece of one split: rows [first, last) of a data set on disk, or a numbered shard of a streamed one."""

    split: str
    first: int
    last: int
    streamed: bool


class DatasetsSource:
    """Every row of a data set."""

    def __init__(self, location: str, options: SourceOptions | None = None) -> None:
        """Take ``datasets:…``; nothing is loaded before `plan`."""
        self._location = location
        self._options = options or SourceOptions()
        self._intake = Intake(self._options.rules)
        self._name, _, query = location.removeprefix("datasets:").partition("?")
        asked = parse_qs(query)
        strange = sorted(set(asked) - {"config", "split"})
        if strange or not self._name:
            raise ParameterError(
                f"{location}: write datasets:NAME?config=…&split=… (not {', '.join(strange) or 'empty'})"
            )
        self._config = asked.get("config", [None])[0]
        self._split = asked.get("split", [None])[0]
        license = licensing.canonical(self._options.license).expression if self._options.license else NOASSERTION
        known = license != NOASSERTION
        self._origin = Origin(
            self._options.repository or self._name.rstrip("/").rpartition("/")[2],
            None,
            license,
            "record" if known else "none",
            "repository" if known else "unknown",
            url=self._options.url,
        )

    @property
    def location(self) -> str:
        """Return the name of the data set as the user wrote it."""
        return self._location

    def plan(self) -> Iterator[Unit]:
        """Yield shards; raises `CorpusError` if the data set cannot be loaded or holds no text."""
        for split, data in self._splits().items():
            self._schema(data)
            streamed = not hasattr(data, "__len__")
            said = f"{self._location}\0{self._options.revision}\0{split}\0{getattr(data, '_fingerprint', '')}"
            for first, last, weight in _pieces(data, streamed):
                stamp = xxhash.xxh3_128_hexdigest(f"{said}\0{first} {last}\0{self._options.columns}".encode())
                yield Unit(weight, Shard(split, first, last, streamed), stamp)

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the documents of one shard."""
        shard: Shard = unit.payload
        place = f"{self._name}/{shard.split}"
        number = 0
        try:
            data = self._splits()[shard.split]
            schema = self._schema(data)
            if data.column_names is not None:
                data = data.select_columns([name for name in schema.columns if name in data.column_names])
            if shard.streamed:
                place = f"{place}/{shard.first}"
                data = data.shard(num_shards=data.num_shards, index=shard.first)
            else:
                number = shard.first
                data = data.select(range(shard.first, shard.last))
            for row in data:
                for found in schema.read(row, f"{place}#{number}", self._origin):
                    if isinstance(found, RowText):
                        yield from self._intake.row(found.text, found.place, found.source)
                    else:
                        yield found
                number += 1
        except CorpusError as error:
            yield Skipped(f"{place}#{number}", "unreadable", str(error))
        except Exception as error:  # the library lets through whatever its readers and the network raise
            yield Skipped(f"{place}#{number}", "unreadable", one_line(error))

    def _splits(self) -> dict[str, Any]:
        """Return the splits that are asked for, by name."""
        return _load(self._location, self._name, self._config, self._split, self._options.revision)

    def _schema(self, data: Any) -> Schema:
        try:
            features = data.features
            columns = (
                {name: _inside(feature) for name, feature in features.items()}
                if features is not None
                else {name: _inside(value) for name, value in next(iter(data), {}).items()}
            )
            return recognise(columns, self._options.columns)
        except CorpusError as error:
            raise CorpusError(f"{self._location}: {error}") from error


@lru_cache(maxsize=1)
def _load(location: str, name: str, config: str | None, split: str | None, revision: str | None) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(f"{location}: needs datasets: pip install 'corpus-provenance[datasets]'") from error
    try:
        if is_saved_data_set(name):
            found = datasets.load_from_disk(name)
        else:
            found = datasets.load_dataset(name, config, split=split, streaming=True, revision=revision)
    except Exception as error:  # see read
        raise CorpusError(f"{location}: cannot be loaded: {one_line(error)}") from error
    if not isinstance(found, Mapping):
        return {split or str(found.split or "data"): found}
    if split is None:
        return dict(sorted(found.items()))
    if split not in found:
        raise CorpusError(f"{location}: no split {split!r}; there are {', '.join(sorted(found))}")
    return {split: found[split]}


def is_saved_data_set(folder: str) -> bool:
    """Return whether the library saved a data set, or several splits, in this folder."""
    names = ("dataset_dict.json", "state.json")
    return any(os.path.isfile(os.path.join(folder, name)) for name in names)


def _pieces(data: Any, streamed: bool) -> Iterator[tuple[int, int, int]]:
    """Yield (first, last, weight in bytes as far as known)."""
    if streamed:
        for index in range(data.num_shards):
            yield index, index + 1, UNIT_BYTES
        return
    rows = len(data)
    size = int(data.data.nbytes) if rows else 0
    step = max(1, UNIT_BYTES * rows // size) if size else _ROWS
    for first in range(0, rows, step):
        last = min(first + step, rows)
        yield first, last, size * (last - first) // rows


def _inside(feature: Any) -> frozenset[str]:
    """Return the names inside of a struct or a list of structs, given as a feature or as a value."""
    feature = getattr(feature, "feature", feature)
    if isinstance(feature, list) and feature:
        feature = feature[0]
    return frozenset(feature) if isinstance(feature, Mapping) else frozenset()
