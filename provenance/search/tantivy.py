"""The embedded engine: a gram file and a tantivy index a segment, one engine document a content.

Grams find what holds a string; tantivy ranks words and knows which contents pass a filter. Nothing is stored in it
but postings: texts and sources live in the segment's block files. Words have no positions: over the Linux source
these took 22 % of the text's size where grams take 14 %, and proposed more wrong texts (2026-11, ARCHITECTURE.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Unpack

import tantivy

from provenance import kernel
from provenance.errors import CorruptFile, IndexMissing, StorageError
from provenance.records import ContentRef, Source
from provenance.search.base import TIED, Candidates, Counted, Field, Filters, best
from provenance.search.filtering import indexed, keywords
from provenance.search.grams import ALL, GRAMS, Found, GramFile, How, collected
from provenance.search.words import WORD_BYTES
from provenance.storage import fsync_all, refusals_named

_FOLDER = "search"
_ANALYSER = "words"
_HEAP_BYTES = 64_000_000
_COMMIT_BYTES = 64 << 20
"""Words after which a writer waits for tantivy's thread: it queues 10,000 documents, whatever their size."""
_REMOVALS = 10
_SPARE = 32
"""Contents asked for beyond those wanted, since equal ones come in tantivy's own order."""
_FIELDS: Mapping[Counted, str] = {"words": "text", "fingerprints": "fingerprints", "language": "language"}

_KEYWORDS = (("language", "languages"), ("repository", "repositories"), ("owner", "owners"), ("license", "licenses"))
"""Fields of the engine, and what they are called in `Filters` and `Keywords`."""


def analyser() -> tantivy.TextAnalyzer:
    """Return the word rule; an index does not store it, so it is registered at every open."""
    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    return words.filter(tantivy.Filter.remove_long(WORD_BYTES + 1)).build()


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("content", fast=True)
    builder.add_text_field("text", tokenizer_name=_ANALYSER, index_option="freq")
    builder.add_text_field("fingerprints", tokenizer_name=_ANALYSER, index_option="basic")
    for field, _ in _KEYWORDS:
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    return builder.build()


