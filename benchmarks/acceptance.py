"""Is every copy found, exactly as long as it is, and nothing else? Asked of `trace`, `search` and commonness.

Data: an index of the standard library and the installed packages (made in a temporary folder, or named with
``--index``), whose texts are read again from the files themselves. The truth comes from `plain_scan`, which shares
nothing with the library. Four questions, as many cases as told:

- cuts: cuts of stored texts, laid out anew, between foreign text. Found are all, and the spans of at least the floor
  are the maximal common runs; who has them is counted for some.
- absent: snippets without any common run of one window. None is a match.
- literals: cut anywhere from stored texts. The search finds all documents; its counts are exact or lower bounds.
- common: of runs of 64 bytes, which are marked common, by the number of repositories that have them.

    python benchmarks/acceptance.py [--index DIR] [--cuts N] [--foreign DIR] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plain_scan import (
    SHORTEST,
    Scan,
    antichain,
    gram_hashes,
    normalise,
    origins,
    present_grams,
    trimmed,
)
from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.index import Index
from provenance.membership.commonness import Commonness
from provenance.records import git_blob_id
from provenance.search.collecting import Reach
from provenance.search.literal import search_literal
from provenance.tracing import trace

WINDOW = 32
RUN = 64
COUNTED = 300
"""Spans whose documents are counted by looking for them in every text."""
FILES = 3_000
"""Files from elsewhere that snippets are cut from."""


@dataclass
class Corpus:
    """What an index was made of: distinct texts, and the documents of each."""

    texts: list[bytes] = field(default_factory=list)
    documents: list[dict[bytes, str]] = field(default_factory=list)
    from_store: int = 0

    @classmethod
    def of(cls, index: Index) -> Corpus:
        """Read the texts of an index from the files they come from; from the index where they are not UTF-8."""
        files = {}
        for root in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}:
            for folder, _, names in os.walk(root):
                for name in names:
                    path = os.path.join(folder, name)
                    if os.path.isfile(path) and os.path.getsize(path) < 1 << 25:
                        files[git_blob_id(Path(path).read_bytes())] = path
        corpus = cls()
        known: dict[bytes, int] = {}
        for ref in index.refs():
            identity = index.content_id(ref)
            if identity not in known:
                known[identity] = len(corpus.texts)
                raw = Path(files[identity]).read_bytes() if identity in files else b"\xff"
                try:
                    raw.decode()
                except UnicodeDecodeError:
                    corpus.from_store += 1
                    raw = index.text(ref)
                corpus.texts.append(raw)
                corpus.documents.append({})
            sources = {document: source.repository for document, source in index.sources(ref)}
            corpus.documents[known[identity]].update(sources)
        return corpus


def foreign(chance: random.Random, size: int) -> bytes:
    """Return lines of invented words."""
    made = bytearray()
    while len(made) < size:
        word = bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz_0123456789", k=chance.randrange(2, 11)))
        made += word + chance.choice((b" ", b" = ", b"(", b")\n    ", b"\n\n"))
    return bytes(made[:size])


def laid_out_anew(chance: random.Random, normalised: bytes) -> bytes:
    """Return a normalised text with other white space: indented, with other line ends, or as it is."""
    way = chance.randrange(4)
    if way == 1:
        return normalised.replace(b"\n", b"\r\n" + b"\t" * chance.randrange(3))
    if way == 2:
        return normalised.replace(b" ", b"  ").replace(b"\n", b"\n\n" + b" " * chance.randrange(9))
    return normalised


def cut(chance: random.Random, texts: list[bytes], shortest: int) -> bytes | None:
    """Return a part of some text, cut between characters, of at least ``shortest`` bytes without its ends' space."""
    text = texts[chance.randrange(len(texts))]
    size = shortest + int(chance.expovariate(1 / chance.choice((1, 60, 400, 1500))))
    if len(text) < size:
        return None
    at = chance.randrange(len(text) - size + 1)
    start, end = trimmed(text, at, at + size)
    return text[start:end] if end - start >= shortest else None


