"""Notices: sentences that say which licence holds, and the licences whose wording varies from holder to holder.

Everything here works on folded text: lower case, words alone, one blank between them.

- GNU licences: named with their version, with or without "any later version".
- The BSD family: every holder writes the names into the clauses, so the clauses are told apart, not the whole text.
- Statements: "under the terms of the X license", where X is a name that `licensing.canonical` knows.
- Choices: "under either of X or Y at your option".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from indexer import licensing
from provenance.records import NOASSERTION

_FAMILIES = {
    "gnu general public license": "GPL",
    "gnu lesser general public license": "LGPL",
    "gnu library general public license": "LGPL",
    "gnu affero general public license": "AGPL",
}
_LATER = r"( or (?:at your option )?any later version| or later)?"
_GNU = r"(gnu (?:lesser |library |affero )?general public license)(?: a?l?gpl)?"
_VERSION = r"v(?:ersion )?(\d(?: \d)?)"
_GNU_NOTICES = (
    re.compile(
        _GNU + r"(?: as)? published by the free software foundation (?:either |in |under )?(?:only )?" + _VERSION
        + r"(?: of (?:the|that|this) license)?" + _LATER
    ),
    re.compile(_GNU + " " + _VERSION + _LATER + r"(?: only)?(?: as)? published by the free software foundation"),
    re.compile(r"\b(?:under|by|of) (?:the )?" + _GNU + " " + _VERSION + _LATER),
)  # fmt: skip
_PHRASES: tuple[tuple[str, str], ...] = (
    ("under the apache license version 2 0", "Apache-2.0"),
    ("either of apache license version 2 0", "Apache-2.0"),
    ("subject to the terms of the mozilla public license v 2 0", "MPL-2.0"),
    ("distributed under the boost software license version 1 0", "BSL-1.0"),
    ("or the apache license version 2 0", "Apache-2.0"),
    ("or the mit license", "MIT"),
    ("or mit license", "MIT"),
    ("may be used under the terms of the gnu general public license version 2 the gpl", "GPL-2.0-only"),
    ("released into the public domain by", "LicenseRef-public-domain"),
    ("licensed to psf under a contributor agreement", "PSF-2.0"),
    ("for conditions of distribution and use see the accompanying readme ijg", "IJG"),
)
_STATED = re.compile(
    r"\b(?:under|governed by|terms of)(?: (?:the|a|terms|conditions|and|of|same)){0,4}"
    r" ((?:\w+ ){1,6}?licen[cs]e(?: (?:v(?:ersion)? ?)?\d(?: \d)?)?)\b"
)
_EITHER = re.compile(r"\b(?:under|of) either(?: of)? (.{1,400}?) at your option")
_IN_EITHER = re.compile(
    r"\b(apache(?: software)?(?: license)?(?: version)? 2(?: 0)?|mit|unlicense|zlib|isc|bsd [23] clause|[23] clause bsd"
    r"|boost(?: software license)?|mpl 2 0|mozilla public license(?: version)? 2 0|cc0)\b"
)

_BSD = "redistribution and use in source and binary forms"
_BSD_LONGEST = 2400
"""Characters of folded text within which the clauses of one licence stand."""
_ENDORSE = re.compile(r"\bneither the names?\b.{0,250}? endorse|\bendorse or promote\b")
_FOREIGN_TO_BSD = (
    *("redistributions of any form whatsoever", "redistributions in any form must be accompanied"),
    *("may not be called", "the software must prominently"),
)
"""Clauses of licences that begin as BSD does (OpenSSL, Sleepycat, Apache-1.1, PHP)."""


def notices_in(folded: str) -> set[str]:
    """Return the licences that notices in folded text name."""
    names = {name for phrase, name in _PHRASES if phrase in folded}
    names.update(_gnu_in(folded))
    for stated in _STATED.findall(folded):
        if "gnu " not in stated:
            names.update(_known(stated))
    for choice in _EITHER.findall(folded):
        for stated in _IN_EITHER.findall(choice):
            names.update(_known(stated))
    return names


def _gnu_in(folded: str) -> set[str]:
    if "general public license" not in folded:
        return set()
    names = {
        f"{_FAMILIES[found[1]]}-{found[2].replace(' ', '.') if ' ' in found[2] else found[2] + '.0'}"
        f"-{'or-later' if found[3] else 'only'}"
        for notice in _GNU_NOTICES
        for found in notice.finditer(folded)
    }
    # Where a sentence grants later versions, others that name the licence in passing take nothing back.
    granted = {name.removesuffix("-or-later") for name in names if name.endswith("-or-later")}
    names = {name for name in names if name.removesuffix("-only") not in granted}
    return {name for name in names if licensing.canonical(name).unknown is None}


def _known(name: str) -> Iterator[str]:
    said = licensing.canonical(name)
    if said.unknown is None and said.expression != NOASSERTION:
        yield said.expression


def bsd_in(folded: str) -> set[str]:
    """Return the licences of the BSD family whose clauses stand in folded text, and those that share their words."""
    names = set()
    start = folded.find(_BSD)
    while start >= 0:
        following = folded.find(_BSD, start + len(_BSD))
        end = start + _BSD_LONGEST if following < 0 else min(following, start + _BSD_LONGEST)
        name = _bsd(folded[start:end])
        if name is not None:
            names.add(name)
        start = following
    return names


def _bsd(text: str) -> str | None:
    source = re.search(r"\b(?:redistributions? of source code|source code redistributions) must\b", text) is not None
    binary = re.search(r"\bredistributions? in binary forms? must\b", text) is not None
    if not source or any(clause in text for clause in _FOREIGN_TO_BSD):
        return None
    if "all advertising materials mentioning" in text:
        return "BSD-4-Clause" if binary and _ENDORSE.search(text) is not None else None
    if "those receiving rights under this license" in text:
        return "BSD-2-Clause-Patent" if binary else None
    if "no express or implied licenses to any party" in text:
        return "BSD-3-Clause-Clear" if binary else None
    if not binary:
        return "BSD-1-Clause" if "is provided" in text and _ENDORSE.search(text) is None else None
    if _ENDORSE.search(text) is not None:
        return "BSD-3-Clause"
    # The kernel's InfiniBand code: two clauses with the disclaimer of the MIT license.
    disclaimed = text.find("the software is provided as is without warranty of any kind")
    if 0 <= disclaimed and "this software is provided" not in text[:disclaimed]:
        return "Linux-OpenIB"
    return "BSD-2-Clause" if "is provided" in text else None


_MIT = "permission is hereby granted free of charge to any person obtaining a copy of this software"
_MIT_LONGEST = 1500
_MIT_CLAUSES = ("to deal in the software without restriction", "included in all", "the software is provided as is")
_FOREIGN_TO_MIT = (
    *("redistributions of source code must", "shall be used for good", "except as contained in this notice"),
    *("the software shall not be", "does not grant"),
)
"""Clauses of licences that begin as MIT does: NCSA, JSON, X11, and those that take back what MIT grants."""


def mit_in(folded: str) -> set[str]:
    """Return MIT where its clauses stand in folded text, whatever names and asides are written into them."""
    start = folded.find(_MIT)
    while start >= 0:
        following = folded.find(_MIT, start + len(_MIT))
        text = folded[start : start + _MIT_LONGEST if following < 0 else min(following, start + _MIT_LONGEST)]
        if all(clause in text for clause in _MIT_CLAUSES) and not any(clause in text for clause in _FOREIGN_TO_MIT):
            return {"MIT"}
        start = following
    return set()


_TAGGED = re.compile(
    rb"(?:^[ \t*#/;!%\"'-]*:?licen[cs]e[ \t]*:|@licen[cs]e\b|^__licen[cs]e__[ \t]*=)"
    rb"[ \t]*[\"']?([a-z][\w .+-]{1,40})",
    re.M,
)


def tagged(lowered: bytes) -> str | None:
    """Return the licence on a line like ``License: MIT``, ``@license MIT`` or ``__license__ = "MIT"``, or None.

    ``lowered`` is the head of a file in lower case. A name that is not known by itself says nothing.
    """
    if lowered.find(b"license") < 0 and lowered.find(b"licence") < 0:
        return None
    for found in _TAGGED.findall(lowered):
        said = found.decode("ascii", "replace").strip(" .-")
        for one in (said, said.partition(" see ")[0]):
            for name in _known(one):
                return name
    return None
