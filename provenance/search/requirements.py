"""Literals that every match of a regular expression holds, read off its text (RE2 syntax).

Whatever is not understood requires nothing: then more is scanned, and nothing is missed. Whether an expression
is well formed is for RE2 to say; this is only asked about those that are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_ALTERNATIVES = 16
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
_NAMED = re.compile(r"\(\?P?<[^>]*>")
_HEX = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_OCTAL = re.compile(r"\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2})")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_FOLDS_BEYOND_ASCII = frozenset("kKsS")
"""Letters that, ignoring case, match a character outside of ASCII, too."""


@dataclass(frozen=True, slots=True)
class Required:
    """Every match holds one of ``literals``, with ASCII letters in either case if ``fold_case``."""

    literals: tuple[str, ...]
    fold_case: bool = False

    @property
    def worth(self) -> tuple[int, int]:
        """Return how much this narrows, for comparison."""
        return min(map(len, self.literals)), -len(self.literals)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part of an expression matches exactly, if that is one literal; else what every match of it holds."""

    exact: str | None = None
    required: Required | None = None


_ANYTHING = _Part()


class _NotUnderstood(Exception):
    pass


def required_literals(pattern: str) -> Required | None:
    """Return the most telling requirement of a well-formed expression, or None where there is none."""
    reader = _Reader(pattern)
    try:
        part = reader.alternatives(fold_case=False)
        if reader.at < len(pattern):
            return None
    except (_NotUnderstood, RecursionError, ValueError):
        return None
    return _held(part, reader.folded)


def _held(part: _Part, fold_case: bool) -> Required | None:
    return Required((part.exact,), fold_case) if part.exact else part.required


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.folded = False

    def alternatives(self, *, fold_case: bool) -> _Part:
        """Read up to a closing parenthesis or the end."""
        branches = [self._sequence(fold_case)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence(fold_case))
        if len(branches) == 1:
            return branches[0]
        held = [_held(branch, self.folded) for branch in branches]
        literals: dict[str, None] = {}
        for requirement in held:
            if requirement is None:
                return _ANYTHING
            literals.update(dict.fromkeys(requirement.literals))
        return _Part(None, self._requirement(tuple(literals)))

    def _sequence(self, fold_case: bool) -> _Part:
        best: Required | None = None
        run = ""
        all_exact = True

        def consider(requirement: Required | None) -> None:
            nonlocal best
            if requirement is not None and (best is None or requirement.worth > best.worth):
                best = requirement

        while self._peek() not in ("", "|", ")"):
            flags = _FLAGS.match(self.pattern, self.at)
            if flags and flags[3] == ")":
                fold_case = self._flags(flags, fold_case)
                continue
            part = self._item(fold_case)
            least, most = self._repeats()
            if part.exact is not None and (least, most) == (1, 1):
                run += part.exact
                continue
            all_exact = False
            if part.exact is not None and least > 0:
                # x+ begins and ends with x.
                consider(self._requirement((run + part.exact,)))
                run = part.exact
                continue
            consider(self._requirement((run,)))
            run = ""
            if least > 0:
                consider(part.required)
        if all_exact:
            return _Part(run)
        consider(self._requirement((run,)))
        return _Part(None, best)

    def _requirement(self, literals: tuple[str, ...]) -> Required | None:
        if not all(literals) or len(literals) > MOST_ALTERNATIVES:
            return None
        return Required(literals, self.folded)

    def _item(self, fold_case: bool) -> _Part:
        character = self._peek()
        if character == "(":
            return self._group(fold_case)
        if character == "[":
            self._skip_class()
            return _ANYTHING
        if character == "\\":
            return self._escape(fold_case)
        self.at += 1
        if character == ".":
            return _ANYTHING
        if character in "^$":
            return _Part("")
        if character in "*+?":
            raise _NotUnderstood
        return self._literal(character, fold_case)

    def _literal(self, character: str, fold_case: bool) -> _Part:
        if "\ud800" <= character <= "\udfff":
            raise _NotUnderstood
        if fold_case:
            self.folded = True
            if not character.isascii() or character in _FOLDS_BEYOND_ASCII:
                return _ANYTHING
        return _Part(character)

    def _group(self, fold_case: bool) -> _Part:
        flags, named = _FLAGS.match(self.pattern, self.at), _NAMED.match(self.pattern, self.at)
        if flags:
            fold_case = self._flags(flags, fold_case)
        elif named:
            self.at = named.end()
        elif self.pattern.startswith("(?", self.at):
            raise _NotUnderstood
        else:
            self.at += 1
        part = self.alternatives(fold_case=fold_case)
        if self._peek() != ")":
            raise _NotUnderstood
        self.at += 1
        return part

    def _flags(self, flags: re.Match[str], fold_case: bool) -> bool:
        self.at = flags.end()
        if "i" in flags[1]:
            return True
        return fold_case and "i" not in (flags[2] or "")

    def _repeats(self) -> tuple[int, int]:
        """Read quantifiers; return how often at least and at most, the latter at most 2."""
        least = most = 1
        while True:
            character = self._peek()
            counted = _REPEAT.match(self.pattern, self.at)
            if character and character in "*+?":
                self.at += 1
                low, high = (1 if character == "+" else 0), (1 if character == "?" else 2)
            elif counted:
                self.at = counted.end()
                low = int(counted[1])
                high = low if counted[2] is None else int(counted[3]) if counted[3] else 2
            else:
                return least, most
            if self._peek() == "?":
                self.at += 1
            least, most = min(least, low), max(2, high) if (low, high) != (1, 1) else most

    def _escape(self, fold_case: bool) -> _Part:
        for form in (_HEX, _OCTAL):
            number = form.match(self.pattern, self.at)
            if number:
                self.at = number.end()
                digits = number[1] or number[2] if form is _HEX else number[0][1:]
                return self._literal(chr(int(digits, 16 if form is _HEX else 8)), fold_case)
        letter = self.pattern[self.at + 1 : self.at + 2]
        self.at += 2
        if letter in _ESCAPED:
            return self._literal(_ESCAPED[letter], fold_case)
        if letter in "bBAz":
            return _Part("")
        if letter in "pP":
            if self._peek() == "{":
                self.at = self.pattern.index("}", self.at)
            self.at += 1
            return _ANYTHING
        if letter.isalnum() or not letter:
            if letter in "dDsSwWC":
                return _ANYTHING
            raise _NotUnderstood
        return self._literal(letter, fold_case)

    def _skip_class(self) -> None:
        """Step over a bracketed class; a bracket right at its beginning is a member."""
        self.at += 1
        if self._peek() == "^":
            self.at += 1
        first = True
        while first or self._peek() != "]":
            character = self._peek()
            if not character:
                raise _NotUnderstood
            if self.pattern.startswith("[:", self.at) and ":]" in self.pattern[self.at :]:
                self.at = self.pattern.index(":]", self.at) + 2
            elif character == "\\":
                self.at += 2
            else:
                self.at += 1
            first = False
        self.at += 1

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]
