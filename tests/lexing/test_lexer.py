"""Tokens: what they are, where they stand, and that nothing stops the lexer or slows it down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.lexing.languages import FAMILIES, GENERIC, Family
from provenance.lexing.lexer import KIND_NAMES, Token, lex, opening

PIECES = (
    *'" \' ` """ \'\'\' /* */ // # -- <!-- --> \\ r#" "# R"( )" R"x( )x" a 0x1p-3 1e+5'.split(),
    *'/ [ ] ( ) { } = return $" @" é f b\' : == ; ,'.split(),
    *("\n", "\r\n", " ", "\t", "\0"),
)
sources = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
families = st.sampled_from(sorted(FAMILIES)).map(FAMILIES.__getitem__)


def shown(text: str, family: str) -> list[tuple[str, str]]:
    source = text.encode()
    return [(KIND_NAMES[t.kind], source[t.start : t.end].decode()) for t in lex(source, FAMILIES[family])]


def kinds(text: str, family: str) -> list[str]:
    return [kind for kind, _ in shown(text, family)]


@given(sources, families)
def test_tokens_ascend_cover_all_but_blanks_and_are_never_empty(text: str, family: Family) -> None:
    source = text.encode()
    position = 0
    for token in lex(source, family):
        assert position <= token.start < token.end <= len(source)
        assert not source[position : token.start].strip(bytes(range(0x21)) + b"\x7f")
        position = token.end
    assert not source[position:].strip(bytes(range(0x21)) + b"\x7f")


@given(st.binary(max_size=200), families)
def test_any_bytes_are_lexed(source: bytes, family: Family) -> None:
    assert all(0 <= token.kind < len(KIND_NAMES) for token in lex(source, family))


@pytest.mark.parametrize(
    ("family", "text", "comment"),
    [
        ("python", "x = 1  # why\ny", "# why"),
        ("c", "x; // why\ny", "// why"),
        ("c", "x /* one\n two */ y", "/* one\n two */"),
        ("rust", "a /* b /* c */ d */ e", "/* b /* c */ d */"),
        ("sql", "SELECT 1 -- why\n", "-- why"),
        ("shell", "echo $# # why", "# why"),
        ("markup", "<a><!-- b --></a>", "<!-- b -->"),
        ("generic", "f(x) // why", "// why"),
        ("generic", "see http://a.b # why", "# why"),
        ("python", 'def f():\n    """Say why."""\n    return 1', '"""Say why."""'),
        ("python", "def f():\n    'Say why.'\n    return 1", "'Say why.'"),
        ("c", "x /* to the end", "/* to the end"),
    ],
)
def test_comments_are_found(family: str, text: str, comment: str) -> None:
    assert [token for kind, token in shown(text, family) if kind == "comment"] == [comment]


@pytest.mark.parametrize(
    ("family", "text", "string"),
    [
        ("python", "x = rb'a\\'b'", "rb'a\\'b'"),
        ("python", 'x = f"""a\n"b" """', 'f"""a\n"b" """'),
        ("javascript", "x = `a\n${b}`", "`a\n${b}`"),
        ("javascript", "x = /[/'\"]+/g.test(y)", "/[/'\"]+/g"),
        ("go", "x := `a\\`", "`a\\`"),
        ("rust", 'x = r##"a"#b"##;', 'r##"a"#b"##'),
        ("rust", "x = '\\u{1F600}';", "'\\u{1F600}'"),
        ("rust", "x = 'é';", "'é'"),
        ("cpp", 'x = R"y(a)" b)y";', 'R"y(a)" b)y"'),
        ("csharp", 'x = @"a\\" + 1', '@"a\\"'),
        ("sql", "x = 'it''s'", "'it''s'"),
        ("c", 'x = L"a\\\nb"', 'L"a\\\nb"'),
        ("java", 'x = """\n a "b"\n""";', '"""\n a "b"\n"""'),
    ],
)
def test_strings_are_whole(family: str, text: str, string: str) -> None:
    assert [token for kind, token in shown(text, family) if kind == "string"] == [string]


