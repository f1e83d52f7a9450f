"""Literals required by a regular expression: every match holds one, whatever the expression."""

from __future__ import annotations

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from provenance.search.requirements import Required, required_literals

ALPHABET = "abkS_.\n"


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("abc", ("abc",)),
        (r"foo\w*barbaz", ("barbaz",)),
        (r"\bfoo\b", ("foo",)),
        (r"foo\.bar\(", ("foo.bar(",)),
        (r"ab+c", ("ab",)),
        (r"ab{3}c", ("ab",)),
        (r"abc{0,2}def", ("def",)),
        (r"abcd?", ("abc",)),
        (r"(abc|def)ghij", ("ghij",)),
        (r"(?:hello|world)x", ("hello", "world")),
        (r"(?P<name>hello)", ("hello",)),
        (r"x\x41\x{42}\103y", ("xABCy",)),
        (r"tab\there", ("tab\there",)),
        (r"[a-z]+ = NULL;", (" = NULL;",)),
        (r"[]x]yes", ("yes",)),
        (r"[[:alpha:]]]ab", ("]ab",)),
        (r"größe", ("größe",)),
        (r"((((deep))))", ("deep",)),
    ],
)
def test_the_most_telling_literals_are_required(pattern: str, literals: tuple[str, ...]) -> None:
    assert required_literals(pattern) == Required(literals)


@pytest.mark.parametrize(
    "pattern", ["a*", "a|b*", r"\w+", ".", "[abc]+", "(abc)?", "(abc)*", r"\pL", r"\p{Greek}+", r"\Qabc\E", "(?:|abc)"]
)
def test_nothing_is_required_where_nothing_can_be(pattern: str) -> None:
    assert required_literals(pattern) is None


def test_ignoring_case_leaves_out_letters_with_relatives_beyond_ascii() -> None:
    assert required_literals("(?i)struct") == Required(("truct",), True)
    assert required_literals("(?i:mark)down") == Required(("down",), True)
    assert required_literals("(?i)größe") == Required(("gr",), True)
    assert required_literals("abc(?i)x") == Required(("abcx",), True)


def test_too_many_alternatives_require_nothing() -> None:
    assert required_literals("|".join(f"word{number}" for number in range(16))) is not None
    assert required_literals("|".join(f"word{number}" for number in range(17))) is None


atoms = st.one_of(
    st.sampled_from(
        [*"abkS_", r"\.", r"\n", ".", "[ab]", "[^a]", r"\w", r"\b", "^", "$", "(?i)", r"\x61", "[[:alpha:]k]"]
    )
)
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=5).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join).map("({})".format),
        inner.map("(?:{})".format),
        inner.map("(?i:{})".format),
        inner.map("(?P<n>{})".format),
        st.tuples(inner.map("(?:{})".format), st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,1}", "+?"])).map(
            "".join
        ),
    ),
    max_leaves=10,
)


@given(patterns, st.text(alphabet=ALPHABET + "K\u212aſ", max_size=30))
def test_every_text_that_matches_holds_a_required_literal(pattern: str, text: str) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        regex = re2.compile(f"(?m){pattern}", options)
    except re2.error:
        assume(False)
    match = regex.search(text)
    required = required_literals(pattern)
    if match and required:
        found = match.group()
        if required.fold_case:
            # ASCII letters alone are folded.
            found = found.encode().lower().decode()
            assert any(literal.encode().lower().decode() in found for literal in required.literals)
        else:
            assert any(literal in found for literal in required.literals)
