"""Does the preset `copyleft` let out uncommon text under copyleft, and does it leave the rest alone?

    python -m benchmarks.guard.copyleft FOLDER [COUNT]

Every Python file of a folder becomes a repository of its own, under GPL-3.0-only, MIT, LGPL-2.1-only, Apache-2.0, no
licence, BSD-3-Clause by turns. The scripted model recites them. Prints one JSON line: runs of at least the floor, by
exact scan, that were let out and stand in a text under copyleft or without a licence, and in fewer repositories than
make a text common; and of the answers that recite permissive text alone, those that were altered.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.guard.scripted import recitals, texts_of, told
from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance import kernel
from provenance.guard.guarded import Guard, guarded
from provenance.guard.licences import licence_class
from provenance.guard.policy_file import PRESETS
from provenance.index import Index
from provenance.windows import check_floor

LICENSES = ("GPL-3.0-only", "MIT", "LGPL-2.1-only", "Apache-2.0", "NOASSERTION", "BSD-3-Clause")
COLUMNS = {"text": "content", "path": "path", "repository": "repo", "license": "license"}


def licensed(folder: Path, scratch: Path, licenses: Sequence[str] = LICENSES) -> Path:
    """An index of the folder's Python files, each a repository of its own, with licences by turns."""
    texts = [path.read_text("utf-8", "ignore") for path in sorted(folder.rglob("*.py"))]
    rows = [(text, licenses[number % len(licenses)]) for number, text in enumerate(dict.fromkeys(texts)) if text]
    with (scratch / "rows.jsonl").open("w") as file:
        for number, (text, license) in enumerate(rows):
            row = {"content": text, "path": f"{number}.py", "repo": f"github.com/o{number}/r", "license": license}
            file.write(json.dumps(row) + "\n")
    source = open_source(str(scratch / "rows.jsonl"), SourceOptions(columns=tuple(COLUMNS.items())))
    build([source], scratch / "index", corpus_name="licensed", workers=1)
    return scratch / "index"


def texts_by_licence(index: Index) -> tuple[list[bytes], list[bytes]]:
    """The normalised texts that the preset keeps back, and the others; a notice inside of a file names its licence."""
    kept, others = [], []
    for ref in index.refs():
        ((_, source),) = index.sources(ref)
        permissive = licence_class(source.license) == "permissive"
        (others if permissive else kept).append(kernel.normalise(index.text(ref)))
    return kept, others


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as scratch:
        folder = licensed(Path(sys.argv[1]), Path(scratch))
        with Index.open(folder) as index, Guard(index, replace(PRESETS["copyleft"], attempts=0)) as guard:
            made = recitals(texts_of(index), count)
            floor = check_floor(index.geometry, guard.policy.min_chars)
            answers = [guarded(lambda prompt, each=each: each.pieces, guard)(each.prompt) for each in made]
            common = index.parameters.common_repositories
            kept, others = texts_by_licence(index)
        document = b"\x01".join(kept)
        query = b"\x00".join(kernel.normalise(answer.text.encode()) for answer in answers)
        found = [document[at : at + length] for _, at, length in kernel.common_runs(query, document, floor)]
        holders = [sum(run in text for text in (*kept, *others)) for run in found]
        uncommon = [run for run, repositories in zip(found, holders, strict=True) if repositories < common]
        free = altered = 0
        for each, answer in zip(made, answers, strict=True):
            whole = kernel.normalise("".join(each.pieces).encode())
            if not kernel.common_runs(whole, document, 64):
                free += 1
                altered += answer.ending != "complete"
        told(
            "default blocking preset (copyleft), uncommon runs",
            "0 emitted",
            repositories=len(kept) + len(others),
            of_these_kept_back=len(kept),
            answers=len(answers),
            ended=sum(answer.ending != "complete" for answer in answers),
            uncommon_runs_emitted=sum(not any(run in text for text in others) for run in uncommon),
            # Of runs in one place the longest is traced: a permissive text may hold more around the same code.
            uncommon_runs_of_permissive_texts_too=sum(any(run in text for text in others) for run in uncommon),
            longest_seen=max((n for _, _, n in kernel.common_runs(query, document, 32)), default=0),
            common_runs_emitted=len(found) - len(uncommon),
            answers_of_permissive_text_alone=free,
            of_these_altered=altered,
        )


if __name__ == "__main__":
    main()
