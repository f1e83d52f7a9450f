"""Import statements alone, in the languages that have them, whole and cut; and what is more than that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.imports import LONGEST, holds_imports_alone

BLOCKS = {
    "python": """
import os
import os.path as place, sys
from typing import (
    Any,
    Callable,
)
from . import a
""",
    "java": """
package org.example.thing;

import java.io.IOException;
import static java.util.Map.*;
import java.net.URI;
""",
    "javascript": """
import fs from 'fs';
import { a as b,
  c } from "./c";
import './d';
const { e } = require('e');
""",
    "go": """
package main

import "fmt"
import (
\t"io"
\tx "net/http"
)
""",
    "rust": """
extern crate serde;
use std::io::{self, Read};
pub use crate::a::{
    b,
    c::{d, e},
};
use a::*;
mod f;
""",
    "c": """
#include <stdio.h>
#include "own.h"
# include <string.h>
""",
    "csharp": """
using System;
using System.Collections.Generic;
using Own = A.B<int>;
""",
    "ruby": """
require 'json'
require_relative "own"
""",
    "php": """
use App\\Models\\User;
use App\\{A, B as C};
require_once('x.php');
""",
}


@pytest.mark.parametrize("language", BLOCKS)
def test_import_blocks_hold_nothing_else(language: str) -> None:
    text = BLOCKS[language].encode()
    assert holds_imports_alone(text, 0, len(text))
    indented = text.replace(b"\n", b"\r\n\t")
    assert holds_imports_alone(indented, 0, len(indented))


@pytest.mark.parametrize("language", BLOCKS)
def test_what_is_more_is_no_import_block(language: str) -> None:
    block = BLOCKS[language].encode()
    for code in (
        b"x = compute(y)\n",
        b"int main(void) { return 0; }\n",
        b"return a + b;\n",
        b"// says something else\n",
    ):
        for text in (block + code, code + block, block + code + block):
            assert not holds_imports_alone(text, 0, len(text))
            # The imports of such a text are imports all the same.
            at = text.index(block)
            assert holds_imports_alone(text, at, at + len(block))


@given(st.sampled_from(sorted(BLOCKS)), st.data())
def test_a_span_may_cut_the_statements_of_a_text(language: str, data: st.DataObject) -> None:
    text = BLOCKS[language].encode()
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    before, after = b"def own(thing):\n    return thing * 2\n", b"\nx = own(4) + own(5)\n"
    whole = before + text + after
    if text[start:end].strip():
        assert holds_imports_alone(whole, len(before) + start, len(before) + end)
    assert not holds_imports_alone(whole, len(before) - 20, len(before) + end)
    assert not holds_imports_alone(whole, len(before) + start, len(before) + len(text) + 10)


def test_a_text_may_begin_and_end_in_the_middle_of_a_statement() -> None:
    text = b"ang.String;\nimport java.util.List;\nimport java.util.Map;\nimport java.ut"
    assert holds_imports_alone(text, 0, len(text))
    for code in (b"f(x) + g(y)\nimport a\n", b"import a\nf(x) + g(y)", b"", b"ang.String;", b" \n\n"):
        assert not holds_imports_alone(code, 0, len(code))


def test_prose_and_code_that_begin_like_imports_are_none() -> None:
    for line in (
        b"use of this software is free of charge;",
        b"from here on import duties are due, said the clerk.",
        b"import { a } and more",
        b"using (var x = f()) { g(); }",
        b"package manager of choice: none",
        b"let x = require(y);",
        b"import duties are due",
        b"export function f() { return 1; }",
    ):
        assert not holds_imports_alone(line, 0, len(line)), line


@given(st.binary(max_size=300), st.data())
def test_whatever_the_bytes_there_is_an_answer(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert holds_imports_alone(text, start, end) in (True, False)


def test_hostile_texts_are_answered_at_once() -> None:
    for piece in (b"use a\n", b"import {", b"from a import (", b"import a\n", b"const a,"):
        text = piece * 10_000
        holds_imports_alone(text, 5000, 5000 + LONGEST)
        holds_imports_alone(text, 0, len(text))
