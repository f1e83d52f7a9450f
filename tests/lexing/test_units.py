"""The parts of a long text: functions by real grammars of twelve languages, windows elsewhere."""

from __future__ import annotations

import pytest

from provenance.lexing import units as parts
from provenance.lexing.alignment import Code
from provenance.lexing.languages import FAMILIES
from provenance.lexing.units import SMALLEST, WHOLE, units

BODY = "a{0} = b{0} + c{0} * d{0}{1}"
LANGUAGES: dict[str, tuple[str, str, str]] = {
    "python": ("def work_{0}(x, y):\n", "    return x\n", ""),
    "javascript": ("function work_{0}(x, y) {{\n", "return x;\n}}\n", ";"),
    "typescript": ("function work_{0}(x: number, y: Map<string, number>): number {{\n", "return x;\n}}\n", ";"),
    "java": ("class W{0} {{ int work_{0}(int x, int y) {{\n", "return x;\n}} }}\n", ";"),
    "go": ("func work_{0}(x int, y int) int {{\n", "return x\n}}\n", ""),
    "c": ("static int work_{0}(int x, char *y) {{\n", "return x;\n}}\n", ";"),
    "cpp": ("int Thing::work_{0}(const int &x, std::vector<int> y) {{\n", "return x;\n}}\n", ";"),
    "rust": ("pub fn work_{0}(x: u32, y: &str) -> u32 {{\n", "return x;\n}}\n", ";"),
    "csharp": ("class W{0} {{ public int Work{0}(int x, string y) {{\n", "return x;\n}} }}\n", ";"),
    "ruby": ("def work_{0}(x, y)\n", "  x\nend\n", ""),
    "php": ("<?php function work_{0}($x, $y) {{\n", "return $x;\n}} ?>\n", ";"),
    "shell": ("work_{0}() {{\n", "  echo done\n}}\n", ""),
}


def function(language: str, number: int, lines: int) -> str:
    opening, closing, end = LANGUAGES[language]
    body = BODY
    if language == "shell":
        body = 'if [ "$a{0}" = "b{0}" ]; then echo "$c{0}" $((d{0} + 1)); fi{1}'
    if language == "php":
        body = "$a{0} = $b{0} + $c{0} * $d{0}{1}"
    indent = "    "
    return (
        opening.format(number)
        + "".join(f"{indent}{body.format(line, end)}\n" for line in range(lines))
        + closing.format()
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_functions_are_units_and_what_lies_between_is_cut_into_windows(language: str) -> None:
    first, second = function(language, 1, 40), function(language, 2, 45)
    family = FAMILIES[language]
    between = "".join(f"value_{number} = [{number}];\n" for number in range(30)) if language == "javascript" else ""
    code = Code.of(f"{first}\n{between}{second}".encode(), family)
    assert len(code) > WHOLE
    found = units(code)
    texts = [code.text[code[low].start : code[high - 1].end].decode() for low, high in found]
    for written in (first, second):
        name = written.split("(")[0].split()[-1]
        (unit,) = (text for text in texts if name in text and "a39" in text and "a0" in text)
        assert unit.count("\n") >= written.count("\n") - 2
        assert ("work_1" in unit.lower()) != ("work_2" in unit.lower()) or language == "csharp"
    assert bool(between) == any("value_15" in text and "b3" not in text for text in texts)


def test_a_snippet_of_php_needs_no_tags() -> None:
    text = "\n".join(function("php", number, 45).replace("<?php ", "").replace(" ?>", "") for number in (1, 2))
    assert len(units(Code.of(text.encode(), FAMILIES["php"]))) == 2


@pytest.mark.parametrize("language", [*LANGUAGES, "generic", "sql"])
@pytest.mark.parametrize("size", [0, 1, WHOLE, WHOLE + 1, 5000])
def test_units_hold_every_symbol_but_short_rests(language: str, size: int) -> None:
    code = Code.of(b"alpha = beta1 + 2\n" * (size // 5) + b"x " * (size % 5), FAMILIES[language])
    found = units(code)
    held = set().union(*(range(low, high) for low, high in found))
    assert len(code) - len(held) < SMALLEST
    assert all(low < high for low, high in found)
    assert found == sorted(found)


HOSTILE = (
    *(b"(" * 15_000, b"{" * 15_000, b"a<" * 7_500, b"if " * 5_000, b"def f(x):\n" * 1_500, b"`${" * 5_000),
    *(b'"' * 15_000, b"'''\n" * 3_750, b"(a," * 5_000, b"(a)=>" * 3_000, b"a*b<c>(d);" * 1_500, b"<<A\n" * 3_750),
    *(b"(a)(b)" * 2_500, b"else " * 3_000, b"\x00\xff" * 7_500, b"$(" * 7_500, b"#define a \\\n" * 1_250),
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_parsing_is_given_up_where_it_takes_more_work_than_code_does(language: str) -> None:
    for text in HOSTILE:
        code = Code.of(text, FAMILIES[language])
        assert units(code) or not len(code)


def test_the_scanner_of_bash_is_stopped_while_it_reads_ahead() -> None:
    grammar = parts._grammar("shell")
    assert grammar is not None
    assert parts._parsed(b"(a)(b)" * 15_000, grammar) is None
    assert parts._parsed(function("shell", 1, 500).encode(), grammar) is not None
