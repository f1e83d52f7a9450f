"""Accessors: functions that hand a member on and do nothing else, which people and generators write alike.

Getters, setters, properties, builders' setters, constants as methods, delegations. What they have in common is the
shape of their bodies, in every language: one or two plain statements, no control flow, no arithmetic. A plain
statement reads or sets members, calls, compares. What guards a getter against a missing object (``if x != nil``) is
borne.

A span that holds two or more of these and no other function is common, however long it is and however few texts
have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from provenance.lexing.languages import Family
from provenance.lexing.lexer import COMMENT, KEYWORD, NUMBER, STRING, lex, opening

LONGEST = 1 << 16
"""A longer span is judged as code; in bytes."""
_FIRST = 1 << 11
"""Bytes looked at first, so that most code is told from accessors at once."""
FEWEST = 2
"""Functions, of which the signature stands there, from which a span is a run of accessors."""
STATEMENTS, TOKENS, CHOICES, CHARACTERS = 2, 40, 2, 240
"""The most that a body holds: statements, tokens, comparisons and conditions, bytes of its strings."""
GUARD = 12
"""Tokens of the condition that tells whether an object is there."""
SIGNATURE, FIELD = 60, 20
"""The most tokens of a signature with its annotations, and of a declaration without brackets."""

_NOT_CODE = frozenset(("text", "markup", "css", "data", "sql", "shell"))
_WITHOUT_TYPES = frozenset(("javascript", "typescript", "java", "cpp", "csharp", "generic"))
"""Where a function may begin with its name: methods, constructors. Elsewhere that is a call."""
_WITH_ARROWS = frozenset(("javascript", "typescript", "csharp", "php", "generic"))
_FUNCTION = frozenset((b"function", b"func", b"fn", b"fun"))
_JOINS = frozenset((b".", b"?.", b"::", b"->", b"!", b"&", b"=", b":=", b",", b"(", b"new", b"return"))
_NESTED = {"javascript": b"=>", "typescript": b"=>", "csharp": b"=>", "java": b"->", "php": b"fn"}
"""What a function without braces or keyword of `_CONTROL` is known by where it is a value: that is logic."""
_BY_LINES = {"python": b"@", "ruby": b""}
"""Languages whose statements are lines and whose functions begin with ``def``, with what a decorator begins with."""
_CONTROL = frozenset(
    b"if elif elsif else unless for foreach while until do loop switch case select match when try catch except"
    b" rescue finally ensure with yield goto defer go break continue lambda asm synchronized".split()
)
_CONTAINERS = frozenset(
    b"class struct interface impl trait enum namespace extern object module mod record union extends implements".split()
)
_TYPES = frozenset((b"struct", b"enum", b"union"))
"""Before the name of a function these are a part of what it returns."""
_PROPERTY = frozenset((b"get", b"set", b"init"))
_NOTHING = frozenset((b"nil", b"null", b"None", b"nullptr", b"NULL", b"undefined"))
_ARITHMETIC = frozenset(b"+ - / % ^ ~ ** << += -= *= /= %= |= &= ^= **= ++ --".split())
_SIGNS = frozenset((b"*", b"&", b"|"))
"""Arithmetic where a value stands before them, else a part of a type, an address, an object that is followed."""
_CHOOSING = frozenset(b"&& || ? ?? == != === !== <= >= and or".split())
_MEMBER = frozenset((b".", b"?.", b"->", b"::"))
_GOES_ON = frozenset((b".", b"?.", b"->", b"::", b")", b"]", b"=", b"?", b":", b"{", b"&&", b"||", b","))
_UNFINISHED = frozenset((b".", b"?.", b"->", b"::", b"(", b"[", b"=", b"?", b":", b"&&", b"||", b",", b"=>", b"return"))


class _Token(NamedTuple):
    """A token's text, its kind (`provenance.lexing.lexer`), and whether it is the first of its line."""

    text: bytes
    kind: int
    is_first: bool


def holds_accessors_alone(text: bytes, start: int, end: int, family: Family) -> bool:
    """Tell whether a range of a UTF-8 text holds accessors, the outer ones whole or cut, and no other function.

    What stands around functions does not count: annotations, declarations of fields and types, comments.
    """
    if end - start > LONGEST or family.name in _NOT_CODE:
        return False
    if end - start > 2 * _FIRST and not holds_accessors_alone(text, start, start + _FIRST, family):
        return False
    tokens = list(_tokens(text[start:end], family))
    run = _Run(_NESTED.get(family.name))
    try:
        if family.name in _BY_LINES:
            _read_lines(tokens, run, _BY_LINES[family.name])
        else:
            _read_braces(tokens, run, family.name)
    except _Other:
        return False
    return run.functions >= FEWEST


class _Other(Exception):
    """The text holds something else than accessors."""


