"""Languages by name, first line and telling words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.languages import language_of


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("src/main.rs", b"fn main() {}", "Rust"),
        ("a/B.PY", b"", "Python"),
        ("Makefile", b"all:", "Makefile"),
        ("deep/er/CMakeLists.txt", b"project(x)", "CMake"),
        ("notes.txt", b"", "Text"),
        ("x.d.ts", b"export type A = 1", "TypeScript"),
        ("strings.ts", b"<?xml version='1.0'?><TS>", "XML"),
        ("view.blade.php", b"@if", "Blade"),
        ("list.h", b"struct list { int x; };", "C"),
        ("list.h", b"#pragma once\nnamespace a {\n", "C++"),
        ("View.h", b"#import <UIKit/UIKit.h>\n@interface View\n", "Objective-C"),
        ("solve.m", b"function y = solve(x)\n", "MATLAB"),
        ("View.m", b'#import "View.h"\n', "Objective-C"),
        ("facts.pl", b"parent(a, b).\nold(X) :- parent(X, _).\n", "Prolog"),
        ("tool.pl", b"use strict;\n", "Perl"),
        ("proof.v", b"Require Import List.\n", "Rocq Prover"),
        ("cpu.v", b"module cpu(input clk);\n", "Verilog"),
        ("board.dts", b"/dts-v1/;", "Devicetree"),
        ("run", b"#!/usr/bin/env python3\n", "Python"),
        ("run", b"#!/bin/bash -e\n", "Shell"),
        ("run", b"#! /usr/bin/env -S deno run\n", "TypeScript"),
        ("run", b"#!/usr/bin/python3.11\n", "Python"),
        ("run", b"nothing told", None),
        ("strange.qqq", b"", None),
        ("page.inc", b"<?php echo 1;", "PHP"),
        ("page.inc", b"nothing told", None),
    ],
)
def test_language_follows_the_stated_order(path: str, head: bytes, language: str | None) -> None:
    assert language_of(path, head) == language


@given(st.text(max_size=30), st.binary(max_size=200))
def test_any_name_and_any_bytes_have_an_answer(path: str, head: bytes) -> None:
    assert language_of(path, head) is None or language_of(path, head) != ""
