"""Import statements: what programs that use the same libraries must say alike.

A span that holds nothing else is common, however few texts have the same imports in the same order. On the tuning half
of benchmarks/quality these were 23 of the 28 alarms on what stands in no indexed repository.
"""

from __future__ import annotations

import re

LONGEST = 4096
"""A longer span is judged as code: nobody writes so many imports by rote."""
_AROUND = 1024
"""Bytes looked at on either side of a span, for the statements that it cuts."""

_STATEMENT = re.compile(
    rb"""
    ^ [^\S\n]* (?:
        import \s [\w*{},$\s]{1,1000} \b from \s* ["'][^"'\n]*["']          # JavaScript
      | import \s* \( [^()]{0,1000} \)                                      # Go
      | import \s+ (?: \w+ \s+ )? ["'][^"'\n]*["']                          # Go, JavaScript
      | import [^\S\n]+ (?: (?: static | type ) [^\S\n]+ )? [\w.*]+ (?: [^\S\n]+ as [^\S\n]+ \w+ )?  # Java, Python, ...
        (?: [^\S\n]* , [^\S\n]* [\w.]+ (?: [^\S\n]+ as [^\S\n]+ \w+ )? ){0,100}
      | from [^\S\n]+ [\w.]+ [^\S\n]+ import [^\S\n]+ (?: \( [\w\s,]{0,1000} \)? | [\w*, ]+ )   # Python
      | export \s [\w*{},$\s]{1,1000} \b from \s* ["'][^"'\n]*["']          # JavaScript
      | (?: const | let | var ) \s [\w{},:$\s]{1,1000} = \s* require \( ["'][^"'\n]*["'] \) [\w.]*
      | (?: pub (?: \( [^()\n]* \) )? [^\S\n]+ )? use \s+                                      # Rust, PHP
        [\w:\\]* (?: \* | \{ [\w:*{},\s\\]{0,1000} \} )? (?: \s+ as \s+ \w+ )? \s* ;
      | using [^\S\n]+ [\w.=:<> ]+ ;                                        # C#, C++
      | (?: package | extern [^\S\n]+ crate | (?: pub [^\S\n]+ )? mod ) [^\S\n]+ [\w.]+ (?= \s* (?: ; | $ ) )
      | \# [^\S\n]* (?: include | import ) [^\S\n]* (?: <[^>\n]*> | "[^"\n]*" )                # C
      | (?: require | require_relative | require_once | include_once ) [^\S\n(]* \(? ["'][^"'\n]*["'] \)?
    ) [^\S\n]* ;? [^\S\n]* $
    """,
    re.VERBOSE | re.MULTILINE,
)
_REST = re.compile(rb"[\w.:*{},'\"/<>\\-]{1,120};?")
_BEGUN = re.compile(
    rb"[a-z#]{1,7} | (?:import|from|export|use|pub|using|package|extern|mod|require\w*|include_once|const|let|var|\#)"
    rb"[^\S\n] [\w.:*{},'\"/<>\\\s-]{0,120}",
    re.VERBOSE,
)
"""What may be left of an import statement that the text cuts: its end, its beginning."""


def holds_imports_alone(text: bytes, start: int, end: int) -> bool:
    """Tell whether a range of a UTF-8 text holds import statements, whole or cut, and nothing else but white space.

    Where the text itself begins or ends in the middle of a statement, that line counts if whole ones stand beside it.
    """
    if end - start > LONGEST:
        return False
    low, high = max(0, start - _AROUND), min(len(text), end + _AROUND)
    region = text[low:high]
    at, last = start - low, end - low
    found = False
    for statement in _STATEMENT.finditer(region):
        if statement.end() <= at:
            continue
        if statement.start() >= last:
            break
        between = region[at : max(at, statement.start())].strip()
        opens = low == 0 and not found and b"\n" not in region[:at]
        if between and not (opens and _REST.fullmatch(between)):
            return False
        at, found = max(at, statement.end()), True
    rest = region[at : max(at, last)].strip()
    closes = high == len(text) and b"\n" not in region[last:]
    return found and (not rest or (closes and _BEGUN.fullmatch(rest) is not None))
