"""Decoding and the rules of what is text."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.rules import Rules, compile_patterns, decode, encode, minified, suffix
from provenance.errors import ParameterError


@given(st.text())
def test_text_in_utf8_comes_back_byte_for_byte(text: str) -> None:
    clean = "".join("x" if "\ud800" <= char <= "\udfff" or char == "\0" else char for char in text).lstrip("\ufeff")
    decoded = decode(clean.encode())
    assert decoded is not None
    assert (decoded.utf8, decoded.encoding, decoded.replaced) == (clean.encode(), "utf-8", 0)


@pytest.mark.parametrize(
    ("mark", "codec", "name"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides_and_is_dropped(mark: bytes, codec: str, name: str) -> None:
    text = "naïve = '日本 🎉'\r\n"
    decoded = decode(mark + text.encode(codec))
    assert decoded is not None
    assert decoded.utf8 == text.encode()
    assert decoded.encoding == name


def test_a_lone_surrogate_becomes_one_replacement_character_and_is_counted() -> None:
    raw = codecs.BOM_UTF16_LE + "a\ud800b".encode("utf-16-le", "surrogatepass")
    decoded = decode(raw)
    assert decoded is not None
    assert decoded.utf8.decode() == "a\ufffdb"
    assert decoded.replaced == 1
    assert decode(b"x = '\xed\xa0\x80'\n") == ("x = '\ufffd'\n".encode(), "utf-8", 1)
    assert encode("\udfff\ud800", "utf-8").replaced == 2


def test_utf16_with_half_a_unit_is_not_text() -> None:
    assert decode(codecs.BOM_UTF16_LE + b"a\0b") is None


def test_a_nul_near_the_start_is_binary_and_a_late_one_is_not() -> None:
    assert decode(b"abc\0def") is None
    late = b"x" * 8192 + b"\0"
    decoded = decode(late)
    assert decoded is not None
    assert decoded.utf8 == late


def test_a_declared_encoding_is_taken_at_its_word() -> None:
    text = "# -*- coding: koi8-r -*-\nпривет = 1\n"
    decoded = decode(text.encode("koi8-r"))
    assert decoded is not None
    assert decoded.utf8.decode() == text
    assert decoded.encoding == "koi8-r"


def test_a_declaration_after_the_second_line_or_of_a_strange_codec_does_not_count() -> None:
    late = decode("x\ny\n# coding: koi8-r\nпривет\n".encode("koi8-r"))
    assert late is not None
    assert late.encoding == "cp1252"
    strange = decode(b"# coding: rot13\ncaf\xe9\n")
    assert strange is not None
    assert strange.encoding == "cp1252"


def test_bytes_without_a_declaration_are_windows_1252_and_else_latin_1() -> None:
    assert decode(b"caf\xe9 \x80\n") == ("café €\n".encode(), "cp1252", 0)
    assert decode(b"caf\xe9 \x81\n") == ("café \x81\n".encode(), "latin-1", 0)


def test_many_control_characters_beside_high_bytes_are_binary() -> None:
    assert decode(bytes(range(1, 32)) * 4 + b"\xff\xfe\xfd") is None


def test_carriage_returns_are_kept() -> None:
    decoded = decode(b"a\r\nb\rc\n")
    assert decoded is not None
    assert decoded.utf8 == b"a\r\nb\rc\n"


@given(st.binary(max_size=300))
def test_whatever_decodes_is_utf8(raw: bytes) -> None:
    decoded = decode(raw)
    if decoded is not None:
        decoded.utf8.decode("utf-8")


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=40),
    st.integers(1, 50),
    st.integers(1, 50),
    st.sampled_from([b"\n", b"\r"]),
)
def test_minified_agrees_with_counting_every_line(lengths: list[int], longest: int, average: int, end: bytes) -> None:
    text = end.join(b"x" * length for length in lengths)
    lines = text.split(end)
    expected = len(text) > average and (len(text) > average * len(lines) or max(len(line) for line in lines) > longest)
    assert (minified(text, Rules(max_line=longest, max_average_line=average)) is not None) == expected


def test_a_hundred_megabytes_on_one_line_are_refused_at_once() -> None:
    assert minified(b"x" * 100_000_000, Rules()) is not None


def test_exclude_patterns_are_those_of_gitignore() -> None:
    excluded = compile_patterns(("build/", "*.gen.py", "!keep.gen.py", "/top.txt"))
    assert excluded("a/build/")
    assert not excluded("a/build")
    assert excluded("x.gen.py")
    assert not excluded("keep.gen.py")
    assert excluded("top.txt")
    assert not excluded("a/top.txt")


@pytest.mark.parametrize("name", ["max_file_bytes", "max_line"])
def test_a_negative_limit_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        Rules(**{name: -1})


def test_suffix_is_what_follows_the_last_dot() -> None:
    assert [suffix(name) for name in ("a.PY", "a.tar.gz", ".bashrc", "Makefile", "a.")] == ["py", "gz", "", "", ""]
