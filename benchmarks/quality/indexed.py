"""The toolkit as it ships: `trace` over an index on disk, with tantivy or a real Elasticsearch node."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.quality.corpus import File, split
from benchmarks.quality.tool import Answer
from indexer.build import build
from indexer.sources import open_source
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.search.elasticsearch.cluster import ClusterSettings
from provenance.traced import TracedSpan
from provenance.tracing import trace


class Traced:
    """Every file of the indexed part is a document; the first place is the first source of the longest span."""

    def __init__(
        self,
        files: Sequence[File],
        folder: Path,
        *,
        cluster: str | None = None,
        indexed: Callable[[File], bool] | None = None,
    ) -> None:
        """Build the index in ``folder`` unless it is there; ``cluster`` is the address of an Elasticsearch node."""
        self.name = "trace, elasticsearch" if cluster else "trace, tantivy"
        chosen = indexed or (lambda file: split(file.repository).indexed)
        self._numbers = {(file.repository, file.path): n for n, file in enumerate(files) if chosen(file)}
        self._folder = folder
        if not folder.exists():
            self._build(files, cluster)
        self._index = Index.open(folder)

    def _build(self, files: Sequence[File], cluster: str | None) -> None:
        rows = self._folder.with_suffix(".jsonl")
        rows.parent.mkdir(parents=True, exist_ok=True)
        with rows.open("w", encoding="utf-8") as written:
            for number in self._numbers.values():
                file = files[number]
                row = {"content": file.text.decode(), "repository": file.repository, "path": file.path}
                written.write(json.dumps(row) + "\n")
        try:
            build(
                [open_source(str(rows))],
                self._folder,
                parameters=Parameters(engine="elasticsearch") if cluster else None,
                cluster=ClusterSettings(url=cluster) if cluster else None,
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def spans(self, text: bytes) -> tuple[TracedSpan, ...]:
        """Return what `trace` finds with its defaults."""
        return trace(self._index, text).spans

    def number(self, repository: str, path: str) -> int:
        """Return the number of a file that a source names."""
        return self._numbers[repository, path]

    def ask(self, text: bytes) -> Answer:
        """Return the sources of the longest span as places; an alarm where some span is uncommon."""
        spans = sorted(self.spans(text), key=lambda span: (span.span.common, span.span.start - span.span.end))
        places = tuple(
            (self.number(match.source.repository, match.source.path), match.span.start_byte, match.span.end_byte)
            for span in spans[:1]
            for match in span.sources
        )
        return Answer(places, any(not span.span.common for span in spans))
