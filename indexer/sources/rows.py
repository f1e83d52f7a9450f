"""Tables of rows as a source: JSON Lines and Parquet files, alone or below a folder, here or behind fsspec.

A text without a path of its own is named ``file#row``: the row's number in Parquet, the byte offset of the line in the
(decompressed) JSON Lines file, so that the name does not depend on how the file was cut into units.
"""

from __future__ import annotations

from collections.abc import Iterator

import xxhash

from indexer import licensing
from indexer.sources import jsonl, parquet
from indexer.sources.base import Item, SourceOptions, Unit, skipped_unit
from indexer.sources.files import DataFile, is_remote, listed, one_line
from indexer.sources.intake import Intake, Origin
from indexer.sources.row_values import RowText
from provenance.errors import CorpusError
from provenance.records import NOASSERTION, Skipped

SUFFIXES = (*jsonl.SUFFIXES, *parquet.SUFFIXES)


class RowsSource:
    """Every row of every table at a location."""

    def __init__(self, location: str, options: SourceOptions | None = None) -> None:
        """Take a file, a folder or an address; nothing is opened before `plan`."""
        self._location = location
        self._options = options or SourceOptions()
        self._intake = Intake(self._options.rules)
        options_license = self._options.license
        license = licensing.canonical(options_license).expression if options_license else NOASSERTION
        known = license != NOASSERTION
        name = self._options.repository or location.rstrip("/").rpartition("/")[2] or location
        self._origin = Origin(
            name,
            self._options.revision,
            license,
            "record" if known else "none",
            "repository" if known else "unknown",
            url=self._options.url,
        )

    @property
    def location(self) -> str:
        """Return the file, folder or address as the user named it."""
        return self._location

    def plan(self) -> Iterator[Unit]:
        """Yield byte ranges and row groups; raises `CorpusError` without a table that can be read."""
        found = list(listed(self._location))
        tables = [file for file in found if isinstance(file, DataFile) and self._is_table(file)]
        skipped = [one for one in found if isinstance(one, Skipped)]
        if not tables and not skipped:
            raise CorpusError(f"{self._location}: no table is here; known are {', '.join(SUFFIXES)}")
        if skipped:
            yield skipped_unit(skipped)
        for file in tables:
            try:
                yield from self._stamped(file)
            except CorpusError as error:
                if len(tables) == 1 and not skipped:
                    raise
                refused = Skipped(file.name, "unreadable table", str(error), file.size)
                yield skipped_unit([refused], file.size)

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the documents of one range of rows."""
        if isinstance(unit.payload, list):
            yield from unit.payload
            return
        file, part = unit.payload
        reader = parquet if self._is_parquet(file) else jsonl
        try:
            for found in reader.read(file, part, self._options, self._origin):
                if isinstance(found, RowText):
                    yield from self._intake.row(found.text, found.place, found.source)
                else:
                    yield found
        except Exception as error:
            # Stores behind fsspec raise what their own libraries raise; here only a defect of ours would end here.
            if not is_remote(file.path):
                raise
            yield Skipped(file.name, "unreadable", one_line(error), file.size)

    def _is_table(self, file: DataFile) -> bool:
        if self._options.format in ("jsonl", "parquet") and file.path == self._location:
            return True
        return file.name.lower().endswith(SUFFIXES)

    def _is_parquet(self, file: DataFile) -> bool:
        if file.path == self._location and self._options.format in ("jsonl", "parquet"):
            return self._options.format == "parquet"
        return file.name.lower().endswith(parquet.SUFFIXES)

    def _stamped(self, file: DataFile) -> Iterator[Unit]:
        planner = parquet if self._is_parquet(file) else jsonl
        for weight, part in planner.plan(file, self._options):
            yield Unit(weight, (file, part), self._stamp(file, repr(part)))

    def _stamp(self, file: DataFile, part: str) -> str:
        said = f"{file.path}\0{file.stamp}\0{part}\0{self._options.columns}\0{self._origin}"
        return xxhash.xxh3_128_hexdigest(said.encode("utf-8", "surrogatepass"))
