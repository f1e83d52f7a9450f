"""What happens to copied code: layout, comments, names, statements; each by construction on a snippet's tokens.

A snippet is a slice of a file with its tokens; every transformation takes a random generator and gives a new text.
A *statement* is taken to be a line that holds code, in every language.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, replace

from benchmarks.quality.syntax import Token


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text cut from a file: its tokens have byte ranges in ``text``; ``language`` is the benchmark's name."""

    text: bytes
    tokens: tuple[Token, ...]
    language: str


_WORDS = (
    "alpha amount anchor array batch beacon bucket buffer candidate carrier channel chunk cluster column context"
    " counter cursor delta depth detail digest driver edge element entry event factor field filter fragment frame gap"
    " gate graph group handle header hint holder horizon index input item joint journal kernel label layer leaf ledger"
    " level limit link marker mask matrix member metric middle model module node number object offset option origin"
    " outcome output packet panel parent part path pivot place plan point pool port prefix probe queue range ratio"
    " record region result river root route row sample scale scope segment sequence shape signal slot source space"
    " stack stage state step stream symbol table target thread token total trace track tree unit update value vector"
    " vertex view volume weight width window worker zone"
).split()
_REMARKS = (
    "see the notes for the reason", "checked by hand", "this keeps the order stable",
    "nothing else to do here", "the usual case",
    "adapted for the new layout", "callers rely on this", "cheap enough", "works for all inputs so far", "first step",
)  # fmt: skip
_HASH_COMMENTS = {"python"}


def new_name(old: bytes, generator: random.Random, taken: set[bytes]) -> bytes:
    """Return a fresh identifier in the style (snake, camel, Pascal, upper) of ``old``."""
    while True:
        words = generator.sample(_WORDS, generator.choice((1, 2, 2)))
        text = old.decode("utf-8", "replace").lstrip("_$#@")
        if text.isupper() and len(text) > 1:
            name = "_".join(words).upper()
        elif text[:1].isupper():
            name = "".join(word.title() for word in words)
        elif re.search("[a-z][A-Z]", text):
            name = words[0] + "".join(word.title() for word in words[1:])
        else:
            name = "_".join(words)
        if (fresh := name.encode()) not in taken:
            taken.add(fresh)
            return fresh


def rename(snippet: Snippet, generator: random.Random, share: float, least: int) -> Snippet:
    """Rename each identifier that occurs ``least`` times or more with probability ``share``, everywhere alike."""
    counts = Counter(_texts(snippet, "identifier"))
    taken = set(counts)
    names = {
        name: new_name(name, generator, taken)
        for name, count in counts.items()
        if count >= least and generator.random() < share
    }
    return _rebuild(snippet, {i: names[t] for i, t in _indexed(snippet, "identifier") if t in names})


def comments(snippet: Snippet, generator: random.Random) -> Snippet:
    """Drop every comment and docstring, and put other comments behind a fifth of the lines."""
    bare = _rebuild(snippet, {index: b"" for index, token in enumerate(snippet.tokens) if token.kind == "comment"})
    marker = b"# " if snippet.language in _HASH_COMMENTS else b"// "
    ends = {token.end for token in bare.tokens}
    pieces: list[bytes] = []
    position = 0
    for match in re.finditer(rb"[ \t]*\n", bare.text):
        if match.start() in ends and generator.random() < 0.2 and not _inside(bare.tokens, match.start()):
            pieces += [bare.text[position : match.start()], b"  ", marker, generator.choice(_REMARKS).encode()]
            position = match.start()
    return Snippet(b"".join(pieces) + bare.text[position:], (), snippet.language)


