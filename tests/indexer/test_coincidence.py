"""Coincidence: what held-out repositories share with the others, against its definition."""

from __future__ import annotations

import json
import random
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from indexer import coincidence, segments
from indexer.build import build
from indexer.coincidence import COPIED, Snippets, measured, snippet_length
from indexer.compact import compact
from indexer.segments import held_out, repository_number
from provenance.checking import check
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.records import Document
from provenance.verdict import COINCIDENCE, coincidence_rate

PARAMETERS = Parameters(segment_bytes=120_000, common_repositories=3)
GEOMETRY = PARAMETERS.geometry


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small corpus be enough; every third repository is held out."""
    monkeypatch.setattr(segments, "HELD_OUT", 3)
    monkeypatch.setattr(coincidence, "FEWEST_SNIPPETS", 40)
    monkeypatch.setattr(coincidence, "FEWEST_REPOSITORIES", 2)


def windows(normalised: bytes, stride: int) -> list[bytes]:
    return [normalised[at : at + 32] for at in range(0, len(normalised) - 31, stride)]


def longest_chain(snippet: bytes, stored: set[bytes]) -> int:
    hits = [window in stored for window in windows(snippet, 1)]
    best = 0
    for phase in range(32):
        running = 0
        for hit in hits[phase::32]:
            running = running + 1 if hit else 0
            best = max(best, running)
    return best


def normal(text: bytes) -> bytes:
    text = re.sub(rb"[\t\n\v\f\r ]+", lambda run: b"\n" if b"\n" in run[0] or b"\r" in run[0] else b" ", text)
    return text.strip(b"\t\n\v\f\r ")


@pytest.fixture(scope="module")
def documents(doc: Callable[..., Document]) -> list[Document]:
    """Modules of the standard library as twenty repositories, three of the files in several of them."""
    folder = Path(sysconfig.get_path("stdlib"))
    modules = [p for p in sorted(folder.glob("*.py")) if 4_000 < p.stat().st_size < 40_000][:60]
    texts = [module.read_text("utf-8") for module in modules]
    found = [doc(text, f"o/r{number % 20}", f"{number}.py") for number, text in enumerate(texts)]
    generator = random.Random(3)
    shared = [
        doc(texts[number], f"o/r{repository}", f"copy-{number}.py")
        for number in (0, 1, 2)
        for repository in generator.sample(range(20), 4)
    ]
    return found + shared


def by_definition(documents: list[Document]) -> dict[str, Any]:
    others = {d.utf8 for d in documents if not held_out(d.source.repository)}
    stored = {window for text in others for window in windows(normal(text), 32)}
    apart = {d.utf8: d.source.repository for d in documents if held_out(d.source.repository)}
    snippets = Snippets(GEOMETRY)
    for text, repository in apart.items():
        snippets.add(text, repository_number(repository))
    raw = snippets.records()
    size = 4 + snippet_length(GEOMETRY)
    texts = {raw[at + 4 : at + size] for at in range(0, len(raw), size)}
    assert all(any(text in normal(whole) for whole in apart) for text in texts)
    chains = [longest_chain(text, stored) for text in texts]
    rest = [length for length in chains if length < COPIED]
    return {
        "snippets": len(rest),
        "copied": len(chains) - len(rest),
        "rates": [[32 * n, round(sum(one >= n for one in rest) / len(rest), 4)] for n in range(1, COPIED)],
        "repositories": len({apart[whole] for whole in apart if len(normal(whole)) >= 250}),
    }


def said(folder: Path) -> dict[str, Any] | None:
    value: dict[str, Any] | None = json.loads((folder / "index.json").read_bytes()).get("coincidence")
    return value


def test_a_build_measures_what_the_definition_says_and_so_does_compaction(
    documents: list[Document], listed: Callable[..., Any], small_samples: None, tmp_path: Path
) -> None:
    expected = by_definition(documents)
    assert expected["copied"] > 0 and 0 < expected["rates"][0][1] < 1
    report = build([listed(documents)], tmp_path / "index", parameters=PARAMETERS, workers=1)
    assert len(list((tmp_path / "index" / "segments").iterdir())) > 3
    assert said(tmp_path / "index") == expected
    assert report.coincidence is not None and report.coincidence.snippets == expected["snippets"]
    compact(tmp_path / "index", workers=1)
    assert said(tmp_path / "index") == expected


def test_answers_say_the_measured_rate_and_an_addition_keeps_it(
    documents: list[Document], listed: Callable[..., Any], small_samples: None, tmp_path: Path
) -> None:
    build([listed(documents[:50])], tmp_path / "index", parameters=PARAMETERS, workers=1)
    before = said(tmp_path / "index")
    assert before is not None
    build([listed(documents[50:])], tmp_path / "index", workers=1)
    assert said(tmp_path / "index") == before
    with Index.open(tmp_path / "index") as index:
        rates = {length: rate for length, rate in before["rates"]}
        assert index.coincidence == rates
        assert check(index, "x = 1\n" * 40).coincidence_rate == coincidence_rate(96, rates) == rates[96]


def test_holding_out_changes_no_filter(
    documents: list[Document],
    listed: Callable[..., Any],
    filters_of: Callable[[Path], list[bytes]],
    small_samples: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    build([listed(documents)], tmp_path / "held", parameters=PARAMETERS, workers=1)
    monkeypatch.setattr(segments, "HELD_OUT", 1 << 33)
    build([listed(documents)], tmp_path / "whole", parameters=PARAMETERS, workers=1)
    assert said(tmp_path / "held") is not None and said(tmp_path / "whole") is None
    assert filters_of(tmp_path / "held") == filters_of(tmp_path / "whole")


def test_too_few_repositories_leave_the_documented_figures(
    documents: list[Document], listed: Callable[..., Any], tmp_path: Path
) -> None:
    build([listed(documents)], tmp_path / "index", parameters=PARAMETERS, workers=1)
    assert said(tmp_path / "index") is None
    with Index.open(tmp_path / "index") as index:
        assert index.coincidence == COINCIDENCE


def test_runs_of_known_length_are_counted_as_such(small_samples: None, tmp_path: Path) -> None:
    chance = random.Random(1)
    texts = [chance.randbytes(125).hex().encode() for _ in range(200)]
    others, counts = set(), [0] * 7
    for number, text in enumerate(texts):
        count = number % 7
        counts[count] += 1
        start = chance.randrange(250 - 32 * count)
        others.update(text[start + 32 * n : start + 32 * n + 32] for n in range(count))
    keys = sorted(xxhash.xxh3_64_intdigest(window, GEOMETRY.seed) for window in others)
    runs = [tmp_path / "a.tiles", tmp_path / "b.tiles"]
    for path, part in zip(runs, (keys[::2], keys[1::2]), strict=True):
        path.write_bytes(np.array(part, dtype="<u8").tobytes())
    (tmp_path / "x.snippets").write_bytes(b"".join(bytes((n % 5, 0, 0, 0)) + t for n, t in enumerate(texts)))
    found = measured(runs, [tmp_path / "x.snippets"], GEOMETRY)
    assert found is not None
    rest = sum(counts[:COPIED])
    assert (found.snippets, found.copied, found.repositories) == (rest, sum(counts[COPIED:]), 5)
    assert dict(found.rates) == {32 * n: round(sum(counts[n:COPIED]) / rest, 4) for n in range(1, COPIED)}


def test_of_too_many_snippets_the_same_are_kept_whatever_the_files(
    small_samples: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(coincidence, "SNIPPETS", 60)
    chance = random.Random(2)
    records = [bytes((n % 7, 0, 0, 0)) + chance.randbytes(125).hex().encode() for n in range(200)]
    (tmp_path / "none.tiles").write_bytes(b"")
    found = []
    for cut in (50, 120, 200):
        files = [tmp_path / f"{cut}-a.snippets", tmp_path / f"{cut}-b.snippets"]
        files[0].write_bytes(b"".join(records[:cut]))
        files[1].write_bytes(b"".join(records[cut:]))
        found.append(measured([tmp_path / "none.tiles"], files, GEOMETRY))
    assert found[0] is not None and found[0].snippets == 60
    assert found[0] == found[1] == found[2]
