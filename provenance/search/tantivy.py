"""The embedded engine: one tantivy index a segment, one engine document a content.

Nothing is kept in it but postings and keywords; texts and sources live in the segment's block files.
The word rule is tantivy's ``simple`` tokenizer with words of more than 255 bytes left out. They keep
their place, so a phrase steps over them, and mark the content, so that what may be part of one finds it.

A part answers with whole words first. Only where these leave many contents is a cut word looked up in the
list of words: a scan, and an alternative of hundreds of terms, cost more than verifying a few texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tantivy

from provenance.errors import CorruptFile, IndexMissing, StorageError
from provenance.records import ContentRef, Source
from provenance.search.base import Candidates, Filters, Phrase
from provenance.search.filtering import indexed, keywords
from provenance.search.words import WORD_BYTES, WordList, may_hold_long_word
from provenance.storage import fsync_all, refusals_named

_FOLDER = "search"
_WORDS = "words.txt"
_ANALYSER = "words"
_HEAP_BYTES = 100_000_000
_COMMIT_BYTES = 64 << 20
"""Text after which a writer waits for tantivy's thread: it queues 10,000 documents, whatever their size."""
_FEW = 8
"""So many contents of one part are verified faster than narrowed down further."""
_EXPANSION = 4096
"""A cut word that may be more words than this narrows too little to be asked for."""
_ALL = 1 << 31

_KEYWORDS = (("language", "languages"), ("repository", "repositories"), ("owner", "owners"), ("license", "licenses"))
"""Fields of the engine, and what they are called in `Filters` and `Keywords`."""


def analyser() -> tantivy.TextAnalyzer:
    """Return the word rule; an index does not store it, so it is registered at every open."""
    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    return words.filter(tantivy.Filter.remove_long(WORD_BYTES + 1)).build()


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("content", fast=True)
    builder.add_text_field("text", tokenizer_name=_ANALYSER, index_option="position")
    builder.add_boolean_field("long_words", indexed=True)
    for field, _ in _KEYWORDS:
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    return builder.build()


class TantivyWriter:
    """Writes the search part of one segment."""

    def __init__(self, directory: Path) -> None:
        """Create ``search/`` in a segment's directory."""
        self._directory = directory
        self._folder = directory / _FOLDER
        with refusals_named(self._folder):
            self._folder.mkdir()
        with _refused(self._folder):
            index = tantivy.Index(_schema(), path=str(self._folder))
            index.register_tokenizer(_ANALYSER, analyser())
            self._writer: Any = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
        self._queued = 0

    def add(self, content: int, text: bytes, sources: Sequence[Source]) -> None:
        """Index one content."""
        document = tantivy.Document()
        document.add_unsigned("content", content)
        document.add_text("text", text.decode("utf-8", "replace"))
        if may_hold_long_word(text):
            document.add_boolean("long_words", True)
        words = keywords(sources)
        for field, name in _KEYWORDS:
            for value in getattr(words, name):
                document.add_text(field, value)
        with _refused(self._folder):
            self._writer.add_document(document)
            self._queued += len(text)
            if self._queued >= _COMMIT_BYTES:
                self._queued = 0
                self._writer.commit()

    def finish(self, words: bytes) -> list[str]:
        """Commit, write the words, and return the names of all files."""
        with _refused(self._folder):
            self._writer.commit()
        self.abandon()
        path = self._directory / _WORDS
        with refusals_named(path):
            path.write_bytes(b"\n" + words + b"\n" if words else b"\n")
            for helper in self._folder.glob(".*"):  # locks, and a list of files that only a later writer would read
                helper.unlink()
            names = sorted(file.name for file in self._folder.iterdir())
            fsync_all([*(self._folder / name for name in names), self._folder, path])
        return [*(f"{_FOLDER}/{name}" for name in names), _WORDS]

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
        self._parts = [_Part(directory) for directory in directories]

    def phrase(self, phrase: Phrase, filters: Filters, limit: int, after: ContentRef | None = None) -> Candidates:
        """Find contents in which the words stand one after another."""
        return self._gather(lambda part: part.conditions(phrase), filters, limit, after)

    def all_words(
        self, words: Sequence[str], filters: Filters, limit: int, after: ContentRef | None = None
    ) -> Candidates:
        """Find contents that hold every word."""
        return self._gather(
            lambda part: ([part.word(word) for word in dict.fromkeys(words)], []), filters, limit, after
        )

    def ranked(self, words: Sequence[str], filters: Filters, limit: int) -> Candidates:
        """Find the best contents of every part."""
        refs: list[ContentRef] = []
        scores: list[float] = []
        complete = True
        for number, part in enumerate(self._parts):
            best, all_of_part = part.best(words, filters, limit)
            complete = complete and all_of_part
            refs.extend(ContentRef(number, content) for content, _ in best)
            scores.extend(score for _, score in best)
        return Candidates(tuple(refs), complete, tuple(scores))

    def document_frequency(self, word: str) -> int:
        """Return how many contents hold the word; each segment counts its own."""
        return sum(part.frequency(word) for part in self._parts)

    def close(self) -> None:
        """Unmap all files."""
        for part in self._parts:
            part.close()
        self._parts = []

    def _gather(
        self,
        conditions: Callable[[_Part], tuple[list[tantivy.Query], list[_Expansion]]],
        filters: Filters,
        limit: int,
        after: ContentRef | None,
    ) -> Candidates:
        refs: list[ContentRef] = []
        for number, part in enumerate(self._parts):
            behind = None
            if after is not None and number <= after.segment:
                if number < after.segment:
                    continue
                behind = after.content
            if len(refs) == limit:
                return Candidates(tuple(refs), False)
            contents, complete = part.find(*conditions(part), filters, limit - len(refs), behind)
            refs.extend(ContentRef(number, content) for content in contents)
            if not complete:
                return Candidates(tuple(refs), False)
        return Candidates(tuple(refs), True)