def judge_cuts(
    index: Index, corpus: Corpus, normalised: list[bytes], scan: Scan, count: int, seed: int
) -> dict[str, Any]:
    chance = random.Random(seed)
    tally: Counter[str] = Counter()
    seconds: list[float] = []
    odd: list[dict[str, Any]] = []
    for number in progress("cuts", count):
        part = None
        while part is None:
            part = cut(chance, normalised, SHORTEST)
        query = foreign(chance, chance.randrange(5, 300)) + b" "
        planted = len(normalise(query + b"x")) - 1
        # Every fifth is followed at once by parts of other texts: runs that touch or overlap.
        others = [
            cut(chance, normalised, SHORTEST) or b"" for _ in range(chance.randrange(1, 5) if number % 5 == 0 else 0)
        ]
        query += laid_out_anew(chance, part + b"".join(others)) + b" " + foreign(chance, chance.randrange(5, 300))
        began = time.perf_counter()
        result = trace(index, query, min_chars=0, sources_limit=1)
        seconds.append(time.perf_counter() - began)
        plain = normalise(query)
        place = {at: number for number, at in enumerate(origins(query))}
        spans = [(place[s.span.start_byte], place[s.span.end_byte - 1] + 1) for s in result.spans]
        runs = antichain(trimmed(plain, *run) for run in scan.runs(plain))
        runs = [(start, end) for start, end in runs if end - start >= SHORTEST]
        long = [(start, end) for start, end in spans if end - start >= SHORTEST]
        end = planted + len(part)
        tally["found"] += any(first <= planted and last >= end for first, last in spans)
        tally["equal"] += runs == long
        tally["incomplete"] += not result.complete
        tally["spans"] += len(long)
        if (runs != long or not any(first <= planted and last >= end for first, last in spans)) and len(odd) < 20:
            odd.append({"query": query.decode(), "spans": long, "runs": runs, "complete": result.complete})
        if number < COUNTED and spans:
            low, high = chance.choice(spans)
            holders = [number for number, text in enumerate(normalised) if plain[low:high] in text]
            documents = {document: name for holder in holders for document, name in corpus.documents[holder].items()}
            shown = result.spans[spans.index((low, high))]
            said, true = (shown.documents, shown.repositories), (len(documents), len(set(documents.values())))
            tally["counted"] += 1
            tally["counts exact"] += shown.counts_exact
            tally["counts wrong"] += said != true if shown.counts_exact else said > true
            tally["shown and not there"] += not documents
    seconds.sort()
    return {
        "asked": count, **tally, "odd": odd,
        "milliseconds": {"p50": seconds[count // 2] * 1e3, "p99": seconds[count * 99 // 100] * 1e3},
    }  # fmt: skip


def candidates(chance: random.Random, normalised: list[bytes], folders: list[str], count: int) -> list[bytes]:
    """Return snippets that may be absent: copies with a change every few bytes, parts of files from elsewhere."""
    files = [
        path
        for folder in folders
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in (".py", ".rs", ".c", ".h", ".js") and path.is_file() and path.stat().st_size < 1 << 20
    ]
    elsewhere = [normalise(path.read_bytes()) for path in chance.sample(files, min(len(files), FILES))]
    made = []
    while len(made) < count:
        part = cut(chance, elsewhere if elsewhere and len(made) % 2 else normalised, 100)
        if part is None:
            continue
        if not (elsewhere and len(made) % 2):
            changed = bytearray(part)
            at = chance.randrange(20)
            while at < len(changed):
                changed[at] = chance.choice(b"abcdefghijklmnopqrstuvwxyz0123456789")
                at += chance.randrange(16, WINDOW)
            part = changed.decode("utf-8", "replace").encode()
        made.append(part)
    return made


def judge_absent(index: Index, normalised: list[bytes], folders: list[str], count: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    made = candidates(chance, normalised, folders, count * 3)
    grams = [gram_hashes(normalise(part), WINDOW) for part in made]
    present = present_grams(normalised, np.unique(np.concatenate(grams)), WINDOW)
    owners = np.repeat(np.arange(len(made)), [len(own) for own in grams])
    known = np.unique(owners[np.isin(np.concatenate(grams), present)])
    taken = set(known.tolist())
    absent = [part for number, part in enumerate(made) if number not in taken][:count]
    verdicts: Counter[str] = Counter()
    hits = expected = 0.0
    for number in progress("absent", len(absent)):
        result = trace(index, absent[number], min_chars=0)
        verdicts[result.verdict] += 1
        hits += result.checked.hits
        expected += result.checked.expected_false_hits
    return {"asked": len(absent), "verdicts": dict(verdicts), "false hits": hits, "expected false hits": expected}


def judge_literals(index: Index, corpus: Corpus, count: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    tally: Counter[str] = Counter()
    odd = []
    for _ in progress("literals", count):
        literal = ""
        while not literal.strip():
            text = corpus.texts[chance.randrange(len(corpus.texts))]
            at, size = chance.randrange(len(text)), chance.randrange(5, 41)
            around = text[at : at + 4 * size + 4].decode("utf-8", "ignore")
            literal = around[:size] if len(around) >= size else ""
        needle = literal.encode()
        true = {
            document
            for number, text in enumerate(corpus.texts)
            if needle in text
            for document in corpus.documents[number]
        }
        all_of_them = search_literal(
            index, literal, limit=100 if len(true) > 500 else 500, reach=Reach(count=None, context=0)
        )
        first = search_literal(index, literal, limit=10)
        shown = {document for hit in all_of_them.hits for document, _ in hit.documents}
        right = all_of_them.total.exact and all_of_them.total.value == len(true)
        bounded = first.total.value == len(true) if first.total.exact else first.total.value <= len(true)
        recalled = shown == true if len(true) <= 500 else shown < true
        tally["recalled"] += recalled
        tally["counts right"] += right
        tally["bounds right"] += bounded
        tally["bounds exact"] += first.total.exact
        if not (right and bounded and recalled):
            odd.append({"literal": literal, "true": len(true), "said": all_of_them.total.value, "shown": len(shown)})
    return {"asked": count, **tally, "odd": odd[:20]}


def judge_common(index: Index, corpus: Corpus, normalised: list[bytes]) -> dict[str, Any]:
    """Mark one in sixteen of all distinct runs; those that stand in 2 to N - 1 repositories may be either."""
    least = index.parameters.common_repositories
    commonness = Commonness.of(index, 0)
    if commonness is None:
        return {"asked": 0}
    names = {name: number for number, name in enumerate(sorted({n for d in corpus.documents for n in d.values()}))}
    keys, owners, at, of = [], [], [], []
    for number, text in enumerate(normalised):
        grams = gram_hashes(text, RUN)
        places = np.flatnonzero(grams >> np.uint64(60) == 0)
        _, first = np.unique(grams[places], return_index=True)
        places = places[first]
        for owner in {names[name] for name in corpus.documents[number].values()}:
            keys.append(grams[places])
            owners.append(np.full(len(places), owner))
            at.append(places)
            of.append(np.full(len(places), number))
    key, owner = np.concatenate(keys), np.concatenate(owners)
    place, text_of = np.concatenate(at), np.concatenate(of)
    order = np.lexsort((owner, key))
    key, owner, place, text_of = key[order], owner[order], place[order], text_of[order]
    new_key = np.append(True, key[1:] != key[:-1])
    new_owner = new_key | np.append(True, owner[1:] != owner[:-1])
    counts = np.add.reduceat(new_owner.astype(np.int64), np.flatnonzero(new_key))
    firsts = np.flatnonzero(new_key)
    tally: Counter[str] = Counter()
    for first, count in zip(firsts, counts, strict=True):
        if count == 1 or count >= least:
            start = int(place[first])
            marked = commonness.is_common(normalised[text_of[first]][start : start + RUN], 0, RUN)
            tally[f"in {'one' if count == 1 else 'many'}"] += 1
            tally[f"in {'one' if count == 1 else 'many'}, marked"] += marked
    return {"repositories": least, **tally}


def progress(what: str, count: int) -> Iterator[int]:
    for number in range(count):
        if number % 500 == 0:
            print(f"{what}: {number} of {count}", file=sys.stderr)
        yield number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--index", help="an index of the standard library and the installed packages")
    parser.add_argument("--cuts", type=int, default=10_000)
    parser.add_argument("--absent", type=int, default=10_000)
    parser.add_argument("--literals", type=int, default=1_000)
    parser.add_argument("--no-common", action="store_true")
    parser.add_argument("--foreign", action="append", default=[], help="a folder of code that is not in the corpus")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write the figures here, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.index or os.path.join(scratch, "index")
        if options.index is None:
            roots = [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")]
            build([open_source(root, SourceOptions()) for root in roots], folder)
        with Index.open(folder) as index:
            figures = ask(index, options)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        Path(options.json).write_text(text + "\n")


def ask(index: Index, options: argparse.Namespace) -> dict[str, Any]:
    corpus = Corpus.of(index)
    normalised = [normalise(text) for text in corpus.texts]
    figures: dict[str, Any] = {
        "question": "is every copy found, exactly as long as it is, and nothing else?",
        "corpus": {"texts": len(corpus.texts), "bytes": sum(map(len, corpus.texts)), "from store": corpus.from_store},
    }
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "absent": lambda: judge_absent(index, normalised, options.foreign, options.absent, options.seed),
        "literals": lambda: judge_literals(index, corpus, options.literals, options.seed),
    }
    if options.cuts:
        parts["cuts"] = lambda: judge_cuts(index, corpus, normalised, Scan(normalised), options.cuts, options.seed)
    if not options.no_common:
        parts["common"] = lambda: judge_common(index, corpus, normalised)
    for name, part in parts.items():
        figures[name] = part()
        print(json.dumps({name: figures[name]})[:2000], file=sys.stderr)
    return figures


if __name__ == "__main__":
    main()