def test_a_string_that_is_a_value_is_no_docstring() -> None:
    assert "comment" not in kinds('x = (\n    "a"\n)\nf(\n    b,\n    "c"\n)\n', "python")


def test_a_lifetime_is_no_string_and_division_no_regular_expression() -> None:
    assert "string" not in kinds("fn f<'a>(x: &'a str) -> &'a str", "rust")
    assert "string" not in kinds("a = b / c; d = e / f;", "javascript")


def test_numbers_take_exponents_separators_and_suffixes() -> None:
    numbers = "0xFFu 1_000 1.5e-3 0x1p-3 7L"
    assert shown(numbers, "c") == [("number", number) for number in numbers.split()]
    assert shown("1'000'000", "cpp") == [("number", "1'000'000")]
    assert shown("1..2", "rust") == [("number", "1"), ("punctuation", ".."), ("number", "2")]


def test_operators_are_as_long_as_can_be_but_closing_angles_stand_alone() -> None:
    assert [token for _, token in shown("a===b->c>>d", "cpp")] == ["a", "===", "b", "->", "c", ">", ">", "d"]


@pytest.mark.parametrize("family", ["python", "c", "javascript", "rust", "generic", "shell"])
def test_an_apostrophe_disturbs_its_line_alone(family: str) -> None:
    lines = lex(b"it isn't so\nreturn value\n", FAMILIES[family])
    assert [(t.start, t.end) for t in lines][-2:] == [(12, 18), (19, 24)]


@given(sources)
def test_the_next_line_is_in_step_where_no_block_crosses_it(text: str) -> None:
    line = text.replace("\n", " ").replace("\r", " ").replace("\\", " ")
    after = b"return value"
    family = FAMILIES["shell"]
    source = line.encode() + b"\n" + after
    expected = [
        Token(t.kind, t.start + len(source) - len(after), t.end + len(source) - len(after)) for t in lex(after, family)
    ]
    assert lex(source, family)[-2:] == expected


def test_a_snippet_that_begins_in_a_comment_or_docstring_is_noticed() -> None:
    c, python = FAMILIES["c"], FAMILIES["python"]
    assert c.blocks[opening(b"the end */ int x;", c)].opener == "/*"
    assert opening(b"/* all */ int x;", c) == -1
    inside = b'of the docstring.\n    """\n    return value\n'
    assert python.blocks[opening(inside, python)].opener == '"""'
    assert lex(inside, python, opening(inside, python))[0] == Token(0, 0, 25)
    assert opening(b'def f():\n    """Begins here\n', python) == -1
    assert opening(b"", python) == -1


@pytest.mark.parametrize("inside", [len(FAMILIES["rust"].blocks), 1, 4])
def test_a_text_cannot_begin_in_what_is_no_block_of_lines(inside: int) -> None:
    with pytest.raises(ValueError, match="no block that a text can begin in"):
        lex(b"x", FAMILIES["rust"], inside)


HOSTILE = (
    "'",
    '"',
    "\\'",
    "/*",
    "(*",
    '"""',
    'r#"',
    'R"a(',
    "`",
    "/",
    "[/",
    "<!--",
    "#",
    "$",
    "\\",
    "a'",
    "'\\",
    'R"{}(',
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_work_grows_with_the_text_not_with_its_square(piece: str) -> None:
    for family in FAMILIES.values():
        text = "".join(piece.replace("{}", str(number)) for number in range(2_000)).encode()
        assert len(lex(text, family)) <= len(text)


def test_families_agree_on_what_they_share() -> None:
    text = "total = price * (1 + rate)\nif total > limit: return None\n"
    tokens = {name: [t for _, t in shown(text, name)] for name in ("python", "c", "javascript", "java", "generic")}
    assert len(set(map(tuple, tokens.values()))) == 1


def test_the_generic_family_comes_without_a_sign_of_any_language() -> None:
    assert GENERIC.keywords and not GENERIC.regexes
