"""What fingerprints survive, and what they tell apart."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from provenance.lexing.fingerprints import LENGTH, fingerprint_text, fingerprints
from provenance.lexing.languages import FAMILIES
from provenance.lexing.lexer import lexer

PYTHON = FAMILIES["python"]
CODE = b'''
def merge(left, right):
    """Merge two sorted lists."""
    result = []
    while left and right:
        if left[0] <= right[0]:
            result.append(left.pop(0))
        else:
            result.append(right.pop(0))
    result.extend(left or right)  # one of them is empty
    for item in result:
        print("item", item, 100)
    return {"items": result, "count": len(result)}
'''


def words(source: bytes, family: str = "python") -> list[str]:
    return fingerprint_text(source, FAMILIES[family]).split()


def test_words_are_distinct_ascending_and_of_eight_digits() -> None:
    found = words(CODE * 3)
    assert found == sorted(set(found)) and len(found) > 3
    assert all(re.fullmatch("[0-9a-v]{8}", word) for word in found)


def test_layout_and_comments_leave_no_trace() -> None:
    relaid = CODE.replace(b"    ", b"\t").replace(b"(left, right)", b"(\n\tleft,\n\tright,\n)")
    recommented = CODE.replace(b"Merge two sorted lists.", b"Other words").replace(b"# one of them is empty", b"")
    assert words(relaid) == words(recommented) == words(CODE)


def test_consistent_renaming_leaves_no_trace_but_a_confusion_of_names_does() -> None:
    renamed = re.sub(rb"\bleft\b", b"first_half", re.sub(rb"\bresult\b", b"merged", CODE))
    assert words(renamed) == words(CODE)
    confused = re.sub(rb"\bleft\b", b"right", CODE)
    assert words(confused) != words(CODE)


def test_literals_count_as_their_class_but_digits_as_themselves() -> None:
    assert words(CODE.replace(b"100", b"250").replace(b'"item"', b"'other'")) == words(CODE)
    assert words(CODE.replace(b"[0]", b"[1]")) != words(CODE)


def test_strings_in_a_row_are_one_and_semicolons_none() -> None:
    joined = b'x = f("a" "b", 1); y = g(x)\n' * 4
    single = b'x = f("ab", 1)\ny = g(x)\n' * 4
    assert words(joined) == words(single)


def test_a_wrong_guess_of_the_language_keeps_the_words() -> None:
    code = CODE.replace(b'    """Merge two sorted lists."""\n', b"").replace(b"  # one of them is empty", b"")
    assert words(code, "java") == words(code, "generic") == words(code, "rust") == words(code)


def test_a_word_is_the_same_wherever_its_gram_stands() -> None:
    inside = set(words(b"import os\n\nVALUE = os.environ\n" + CODE + b"\nprint(merge([1], [2]))\n"))
    grams = fingerprints(lexer("python").symbols(CODE))
    assert set(grams) == set(words(CODE)) and set(grams) <= inside


@given(st.lists(st.sampled_from(["a", "b", "if", "(", ")", "=", "1", "'s'"]), max_size=60))
def test_places_are_those_of_whole_grams(tokens: list[str]) -> None:
    symbols = lexer("python").symbols(" ".join(tokens).encode())
    count = len(symbols) // 24
    for word, places in fingerprints(symbols).items():
        assert places == sorted(places) and places[-1] + LENGTH <= count
        for place in places:
            assert list(fingerprints(symbols[24 * place : 24 * (place + LENGTH)])) == [word]


def test_short_texts_have_none() -> None:
    assert fingerprint_text(b"", PYTHON) == fingerprint_text(b"x = 1", PYTHON) == ""