class TantivyWriter:
    """Writes the search part of one segment."""

    takes_texts = False

    def __init__(self, directory: Path) -> None:
        """Create ``search/`` in a segment's directory."""
        self._folder = directory / _FOLDER
        with refusals_named(self._folder):
            self._folder.mkdir()
        with _refused(self._folder):
            index = tantivy.Index(_schema(), path=str(self._folder))
            index.register_tokenizer(_ANALYSER, analyser())
            self._writer: Any = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
        self._grams = kernel.GramCollector()
        # A quarter of the text. Its documents are all known at the end alone, and texts are not read again for them.
        self._found: deque[tuple[bytes, str]] = deque()
        self._queued = 0

    def read(self, text: bytes, fingerprints: str = "") -> None:
        """Take the grams, words and fingerprints of the next content."""
        self._grams.add(text)
        self._found.append((kernel.weighed_words(text), fingerprints))

    def add(self, content: int, sources: Sequence[Source]) -> None:
        """Index one content."""
        weighed, fingerprints = self._found.popleft()
        document = tantivy.Document()
        document.add_unsigned("content", content)
        document.add_text("text", weighed.decode())
        if fingerprints:
            document.add_text("fingerprints", fingerprints)
        words = keywords(sources)
        for field, name in _KEYWORDS:
            for value in getattr(words, name):
                document.add_text(field, value)
        try:
            self._writer.add_document(document)
            self._queued += len(weighed) + len(fingerprints)
            if self._queued >= _COMMIT_BYTES:
                self._queued = 0
                self._writer.commit()
        except BaseException as error:
            with _refused(self._folder):
                raise error

    def finish(self) -> list[str]:
        """Commit, write the grams, and return the names of all files."""
        with _refused(self._folder):
            self._writer.commit()
        self.abandon()
        with refusals_named(self._folder):
            (self._folder / GRAMS).write_bytes(self._grams.finish())
            for helper in self._folder.glob(".*"):  # locks, and a list of files that only a later writer would read
                helper.unlink()
            names = sorted(file.name for file in self._folder.iterdir())
            fsync_all([*(self._folder / name for name in names), self._folder])
        return [f"{_FOLDER}/{name}" for name in names]

    def abandon(self) -> None:
        """Stop tantivy's threads and release its lock."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with _refused(self._folder):
                writer.wait_merging_threads()


class TantivyEngine:
    """Searches the parts of the segments of one snapshot."""

    name = "tantivy"

    def __init__(self, directories: Sequence[Path]) -> None:
        """Open the parts in ``directories``; a `ContentRef` counts them in this order."""
        self._parts: list[_Part] = []
        try:
            for directory in directories:
                self._parts.append(_Part(directory / _FOLDER))
        except BaseException:
            self.close()
            raise

    def holding(
        self,
        part: bytes,
        filters: Filters,
        limit: int,
        after: ContentRef | None = None,
        *,
        fold_case: bool = False,
        verbatim: bool = False,
    ) -> Candidates:
        """Find contents that may hold ``part``."""

        def holding(number: int, limit: int, behind: int) -> Found:
            return self._parts[number].holding(part, filters, limit, behind, fold_case=fold_case, verbatim=verbatim)

        return collected(holding, len(self._parts), limit, after)

    def ranked(self, words: Sequence[str], filters: Filters, limit: int) -> Candidates:
        """Find the best contents of every part."""
        refs: list[ContentRef] = []
        complete = True
        for number, part in enumerate(self._parts):
            best, all_of_part = part.best(words, filters, limit)
            complete = complete and all_of_part
            refs.extend(ContentRef(number, content) for content in best)
        return Candidates(tuple(refs), complete)

    def frequencies(self, field: Counted, words: Sequence[str]) -> list[int]:
        """Return for each word how many contents hold it."""
        found = [part.frequencies(_FIELDS[field], words) for part in self._parts]
        return [sum(counts) for counts in zip(*found, strict=True)] if found else [0] * len(words)

    def weighted(self, field: Field, weights: Mapping[str, float], limit: int) -> list[tuple[ContentRef, float]]:
        """Find the contents with the largest sums of the weights of their words."""
        found: list[tuple[ContentRef, float]] = []
        for number, part in enumerate(self._parts):
            heaviest = part.weighted(_FIELDS[field], weights, limit)
            found.extend((ContentRef(number, content), weight) for content, weight in heaviest)
        return best(found, limit)

    def verify(self) -> None:
        """Do nothing: all that this engine has is in the folder."""

    def close(self) -> None:
        """Unmap all files."""
        for part in self._parts:
            part.close()
        self._parts = []


class _Part:
    """The search part of one segment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise IndexMissing(f"{folder}: a part of the index is missing; build the index again")
        self._grams = GramFile(folder / GRAMS)
        with _borrowed(folder) as borrowed, _damage(folder):
            index = tantivy.Index.open(str(borrowed))
            index.register_tokenizer(_ANALYSER, analyser())
            # The default reader watches the folder with a thread of its own; a segment never changes.
            index.config_reader("manual")
            self._searcher = index.searcher()
            self._schema = index.schema
            found = self._searcher.num_docs
        if found != self._grams.contents:
            raise CorruptFile(folder, f"tantivy has {found} contents, the gram file {self._grams.contents}")
        self._passing = lru_cache(maxsize=16)(self._find_passing)

    def close(self) -> None:
        self._grams.close()

    def holding(self, part: bytes, filters: Filters, limit: int, behind: int, **how: Unpack[How]) -> Found:
        """Return the first contents behind one that may hold a string, and whether these are all."""
        passing = self._passing(filters)
        found, complete = self._grams.holding(part, behind, limit if passing is None else ALL, **how)
        if passing is None:
            return found, complete
        contents = [content for content in found if content in passing]
        return {content: found[content] for content in contents[:limit]}, len(contents) <= limit

    def best(self, words: Sequence[str], filters: Filters, limit: int) -> tuple[list[int], bool]:
        """Return the best contents, and whether these are all that hold any of the words."""
        indexable = [word for word in dict.fromkeys(words) if len(word.encode()) <= WORD_BYTES]
        any_word = tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, "text", word, index_option="freq"))
                for word in indexable
            ]
        )
        conditions = [(tantivy.Occur.Must, any_word)]
        for condition in self._conditions(filters):
            conditions.append((tantivy.Occur.Must, tantivy.Query.const_score_query(condition, 0.0)))
        with _damage(self._folder):
            # tantivy reserves room for as many as may come, and wants one at least.
            most = max(1, min(limit, self._grams.contents))
            result: Any = self._searcher.search(tantivy.Query.boolean_query(conditions), most)
            addresses = [address for _, address in result.hits[:limit]]
            contents: list[Any] = self._searcher.fast_field_values("content", addresses)
        return contents, result.count <= limit

    def frequencies(self, field: str, words: Sequence[str]) -> list[int]:
        with _damage(self._folder):
            holding = self._searcher.doc_freq
            return [holding(field, word) if len(word.encode()) <= WORD_BYTES else 0 for word in words]

    def weighted(self, field: str, weights: Mapping[str, float], limit: int) -> list[tuple[int, float]]:
        """Return contents and sums, in no order: at least those that `SearchEngine.weighted` wants of this part."""
        terms = [
            (tantivy.Occur.Should, tantivy.Query.const_score_query(self._term(field, word), weight))
            for word, weight in weights.items()
            if len(word.encode()) <= WORD_BYTES
        ]
        if not terms:
            return []
        size = limit + _SPARE
        with _damage(self._folder):
            query = tantivy.Query.boolean_query(terms)
            while True:
                most = max(1, min(size, self._grams.contents))
                hits: Any = self._searcher.search(query, most, count=False).hits
                if len(hits) < most or most == self._grams.contents or hits[-1][0] < hits[limit - 1][0] or size >= TIED:
                    break
                size = min(4 * size, TIED)
            contents: list[Any] = self._searcher.fast_field_values("content", [address for _, address in hits])
        return [(content, weight) for content, (weight, _) in zip(contents, hits, strict=True)]

    def _term(self, field: str, word: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, word, index_option="basic")

    def _find_passing(self, filters: Filters) -> frozenset[int] | None:
        """Return the contents whose keywords pass, or None where filters ask for no keyword."""
        conditions = [(tantivy.Occur.Must, condition) for condition in self._conditions(filters)]
        if not conditions:
            return None
        with _damage(self._folder):
            query = tantivy.Query.boolean_query(conditions)
            result = self._searcher.search(
                query, max(1, self._grams.contents), order_by_field="content", order=tantivy.Order.Asc
            )
            return frozenset(content for content, _ in result.hits)

    def _conditions(self, filters: Filters) -> Iterator[tantivy.Query]:
        for field, name in _KEYWORDS:
            values = indexed(getattr(filters, name))
            if values:
                yield tantivy.Query.term_set_query(self._schema, field, list(values))


@contextmanager
def _borrowed(folder: Path) -> Iterator[Path]:
    """Give a folder of links to tantivy's files: it writes a lock beside what it opens, and a segment is immutable.

    Once the files are mapped the links are not needed.
    """
    with refusals_named(folder):
        borrowed = Path(mkdtemp(prefix="provenance-"))
    try:
        with refusals_named(folder):
            for file in folder.iterdir():
                if not file.name.startswith("."):
                    (borrowed / file.name).symlink_to(file.absolute())
        yield borrowed
    finally:
        _remove(borrowed)


def _remove(folder: Path) -> None:
    """Remove a folder of links; a thread of tantivy's first reader may lock in it once more meanwhile."""
    for _ in range(_REMOVALS):
        rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Turn what tantivy says of files it cannot read into `CorruptFile`; a panic of its is no `Exception`."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise CorruptFile(folder, f"tantivy cannot read it ({_one_line(error)})") from error
        raise


@contextmanager
def _refused(folder: Path) -> Iterator[None]:
    """Turn what tantivy says of files it cannot write into `StorageError`."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise StorageError(f"{folder}: tantivy cannot write it ({_one_line(error)})") from error
        raise


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
