"""Tokens and functions by tree-sitter: the benchmark's own view of code, independent of the toolkit's lexer."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tree_sitter import Language, Node, Parser

_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "rust": ("tree_sitter_rust", "language"),
}
_FUNCTIONS = frozenset(
    "function_definition function_declaration function_expression generator_function_declaration method_definition"
    " method_declaration constructor_declaration function_item".split()
)
_COMMENTS = frozenset("comment line_comment block_comment".split())
_STRINGS = frozenset(
    "string string_literal template_string raw_string_literal interpreted_string_literal char_literal character_literal"
    " rune_literal regex system_lib_string".split()
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind (``comment``, ``string``, ``identifier``, ``other``) and half-open byte range."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Function:
    """One function with a body: the indices of its first token and one past its last in `Parsed.tokens`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """All tokens of a file in order, and its functions (nested ones too)."""

    tokens: tuple[Token, ...]
    functions: tuple[Function, ...]


@cache
def _parser(language: str) -> Parser:
    module, function = _GRAMMARS[language]
    return Parser(Language(getattr(importlib.import_module(module), function)()))


def parse(text: bytes, language: str) -> Parsed:
    """Return the tokens and functions of a file; what does not parse still has tokens."""
    tokens: list[Token] = []
    functions: list[Function] = []
    for event, node in _walk(_parser(language).parse(text).root_node):
        if event == "leave":
            first = _first_at(tokens, node.start_byte)
            if first < len(tokens):
                functions.append(Function(first, len(tokens)))
            continue
        if node.end_byte == node.start_byte or text[node.start_byte : node.end_byte].isspace():
            continue
        kind = "other"
        if node.type in _COMMENTS or _is_docstring(node):
            kind = "comment"
        elif node.type in _STRINGS:
            kind = "string"
        elif node.type.endswith("identifier"):
            kind = "identifier"
        tokens.append(Token(kind, node.start_byte, node.end_byte))
    return Parsed(tuple(tokens), tuple(functions))


def _walk(root: Node) -> Iterator[tuple[str, Node]]:
    """Yield the leaves in order (strings and comments whole), and every function when it is left."""
    stack: list[tuple[str, Node]] = [("enter", root)]
    while stack:
        event, node = stack.pop()
        if event == "leave" or not node.children or node.type in _COMMENTS or node.type in _STRINGS:
            yield event, node
            continue
        if node.type in _FUNCTIONS and not node.has_error and node.child_by_field_name("body") is not None:
            stack.append(("leave", node))
        stack.extend(("enter", child) for child in reversed(node.children))


def _is_docstring(node: Node) -> bool:
    parent = node.parent
    return (
        node.type == "string"
        and parent is not None
        and parent.type == "expression_statement"
        and parent.child_count == 1
    )


def _first_at(tokens: list[Token], start: int) -> int:
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        if tokens[middle].start < start:
            low = middle + 1
        else:
            high = middle
    return low
