"""Families by path and by content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.lexing.languages import (
    CORE,
    FAMILIES,
    GENERIC,
    OPERATORS,
    by_path,
    detect,
    family_of,
    family_of_stored,
)
from provenance.records import Source

SAMPLES = {
    "python": "def area(self, width):\n    if width is None:\n        return 0\n    return width * self.height\n",
    "javascript": "const area = (width) => {\n  if (width === undefined) {\n    return 0;\n  }\n};\n"
    "module.exports = area;\n",
    "typescript": "export interface Box {\n  width: number;\n  name: string;\n}\n"
    "const area = (b: Box): number => b.width;\n",
    "java": "@Override\npublic int area(final Box box) throws IOException {\n    return new Area(box).value();\n}\n",
    "go": "func (b *Box) Area() (int, error) {\n\tif err := b.check(); err != nil {\n\t\treturn 0, err\n\t}\n}\n",
    "c": "#include <stdio.h>\nstatic int area(const struct box *b)\n{\n\treturn b->width * b->height;\n}\n",
    "cpp": "template <typename T>\nclass Box {\npublic:\n  std::vector<T> items;\n  virtual ~Box() = default;\n};\n",
    "rust": "pub fn area(&self) -> Result<u32> {\n    let mut total = 0;\n"
    "    match self.width { Some(w) => Ok(w), None => Err(e)? }\n}\n",
    "csharp": "using System;\nnamespace Shapes {\n  public class Box {\n    public int Width { get; set; }\n  }\n}\n",
    "ruby": "def area(width)\n  items.each do |item|\n    puts item unless item.nil?\n  end\nend\n",
    "php": "<?php\nfunction area($width) {\n    return $this->height * $width;\n}\n",
    "shell": '#!/bin/sh\nif [ -f "$1" ]; then\n  echo $1\nfi\n',
    "sql": "SELECT name, width FROM boxes WHERE width > 1;\nINSERT INTO boxes VALUES (1);\n",
    "markup": '<div class="box">\n  <p>text</p>\n  <ul><li>one</li></ul>\n</div>\n',
}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_clear_text_tells_its_language(name: str) -> None:
    assert detect(SAMPLES[name]).name == name


@pytest.mark.parametrize("text", ["", "x", "a b c", "1 2 3\n4 5 6\n", "{}\n", "The quick brown fox.\n"])
def test_what_tells_nothing_is_generic(text: str) -> None:
    assert detect(text) is GENERIC


@given(st.text(max_size=300))
def test_any_text_has_a_family(text: str) -> None:
    assert detect(text) in FAMILIES.values()


def test_the_path_decides_before_the_content() -> None:
    assert family_of(SAMPLES["python"], "a/b.rs").name == "rust"
    assert family_of(SAMPLES["python"], "a/b.unknown").name == "python"
    assert by_path("A/B.PY") is FAMILIES["python"] and by_path("Makefile") is None


def test_tables_are_sound() -> None:
    for family in FAMILIES.values():
        for rule in family.line_comments:
            assert rule.opener
        for block in family.blocks:
            assert block.opener and block.closer
            assert not (block.fence and block.nested)
        openers = [block.opener for block in family.blocks if not block.fence]
        for index, opener in enumerate(openers):
            assert not any(longer.startswith(opener) for longer in openers[index + 1 :]), (
                "a longer opener comes too late"
            )
    assert list(OPERATORS) == sorted(OPERATORS, key=len, reverse=True) and len(set(OPERATORS)) == len(OPERATORS)
    assert "self" in CORE and "range" not in CORE


@pytest.mark.parametrize(
    ("path", "language", "family"),
    [
        *(("a.py", "C", "python"), ("a", "TypeScript", "typescript"), ("a.dts", "Devicetree", "c")),
        *(("rows.parquet#7", "c-sharp", "csharp"), ("Makefile", "Makefile", "generic"), ("rows#1", None, "python")),
    ],
)
def test_a_stored_text_is_what_its_source_says_or_what_it_looks_like(
    path: str, language: str | None, family: str
) -> None:
    text = b"import os\n\n\ndef work(self):\n    return self.value is not None\n" * 300
    assert family_of_stored(text, Source("o/r", path, language=language)).name == family