def layout(snippet: Snippet, generator: random.Random) -> Snippet:
    """Indent by another unit, break and join lines where the language allows, change blanks and empty lines."""
    unit = generator.choice((b"\t", b"  ", b"   ", b"        "))
    shift = generator.choice((0, 0, 1, 2))
    pieces: list[bytes] = []
    tokens: list[Token] = []
    depth = position = size = 0
    brackets = 0
    line_start = True

    def put(piece: bytes) -> None:
        nonlocal size
        pieces.append(piece)
        size += len(piece)

    for token in snippet.tokens:
        gap = snippet.text[position : token.start]
        text = snippet.text[token.start : token.end]
        breaks = b"\n" in gap
        previous = tokens[-1] if tokens else None
        before = snippet.text[position - 1 : position] if position else b""
        free = brackets > 0 and (previous is None or previous.kind != "comment")
        if breaks and free and generator.random() < 0.4 and before in b",([{" and before != b"{":
            put(b" " if before == b"," else b"")
        elif breaks:
            blank = b"\n" if generator.random() < 0.1 else b""
            columns = len(gap.rsplit(b"\n", 1)[1].replace(b"\t", b"    "))
            put(b"\n" + blank + unit * (columns // 4 + shift) + b" " * (columns % 4 and 1))
        elif free and before == b"," and generator.random() < 0.15:
            put(b"\n" + unit * (depth + 2 + shift))
        elif gap or line_start:
            put(gap if gap else b"")
        elif (
            before
            and before in b"(=,+*<>"
            and text not in (b")", b"=", b">", b"<", b"+", b"*")
            and generator.random() < 0.2
        ):
            put(b" " if before != b"(" or snippet.language != "python" else b"")
        line_start = False
        if token.kind == "other" and text in (b"(", b"["):
            brackets += 1
        elif token.kind == "other" and text in (b")", b"]"):
            brackets = max(0, brackets - 1)
        elif token.kind == "other" and text in (b"{", b"}") and snippet.language != "python":
            brackets = 0
        tokens.append(replace(token, start=size, end=size + len(text)))
        put(text)
        position = token.end
    return Snippet(b"".join(pieces), tuple(tokens), snippet.language)


def edit_statements(snippet: Snippet, generator: random.Random, share: float, foreign: list[bytes]) -> Snippet:
    """Delete, exchange with the next, or precede by a foreign line: one of these for a ``share`` of the lines."""
    lines = snippet.text.split(b"\n")
    inside = _lines_inside(snippet)
    result: list[bytes] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        if not line.strip() or index in inside or generator.random() >= share:
            result.append(line)
        else:
            action = generator.choice(("delete", "insert", "swap"))
            if action == "insert":
                indent = line[: len(line) - len(line.lstrip())]
                result += [indent + generator.choice(foreign).strip(), line]
            elif action == "swap" and index + 1 < len(lines) and index + 1 not in inside:
                result += [lines[index + 1], line]
                index += 1
        index += 1
    return Snippet(b"\n".join(result), (), snippet.language)


def _texts(snippet: Snippet, kind: str) -> list[bytes]:
    return [text for _, text in _indexed(snippet, kind)]


def _indexed(snippet: Snippet, kind: str) -> list[tuple[int, bytes]]:
    return [(i, snippet.text[t.start : t.end]) for i, t in enumerate(snippet.tokens) if t.kind == kind]


def _rebuild(snippet: Snippet, replaced: dict[int, bytes]) -> Snippet:
    """Return the snippet with some tokens replaced (by nothing: they go)."""
    pieces: list[bytes] = []
    tokens: list[Token] = []
    position = size = 0
    for index, token in enumerate(snippet.tokens):
        gap = snippet.text[position : token.start]
        text = replaced.get(index, snippet.text[token.start : token.end])
        pieces += [gap, text]
        size += len(gap) + len(text)
        if text:
            tokens.append(replace(token, start=size - len(text), end=size))
        position = token.end
    pieces.append(snippet.text[position:])
    return Snippet(b"".join(pieces), tuple(tokens), snippet.language)


def _inside(tokens: tuple[Token, ...], position: int) -> bool:
    return any(token.start < position < token.end for token in tokens)


def _lines_inside(snippet: Snippet) -> set[int]:
    """Return the lines that begin inside of a token of several lines."""
    inside: set[int] = set()
    for token in snippet.tokens:
        first = snippet.text.count(b"\n", 0, token.start)
        inside.update(
            range(first, first + snippet.text.count(b"\n", token.start, token.end) + 1)
            if b"\n" in snippet.text[token.start : token.end]
            else ()
        )
    return inside