_Expansion = Callable[[], "list[str] | None"]
"""Looks up what a cut word may be; None: too much."""


class _Part:
    """The search part of one segment."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / _FOLDER
        self._words = WordList(directory / _WORDS)
        if not self._folder.is_dir():
            raise IndexMissing(f"{self._folder}: a part of the index is missing; build the index again")
        with _borrowed(self._folder) as folder, _damage(self._folder):
            index = tantivy.Index.open(str(folder))
            index.register_tokenizer(_ANALYSER, analyser())
            # The default reader watches the folder with a thread of its own; a segment never changes.
            index.config_reader("manual")
            self._searcher = index.searcher()
            self._schema = index.schema
            self._long_words = bool(self._searcher.doc_freq("long_words", True))

    def close(self) -> None:
        self._words.close()
        del self._searcher

    def word(self, word: str) -> tantivy.Query:
        """Return the condition that a content holds a word."""
        if len(word.encode()) > WORD_BYTES:
            return tantivy.Query.term_query(self._schema, "long_words", True)
        return tantivy.Query.term_query(self._schema, "text", word)

    def frequency(self, word: str) -> int:
        with _damage(self._folder):
            return int(self._searcher.doc_freq("text", word)) if len(word.encode()) <= WORD_BYTES else 0

    def conditions(self, phrase: Phrase) -> tuple[list[tantivy.Query], list[_Expansion]]:
        """Return what all contents must fulfil, and expansions to narrow them further, the cheapest first."""
        words = phrase.words
        last = len(words) - 1
        whole: list[tuple[int, str]] = []
        cut: list[tuple[int, _Expansion]] = []
        too_long = False
        for number, word in enumerate(words):
            first_cut, last_cut = phrase.first_cut and number == 0, phrase.last_cut and number == last
            if not (first_cut or last_cut or phrase.fold_case):
                if len(word.encode()) > WORD_BYTES:
                    too_long = True
                else:
                    whole.append((number, word))
            elif not phrase.fold_case or word.isascii():
                # A prefix is a binary search, all else a scan; longer parts have fewer expansions.
                cost = -len(word) - (256 if last_cut and not first_cut and not phrase.fold_case else 0)
                cut.append((cost, self._expansion(word.encode(), first_cut, last_cut, phrase.fold_case)))
        must: list[tantivy.Query] = []
        if len(whole) == 1:
            must.append(self.word(whole[0][1]))
        elif whole:
            base = whole[0][0]
            must.append(
                tantivy.Query.phrase_query(self._schema, "text", [(number - base, word) for number, word in whole])
            )
        if too_long:
            must.append(tantivy.Query.term_query(self._schema, "long_words", True))
        return must, [expansion for _, expansion in sorted(cut, key=lambda entry: entry[0])]

    def find(
        self,
        must: list[tantivy.Query],
        expansions: list[_Expansion],
        filters: Filters,
        limit: int,
        behind: int | None,
    ) -> tuple[list[int], bool]:
        """Return the first contents that fulfil everything, ascending, and whether these are all."""
        must = [*must, *self._filter_conditions(filters)]
        if behind is not None:
            must.append(
                tantivy.Query.range_query(
                    self._schema, "content", tantivy.FieldType.Unsigned, lower_bound=behind, include_lower=False
                )
            )
        found = self._search(must, limit) if must or not expansions else None
        for expansion in expansions:
            if found is not None and found[1] <= _FEW:
                break
            words = expansion()
            if words is not None:
                must.append(self._any_of(words))
                found = self._search(must, limit)
        contents, total = found if found is not None else self._search(must, limit)
        return contents, total == len(contents)

    def best(self, words: Sequence[str], filters: Filters, limit: int) -> tuple[list[tuple[int, float]], bool]:
        """Return (content, score) of the best contents, and whether these are all that hold any of the words."""
        indexable = [word for word in dict.fromkeys(words) if len(word.encode()) <= WORD_BYTES]
        should = [(tantivy.Occur.Should, self.word(word)) for word in indexable]
        must = [(tantivy.Occur.Must, tantivy.Query.boolean_query(should))]
        for condition in self._filter_conditions(filters):
            must.append((tantivy.Occur.Must, tantivy.Query.const_score_query(condition, 0.0)))
        with _damage(self._folder):
            result = self._searcher.search(tantivy.Query.boolean_query(must), limit)
            contents: list[Any] = self._searcher.fast_field_values("content", [address for _, address in result.hits])
        scores = [score for score, _ in result.hits]
        return list(zip(contents, scores, strict=True)), result.count == len(result.hits)  # type: ignore[attr-defined]

    def _expansion(self, part: bytes, first_cut: bool, last_cut: bool, fold_case: bool) -> _Expansion:
        return lambda: self._words.matching(
            part, _EXPANSION, first_cut=first_cut, last_cut=last_cut, fold_case=fold_case
        )

    def _any_of(self, words: list[str]) -> tantivy.Query:
        found = tantivy.Query.term_set_query(self._schema, "text", words)
        if not self._long_words:
            return found
        unlisted = tantivy.Query.term_query(self._schema, "long_words", True)
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, found), (tantivy.Occur.Should, unlisted)])

    def _filter_conditions(self, filters: Filters) -> Iterator[tantivy.Query]:
        for field, name in _KEYWORDS:
            values = indexed(getattr(filters, name))
            if values:
                yield tantivy.Query.term_set_query(self._schema, field, list(values))

    def _search(self, must: list[tantivy.Query], limit: int) -> tuple[list[int], int]:
        query = (
            tantivy.Query.boolean_query([(tantivy.Occur.Must, condition) for condition in must])
            if must
            else tantivy.Query.all_query()
        )
        with _damage(self._folder):
            result = self._searcher.search(query, min(limit, _ALL), order_by_field="content", order=tantivy.Order.Asc)
            return [content for content, _ in result.hits], result.count  # type: ignore[attr-defined]


@contextmanager
def _borrowed(folder: Path) -> Iterator[Path]:
    """Give a folder of links to tantivy's files: it writes a lock beside what it opens, and a segment is immutable.

    Once the files are mapped the links are not needed.
    """
    with TemporaryDirectory(prefix="provenance-") as name:
        borrowed = Path(name)
        with refusals_named(folder):
            for file in folder.iterdir():
                if not file.name.startswith("."):
                    (borrowed / file.name).symlink_to(file.absolute())
        yield borrowed


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Turn what tantivy says of files it cannot read into `CorruptFile`; a panic of its is no `Exception`."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            cause = " ".join(str(error).split())
            raise CorruptFile(folder, f"tantivy cannot read it ({cause})") from error
        raise


@contextmanager
def _refused(folder: Path) -> Iterator[None]:
    """Turn what tantivy says of files it cannot write into `StorageError`."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            cause = " ".join(str(error).split())
            raise StorageError(f"{folder}: tantivy cannot write it ({cause})") from error
        raise
