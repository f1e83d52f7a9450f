"""What a licence asks of those who pass code on, in four classes.

The classes follow the categories that the `license-expression` package brings for 2,500 licences (ScanCode LicenseDB):
Permissive and Public Domain; Copyleft Limited (weak: LGPL, MPL, EPL); Copyleft (strong: GPL, AGPL); everything else is
``restricted`` (proprietary, source-available, non-commercial). What nobody has said, or nobody knows, is ``unknown``.

Of ``A OR B`` one may choose, so that the milder class counts; of ``A AND B`` both hold, so that the stricter one
counts. An exception (``GPL-2.0-only WITH Classpath-exception-2.0``) has a category of its own and makes a strong
copyleft weak. A permissive licence still asks for its notice: no class means "free to use".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

from provenance.records import NOASSERTION, NONE

LicenceClass = Literal["permissive", "weak-copyleft", "strong-copyleft", "restricted", "unknown"]
CLASSES: tuple[LicenceClass, ...] = get_args(LicenceClass)
_CATEGORIES: Mapping[str, LicenceClass] = {
    "Permissive": "permissive",
    "Public Domain": "permissive",
    "Copyleft Limited": "weak-copyleft",
    "Copyleft": "strong-copyleft",
    "Unstated License": "unknown",
}


@lru_cache(maxsize=4096)
def licence_class(expression: str) -> LicenceClass:
    """Return the class of an SPDX expression; ``unknown`` for what is none."""
    from license_expression import ExpressionError

    if expression in (NOASSERTION, NONE, ""):
        return "unknown"
    try:
        parsed = _licensing().parse(expression)
    except ExpressionError:
        return "unknown"
    return _class_of(parsed)


@lru_cache(maxsize=4096)
def identifiers(expression: str) -> frozenset[str]:
    """Return the SPDX identifiers in an expression, exceptions left out; of what is none, the whole as it stands."""
    from license_expression import ExpressionError

    try:
        parsed = _licensing().parse(expression)
    except ExpressionError:
        return frozenset((expression,))
    if parsed is None:
        return frozenset()
    return frozenset(str(getattr(each, "license_symbol", each).key) for each in parsed.literals)


@lru_cache(maxsize=1)
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@lru_cache(maxsize=1)
def _categories() -> dict[str, str]:
    from license_expression import get_license_index

    found: dict[str, str] = {}
    for entry in get_license_index():
        for name in (entry.get("spdx_license_key"), *entry.get("other_spdx_license_keys", ())):
            if name:
                found[name] = entry.get("category") or ""
    return found


def _class_of(parsed: Any) -> LicenceClass:
    operator = getattr(parsed, "operator", "").strip()
    if operator in ("AND", "OR"):
        classes = [_class_of(each) for each in parsed.args]
        return _mildest(classes) if operator == "OR" else _strictest(classes)
    exception = getattr(parsed, "exception_symbol", None)
    if exception is not None:
        own = _class_of(parsed.license_symbol)
        # An exception only permits more; its category tells how far.
        return _mildest([own, _of_identifier(exception.key)]) if own == "strong-copyleft" else own
    return _of_identifier(parsed.key)


def _of_identifier(identifier: str) -> LicenceClass:
    category = _categories().get(identifier)
    if category is None:
        return "unknown"
    return _CATEGORIES.get(category, "restricted")


_SEVERITY: Mapping[LicenceClass, int] = {
    "permissive": 0,
    "weak-copyleft": 1,
    "strong-copyleft": 2,
    "restricted": 3,
    "unknown": 4,
}


def _mildest(classes: Sequence[LicenceClass]) -> LicenceClass:
    return min(classes, key=_SEVERITY.__getitem__)


def _strictest(classes: Sequence[LicenceClass]) -> LicenceClass:
    return max(classes, key=_SEVERITY.__getitem__)
