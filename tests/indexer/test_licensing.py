"""Licences as SPDX expressions, and copyright lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from indexer.licensing import Licence, canonical, copyrights, either, every, header, is_licence_file
from provenance.records import NOASSERTION, NONE


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPL-2.0 WITH Linux-syscall-note", "GPL-2.0-only WITH Linux-syscall-note"),
        ("(mit OR apache-2.0)", "MIT OR Apache-2.0"),
        ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("The MIT License (MIT)", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("License :: OSI Approved :: MIT License", "MIT"),
        ("License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
        ("MIT OR BSD 3-Clause", "MIT OR BSD-3-Clause"),
        ("LicenseRef-ours", "LicenseRef-ours"),
        ("NOASSERTION", NOASSERTION),
        ("NONE", NONE),
        ("", NOASSERTION),
        ("UNKNOWN", NOASSERTION),
        ("License :: OSI Approved", NOASSERTION),
    ],
)
def test_what_is_said_is_understood(said: str, expression: str) -> None:
    assert canonical(said) == Licence(expression)


def test_none_is_not_noassertion() -> None:
    assert canonical("NONE").expression == NONE
    assert canonical("none").expression == NOASSERTION
    assert every(["NONE", "NONE"]).expression == NONE
    assert every([]).expression == NOASSERTION


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        ("BSD", "LicenseRef-BSD"),
        ("Our Own Licence v7", "LicenseRef-Our-Own-Licence-v7"),
        ("MIT AND weird", "MIT AND LicenseRef-weird"),
        ("MIT AND (", NOASSERTION),
        ("MIT WITH no-such-exception", NOASSERTION),
        ("http://example.com/LICENSE", NOASSERTION),
        ("x" * 5000, NOASSERTION),
        ("(" * 900, NOASSERTION),
        ("日本", NOASSERTION),
    ],
)
def test_what_is_not_understood_is_said_to_be_unknown(said: str, expression: str) -> None:
    found = canonical(said)
    assert found.expression == expression
    assert found.unknown


@given(st.text(max_size=60) | st.text(alphabet="MITBSD()ORAND /+-.", max_size=40))
def test_every_answer_is_a_valid_expression(said: str) -> None:
    expression = canonical(said).expression
    if expression not in (NOASSERTION, NONE):
        parsed = get_spdx_licensing().parse(expression)
        unknown = get_spdx_licensing().unknown_license_keys(parsed)
        assert all(re.fullmatch(r"(DocumentRef-[\w.-]+:)?LicenseRef-[A-Za-z0-9.-]+", key) for key in unknown)
        assert canonical(expression).expression == expression


def test_several_licences_hold_together_in_one_order() -> None:
    assert every(["MIT", "Apache-2.0"]) == every(["Apache-2.0", "MIT"]) == Licence("Apache-2.0 AND MIT")
    assert every(["MIT OR ISC", "Zlib"]).expression == "(MIT OR ISC) AND Zlib"
    assert either(["MIT", "MIT"]) == "MIT"


@pytest.mark.parametrize(
    ("head", "expression"),
    [
        (b"// SPDX-License-Identifier: GPL-2.0\n", "GPL-2.0-only"),
        (b"/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */\n", "GPL-2.0-only OR BSD-3-Clause"),
        (b"<!-- SPDX-License-Identifier: MIT -->\n", "MIT"),
        (b'# "SPDX-License-Identifier: ISC"\n', "ISC"),
        (b"(* SPDX-License-Identifier: MIT *)\r\n", "MIT"),
        (b"# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: ISC\n", "ISC AND MIT"),
        (
            b"# SPDX-License-Identifier: MIT\n# SPDX-SnippetBegin\n# SPDX-License-Identifier: GPL-3.0-only\n",
            "MIT",
        ),
    ],
)
def test_the_tag_in_a_file_is_read_whatever_comment_it_stands_in(head: bytes, expression: str) -> None:
    assert header(head) == Licence(expression)


def test_a_file_without_a_tag_says_nothing() -> None:
    assert header(b"MIT\n") is None
    assert header(b"SPDX-License-Identifier:\n") is None


def test_copyright_lines_are_found_and_prose_is_not() -> None:
    head = (
        b"/*\n * Copyright (c) 2010-2020, Foo Bar <a@b.c>\r\n * the above copyright notice shall appear\n"
        b" * (C) 2004 Andi\n# SPDX-FileCopyrightText: 2021 Baz\n * \xc2\xa9 Quux Ltd */\n"
    )
    assert copyrights(head) == (
        "Copyright (c) 2010-2020, Foo Bar <a@b.c>",
        "(C) 2004 Andi",
        "SPDX-FileCopyrightText: 2021 Baz",
        "© Quux Ltd",
    )


def test_copyright_lines_are_bounded_in_number_and_length() -> None:
    many = b"".join(b"# Copyright %d Somebody\n" % year for year in range(1980, 2020))
    assert len(copyrights(many)) == 5
    (line,) = copyrights(b"# Copyright 2020 " + b"x" * 4000)
    assert len(line) == 200


@given(st.binary(max_size=400))
def test_any_bytes_have_copyright_lines_or_none(head: bytes) -> None:
    assert all(0 < len(line) <= 200 or line == "" for line in copyrights(head + b"(c) \xff 2020"))


@pytest.mark.parametrize(
    "name",
    "LICENSE LICENSE.txt license.md COPYING COPYING.LESSER UNLICENSE MIT-LICENSE LICENSE-MIT Licence".split(),
)
def test_licence_files_are_known_by_name(name: str) -> None:
    assert is_licence_file(name)


@pytest.mark.parametrize(
    "name", "license.py licenses.go licensed.md copyright.c LICENSE.json README license_test.rs ICON_LICENSE.md".split()
)
def test_other_files_are_not(name: str) -> None:
    assert not is_licence_file(name)
