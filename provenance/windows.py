"""Windows: what is stored, what is asked, and the shortest copy that is certain to be noticed.

A window is ``width`` units of normalised text (UTF-8 bytes, or code points). A stored text has those that start at
multiples of ``stride`` and fit whole, its *tiles*; a query is asked at every offset. All lengths here count units of
normalised text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provenance.errors import ParameterError

if TYPE_CHECKING:
    from provenance.membership.base import Geometry

DEFAULT_WIDTH = 32
DEFAULT_STRIDE = 32
DEFAULT_SEED = 0x70726F76656E616E
"""XXH3's seed: the letters ``provenan``."""

_LARGEST = 1 << 16
_CONTINUATIONS = bytes(range(0x80, 0xC0))


def validated(geometry: Geometry) -> Geometry:
    """Return ``geometry`` as it is.

    Raises:
        ParameterError: a number is out of range, or the unit is unknown.
    """
    for name, value, (low, high) in (
        ("width", geometry.width, (1, _LARGEST)),
        ("stride", geometry.stride, (1, _LARGEST)),
        ("seed", geometry.seed, (0, (1 << 64) - 1)),
    ):
        if not low <= value <= high:
            raise ParameterError(f"{name} is {value}: it must be a whole number from {low} to {high}")
    if geometry.unit not in ("utf8", "codepoint"):
        raise ParameterError(f"unit is {geometry.unit!r}: it must be 'utf8' or 'codepoint'")
    return geometry


def length_in_units(normalised: bytes, geometry: Geometry) -> int:
    """Return the length of a normalised text in the units of a geometry."""
    if geometry.unit == "codepoint" and not normalised.isascii():
        return len(normalised.translate(None, _CONTINUATIONS))
    return len(normalised)


def window_count(normalised: bytes, geometry: Geometry) -> int:
    """Return how many windows are asked: one at every offset at which one fits."""
    return max(0, length_in_units(normalised, geometry) - geometry.width + 1)


def check_floor(geometry: Geometry, min_chars: int) -> int:
    """Return the length from which every copy of stored text makes a chain of at least ``min_chars`` units.

    A chain of n tiles covers (n - 1) * stride + width; up to stride - 1 units may pass before the first tile begins.
    For width = stride this is stride * ceil(max(width, min_chars) / stride) + stride - 1: with 32/32, 63 for one
    window, 95 for two, 127 for three.

    Raises:
        ParameterError: ``min_chars`` is negative.
    """
    _require_length(min_chars)
    more_tiles = -(-max(0, min_chars - geometry.width) // geometry.stride)
    return more_tiles * geometry.stride + geometry.width + geometry.stride - 1


def trace_floor(geometry: Geometry, min_chars: int) -> int:
    """Return the length from which every copy of at least ``min_chars`` units is traced.

    Verification starts from one window, which a copy is certain to hold from width + stride - 1 units on.

    Raises:
        ParameterError: ``min_chars`` is negative.
    """
    _require_length(min_chars)
    return max(geometry.width + geometry.stride - 1, min_chars)


def _require_length(min_chars: int) -> None:
    if min_chars < 0:
        raise ParameterError(f"min_chars is {min_chars}: it must be 0 or more")
