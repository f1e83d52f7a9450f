"""Licences and copyright lines: what is said about a text, as SPDX expressions with where it was said.

What speaks, the most specific first (the first that says something is taken, with its origin and scope):

1. a record about this very file (a corpus row) - origin ``record``, scope ``file``;
2. ``SPDX-License-Identifier`` in the first bytes of the file - ``header``, ``file``;
3. a notice or a whole licence text there, recognised by its words - ``detected``, ``file``;
4. the nearest licence file below the root of the repository or package - ``file``, ``directory``;
5. a record about the repository or package (metadata, a corpus row, the user) - ``record``, ``repository``;
6. a licence file at the root - ``file``, ``repository``.

Nobody having spoken is `NOASSERTION`; `NONE` is only what a corpus itself says after having looked.
Expressions are parsed and validated by the `license-expression` library with the SPDX list that it brings. A string
that names no known licence becomes ``LicenseRef-…`` if it is short enough to be a name, else `NOASSERTION`; both are
remarked upon, so that a report can list them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from boolean.boolean import ParseError
from license_expression import ExpressionError, LicenseExpression, LicenseSymbol, Licensing, get_spdx_licensing

from provenance.records import NOASSERTION, NONE

HEAD_BYTES = 4096
"""How much of a file is searched for its licence and copyright lines."""
MAX_COPYRIGHTS = 5
MAX_COPYRIGHT_CHARS = 200
_MAX_EXPRESSION_CHARS = 1000
_MAX_NAME_CHARS = 80


class Licence(NamedTuple):
    """An SPDX expression, and the string that could not be understood, if any."""

    expression: str
    unknown: str | None = None


@lru_cache(maxsize=1)
def _licensing() -> Licensing:
    return get_spdx_licensing()


# What people write in place of an SPDX id, in lower case with punctuation folded to one space. Names whose
# version or variant is open ("BSD", "GPL") are absent on purpose: they say less than any id would.
_SPOKEN = {
    spoken: expression
    for expression, names in {
        "0BSD": ("bsd zero clause", "zero clause bsd"),
        "AFL-3.0": ("academic free license afl",),
        "AGPL-3.0-only": ("gnu affero general public license v3", "agplv3", "agpl v3", "agpl 3", "gnu agplv3"),
        "AGPL-3.0-or-later": ("gnu affero general public license v3 or later agplv3+", "agplv3 or later"),
        "Apache-2.0": (
            "apache 2", "apache2", "apache 2 0", "apache license 2 0", "apache license version 2 0", "apache v2",
            "apache software license 2 0", "the apache license version 2 0", "the apache software license version 2 0",
            "apache license v2 0", "asl 2 0", "apache v2 0", "apache license 2", "apache software license",
            "apache software license version 2 0", "apache public license 2 0", "al2",
        ),
        "Artistic-2.0": ("artistic license 2 0", "artistic 2"),
        "BSD-2-Clause": (
            "bsd 2", "bsd 2 clause", "2 clause bsd", "simplified bsd", "bsd 2 clause license", "freebsd", "bsd2",
            "the bsd 2 clause license", "2 clause bsd license", "simplified bsd license", "bsd simplified",
        ),
        "BSD-3-Clause": (
            "bsd 3", "bsd 3 clause", "3 clause bsd", "new bsd", "modified bsd", "bsd 3 clause license", "bsd3",
            "new bsd license", "modified bsd license", "the bsd 3 clause license", "3 clause bsd license",
            "revised bsd license", "revised bsd", "bsd new", "edl 1 0", "eclipse distribution license v 1 0",
        ),
        "BSL-1.0": ("boost", "boost software license 1 0", "boost software license 1 0 bsl 1 0", "boost 1 0"),
        "CC0-1.0": ("cc0", "cc0 1 0 universal", "cc0 1 0 universal cc0 1 0 public domain dedication"),
        "CDDL-1.0": ("cddl", "common development and distribution license 1 0 cddl 1 0", "cddl 1 0"),
        "CECILL-2.1": ("cecill 2 1 free software license agreement cecill 2 1", "cecill v2 1"),
        "EPL-1.0": ("eclipse public license 1 0 epl 1 0", "eclipse public license 1 0", "eclipse public license v1 0"),
        "EPL-2.0": (
            "eclipse public license 2 0 epl 2 0", "eclipse public license 2 0", "eclipse public license v2 0",
            "eclipse public license v 2 0", "epl 2",
        ),
        "EUPL-1.2": ("european union public licence 1 2 eupl 1 2", "eupl v1 2"),
        "GPL-2.0-only": (
            "gpl2", "gplv2", "gpl v2", "gpl 2", "gnu gpl v2", "gnu general public license v2", "gnu gplv2",
            "gnu general public license v2 gplv2", "gnu general public license version 2",
        ),
        "GPL-2.0-or-later": (
            "gnu general public license v2 or later gplv2+", "gplv2 or later", "gpl v2 or later", "gplv2+", "gpl 2+",
            "gpl2+", "gpl v2+",
        ),
        "GPL-3.0-only": (
            "gpl3", "gplv3", "gpl v3", "gpl 3", "gnu gpl v3", "gnu general public license v3", "gnu gplv3",
            "gnu general public license v3 gplv3", "gnu gpl 3", "gnu general public license version 3",
        ),
        "GPL-3.0-or-later": (
            "gnu general public license v3 or later gplv3+", "gplv3 or later", "gpl v3 or later", "gplv3+", "gpl 3+",
            "gpl3+", "gpl v3+",
        ),
        "HPND": ("historical permission notice and disclaimer hpnd", "historical permission notice and disclaimer"),
        "ISC": ("isc license", "isc license iscl", "iscl", "the isc license"),
        "LGPL-2.1-only": ("lgplv2 1", "lgpl v2 1", "gnu lesser general public license v2 1", "lgpl 2 1"),
        "LGPL-2.0-only": (
            "gnu lesser general public license v2 lgplv2", "gnu library or lesser general public license v2",
        ),
        "LGPL-2.0-or-later": ("gnu lesser general public license v2 or later lgplv2+",),
        "LGPL-2.1-or-later": ("lgplv2 1+", "lgpl v2 1+", "lgplv2 1 or later", "lgpl 2 1+"),
        "LGPL-3.0-only": (
            "gnu lesser general public license v3 lgplv3", "lgplv3", "lgpl v3", "gnu lesser general public license v3",
            "gnu lgplv3", "lgpl 3",
        ),
        "LGPL-3.0-or-later": ("gnu lesser general public license v3 or later lgplv3+", "lgplv3+", "lgpl v3+"),
        "MIT": (
            "mit license", "the mit license", "expat", "expat license", "mit x11", "the mit license mit", "mit licence",
            "mit license mit", "mit expat", "x11 mit", "bouncy castle licence", "bouncy castle license",
            "mit software license",
        ),
        "MIT-0": ("mit no attribution license mit 0", "mit no attribution"),
        "MPL-1.1": ("mozilla public license 1 1 mpl 1 1", "mpl 1 1", "mozilla public license 1 1"),
        "MPL-2.0": (
            "mozilla public license 2 0 mpl 2 0", "mpl 2", "mpl2", "mpl v2", "mplv2", "mozilla public license 2 0",
            "mozilla public license version 2 0", "mpl 2 0", "mpl v2 0",
        ),
        "MulanPSL-2.0": ("mulan permissive software license v2 mulanpsl 2 0", "mulan psl v2"),
        "NCSA": ("university of illinois ncsa open source license", "university of illinois open source license"),
        "OFL-1.1": ("sil open font license 1 1 ofl 1 1", "ofl", "sil ofl 1 1"),
        "PSF-2.0": ("psf", "psfl", "python software foundation license", "psf license", "python software foundation"),
        "PostgreSQL": ("postgresql license",),
        "Python-2.0": ("cnri python license", "python license"),
        "Unlicense": ("the unlicense unlicense", "the unlicense", "unlicense", "unlicence"),
        "UPL-1.0": ("universal permissive license upl", "universal permissive license"),
        "W3C": ("w3c license",),
        "WTFPL": ("do what the fuck you want to public license wtfpl", "do what the f ck you want to public license"),
        "ZPL-2.1": ("zope public license", "zpl 2 1", "zope public license 2 1"),
        "Zlib": ("zlib libpng license", "zlib license", "zlib libpng"),
    }.items()
    for spoken in names
}  # fmt: skip
# Where a licence's text stands on the web, without scheme, "www." and a last suffix.
_ADDRESSES = {
    address: expression
    for expression, addresses in {
        "Apache-2.0": ("apache.org/licenses/license-2.0", "opensource.org/licenses/apache-2.0"),
        "BSD-2-Clause": ("opensource.org/licenses/bsd-2-clause", "opensource.org/licenses/bsd-license"),
        "BSD-3-Clause": (
            "opensource.org/licenses/bsd-3-clause", "eclipse.org/org/documents/edl-v10", "asm.ow2.io/license",
        ),
        "CC0-1.0": ("creativecommons.org/publicdomain/zero/1.0", "creativecommons.org/publicdomain/zero/1.0/legalcode"),
        "EPL-1.0": ("eclipse.org/legal/epl-v10", "opensource.org/licenses/eclipse-1.0"),
        "EPL-2.0": ("eclipse.org/legal/epl-2.0", "eclipse.org/legal/epl-v20", "opensource.org/licenses/epl-2.0"),
        "GPL-2.0-only": ("gnu.org/licenses/old-licenses/gpl-2.0", "opensource.org/licenses/gpl-2.0"),
        "GPL-3.0-only": ("gnu.org/licenses/gpl-3.0", "opensource.org/licenses/gpl-3.0"),
        "ISC": ("opensource.org/licenses/isc",),
        "LGPL-2.1-only": ("gnu.org/licenses/old-licenses/lgpl-2.1", "opensource.org/licenses/lgpl-2.1"),
        "LGPL-3.0-only": ("gnu.org/licenses/lgpl-3.0", "opensource.org/licenses/lgpl-3.0"),
        "MIT": ("opensource.org/licenses/mit", "opensource.org/licenses/mit-license", "opensource.org/license/mit"),
        "MPL-2.0": ("mozilla.org/mpl/2.0", "mozilla.org/en-us/mpl/2.0", "opensource.org/licenses/mpl-2.0"),
    }.items()
    for address in addresses
}  # fmt: skip
_WEB = re.compile(r"\Ahttps?://(?:www\.)?(\S+?)(?:\.(?:html|txt|php|htm))?/?\Z", re.I)
_NOTHING = frozenset(
    ("", "unknown", "n a", "na", "none", "null", "other", "tbd", "proprietary or other", "see license", "dual license")
)
_FOLD = re.compile(r"[^a-z0-9+]+")
_NOT_IN_REF = re.compile(r"[^A-Za-z0-9.]+")
_REF = re.compile(r"\A(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+\Z")
_OPERATOR = re.compile(r"\s(?:AND|OR|WITH)\s|[()]", re.I)
_LIST = re.compile(r"\s*[/|]\s*")


@lru_cache(maxsize=8192)
def canonical(said: str) -> Licence:
    """Return the SPDX expression for what was said about a licence.

    SPDX expressions (deprecated ids become current ones), trove classifiers, Cargo's ``A/B`` (either) and the
    usual names are understood.
    """
    text = " ".join(said.split())
    if text == NONE:
        return Licence(NONE)
    if text.startswith("License ::"):
        text = text.rsplit("::", 1)[-1].strip()
        if text in ("OSI Approved", "License", "Other/Proprietary License"):
            return Licence(NOASSERTION)
    if len(text) > _MAX_EXPRESSION_CHARS:
        return Licence(NOASSERTION, said[:_MAX_NAME_CHARS])
    folded = fold(text)
    if text == NOASSERTION or not text or folded and folded in _NOTHING:
        return Licence(NOASSERTION)
    parsed = _parsed(text)
    if parsed is not None:
        return parsed
    address = _WEB.match(text)
    if address is not None:
        known = _ADDRESSES.get(address[1].lower())
        return Licence(known) if known is not None else Licence(NOASSERTION, text[:_MAX_NAME_CHARS])
    spoken = _SPOKEN.get(folded) or _SPOKEN.get(folded.removeprefix("the ").removesuffix(" license"))
    if spoken is not None:
        return Licence(spoken)
    if _OPERATOR.search(text) is None:
        names = _LIST.split(text)
        if len(names) > 1:
            parts = [canonical(name) for name in names]
            if all(part.unknown is None and part.expression != NOASSERTION for part in parts):
                return Licence(_joined(" OR ", (part.expression for part in parts)))
        if len(text) <= _MAX_NAME_CHARS:
            return Licence(reference(text), text)
    return Licence(NOASSERTION, text[:_MAX_NAME_CHARS])


def fold(text: str) -> str:
    """Return ``text`` in lower case with every run of punctuation and blanks folded to one space."""
    return _FOLD.sub(" ", text.lower()).strip()


def reference(name: str) -> str:
    """Return the ``LicenseRef-`` that stands for a name, or `NOASSERTION` where nothing of it may stand in one."""
    idstring = _NOT_IN_REF.sub("-", name).strip("-")
    return f"LicenseRef-{idstring}" if idstring else NOASSERTION


def every(said: Iterable[str]) -> Licence:
    """Return what holds where all of several licences were found: their conjunction, sorted; unknown ones joined.

    A corpus that lists the licences found in a repository does not say how they relate; AND claims the least freedom.
    """
    licences = [canonical(one) for one in said]
    expressions = sorted({one.expression for one in licences} - {NOASSERTION, NONE})
    unknown = ", ".join(sorted({one.unknown for one in licences if one.unknown}))
    if not expressions:
        none = bool(licences) and all(one.expression == NONE for one in licences)
        return Licence(NONE if none else NOASSERTION, unknown or None)
    return Licence(_joined(" AND ", expressions), unknown or None)


def _joined(operator: str, expressions: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(expressions))
    if len(distinct) == 1:
        return distinct[0]
    return operator.join(f"({one})" if " OR " in one or " AND " in one else one for one in distinct)


def either(expressions: Iterable[str]) -> str:
    """Return the disjunction of valid expressions, in the order given."""
    return _joined(" OR ", expressions)


def _parsed(text: str) -> Licence | None:
    """Return the rendered expression if ``text`` parses and names at least one licence that is known."""
    if _REF.match(text):
        return Licence(text)
    licensing = _licensing()
    try:
        parsed = licensing.parse(text)
    except (ExpressionError, ParseError, AttributeError, RecursionError, IndexError, TypeError):
        return None
    if not isinstance(parsed, LicenseExpression):
        return None
    unknown = {key for key in licensing.unknown_license_keys(parsed) if not _REF.match(key)}
    if not unknown:
        return Licence(parsed.render())
    if _OPERATOR.search(text) is None:
        return None
    # A compound expression with foreign names keeps its shape; each foreign name is looked up by itself.
    named: dict[LicenseSymbol, LicenseExpression] = {}
    strange = []
    for symbol in licensing.license_symbols(parsed, unique=True, decompose=True):
        if symbol.key in unknown:
            found = canonical(symbol.key)
            if found.expression == NOASSERTION:
                return Licence(NOASSERTION, text[:_MAX_NAME_CHARS])
            if found.unknown:
                strange.append(found.unknown)
            named[symbol] = licensing.parse(found.expression)
    rendered = parsed.subs(named).render()
    # An exception (after WITH) that nobody knows is out of reach of the substitution.
    if any(not _REF.match(key) for key in licensing.unknown_license_keys(licensing.parse(rendered))):
        return Licence(NOASSERTION, text[:_MAX_NAME_CHARS])
    return Licence(rendered, ", ".join(strange) or None)


_TAG = re.compile(rb"SPDX-License-Identifier:[ \t]*([^\r\n]{1,500})")
# What may follow an expression on its line: the end of a comment, a quote, a tag.
_AFTER = re.compile(r"\s*(?:\*/|-->|--%>|#\}|\*\)|-\}|\"\"\"|'''|%>|</|[\"'`;,<>|*#].*).*\Z")


def header(head: bytes) -> Licence | None:
    """Return what ``SPDX-License-Identifier`` tags in the first bytes of a file say, or None.

    Several tags hold together (REUSE): they are joined by AND. Tags inside of a marked snippet
    (``SPDX-SnippetBegin``) speak of the snippet alone and are passed over.
    """
    if b"SPDX-License-Identifier:" not in head:
        return None
    snippet = head.find(b"SPDX-SnippetBegin")
    return _together(tuple(_TAG.findall(head if snippet < 0 else head[:snippet])))


@lru_cache(maxsize=4096)
def _together(found: tuple[bytes, ...]) -> Licence | None:
    """Return what the rests of the lines with tags say together, None if there is nothing in them."""
    said = []
    for raw in found:
        text = _AFTER.sub("", raw.decode("utf-8", "replace")).strip()
        # A closing parenthesis that was never opened belongs to the comment around.
        if text.count(")") > text.count("("):
            text = text.rstrip(") ")
        if any(char.isalnum() for char in text):
            said.append(text)
    return every(said) if said else None


_MARKS = (b"copyright", b"(c) ", b"\xc2\xa9")
_EVIDENCE = re.compile(r"(?:19|20)\d\d|\(c\)|©|copyright:|copyright by|SPDX-FileCopyrightText:", re.I)
_EDGES = " \t\r\f\v*/#;%\"'|`!{}-=~"
_LONGEST_LINE = 400


def copyrights(head: bytes, lowered: bytes | None = None) -> tuple[str, ...]:
    """Return the copyright lines in the first bytes of a file: at most 5, each at most 200 characters.

    A line counts if it says ``Copyright``, ``(c)``, ``©`` or ``SPDX-FileCopyrightText`` with a year or a sign; prose
    about copyright does not. ``lowered`` is ``head.lower()`` if the caller has it already.
    """
    low = head.lower() if lowered is None else lowered
    # Where each mark stands next; one that comes no more is not looked for again.
    starts = {mark: start for mark in _MARKS if (start := low.find(mark)) >= 0}
    lines: dict[str, None] = {}
    while starts:
        start = min(starts.values())
        end = head.find(b"\n", start, start + _LONGEST_LINE)
        if end < 0:
            end = min(len(head), start + _LONGEST_LINE)
        if low.startswith(b"spdx-file", start - 9):
            start -= 9
        line = head[start:end].decode("utf-8", "replace")
        if _EVIDENCE.search(line):
            lines.setdefault(" ".join(line.removesuffix("-->").strip(_EDGES).split())[:MAX_COPYRIGHT_CHARS], None)
            if len(lines) == MAX_COPYRIGHTS:
                break
        for mark in [mark for mark, start in starts.items() if start < end]:
            starts[mark] = low.find(mark, end)
            if starts[mark] < 0:
                del starts[mark]
    return tuple(lines)


_LICENCE_NAME = re.compile(
    r"(?:un)?licen[cs]es?(?:[-_. ].*)?|copying(?:[-_.].*)?|copyright|([a-z0-9.]+)[-_.]licen[cs]e(?:\.\w+)?", re.I
)
_FAMILIES = frozenset(("apache", "bsd", "gpl", "lgpl", "agpl", "mpl", "epl", "cc", "the", "lesser", "lib", "gnu"))
_TEXT_SUFFIXES = frozenset(
    ("", "txt", "md", "rst", "markdown", "html", "htm", "text", "lesser", "lib", "mit", "bsd", "apache")
)


def names_no_licence(name: str) -> bool:
    """Return whether part of a file's name is neither a licence nor a family of them."""
    return fold(name).split(" ")[0] not in _FAMILIES and canonical(name).unknown is not None


def is_licence_file(name: str) -> bool:
    """Return whether a file of this name is where a folder states its licence.

    What stands before the word must be a licence (MIT-LICENSE); ICON_LICENSE speaks of something else.
    """
    found = _LICENCE_NAME.fullmatch(name)
    if found is None or found[1] is not None and names_no_licence(found[1]):
        return False
    dot = name.rfind(".")
    ending = name[dot + 1 :].lower() if dot > 0 else ""
    return ending in _TEXT_SUFFIXES or ending.isdigit() or name[:dot].isupper() and ending.upper() == name[dot + 1 :]