@dataclass(slots=True)
class _Run:
    """Functions whose beginning was seen so far, and what the last body holds; ``nested`` as in `_check_plain`."""

    nested: bytes | None = None
    functions: int = 0
    statements: int = 0
    tokens: int = 0
    choices: int = 0
    characters: int = 0

    def begin(self, *, cut: bool = False) -> None:
        self.functions += not cut
        self.statements = self.tokens = self.choices = self.characters = 0

    def add(self, statement: Sequence[_Token]) -> None:
        """Take a statement into the body; raises `_Other` for one that is not plain, or one too many."""
        if not statement:
            return
        _check_plain(statement, self.nested)
        self.statements += 1
        self.tokens += len(statement)
        self.choices += sum(token.text in _CHOOSING for token in statement)
        self.characters += sum(len(token.text) for token in statement if token.kind == STRING)
        if (
            self.statements > STATEMENTS
            or self.tokens > TOKENS
            or self.choices > CHOICES
            or self.characters > CHARACTERS
        ):
            raise _Other


def _tokens(text: bytes, family: Family) -> Iterator[_Token]:
    behind = 0
    for token in lex(text, family, opening(text, family)):
        if token.kind == COMMENT:
            continue
        yield _Token(text[token.start : token.end], token.kind, b"\n" in text[behind : token.start])
        behind = token.end


def _check_plain(tokens: Sequence[_Token], nested: bytes | None = None) -> None:
    """Raise `_Other` for control flow, arithmetic, and ``nested``, which begins a function inside of a statement."""
    _check_plain_header(tokens)
    before = earlier = b""
    for token in tokens:
        if token.text in _ARITHMETIC or token.text == nested:
            raise _Other
        # A shift; elsewhere `>>` closes two lists of type arguments.
        if token.kind == NUMBER and before == earlier == b">":
            raise _Other
        if token.text in _SIGNS and (before[-1:].isalnum() or before[-1:] in (b"_", b")", b"]")):
            raise _Other
        earlier, before = before, token.text


def _read_lines(tokens: Sequence[_Token], run: _Run, decorator: bytes) -> None:
    """Read a language of `_BY_LINES`."""
    inside = True
    for line in _lines(tokens):
        words = [token.text for token in line]
        if words[0] == decorator or words == [b"end"] or words[0].startswith(b"attr_"):
            continue
        if words[0] == b"class":
            inside = False
        elif b"def" in words[:2]:
            run.begin()
            inside = True
            # Of a body on the same line the signature counts, too: it is short.
            if b":" in words and words[-1] != b":" and words.count(b"(") == words.count(b")"):
                run.add(line[words.index(b")") + 1 if b")" in words else 0 :])
        elif inside:
            run.add(line)
        else:
            _check_plain(line)


