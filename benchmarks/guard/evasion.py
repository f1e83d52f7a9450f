"""Copies that were changed so that they look like others': which are caught when the answer is finished?

    python -m benchmarks.guard.evasion INDEX [COUNT]

Takes Python functions of 60 or more tokens from the index's own texts and writes them with another indentation; with
names in another case (snake_case as camelCase and back); with every name of its own changed. Each stands in an answer
with prose around. Caught after generation is what `trace` finds in the answer's code blocks, with the function's own
text among the sources; beside it, what `trace` finds in the answer as a whole, and what `annotate` marks while it
streams (a part that stands as it was is enough for that). Prints one JSON line a change.
"""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import random
import re
import sys
import tokenize
from collections.abc import Callable, Iterator

from benchmarks.guard.scripted import told
from provenance.guard.fences import Fences
from provenance.guard.guarded import Guard
from provenance.index import Index
from provenance.records import ContentRef
from provenance.tracing import trace

_LEFT = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls"}
_TARGETS = {"re-indented": 98, "re-cased": 95, "renamed": 85}


def functions(index: Index) -> Iterator[tuple[ContentRef, str]]:
    """The functions of at least 60 tokens in the index's Python texts, comments and white space not counted."""
    for ref in index.refs():
        text = index.text(ref).decode()
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                source = ast.get_source_segment(text, node) or ""
                if len(re.findall(r"\w+|[^\w\s]", source)) >= 60:
                    yield ref, " " * node.col_offset + source


def reindented(source: str, rng: random.Random) -> str:
    unit = rng.choice(("\t", "  ", "   ", "        "))
    return re.sub(r"(?m)^( +)", lambda found: unit * (len(found[1]) // 4 + 1), source)


def with_names(source: str, name_of: Callable[[str], str]) -> str:
    """The source with every name but keywords and builtins replaced: attributes and imports too."""
    dedented = re.sub(r"(?m)^" + " " * (len(source) - len(source.lstrip(" "))), "", source)
    out, at = [], (1, 0)
    lines = dedented.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(dedented).readline):
        if token.type == tokenize.NAME and token.string not in _LEFT and not token.string.startswith("__"):
            out.append(_between(lines, at, token.start))
            out.append(name_of(token.string))
            at = token.end
    out.append(_between(lines, at, (len(lines) + 1, 0)))
    return "".join(out)


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    middle = lines[start[0] : end[0] - 1]
    last = lines[end[0] - 1][: end[1]] if end[0] <= len(lines) else ""
    return "".join((lines[start[0] - 1][start[1] :], *middle, last))


def recased(source: str, rng: random.Random) -> str:
    def other(name: str) -> str:
        if "_" in name.strip("_"):
            first, *rest = name.split("_")
            return first + "".join(part.title() for part in rest)
        return re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), name)

    return with_names(source, other)


def renamed(source: str, rng: random.Random) -> str:
    names: dict[str, str] = {}

    def fresh(name: str) -> str:
        if name not in names:
            names[name] = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(3, 10))) + str(len(names))
        return names[name]

    return with_names(source, fresh)


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    with Index.open(sys.argv[1]) as index, Guard(index) as guard:
        chosen = list(functions(index))
        chosen = random.Random(9).sample(chosen, min(count, len(chosen)))
        for change, target in _TARGETS.items():
            rng = random.Random(1)
            write = {"re-indented": reindented, "re-cased": recased, "renamed": renamed}[change]
            streaming = whole = blocks = made = 0
            for ref, source in chosen:
                try:
                    changed = write(source, rng)
                except (tokenize.TokenError, IndentationError, SyntaxError):
                    continue
                made += 1
                answer = f"This should do what you asked for:\n\n```python\n{changed}\n```\n\nIt has no dependencies.\n"
                own = {document for document, _ in index.sources(ref)}
                session, fences = guard.session("p"), Fences()
                for at in range(0, len(answer), 4):
                    session.feed(answer[at : at + 4])
                session.finish()
                fences.feed(answer)
                streaming += bool(session.decisions)
                whole += attributed(index, answer, own)
                blocks += any(attributed(index, answer[each.start : each.end], own) for each in fences.blocks)
            told(
                "evasion, caught after generation",
                f">= {target} %",
                change=change,
                functions=made,
                caught_percent=round(100 * blocks / made, 1),
                caught_in_the_whole_answer_percent=round(100 * whole / made, 1),
                marked_while_streaming_percent=round(100 * streaming / made, 1),
            )


def attributed(index: Index, text: str, own: set[bytes]) -> bool:
    found = trace(index, text, path="answer.py")
    return any(match.document in own for span in found.spans for match in span.sources)


if __name__ == "__main__":
    main()
