"""Asking a cluster: every question is one request, and every answer is known to come from the whole index.

What holds a string is found in the gram files, of which the cluster has the lists where it has the texts, and nothing
where these lie in the folder.
Beside each question to the engine the documents of the snapshot's parts are counted. An index that was made anew,
restored in part or is still being loaded has another number, and is refused. An answer without a shard, or that ran out
of time, is an error, too: never fewer hits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance.errors import EngineUnavailable, MismatchError
from provenance.records import ContentRef
from provenance.search.base import TIED, Candidates, Counted, Field, Filters, best
from provenance.search.elasticsearch.client import (
    ANSWER_SECONDS,
    BUSY,
    READING_PATIENCE,
    Pauses,
    answering,
    cause_of,
    connect,
    meaning,
    patiently,
)
from provenance.search.elasticsearch.cluster import FOLDER, Part, cluster_of
from provenance.search.elasticsearch.mapping import KEYWORDS, ORDER
from provenance.search.elasticsearch.texts import ClusterFrames, expect
from provenance.search.filtering import indexed
from provenance.search.grams import GRAMS, HEAD, LISTS, Found, GramFile, How, collected
from provenance.search.words import WORD_BYTES
from provenance.store import BlockReader

_WINDOW = 10_000
"""Hits that a cluster gives at once (index.max_result_window)."""
_TOGETHER = 64
"""Questions in one request."""
_TIMEOUT = f"{ANSWER_SECONDS * 0.8:.0f}s"
"""When the cluster itself gives up, before we no longer listen: else it would work on for nobody."""
_SPARE = 64
"""Hits fetched beyond the texts wanted: a text may have several, and one more tells that there are more texts."""
_BEHIND = (1 << 31) - 1
"""Behind any piece of a text."""
_PROPOSED = 8192
"""Candidates that are compared with filters at once, fewer than `_WINDOW`."""
_ALTERNATIVES = 256
"""Segments whose candidates are named in one question."""
_AHEAD = 24
"""Segments whose lists of grams are fetched at once: eight or so each."""
_KEPT_WORDS = 65_536
_COUNTED = 512
"""Words counted in one question."""
_WANTED = (
    "responses.hits.total.value",
    "responses.hits.hits.sort",
    "responses.hits.hits.fields",
    "responses.timed_out",
    "responses.aggregations.holding.buckets.doc_count",
    "responses._shards.failed",
    "responses.status",
    "responses.error.type",
    "responses.error.root_cause.type",
)

Query = dict[str, Any]


class ElasticsearchEngine:
    """Searches the parts of one snapshot."""

    name = "elasticsearch"

    def __init__(self, directories: Sequence[Path]) -> None:
        """Take the segments in ``directories``; a `ContentRef` counts them in this order. The cluster is checked."""
        self._parts = [Part.of(directory) for directory in directories]
        self._numbers = {part.part: number for number, part in enumerate(self._parts)}
        self._expected = sum(part.documents or 0 for part in self._parts)
        self._frequencies: dict[tuple[Counted, str], int] = {}
        self._grams: list[GramFile] = []
        if not directories:
            return
        self._cluster = cluster_of(directories[0].parent.parent, self._parts)
        self._client = connect(self._cluster.url)
        try:
            self._cluster.check(self._client)
            self._ask([])
            for directory in directories:
                self._grams.append(_gram_file(directory))
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
        """Find contents that may hold ``part``. The cluster is asked for the lists that it has, and about filters."""
        how: How = {"fold_case": fold_case, "verbatim": verbatim}
        conditions = _keywords(filters)
        if not conditions:
            return self._proposed(part, limit, after, how)
        if len(part) < 3:
            return self._page([{"term": {"piece": 0}}, *conditions], limit, after)
        refs: list[ContentRef] = []
        places: list[tuple[tuple[int, int], ...]] = []
        size = min(max(limit, _SPARE), _PROPOSED)
        while True:
            proposed = self._proposed(part, size, after, how)
            passing = self._passing(proposed.refs, conditions)
            for ref, where in zip(proposed.refs, proposed.places, strict=True):
                if ref in passing:
                    if len(refs) == limit:
                        return Candidates(tuple(refs), False, tuple(places))
                    refs.append(ref)
                    places.append(where)
            if proposed.complete:
                return Candidates(tuple(refs), True, tuple(places))
            after = proposed.refs[-1]
            size = min(4 * size, _PROPOSED)

    def _proposed(self, part: bytes, limit: int, after: ContentRef | None, how: How) -> Candidates:
        """Return contents that may hold ``part``, whatever their documents."""
        ahead = 0

        def holding(number: int, limit: int, behind: int) -> Found:
            nonlocal ahead
            if number >= ahead:
                ahead = number + _AHEAD
                wanted = [each for grams in self._grams[number:ahead] for each in grams.elsewhere(part, **how)]
                expect((frames, blocks) for frames, blocks in wanted if isinstance(frames, ClusterFrames))
            return self._grams[number].holding(part, behind, limit, **how)

        return collected(holding, len(self._grams), limit, after)

    def _passing(self, refs: Iterable[ContentRef], conditions: list[Query]) -> set[ContentRef]:
        """Return those of some contents, `_PROPOSED` at most, that meet conditions."""
        contents: dict[int, list[int]] = {}
        for ref in refs:
            contents.setdefault(ref.segment, []).append(ref.content)
        named: list[Query] = [
            {"bool": {"filter": [{"term": {"part": self._parts[number].part}}, {"terms": {"content": some}}]}}
            for number, some in contents.items()
        ]
        if not named:
            return set()
        questions: list[Query] = [
            {
                "size": _WINDOW,
                "query": {
                    "bool": {
                        "filter": [
                            {"bool": {"should": named[first : first + _ALTERNATIVES]}},
                            {"term": {"piece": 0}},
                            *conditions,
                        ]
                    }
                },
                "sort": list(ORDER),
                "track_total_hits": False,
            }
            for first in range(0, len(named), _ALTERNATIVES)
        ]
        found = [hit["sort"] for answer in self._ask(questions) for hit in _hits(answer)]
        return {ContentRef(self._numbers[part], content) for part, content, _ in found}

    def ranked(self, words: Sequence[str], filters: Filters, limit: int) -> Candidates:
        """Find the best contents of every part."""
        terms = [word for word in dict.fromkeys(words) if len(word.encode()) <= WORD_BYTES]
        if not terms or not self._parts:
            return Candidates((), True)
        any_word: Query = {"bool": {"should": [{"term": {"words": word}} for word in terms]}}
        conditions = _keywords(filters)
        if limit >= _WINDOW:
            return self._page([any_word, *conditions], limit, None)
        questions: list[Query] = [
            {
                "size": limit,
                "query": {"bool": {"must": [any_word], "filter": [{"term": {"part": part.part}}, *conditions]}},
                "docvalue_fields": ["content"],
                "track_total_hits": limit + 1,
            }
            for part in self._parts
        ]
        answers = self._ask([*questions, self._counting("words", terms)])
        refs: dict[ContentRef, None] = {}
        complete = True
        for number, answer in enumerate(answers[: len(questions)]):
            complete = complete and _total(answer) <= limit
            refs.update((ContentRef(number, hit["fields"]["content"][0]), None) for hit in _hits(answer))
        self._learn("words", terms, answers[-1])
        return Candidates(tuple(refs), complete)

    def frequencies(self, field: Counted, words: Sequence[str]) -> list[int]:
        """Return for each word how many contents hold it."""
        if not self._parts:
            return [0] * len(words)
        known = {word: self._frequencies.get((field, word)) for word in words if len(word.encode()) <= WORD_BYTES}
        unknown = [word for word, count in known.items() if count is None]
        pieces = [unknown[first : first + _COUNTED] for first in range(0, len(unknown), _COUNTED)]
        answers = self._ask([self._counting(field, piece) for piece in pieces]) if pieces else []
        for piece, answer in zip(pieces, answers, strict=True):
            known.update(zip(piece, self._learn(field, piece, answer), strict=True))
        return [known.get(word) or 0 for word in words]

    def weighted(self, field: Field, weights: Mapping[str, float], limit: int) -> list[tuple[ContentRef, float]]:
        """Find the contents with the largest sums of the weights of their words.

        A content has all its words in its first piece, unless they take more than `loading` puts into one.
        """
        terms = [word for word in weights if len(word.encode()) <= WORD_BYTES]
        if not terms or not self._parts:
            return []
        heavy = [{"constant_score": {"filter": {"term": {field: word}}, "boost": weights[word]}} for word in terms]
        size = limit + _SPARE
        while True:
            question: Query = {
                "size": size,
                "query": {"bool": {"should": heavy, "filter": [self._snapshot()], "minimum_should_match": 1}},
                "sort": ["_score", *ORDER],
                "track_total_hits": False,
            }
            (answer,) = self._ask([question])
            hits = _hits(answer)
            sums: dict[ContentRef, float] = {}
            for score, part, content, *_ in (hit["sort"] for hit in hits):
                ref = ContentRef(self._numbers[part], content)
                sums[ref] = sums.get(ref, 0.0) + score
            found = best(list(sums.items()), limit)
            if len(hits) < size or size >= TIED or len(found) < len(sums):
                return found
            size = min(4 * size, TIED)

    def verify(self) -> None:
        """Count what is on the cluster, and read the lists that are there."""
        if self._parts:
            self._cluster.check(self._client)
            self._ask([])
        for grams in self._grams:
            grams.verify()

    def close(self) -> None:
        """Let go of files and connections."""
        for grams in self._grams:
            grams.close()
        self._grams = []
        if self._parts:
            self._client.close()

    def _counting(self, field: Counted, words: Sequence[str]) -> Query:
        return {
            "size": 0,
            "query": self._snapshot(),
            "aggs": {"holding": {"filters": {"filters": [{"term": {field: word}} for word in words]}}},
            "track_total_hits": True,
        }

    def _learn(self, field: Counted, words: Sequence[str], answer: Mapping[str, Any]) -> list[int]:
        if len(self._frequencies) > _KEPT_WORDS:
            self._frequencies = {}
        counts = [int(bucket["doc_count"]) for bucket in answer["aggregations"]["holding"]["buckets"]]
        self._frequencies.update(zip(((field, word) for word in words), counts, strict=True))
        return counts

    def _page(self, conditions: list[Query], limit: int, after: ContentRef | None) -> Candidates:
        """Return contents with a piece that meets the conditions, ascending by address."""
        if not self._parts:
            return Candidates((), True)
        refs: dict[ContentRef, None] = {}
        behind: list[Any] | None = None
        if after is not None:
            behind = [self._parts[after.segment].part, after.content, _BEHIND]
        size = min(_WINDOW, limit + _SPARE)
        while True:
            question: Query = {
                "size": size,
                "query": {"bool": {"filter": [self._snapshot(), *conditions]}},
                "sort": list(ORDER),
                "track_total_hits": False,
            }
            if behind is not None:
                question["search_after"] = behind
            (answer,) = self._ask([question])
            hits = _hits(answer)
            for hit in hits:
                part, content, _ = behind = hit["sort"]
                ref = ContentRef(self._numbers[part], content)
                if ref not in refs and len(refs) >= limit:
                    return Candidates(tuple(refs), False)
                refs[ref] = None
            if len(hits) < size:
                return Candidates(tuple(refs), True)

    def _snapshot(self) -> Query:
        return {"terms": {"part": list(self._numbers)}}

    def _ask(self, questions: Sequence[Query]) -> list[Mapping[str, Any]]:
        """Return the answers, all of them of the whole snapshot. Raises `EngineUnavailable`, `MismatchError`."""
        found: list[Mapping[str, Any]] = []
        for first in range(0, max(1, len(questions)), _TOGETHER):
            pauses = Pauses(READING_PATIENCE)
            while True:
                counted, *answers = self._request(questions[first : first + _TOGETHER])
                failed = next((each for each in (counted, *answers) if _failure(each)), None)
                if failed is None:
                    break
                status, cause = _failure(failed) or (0, "")
                if status not in BUSY or not pauses.next():
                    raise EngineUnavailable(f"{self._cluster.url}: {meaning(status, cause)}")
            if _total(counted) != self._expected:
                raise MismatchError(
                    f"{self._cluster.url}: {self._cluster.index} has {_total(counted)} documents of this index, "
                    f"not {self._expected}: it was changed, or not restored in full; build the index again"
                )
            found.extend(answers)
        return found

    def _request(self, questions: Sequence[Query]) -> list[Mapping[str, Any]]:
        header = {"index": self._cluster.index, "allow_partial_search_results": False}
        counting: Query = {"size": 0, "query": self._snapshot(), "track_total_hits": True}
        searches: list[Query] = [header, counting]
        for question in questions:
            searches += [header, {"_source": False, "stored_fields": "_none_", "timeout": _TIMEOUT, **question}]
        with answering(self._cluster.url):
            answer = patiently(lambda: self._client.msearch(searches=searches, filter_path=_WANTED), READING_PATIENCE)
        responses: list[Mapping[str, Any]] = answer["responses"]
        return responses


def _failure(answer: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return status and cause of an answer that is none, or not of all shards."""
    if "error" in answer:
        return answer["status"], cause_of(answer)
    if answer["timed_out"] or answer["_shards"]["failed"]:
        return 503, "partial answer"
    return None


def _total(answer: Mapping[str, Any]) -> int:
    return int(answer["hits"]["total"]["value"])


def _hits(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = answer.get("hits", {}).get("hits", [])
    return found


def _keywords(filters: Filters) -> list[Query]:
    conditions: list[Query] = []
    for field, name in KEYWORDS:
        values = indexed(getattr(filters, name))
        if values:
            conditions.append({"terms": {field: list(values)}})
    return conditions


def _gram_file(segment: Path) -> GramFile:
    folder = segment / FOLDER
    if not (folder / LISTS).exists():
        return GramFile(folder / GRAMS)
    return GramFile(folder / HEAD, BlockReader(folder / LISTS, ClusterFrames(segment, "lists")))