def _lines(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    line: list[_Token] = []
    depth = 0
    for token in tokens:
        if token.is_first and depth <= 0 and line:
            yield line
            line, depth = [], 0
        line.append(token)
        depth += (token.text in (b"(", b"[", b"{")) - (token.text in (b")", b"]", b"}"))
    if line:
        yield line


@dataclass(slots=True)
class _Braces:
    """Where a text in braces is read: what is open, the tokens since the last statement, brackets open in them.

    Up to the first brace (``begun``) what is read may be the end of something.
    """

    family: str
    open: list[str] = field(default_factory=list)
    chunk: list[_Token] = field(default_factory=list)
    brackets: int = 0
    begun: bool = False


def _read_braces(tokens: Sequence[_Token], run: _Run, family: str) -> None:
    """Read a language whose bodies stand in braces; where the text begins, a body may be open already."""
    at = _Braces(family)
    for place, token in enumerate(tokens):
        following = tokens[place + 1].text if place + 1 < len(tokens) else b""
        before = tokens[place - 1].text if place else b""
        if token.is_first and at.chunk and _ends_line(at, before, token.text):
            _finish(at, run)
        if token.text == b"{":
            _open(at, run, following)
        elif token.text == b"}":
            _close(at, run)
        elif token.text == b";":
            _finish(at, run)
        else:
            at.chunk.append(token)
            at.brackets += (token.text in (b"(", b"[")) - (token.text in (b")", b"]"))
    words = [token.text for token in at.chunk]
    if words[:1] == [b"if"] and len(words) <= GUARD and at.open[-1:] == ["body"]:
        return  # the text ends in a guard
    if at.open[-1:] == ["body"] or b"=>" in words or not at.begun:
        _finish(at, run)
    elif at.family in _WITH_ARROWS and b"=" in _before_bracket(words) and len(words) <= SIGNATURE:
        _check_plain_header(at.chunk)  # the text ends before an arrow
    else:
        _check_declaration(at.chunk, at.family)


def _ends_line(at: _Braces, before: bytes, token: bytes) -> bool:
    """Tell whether a statement without a semicolon ends before a line: in bodies, and behind an arrow."""
    if at.brackets > 0 or token in _GOES_ON or before in _UNFINISHED:
        return False
    in_body = at.open[-1:] == ["body"] or at.open[-1:] == ["guard"]
    return in_body or any(each.text == b"=>" for each in at.chunk)


def _open(at: _Braces, run: _Run, following: bytes) -> None:
    header, at.chunk, brackets, at.brackets = at.chunk, [], at.brackets, 0
    words = [token.text for token in header]
    if at.open[-1:] == ["body"]:
        if words[:1] != [b"if"] or len(words) > GUARD or not _NOTHING.intersection(words):
            raise _Other
        at.open.append("guard")
        return
    # A function among the arguments of a call is no accessor.
    if at.open[-1:] == ["guard"] or brackets > 0 or len(words) > SIGNATURE or words[:1] == [b")"]:
        raise _Other
    _check_plain_header(header)
    if following == b"}" and words[-1:] in ([b"interface"], [b"struct"]):
        at.open.append("type")
        at.chunk = header[:-1]
        return
    if (_CONTAINERS - _TYPES if b"(" in words else _CONTAINERS).intersection(_before_bracket(words)):
        at.open.append("container")
    elif (b"=" in words and b"=>" not in words and b"function" not in words) or words[-1:] == [b"default"]:
        at.open.append("container")
    elif following in _PROPERTY:
        at.open.append("container")
    else:
        is_property = bool(_PROPERTY.intersection(words[-1:])) or words == [b"static"]
        if at.begun and following and not is_property:
            _check_signature(header, at.family)
        run.begin(cut=not is_property and b")" not in words)
        at.open.append("body")
    at.begun = True


def _before_bracket(words: list[bytes]) -> list[bytes]:
    return words[: words.index(b"(")] if b"(" in words else words


def _close(at: _Braces, run: _Run) -> None:
    if at.open[-1:] == ["type"]:
        at.open.pop()
        return
    at.begun = True
    if not at.open and at.chunk:
        run.begin(cut=True)
        run.add(at.chunk)
    else:
        _finish(at, run)
    at.chunk, at.brackets = [], 0
    if at.open:
        at.open.pop()


def _finish(at: _Braces, run: _Run) -> None:
    """Take what was read as a statement of what is open."""
    chunk, at.chunk, at.brackets = at.chunk, [], 0
    inside = at.open[-1] if at.open else ""
    words = [token.text for token in chunk]
    if inside in ("body", "guard"):
        run.add(chunk)
        # A guard's statement is one that the body has anyway.
        run.statements -= inside == "guard" and bool(chunk)
    elif len(words) == 1 and words[0] in _PROPERTY:
        run.begin()
    elif (arrow := _own_arrow(words)) is not None:
        if at.family not in _WITH_ARROWS:
            raise _Other
        run.begin()
        run.add(chunk[arrow + 1 :])
    elif at.begun or b"=>" in words:
        _check_declaration(chunk, at.family)
    else:
        run.add(chunk)  # the text begins inside of a body


def _own_arrow(words: list[bytes]) -> int | None:
    """Return where the arrow behind a function's parameters stands; those among them do not count."""
    depth = 0
    for at, word in enumerate(words):
        if word == b"=>" and depth <= 0:
            return at
        depth += (word in (b"(", b"[")) - (word in (b")", b"]"))
    return None


def _check_signature(tokens: Sequence[_Token], family: str) -> None:
    """Raise `_Other` for what is no beginning of a function; control flow is looked for by who calls."""
    words = _without_annotations([token.text for token in tokens])
    before = _before_bracket(words)
    if len(words) > SIGNATURE or (b"=>" in words and family not in _WITH_ARROWS):
        raise _Other
    if b"return" in before:
        raise _Other
    if _FUNCTION.intersection(before) or words[-1:] == [b"=>"]:
        return
    if not before or (len(before) == 1 and family not in _WITHOUT_TYPES):
        raise _Other
    if b"=" in before or (len(before) > 1 and before[-2] in _JOINS):
        raise _Other


def _check_declaration(tokens: Sequence[_Token], family: str) -> None:
    """Raise `_Other` for what is neither the declaration of a function nor that of a member."""
    words = _without_annotations([token.text for token in tokens])
    if words[:1] in ([b")"], [b","]):
        words = words[1:]
    if b"(" in words:
        _check_signature(tokens, family)
    elif len(words) > FIELD:
        raise _Other
    _check_plain_header(tokens)


def _without_annotations(words: list[bytes]) -> list[bytes]:
    """Leave out annotations and attributes before a declaration."""
    at = 0
    while words[at : at + 1] in ([b"@"], [b"#"], [b","]):
        opener = at + 1 if words[at] == b"#" else at + 2
        while words[opener : opener + 1] == [b"."]:
            opener += 2
        if words[at] == b",":
            at += 1
        elif words[opener : opener + 1] in ([b"("], [b"["]):
            depth = 0
            for at in range(opener, len(words)):
                depth += (words[at] in (b"(", b"[")) - (words[at] in (b")", b"]"))
                if not depth:
                    break
            at += 1
        else:
            at = opener
    return words[at:]


def _check_plain_header(tokens: Sequence[_Token]) -> None:
    """Raise `_Other` for a signature or declaration that belongs to control flow."""
    before = b""
    for token in tokens:
        if token.kind == KEYWORD and token.text in _CONTROL and before not in _MEMBER:
            raise _Other
        before = token.text
