"""Snippets that must raise no alarm although they look like everybody's code: boilerplate, licences, benchmarks."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.quality.corpus import File, Split, split
from benchmarks.quality.queries import Query
from benchmarks.quality.transforms import new_name

_IMPORTS = {
    "python": re.compile(rb"(?:^(?:from [\w.]+ )?import [^\n(]*\n){5,}", re.MULTILINE),
    "java": re.compile(rb"(?:^import [^\n]*;\n){6,}", re.MULTILINE),
    "javascript": re.compile(
        rb"(?:^(?:const|var|let) [^\n]* = require\([^\n]*\n|^import [^\n]* from [^\n]*\n){4,}", re.MULTILINE
    ),
    "rust": re.compile(rb"(?:^use [^\n]*;\n){4,}", re.MULTILINE),
    "go": re.compile(rb"^import \(\n(?:[^\n]*\n){3,}?\)\n", re.MULTILINE),
    "c": re.compile(rb"(?:^#include [^\n]*\n){4,}", re.MULTILINE),
}
_METHOD = re.compile(
    rb"(?:[ \t]+(?:(?:public|static|private|protected|async) )*(?:get |set )?\w+\([^(){}\n]*\)(?:: [^\n{]+)? \{\n"
    rb"\s+[^\n{}]*\n[ \t]+\},?\n\s*){2,}"
)
_GETTERS = {
    "java": re.compile(
        rb"(?:[ \t]+(?:public|protected) (?:static |final )*[\w<>\[\], ]+ \w+\([^)]*\) (?:throws \w+ )?\{\n"
        rb"[^\n{}]*;\n[ \t]+\}\n\s*(?:@Override\n)?){2,}"
    ),
    "python": re.compile(
        rb"(?:[ \t]+(?:@[^\n]+\n[ \t]+)?def \w+\(self[^\n]*:\n[ \t]+(?:return )?self\.\w+(?: = \w+)?\n\s*){2,}"
    ),
    "rust": re.compile(
        rb"(?:[ \t]+pub (?:const )?fn \w+\((?:&mut |&|mut )?self[^\n{]*\{\n[ \t]+&?self\.[\w.]+(?: = \w+;)?\n"
        rb"(?:[ \t]+self\n)?[ \t]+\}\n\s*){2,}"
    ),
    "go": re.compile(
        rb"(?:func \(\w+ [*\w]+\) \w+\([^\n]*\) ?[^\n]*\{\n\s+(?:if \w+ [!=]= nil \{\n[^\n]*\n\s+\}\n\s+)?"
        rb"(?:return )?[\w.&*]+(?: = \w+)?\n\}\n\s*){2,}"
    ),
    "javascript": _METHOD,
    "typescript": _METHOD,
    "c": re.compile(rb"(?:^[\w*][\w \t*]*?\n?\w+\([^(){};]*\)\n?\s*\{\n\s+[^\n{}]*;\n\}\n\s*){2,}", re.MULTILINE),
}
"""Two or more functions in a row of one line each: getters, setters, delegations. Told by their lines alone, not as the
toolkit tells them."""
MOST = {"import blocks": 1, "getters": 10}
"""Snippets taken of one file."""
_STUBS = Path(__file__).with_name("stubs.json")
"""By language; NAME1, NAME2, … are replaced by fresh names."""


def boilerplate(files: list[File], *, tuning: bool, seed: int = 3, blind: bool = False) -> list[Query]:
    """Return import blocks and getters of repositories that are not indexed, and stubs with fresh names."""
    generator = random.Random(seed)
    queries = []
    for file in files:
        if split(file.repository) != Split(False, tuning, blind):
            continue
        for name, patterns in (("import blocks", _IMPORTS), ("getters", _GETTERS)):
            if pattern := patterns.get(file.language):
                for found in islice(pattern.finditer(file.text), MOST[name]):
                    queries.append(Query(name, _whole(found[0][:2000]), file.language, file.repository))
    for language, stubs in json.loads(_STUBS.read_text("utf-8")).items():
        for number in range(60):
            text, taken = generator.choice(stubs).encode(), set[bytes]()
            for name in sorted(set(re.findall(rb"NAME\d", text))):
                text = text.replace(name, new_name(b"x_y", generator, taken))
            queries.append(Query("stubs", text, language, f"stub {number}"))
    return queries


def texts(data: Path) -> list[Query]:
    """Return licence texts and ignore templates of a data folder, in parts of 2,000 characters."""
    queries = []
    for folder, name in (("licence_texts", "licence texts"), ("gitignore_templates", "ignore templates")):
        for entry in _rows(data / folder / f"{folder}.jsonl"):
            text = max((value for value in entry.values() if isinstance(value, str)), key=len).encode()
            queries += [Query(name, _whole(text[at : at + 2000]), "text", name) for at in range(0, len(text), 2000)]
    return queries


def human_eval(data: Path) -> list[Query]:
    """Return the canonical solutions of HumanEval and, in six languages, of HumanEvalPack."""
    queries = [
        Query("HumanEval", (row["prompt"] + row["canonical_solution"]).encode(), "python", row["task_id"])
        for row in _rows(data / "humaneval/HumanEval.jsonl.gz")
    ]
    for path in sorted((data / "humanevalpack").glob("*.jsonl.gz")):
        language = path.name.split(".")[0]
        for row in _rows(path):
            text = (row["declaration"] + row["canonical_solution"]).encode()
            queries.append(Query("HumanEvalPack", text, language, f"{language} {row['task_id']}"))
    return queries


def mbpp(data: Path) -> list[File]:
    """Return the solutions of MBPP as files of their own; all are to be indexed."""
    rows = _rows(data / "mbpp/mbpp.jsonl")
    return [File("mbpp", f"{row['task_id']}.py", "python", row["code"].encode()) for row in rows]


def _whole(text: bytes) -> bytes:
    """Return a text without the characters that were cut at its ends."""
    return text.decode("utf-8", "ignore").encode()


def _rows(path: Path) -> Iterator[dict[str, str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
