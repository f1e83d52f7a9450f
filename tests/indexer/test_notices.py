"""Which licence a sentence names, and which of a family's clauses stand in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.notices import bsd_in, mit_in, notices_in, tagged
from indexer.recognition import detected, licences_in
from provenance.records import NOASSERTION

BSD = """Redistribution and use in source and binary forms, with or without modification, are permitted provided that
the following conditions are met:
a. Redistributions of source code must retain the copyright notice of {holder}, this list and the disclaimer.
b. Redistributions in binary form must reproduce the copyright notice of {holder} in the documentation.
{more}
{disclaimer}
"""
THIS = 'THIS SOFTWARE IS PROVIDED BY {holder} "AS IS" AND ANY WARRANTIES ARE DISCLAIMED.'
THE = 'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED.'
NAMES = "c. Neither the name of the {holder} nor the names of its developers may be used to endorse products."
ADVERTISING = (
    "3. All advertising materials mentioning features must say so. 4. No name may be used to endorse or promote."
)


def folded(text: str) -> str:
    return " ".join("".join(char if char.isalnum() else " " for char in text.lower()).split())


@pytest.mark.parametrize("holder", ["{organization}", "Ada & Sons", "The Regents of the University of X, Y and Z"])
@pytest.mark.parametrize(
    ("more", "disclaimer", "name"),
    [
        ("", THIS, "BSD-2-Clause"),
        (NAMES, THIS, "BSD-3-Clause"),
        (ADVERTISING, THIS, "BSD-4-Clause"),
        ("", THE, "Linux-OpenIB"),
    ],
)
def test_the_clauses_of_bsd_tell_which_it_is(holder: str, more: str, disclaimer: str, name: str) -> None:
    text = BSD.format(holder=holder, more=more.format(holder=holder), disclaimer=disclaimer.format(holder=holder))
    assert bsd_in(folded(text)) == {name}
    assert licences_in(text) == (name,)


def test_two_licences_of_the_family_in_one_text_are_two() -> None:
    two = BSD.format(holder="A", more="", disclaimer=THIS) + BSD.format(holder="B", more=NAMES, disclaimer=THIS)
    assert bsd_in(folded(two)) == {"BSD-2-Clause", "BSD-3-Clause"}


def test_licences_that_only_begin_like_bsd_are_not_of_the_family() -> None:
    more = "Redistributions of any form whatsoever must retain the following acknowledgment."
    assert bsd_in(folded(BSD.format(holder="A", more=more, disclaimer=THIS))) == set()
    assert bsd_in(folded("Redistribution and use in source and binary forms is what this document is about.")) == set()


def test_mit_is_known_by_its_clauses_unless_another_takes_them_back() -> None:
    text = (
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this software, to deal in the "
        "Software without restriction. The above notice (including the next paragraph) shall be included in all "
        'copies. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY.'
    )
    assert mit_in(folded(text)) == {"MIT"}
    assert mit_in(folded(text + " The Software shall be used for Good, not Evil.")) == set()
    assert mit_in(folded(text + " Except as contained in this notice, the name of X shall not be used.")) == set()
    assert mit_in(folded(text[:150])) == set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("you may redistribute it under the terms of the MIT license", {"MIT"}),
        ("Use of this source code is governed by the MIT license.", {"MIT"}),
        ("Use of this source code is governed by a BSD-style license", set()),
        ("under the same license as the package", set()),
        ("distributed under the University of Illinois Open Source License", {"NCSA"}),
        ("This file is under the PSF license as the code comes from the stdlib", {"PSF-2.0"}),
        ("Licensed to PSF under a Contributor Agreement.", {"PSF-2.0"}),
        ("under the terms of the GNU General Public License version 2.", {"GPL-2.0-only"}),
        ("under the terms of the GNU General Public License version 2 or later.", {"GPL-2.0-or-later"}),
        ("of the GNU General Public License (GPL) Version 2, available from the file COPYING", {"GPL-2.0-only"}),
        (
            "the GNU General Public License as published by the Free Software Foundation, either version 2 of that "
            "License or (at your option) any later version",
            {"GPL-2.0-or-later"},
        ),
        (
            "Licensed under either of * Apache License, Version 2.0 (LICENSE-APACHE or http://x.org/LICENSE-2.0) "
            "* MIT license (LICENSE-MIT) at your option.",
            {"Apache-2.0", "MIT"},
        ),
        ("the terms of this agreement and its license are secret", set()),
    ],
)
def test_sentences_name_the_licence(text: str, names: set[str]) -> None:
    assert notices_in(folded(text)) == names


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b" * license: MIT\n", "MIT"),
        (b"/*! x 1.0 https://example.org @license Apache-2.0 */", "Apache-2.0"),
        (b"    :license: BSD-3-Clause, see LICENSE for details.\n", "BSD-3-Clause"),
        (b"__license__ = 'ISC'\n", "ISC"),
        (b":license: BSD, see LICENSE.\n", None),
        (b'  "license": "MIT",\n', None),
        (b'license = "MIT"\n', None),
        (b"License: see the file COPYING\n", None),
        (b"class License:\n    name = 'MIT'\n", None),
    ],
)
def test_lines_that_name_a_licence(head: bytes, name: str | None) -> None:
    assert tagged(head.lower()) == name


def test_a_notice_in_a_box_of_comments_is_read_whole() -> None:
    box = b"""/* This program is free software; you can redistribute it and/or modify */
/* it under the terms of the GNU General Public License as published by   */
/* the Free Software Foundation; either version 2 of the License, or      */
/* (at your option) any later version.                                    */
int a;
"""
    assert detected(box, box.lower()) == "GPL-2.0-or-later"


def test_a_grant_in_words_that_nobody_knows_leaves_the_file_open() -> None:
    own = b"/* Permission is granted to use, copy and redistribute this, so long as you smile. */\nint a;\n"
    assert detected(own, own.lower()) == NOASSERTION
    cut_off = b"int a;\n" * 560 + b"/* Permission is hereby granted, free of charge, to any person */\n"
    head = cut_off[:4096].ljust(4096, b" ")
    assert detected(head, head.lower()) is None


@given(st.text(max_size=400))
def test_any_text_has_an_answer(text: str) -> None:
    head = text.encode("utf-8", "replace")
    assert isinstance(notices_in(folded(text)) | bsd_in(folded(text)) | mit_in(folded(text)), set)
    assert tagged(head.lower()) is None or isinstance(tagged(head.lower()), str)
