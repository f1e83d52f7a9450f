"""Licence texts recognised by their words."""

from __future__ import annotations

import random
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identify.vendor.licenses import LICENSES

from indexer.licensing import canonical
from indexer.recognition import detected, from_files, licences_in
from provenance.records import NOASSERTION

TEXTS = {canonical(name).expression: text for name, text in LICENSES}
ALONE = sorted(TEXTS)


@pytest.mark.parametrize("name", ALONE)
def test_each_text_is_recognised_when_filled_in_rewrapped_and_indented(name: str) -> None:
    text = TEXTS[name].replace("[year]", "2019").replace("[fullname]", "Ada Lovelace and others")
    rewrapped = "\n\n".join(textwrap.fill(part, 57, initial_indent="  * ") for part in text.split("\n\n"))
    assert licences_in(rewrapped) == (name,)
    assert licences_in(text.upper()) == (name,)


@pytest.mark.parametrize(("first", "second"), [("MIT", "Apache-2.0"), ("BSD-3-Clause", "Zlib"), ("MPL-2.0", "ISC")])
def test_two_texts_in_one_file_are_both_found(first: str, second: str) -> None:
    assert licences_in(TEXTS[first] + "\n\n=====\n\n" + TEXTS[second]) == tuple(sorted((first, second)))


