"""Classes of licence expressions."""

from __future__ import annotations

import pytest

from provenance.guard.licences import identifiers, licence_class


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", "permissive"),
        ("Apache-2.0", "permissive"),
        ("PSF-2.0", "permissive"),
        ("CC0-1.0", "permissive"),
        ("LGPL-3.0-or-later", "weak-copyleft"),
        ("MPL-2.0", "weak-copyleft"),
        ("GPL-3.0-only", "strong-copyleft"),
        ("GPL-2.0+", "strong-copyleft"),
        ("AGPL-3.0-or-later", "strong-copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "weak-copyleft"),
        ("GPL-2.0-only OR MIT", "permissive"),
        ("GPL-2.0-only AND MIT", "strong-copyleft"),
        ("(LGPL-2.1-only OR GPL-2.0-only) AND BSD-3-Clause", "weak-copyleft"),
        ("BUSL-1.1", "restricted"),
        ("NOASSERTION", "unknown"),
        ("NONE", "unknown"),
        ("", "unknown"),
        ("LicenseRef-our-own", "unknown"),
        ("all rights) reserved", "unknown"),
        ("MIT OR LicenseRef-our-own", "permissive"),
        ("MIT AND LicenseRef-our-own", "unknown"),
    ],
)
def test_an_expression_has_the_class_of_what_it_asks(expression: str, expected: str) -> None:
    assert licence_class(expression) == expected


def test_the_identifiers_of_an_expression_are_told() -> None:
    assert identifiers("(GPL-2.0-only WITH Classpath-exception-2.0) OR MIT") == {"GPL-2.0-only", "MIT"}
    assert identifiers("LicenseRef-our-own") == {"LicenseRef-our-own"}
