"""Which licence a text is: by its own words, offline.

The reference texts come with the `identify` library (the licences of GitHub's chooser). A text is cut into runs of four
words, those of copyright lines left out; a reference licence is *contained* if 92 % of its runs occur in the text. Of
the contained ones those drop out whose runs stand almost all in a longer contained one (BSD-2-Clause in BSD-3-Clause),
and of two that are nearly the same text (CC-BY-4.0, CC-BY-SA-4.0) the one contained less fully. What remains holds
together. What the library lacks is told by phrases that no other licence has.

The text of a GNU licence does not say whether later versions may be chosen; it is reported as ``-only``, which claims
the least freedom. A notice that says so ("either version 2 … or any later version") is reported as ``-or-later``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

from indexer import licensing
from indexer.notices import bsd_in, mit_in, notices_in, tagged
from provenance.records import NOASSERTION

_CONTAINED = 0.92
_SUBSUMED = 0.8
_ALIKE = 0.9
_MAX_TEXT = 256 << 10
_WORD = re.compile(r"[a-z0-9]+")
_COPYRIGHT_LINE = re.compile(r"^\W*(?:copyright|©|\(c\))(?: \(c\)| ©)? [\[<\d].*$|\[[a-z ]*name[a-z ]*\]", re.I | re.M)
# Phrases of folded text that one licence alone has; all phrases of a line must occur.
_PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Python-2.0", ("beopen com license agreement for python 2 0", "python software foundation license version 2")),
    ("PSF-2.0", ("python software foundation license version 2",)),
    ("Apache-1.1", ("the apache software license version 1 1",)),
    ("MPL-1.1", ("mozilla public license version 1 1",)),
    ("CDDL-1.0", ("common development and distribution license", "version 1 0")),
    ("ZPL-2.1", ("zope public license zpl version 2 1",)),
    ("CECILL-2.1", ("contrat de licence de logiciel libre cecill",)),
    ("CECILL-2.1", ("cecill free software license agreement", "version 2 1")),
    ("GFDL-1.3-only", ("gnu free documentation license", "version 1 3 3 november 2008")),
    ("LGPL-2.0-only", ("gnu library general public license version 2 june 1991",)),
    ("GPL-1.0-only", ("gnu general public license version 1 february 1989",)),
    (
        "MIT-0",
        ("free of charge to any person obtaining a copy of this software", "to do so the software is provided as is"),
    ),
    ("MulanPSL-2.0", ("mulan permissive software license version 2",)),
    ("OpenSSL", ("openssl license", "redistributions of any form whatsoever must retain")),
    ("Vim", ("vim license", "there are no restrictions on distributing unmodified copies of vim")),
    ("CC-BY-3.0", ("creative commons legal code attribution 3 0",)),
    ("ODbL-1.0", ("open database license odbl", "v1 0")),
    ("ODbL-1.0", ("odc open database license odbl",)),
    ("CERN-OHL-P-2.0", ("cern open hardware licence version 2 permissive",)),
    ("CERN-OHL-W-2.0", ("cern open hardware licence version 2 weakly reciprocal",)),
    ("CERN-OHL-S-2.0", ("cern open hardware licence version 2 strongly reciprocal",)),
    ("FTL OR GPL-2.0-only", ("the freetype 2 font engine is copyrighted work", "gnu general public license version 2")),
    ("bzip2-1.0.6", ("this program bzip2 the associated library libbzip2", "origin of this software must not be")),
    (
        "curl",
        (
            "permission to use copy modify and distribute this software for any purpose with or without fee is hereby "
            "granted provided that the above copyright notice",
            "except as contained in this notice the name of a copyright holder",
        ),
    ),
    ("APAFML", ("postscript r afm files it accompanies may be used copied and distributed for any purpose",)),
    (
        "HPND-sell-variant",
        (
            "permission to use copy modify distribute and sell this software and its documentation for any purpose is "
            "hereby granted without fee",
            "advertising or publicity",
        ),
    ),
    (
        "HPND",
        (
            "permission to use copy modify and distribute this software and its documentation for any purpose and "
            "without fee is hereby granted",
            "advertising or publicity",
        ),
    ),
    # Meta's notice for zstd, whose LICENSE has three clauses; lz4 has the same words about two.
    *(
        ("BSD-3-Clause OR GPL-2.0-only", (holder, "both the bsd style license found in the license file"))
        for holder in ("meta platforms inc", "facebook inc")
    ),
    ("Unicode-DFS-2016", ("unicode inc license agreement data files and software",)),
    ("Unicode-3.0", ("unicode license v3", "copyright and permission notice")),
    ("BlueOak-1.0.0", ("blue oak model license version 1 0 0",)),
)
_Runs: TypeAlias = frozenset[tuple[str, str, str, str]]
_Found: TypeAlias = tuple[str, _Runs, float]
"""A licence, its runs, and the share of them that a text holds."""


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def _runs(folded: str) -> _Runs:
    words = folded.split(" ")
    return frozenset(zip(words, words[1:], words[2:], words[3:], strict=False))


def _reference_runs(text: str) -> _Runs:
    """Return the runs of a reference text that do not touch what everybody fills in: holder, year, name.

    How to apply a licence, which follows its terms, is often left out of copies.
    """
    terms = text.partition("END OF TERMS AND CONDITIONS")[0]
    return frozenset().union(*(_runs(_folded(part)) for part in _COPYRIGHT_LINE.split(terms)))


@lru_cache(maxsize=1)
def _references() -> tuple[tuple[str, _Runs], ...]:
    """Return (SPDX id, runs) of every reference licence but the BSD family, largest first."""
    from identify.vendor.licenses import LICENSES

    found = ((licensing.canonical(name).expression, text) for name, text in LICENSES)
    runs = [(name, _reference_runs(text)) for name, text in found if not name.startswith("BSD-")]
    return tuple(sorted(runs, key=lambda pair: -len(pair[1])))


def _stands_for(larger: _Found, smaller: _Found) -> bool:
    """Return whether one contained licence makes another superfluous.

    Of two texts that are almost the same, the one that is contained more fully is meant; of a text and a much shorter
    one inside of it, the longer.
    """
    shared = len(larger[1] & smaller[1])
    if larger is smaller or shared < _SUBSUMED * len(smaller[1]):
        return False
    if shared >= _ALIKE * len(larger[1]):
        return (larger[2], len(larger[1]), larger[0]) > (smaller[2], len(smaller[1]), smaller[0])
    return True


def licences_in(text: str) -> tuple[str, ...]:
    """Return the SPDX ids of the licences whose whole texts, or whose notices, stand in ``text``, sorted."""
    folded = _folded(text[:_MAX_TEXT])
    return tuple(sorted(_texts_in(folded) or notices_in(folded)))


def _texts_in(folded: str) -> set[str]:
    runs = _runs(folded)
    contained = [
        (name, reference, len(reference & runs) / len(reference))
        for name, reference in _references()
        if len(reference) <= len(runs) / _CONTAINED and len(reference & runs) >= _CONTAINED * len(reference)
    ]
    names = {mine[0] for mine in contained if not any(_stands_for(other, mine) for other in contained)}
    for name, phrases in _PHRASES:
        if all(phrase in folded for phrase in phrases):
            names.add(name)
    if "Python-2.0" in names:
        # CPython's own file: its parts are what the id stands for.
        return names - {"PSF-2.0", "ISC", "0BSD", "HPND"}
    return names | bsd_in(folded) | mit_in(folded)


def from_files(texts: Mapping[str, str]) -> str:
    """Return the expression that the licence files of one folder state, `NOASSERTION` if none is recognised.

    An SPDX tag in a file speaks for it. Files named after their licence beside one another (LICENSE-MIT,
    LICENSE-APACHE) are a choice; COPYING beside COPYING.LESSER is the LGPL, which refers to the GPL's text. Beside a
    LICENSE, files named after something else (LICENSE.snappy, LICENSES.txt) speak of parts. Any others hold together.
    """
    said: dict[str, str] = {}
    for name, text in texts.items():
        tagged = licensing.header(text[: licensing.HEAD_BYTES].encode("utf-8", "replace"))
        if tagged is not None and tagged.expression != NOASSERTION:
            said[name] = tagged.expression
            continue
        names = licences_in(text)
        if names:
            said[name] = licensing.every(names).expression
    if any(_WHOLE.fullmatch(name) for name in said):
        said = {name: expression for name, expression in said.items() if not _of_a_part(name)}
    expressions = list(dict.fromkeys(said.values()))
    if not expressions:
        return NOASSERTION
    if len(expressions) == 1:
        return expressions[0]
    lesser = [one for one in expressions if one.startswith("LGPL-")]
    if lesser and all(one.startswith(("LGPL-", "GPL-")) for one in expressions):
        return lesser[0]
    if all(_names_its_licence(name) for name in said):
        return licensing.either(sorted(expressions))
    return licensing.every(expressions).expression


_NAMED_FILE = re.compile(r"(?:licen[cs]e|copying)[-_. ]?(?!txt|md|rst|html)([a-z0-9][a-z0-9.+-]*)", re.I)


_WHOLE = re.compile(r"(?:(?:un)?licen[cs]e|copying)(?:\.(?:txt|md|rst|markdown|html?|text))?", re.I)


def _of_a_part(name: str) -> bool:
    """Return whether a licence file is named after neither a licence nor a whole project."""
    if _WHOLE.fullmatch(name):
        return False
    named = re.fullmatch(r"(?:un)?licen[cs]e[-_. ](.+?)(?:\.(?:txt|md|rst|html?))?", name, re.I)
    if named is None:
        return name.lower().startswith(("licenses", "licences"))
    return licensing.names_no_licence(named[1])


def _names_its_licence(name: str) -> bool:
    found = _NAMED_FILE.fullmatch(name)
    return found is not None and re.search(r"[a-z]", found[1], re.I) is not None


# Where a licence notice in a file begins, in lower case: (mark, bytes of text before it, bytes after it) to look at.
_MARKS: tuple[tuple[bytes, int, int], ...] = (
    (b"apache license", 80, 500),
    (b"general public", 300, 700),
    (b"mozilla public", 200, 1200),
    (b"mit licen", 80, 300),
    (b"boost software", 80, 200),
    (b"licensed under", 60, 300),
    (b"distributed under the", 60, 300),
    (b"bsd-style license", 400, 300),
    (b"licensed to psf", 10, 200),
    (b"psf licen", 60, 60),
    (b"governed by", 60, 200),
    (b"under the terms of", 60, 300),
    (b"readme.ijg", 120, 20),
    (b"university of illinois", 60, 100),
    (b"permission is granted to anyone", 400, 1000),
    (b"permission is hereby granted", 0, 1800),
    (b"redistribution and use in source", 600, 2600),
    (b"permission to use, copy", 0, 1500),
)
# Who writes one of these grants something, in words of his own if nobody knows them.
_GRANTS = (
    *(b"permission is hereby granted", b"redistribution and use in source", b"permission to use, copy"),
    b"permission is granted to use",
)
_CHOICE = re.compile(
    r"\b(?:choice of|alternatively|either of|at your option(?! any later)|dual licen[sc]ed"
    r"|(?:licensed under|terms of) either|or when distributed separately)\b"
)
_MOST_IN_A_HEAD = 3
"""What names more licences than this is a list of licences (a checker, a table), not a notice."""
_LONGEST_GRANT = 2048
_WORDS = (b"licen", b"permi", b"redistribution", b"conditions of distribution")
_TRIPLE = "version mpl 1 1 gpl 2 0 lgpl 2 1"


def detected(head: bytes, lowered: bytes) -> str | None:
    """Return the licence that a notice in the first bytes of a file names or a text there is, or None.

    Several are a choice if the notice says so ("alternatively", "at your option", "choice of"), else they hold
    together. A grant in words that nobody knows is `NOASSERTION`: what holds for the repository does not hold there.
    ``lowered`` is ``head.lower()``.
    """
    if not any(word in lowered for word in _WORDS):
        return None
    start, end, last = len(head), 0, 0
    for mark, before, after in _MARKS:
        found = lowered.find(mark)
        if found >= 0:
            start, end, last = min(start, found - before), max(end, found + after), max(last, found)
    if end:
        # Files of one project mostly say the same: whole lines, up to the end of the comment, make the windows of such
        # files equal more often.
        start = head.rfind(b"\n", 0, max(start, 0)) + 1
        close = head.find(b"*/", last, end)
        # A comment that opens on the line where it closes is one of many.
        if close >= 0 and b"/*" not in head[head.rfind(b"\n", 0, close) + 1 : close]:
            end = close
        names, choice = _in_window(head[start:end])
        if len(names) > _MOST_IN_A_HEAD:
            return None
        if names:
            return licensing.either(names) if choice else licensing.every(names).expression
    said = tagged(lowered)
    if said is not None:
        return said
    # What the head cuts off cannot be known.
    whole = len(head) if len(head) < licensing.HEAD_BYTES else len(head) - _LONGEST_GRANT
    return NOASSERTION if any(lowered.find(grant, 0, whole) >= 0 for grant in _GRANTS) else None


@lru_cache(maxsize=4096)
def _in_window(window: bytes) -> tuple[tuple[str, ...], bool]:
    """Return the licences named in part of a file's head, and whether they are a choice."""
    folded = _folded(window.decode("utf-8", "replace"))
    if _TRIPLE in folded:
        return ("MPL-1.1", "GPL-2.0-or-later", "LGPL-2.1-or-later"), True
    names = tuple(sorted({*_texts_in(folded), *notices_in(folded)}))
    return names, _CHOICE.search(folded) is not None
