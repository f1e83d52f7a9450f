"""The parts of a text that are attributed by themselves.

A text of up to `WHOLE` symbols is one unit. Of a longer one, its functions are units where there is a tree-sitter
grammar of its language that finds them within its bounds, and windows of `WINDOW` symbols, half of one apart, are units
of what lies outside of functions, or of everything where there is no grammar.
"""

from __future__ import annotations

import importlib
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from provenance.lexing.alignment import Code

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Tree

WHOLE = 320
WINDOW = 200
SMALLEST = 30
"""Functions and windows of fewer symbols are no units."""
LARGEST = 1000
"""Longer functions are cut into windows: the kernel aligns 1024 symbols."""
_PARSED_BYTES = 1 << 18
"""A longer text is not parsed: 10 to 16 MB/s on one core (2026-11), and no text has so many units looked at."""
_PIECE = 1 << 12
_READS, _TICKS = 4, 30
"""Pieces read, as a multiple of those there are, and ticks of the parser a kilobyte, after which parsing is given up.
Of 420 real files in seven languages none took more than 23 ticks (2026-11); hostile text makes some grammars square."""
_SPARE = 100

_GRAMMARS = {
    "python": "tree_sitter_python.language",
    "javascript": "tree_sitter_javascript.language",
    "typescript": "tree_sitter_typescript.language_tsx",
    "java": "tree_sitter_java.language",
    "go": "tree_sitter_go.language",
    "c": "tree_sitter_c.language",
    "cpp": "tree_sitter_cpp.language",
    "rust": "tree_sitter_rust.language",
    "csharp": "tree_sitter_c_sharp.language",
    "ruby": "tree_sitter_ruby.language",
    "php": "tree_sitter_php.language_php",
    "php inside": "tree_sitter_php.language_php_only",
    "shell": "tree_sitter_bash.language",
}
_FUNCTIONS = frozenset(
    "function_definition function_declaration function_expression generator_function_declaration arrow_function"
    " method_definition method_declaration constructor_declaration function_item method singleton_method"
    " local_function_statement".split()
)


def units(code: Code) -> list[tuple[int, int]]:
    """Return the units of a text as half-open ranges of its symbols, in order of their start."""
    if len(code) <= WHOLE:
        return [(0, len(code))] if len(code) else []
    found: list[tuple[int, int]] = []
    free = 0
    for first, end in _functions(code):
        found += _windows(free, first) if first - free >= SMALLEST else []
        found += [(first, end)] if end - first <= LARGEST else _windows(first, end)
        free = end
    found += _windows(free, len(code)) if len(code) - free >= SMALLEST else []
    return found


def _windows(first: int, end: int) -> list[tuple[int, int]]:
    starts = range(first, max(first + 1, end - WINDOW // 2), WINDOW // 2)
    return [(start, min(start + WINDOW, end)) for start in starts]


def _functions(code: Code) -> list[tuple[int, int]]:
    """Return the outermost functions of at least `SMALLEST` symbols."""
    # A snippet of PHP is cut from inside of its tags.
    inside = code.family.name == "php" and b"<?" not in code.text
    grammar = _grammar("php inside" if inside else code.family.name)
    tree = _parsed(code.text, grammar) if grammar is not None and len(code.text) <= _PARSED_BYTES else None
    if tree is None:
        return []
    starts = [symbol.start for symbol in code]
    found = []
    nodes: list[Node] = [tree.root_node]
    while nodes:
        node = nodes.pop()
        if node.end_byte - node.start_byte < SMALLEST:
            continue
        if node.type in _FUNCTIONS:
            first, end = bisect_left(starts, node.start_byte), bisect_left(starts, node.end_byte)
            if end - first >= SMALLEST:
                found.append((first, end))
                continue
        nodes.extend(reversed(node.children))
    return found


def _parsed(text: bytes, grammar: Language) -> Tree | None:
    """Return the tree of a text, or None where parsing takes more work than real code does."""
    from tree_sitter import Parser

    most_reads = _READS * (len(text) // _PIECE + 1) + _SPARE
    most_ticks = _TICKS * (len(text) // 1024 + 1) + _SPARE
    reads = ticks = 0

    def read(at: int, _: object) -> bytes:
        nonlocal reads
        reads += 1
        return text[at : at + _PIECE] if reads <= most_reads else b""

    def is_too_much(_: int, __: bool) -> bool:
        nonlocal ticks
        ticks += 1
        return ticks > most_ticks or reads > most_reads

    try:
        tree = Parser(grammar).parse(read, progress_callback=is_too_much)
    except ValueError:  # given up
        return None
    return tree if reads <= most_reads else None


@cache
def _grammar(family: str) -> Language | None:
    """Return the grammar of a family, None where there is none."""
    if family not in _GRAMMARS:
        return None
    from tree_sitter import Language

    module, function = _GRAMMARS[family].split(".")
    return Language(getattr(importlib.import_module(module), function)())
