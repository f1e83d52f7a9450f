"""An index on Elasticsearch beside BigCode's mapping of it: loading, size, and how long questions take.

One node, one run, the same texts: Python files of the standard library and the installed packages, each text once.
BigCode's mapping (bigcode-project/search, index.py): ``content`` by an ngram tokenizer of 3 to 3 characters with
lowercase and asciifolding, keywords, ``_source``. Ours is what `build` writes: texts and gram files in the folder; for
the times of questions on the cluster, too.

- load: texts in memory -> everything searchable and merged to one Lucene segment; wall and processor time (the node's
  and this process's), the same number of requests under way.
- size: the index on the node after merging; for ours the stored texts and the gram files, too.
- phrases: cuts of 250 characters, BigCode's as ``match_phrase``, ours as literal search, verified and with snippets.
- literals: cuts of 5 to 40 characters.
- recall: of phrases and literals, how many give just the texts that a scan gives; ours, and the embedded engine's.

    python -m benchmarks.speed.elasticsearch [--megabytes N] [--questions N] [--url URL] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import sysconfig
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from indexer.build import build
from indexer.sources.base import Item, Unit
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.records import Document, Source, git_blob_id
from provenance.search.collecting import Reach
from provenance.search.elasticsearch.cluster import ClusterSettings, Record
from provenance.search.elasticsearch.loading import ElasticsearchWriter
from provenance.search.elasticsearch.upkeep import prepare, tidy
from provenance.search.literal import search_literal
from tests.elasticsearch.node import Node

_BODY_BYTES = 4 << 20
_SENDERS = 2


@dataclass(frozen=True)
class Texts:
    """Texts as a source of documents."""

    texts: tuple[bytes, ...]
    location: str = "texts"

    def plan(self) -> Iterator[Unit]:
        yield Unit(sum(map(len, self.texts)), None, "texts")

    def read(self, unit: Unit) -> Iterator[Item]:
        for number, text in enumerate(self.texts):
            source = Source("bench/texts", f"{number}.py", license="MIT", language="Python")
            yield Document(text, git_blob_id(text), source)


def python_texts(size: int) -> tuple[bytes, ...]:
    """Return distinct texts of about so many bytes in all, spread over what is installed."""
    roots = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    paths = sorted({path for root in roots for path in root.rglob("*.py")})
    random.Random(1).shuffle(paths)
    found: dict[bytes, None] = {}
    total = 0
    for path in paths:
        text = path.read_bytes()
        if text and text not in found and len(text) < 1 << 20:
            try:
                text.decode()
            except UnicodeDecodeError:
                continue
            found[text] = None
            total += len(text)
        if total >= size:
            break
    return tuple(found)


def processor_seconds(client: Elasticsearch) -> float:
    """Return the processor time of this process and of the node."""
    time.sleep(1.5)  # the node looks at its own once a second
    (node,) = client.nodes.stats(metric="process")["nodes"].values()
    return time.process_time() + float(node["process"]["cpu"]["total_in_millis"]) / 1000


def timed_load(client: Elasticsearch, load: Callable[[], str], merge: Callable[[str], None]) -> dict[str, float]:
    """Return the seconds of a load, wall and processor time, with and without merging."""
    before, begun = processor_seconds(client), time.perf_counter()
    index = load()
    client.indices.refresh(index=index)
    loaded = time.perf_counter() - begun
    between = processor_seconds(client)
    begun = time.perf_counter()
    merge(index)
    merged = time.perf_counter() - begun
    after = processor_seconds(client)
    time.sleep(11)  # sizes are looked up once in ten seconds
    size = client.indices.stats(index=index, metric="store")["_all"]["primaries"]["store"]["size_in_bytes"]
    return {
        "load_seconds": loaded,
        "load_processor_seconds": between - before,
        "merge_seconds": merged,
        "merge_processor_seconds": after - between,
        "index_bytes": size,
    }


def load_bigcode(client: Elasticsearch, texts: tuple[bytes, ...]) -> str:
    """Load texts as BigCode does; returns the name of the index."""
    analysis = {
        "analyzer": {"grams": {"type": "custom", "tokenizer": "grams", "filter": ["lowercase", "asciifolding"]}},
        "tokenizer": {"grams": {"type": "ngram", "min_gram": 3, "max_gram": 3}},
    }
    nothing = {"type": "object", "enabled": False}
    keyword = {"type": "keyword"}
    client.indices.create(
        index="bigcode",
        settings={"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1", "analysis": analysis},
        mappings={
            "properties": {
                "content": {"type": "text", "analyzer": "grams"},
                "language": keyword,
                "username": keyword,
                "license": keyword,
                "repository": nothing,
                "path": nothing,
            }
        },
    )
    under_way: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(_SENDERS) as pool:
        lines: list[str] = []
        size = 0
        for number, text in enumerate((*texts, None)):
            if text is not None:
                row = {"content": text.decode(), "language": "Python", "username": "bench", "license": "MIT"}
                lines += ['{"index":{}}', json.dumps({**row, "repository": "bench/texts", "path": f"{number}.py"})]
                size += len(text)
            if lines and (text is None or size >= _BODY_BYTES):
                while len(under_way) > _SENDERS:
                    assert not under_way.popleft().result()["errors"]
                under_way.append(pool.submit(client.bulk, index="bigcode", operations=lines))
                lines, size = [], 0
        for future in under_way:
            assert not future.result()["errors"]
    return "bigcode"


def load_ours(folder: Path, url: str, texts: tuple[bytes, ...]) -> str:
    """Load texts as one segment; returns the name of the index."""
    (folder / "segments" / "000001-000000-000").mkdir(parents=True)
    prepare(folder, ClusterSettings(url), [])
    writer = ElasticsearchWriter(folder / "segments" / "000001-000000-000")
    for number, text in enumerate(texts):
        writer.read(text)
        writer.add(number, [Source("bench/texts", f"{number}.py", license="MIT", language="Python")])
    writer.finish()
    return Record.of(folder).loading.index


def percentiles(ask: Callable[[str], object], questions: list[str]) -> dict[str, float]:
    """Return the median and the 99th percentile of the time of a question, in milliseconds."""
    for question in questions[:20]:
        ask(question)
    spent = []
    for question in questions:
        begun = time.perf_counter()
        ask(question)
        spent.append((time.perf_counter() - begun) * 1000)
    spent.sort()
    return {"p50": spent[len(spent) // 2], "p99": spent[len(spent) * 99 // 100]}


def cuts(texts: tuple[bytes, ...], count: int, shortest: int, longest: int) -> list[tuple[int, str]]:
    """Return cuts of texts, anywhere, each with the number of its text."""
    generator = random.Random(2)
    found = []
    while len(found) < count:
        number = generator.randrange(len(texts))
        text = texts[number].decode()
        length = generator.randint(shortest, longest)
        if len(text) >= length:
            start = generator.randrange(len(text) - length + 1)
            found.append((number, text[start : start + length]))
    return found


def compare(url: str, folder: Path, megabytes: int, count: int) -> dict[str, Any]:
    """Return all figures."""
    texts = python_texts(megabytes * 1_000_000)
    size = sum(map(len, texts))
    client = Elasticsearch(url, request_timeout=600)

    def merge_bigcode(index: str) -> None:
        client.indices.forcemerge(index=index, max_num_segments=1)

    # The node compiles what it runs: a tenth of each first.
    client.indices.delete(index=load_bigcode(client, texts[: len(texts) // 10]))
    client.indices.delete(index=load_ours(folder / "warm", url, texts[: len(texts) // 10]))
    theirs = timed_load(client, lambda: load_bigcode(client, texts), merge_bigcode)
    loaded = folder / "loaded"
    ours = timed_load(client, lambda: load_ours(loaded, url, texts), lambda _: tidy(loaded, size))

    for name, place in (("index", "folder"), ("there", "cluster")):
        build(
            [Texts(texts)],
            folder / name,
            parameters=Parameters(engine="elasticsearch"),
            cluster=ClusterSettings(url, texts=place),
            workers=1,
        )
    build([Texts(texts)], folder / "embedded", parameters=Parameters(), workers=1)
    with ExitStack() as opened:
        index, there, embedded = (
            opened.enter_context(Index.open(folder / name)) for name in ("index", "there", "embedded")
        )
        for figure, file in (("text_bytes", "text.blk"), ("gram_bytes", "search/grams.bin")):
            ours[figure] = sum(path.stat().st_size for path in (folder / "index/segments").glob(f"*/{file}"))
        answer: dict[str, Any] = {"megabytes": size / 1e6, "texts": len(texts), "bigcode": theirs, "ours": ours}

        def ask_bigcode(question: str) -> object:
            return client.search(index="bigcode", query={"match_phrase": {"content": question}}, size=10)

        for name, shortest, longest in (("phrases", 250, 250), ("literals", 5, 40)):
            asked = cuts(texts, count, shortest, longest)
            questions = [question for _, question in asked]
            theirs[name] = percentiles(ask_bigcode, questions)  # type: ignore[assignment]
            ours[name] = percentiles(lambda question: search_literal(index, question), questions)  # type: ignore[assignment]
            on_cluster = percentiles(lambda question: search_literal(there, question), questions)
            ours[f"{name}_on_cluster"] = on_cluster  # type: ignore[assignment]
            found = {"ours": 0, "on_cluster": 0, "embedded": 0}
            for number, question in asked:
                needle = question.encode()
                expected = {f"{at}.py" for at, text in enumerate(texts) if needle in text}
                for which, each in (("ours", index), ("on_cluster", there), ("embedded", embedded)):
                    results = search_literal(each, question, limit=len(texts), reach=Reach(count=None))
                    holders = {source.path for hit in results.hits for _, source in hit.documents}
                    found[which] += holders == expected and f"{number}.py" in holders
            for which, count_found in found.items():
                answer.setdefault("recall", {}).setdefault(which, {})[name] = count_found / len(asked)
    answer["ratios"] = {
        "load": theirs["load_seconds"] / ours["load_seconds"],
        "load_processor": theirs["load_processor_seconds"] / ours["load_processor_seconds"],
        "load_and_merge_processor": (theirs["load_processor_seconds"] + theirs["merge_processor_seconds"])
        / (ours["load_processor_seconds"] + ours["merge_processor_seconds"]),
        "size": (ours["index_bytes"] + ours["text_bytes"] + ours["gram_bytes"]) / theirs["index_bytes"],
    } | {
        f"{name}_{percentile}": ours[name][percentile] / theirs[name.removesuffix("_on_cluster")][percentile]  # type: ignore[index]
        for name in ("phrases", "phrases_on_cluster", "literals", "literals_on_cluster")
        for percentile in ("p50", "p99")
    }
    return answer


def main() -> int:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=40)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--url", help="a cluster that holds nothing else; by default a node is started")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="provenance-bench-"))
    node = None if options.url else Node()
    try:
        if node is not None:
            node.start()
        answer = compare(options.url or node.url, folder, options.megabytes, options.questions)  # type: ignore[union-attr]
    finally:
        shutil.rmtree(folder)
        if node is not None:
            node.remove()
    print(json.dumps(answer, indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(answer, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