def test_half_a_text_is_not_the_licence() -> None:
    for name in ("MIT", "Apache-2.0", "GPL-3.0-only"):
        assert licences_in(TEXTS[name][: len(TEXTS[name]) // 2]) == ()


def test_a_text_with_every_tenth_word_changed_is_not_the_licence() -> None:
    words = TEXTS["MIT"].split(" ")
    chosen = random.Random(7).sample(range(len(words)), len(words) // 10)
    assert licences_in(" ".join("qqq" if i in chosen else word for i, word in enumerate(words))) == ()


@pytest.mark.parametrize(
    ("notice", "name"),
    [
        (
            "under the terms of the GNU General Public License as published by the Free Software Foundation; either "
            "version 2 of the License, or (at your option) any later version.",
            "GPL-2.0-or-later",
        ),
        (
            "under the terms of the GNU General Public License version 2 as published by the Free Software Foundation.",
            "GPL-2.0-only",
        ),
        (
            "the terms of the GNU Lesser General Public\n * License as published by the Free Software Foundation; "
            "either\n * version 2.1 of the License, or (at your option) any later version",
            "LGPL-2.1-or-later",
        ),
        ('Licensed under the Apache License, Version 2.0 (the "License");', "Apache-2.0"),
        ("subject to the terms of the Mozilla Public\n# License, v. 2.0.", "MPL-2.0"),
        ("This code is licensed under the MIT license.", "MIT"),
    ],
)
def test_notices_name_their_licence(notice: str, name: str) -> None:
    assert licences_in(notice) == (name,)


def test_code_has_no_licence() -> None:
    assert licences_in("def license():\n    return 'the licence of this program is a matter of taste'\n") == ()


@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    assert isinstance(licences_in(text), tuple)


def test_files_named_after_their_licence_are_a_choice() -> None:
    assert from_files({"LICENSE-MIT": TEXTS["MIT"], "LICENSE-APACHE": TEXTS["Apache-2.0"]}) == "Apache-2.0 OR MIT"


def test_copying_beside_copying_lesser_is_the_lesser() -> None:
    assert from_files({"COPYING": TEXTS["GPL-3.0-only"], "COPYING.LESSER": TEXTS["LGPL-3.0-only"]}) == "LGPL-3.0-only"


def test_other_files_beside_one_another_hold_together() -> None:
    assert from_files({"LICENSE": TEXTS["MIT"], "COPYING": TEXTS["Zlib"]}) == "MIT AND Zlib"
    assert from_files({"LICENSE-one": TEXTS["MIT"], "LICENSE-two": TEXTS["Zlib"]}) == "MIT OR Zlib"


def test_files_named_after_a_part_do_not_speak_beside_one_for_the_whole() -> None:
    parts = {"LICENSE.snappy": TEXTS["Zlib"], "LICENSES.txt": TEXTS["MIT"], "LICENSE-BUILDTOOLS": TEXTS["GPL-2.0-only"]}
    assert from_files({"LICENSE": TEXTS["ISC"], **parts}) == "ISC"
    assert from_files({"LICENSE": TEXTS["ISC"], "LICENSE.apache": TEXTS["Apache-2.0"]}) == "Apache-2.0 AND ISC"


def test_a_choice_by_reference_names_the_clauses_of_who_wrote_it() -> None:
    words = (
        b"/* Copyright (c) %s, Inc. All rights reserved.\n"
        b" * This source code is licensed under both the BSD-style license (found in the\n"
        b" * LICENSE file in the root directory of this source tree) and the GPLv2 (found\n"
        b" * in the COPYING file). You may select, at your option, one of the above-listed licenses. */\n"
    )
    for holder in (b"Facebook", b"Meta Platforms"):
        head = words % holder
        assert detected(head, head.lower()) == "BSD-3-Clause OR GPL-2.0-only"
    head = words % b"Somebody"
    assert detected(head, head.lower()) is None


def test_a_tag_in_a_licence_file_speaks_for_it() -> None:
    text = "SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note\n\n" + TEXTS["GPL-2.0-only"]
    assert from_files({"COPYING": text}) == "GPL-2.0-only WITH Linux-syscall-note"


def test_an_unknown_text_is_no_assertion() -> None:
    assert from_files({"LICENSE": "You may look, but not touch."}) == NOASSERTION
    assert from_files({}) == NOASSERTION


@pytest.mark.parametrize(
    ("head", "expression"),
    [
        ('/*\n * Licensed under the Apache License, Version 2.0 (the "License");\n * you may not\n */', "Apache-2.0"),
        (
            "// Licensed under the Apache License, Version 2.0 <LICENSE-APACHE> or the MIT license\n"
            "// <LICENSE-MIT>, at your option.\n",
            "Apache-2.0 OR MIT",
        ),
        (
            " * This program is free software; you can redistribute it and/or modify it under the terms of the GNU\n"
            " * General Public License as published by the Free Software Foundation; either version 2 of the\n"
            " * License, or (at your option) any later version.\n",
            "GPL-2.0-or-later",
        ),
        (
            " * Version: MPL 1.1/GPL 2.0/LGPL 2.1\n * The contents are subject to the Mozilla Public License\n",
            "MPL-1.1 OR GPL-2.0-or-later OR LGPL-2.1-or-later",
        ),
        ("# " + TEXTS["MIT"].replace("\n", "\n# "), "MIT"),
        (
            "/* This software is available to you under a choice of one of two licenses. You may choose to be\n"
            " * licensed under the terms of the GNU General Public License version 2 as published by the Free\n"
            " * Software Foundation,\n"
            " * or the licence below:\n * " + TEXTS["BSD-2-Clause"].replace("\n", "\n * "),
            "BSD-2-Clause OR GPL-2.0-only",
        ),
        ("# Use of this source code is governed by a BSD-style license that can be found in the LICENSE file.\n", None),
        (
            " * License version 2 as published by the Free Software Foundation; or, when distributed separately from\n"
            " * the kernel, subject to the following license:\n * under the GNU General Public License version 2 as\n"
            " * published by the Free Software Foundation\n * " + TEXTS["MIT"].replace("\n", "\n * "),
            "GPL-2.0-only OR MIT",
        ),
        (
            " * The contents of this file are subject to the Mozilla Public License Version 1.1\n"
            " * Alternatively, they may be used under the terms of the GNU General Public License version 2\n"
            " * (the GPL)\n",
            "GPL-2.0-only OR MPL-1.1",
        ),
        ("def apache_license():\n    '''Return the Apache License.'''\n", None),
        ("print('permission denied')\n", None),
        (
            "LICENCES = ['apache software license version 1 1', 'the apache software license version 1 1',\n"
            "'mozilla public license version 1 1', 'zope public license zpl version 2 1',\n"
            "'odc open database license odbl']",
            None,
        ),
    ],
)
def test_notices_at_the_head_of_a_file_are_detected(head: str, expression: str | None) -> None:
    raw = f"#!/bin/sh\n{head}\ncode = 1\n".encode()[:4096]
    assert detected(raw, raw.lower()) == expression
