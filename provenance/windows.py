"""Windows: what is stored, what is asked, and the shortest copy that is certain to be noticed.

A window is ``width`` units of normalised text (UTF-8 bytes, or code points). A stored text has those that start at
multiples of ``stride`` and fit whole, its *tiles*; a query is asked at every offset. All lengths here count units of
normalised text.
"""

from __future__ import annotations

from provenance.errors import ParameterError
from provenance.membership.base import Geometry

DEFAULT_WIDTH = 32
DEFAULT_STRIDE = 32
DEFAULT_SEED = 0x70726F76656E616E
"""XXH3's seed: the letters ``provenan``."""

_WIDTHS = (1, 4096)
_STRIDES = (1, 4096)
_CONTINUATIONS = bytes(range(0x80, 0xC0))


def validated(geometry: Geometry) -> Geometry:
    """Return ``geometry`` as it is.

    Raises:
        ParameterError: a number is out of range, or the unit is unknown.
    """
    for name, value, (low, high) in (
        ("width", geometry.width, _WIDTHS),
        ("stride", geometry.stride, _STRIDES),
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


def window_count(length: int, geometry: Geometry) -> int:
    """Return how many windows a text of ``length`` units has: one at every offset at which one fits."""
    return max(0, length - geometry.width + 1)


def tile_count(length: int, geometry: Geometry) -> int:
    """Return how many windows of a stored text of ``length`` units are stored."""
    return -(-window_count(length, geometry) // geometry.stride)


def chain_tiles(geometry: Geometry, min_chars: int) -> int:
    """Return how many tiles in a row cover ``min_chars`` units; at least one."""
    return 1 + -(-max(0, min_chars - geometry.width) // geometry.stride)


def check_floor(geometry: Geometry, min_chars: int) -> int:
    """Return the length from which every copy of stored text makes a chain of at least ``min_chars`` units.

    A chain of n tiles covers (n - 1) * stride + width; up to stride - 1 units may pass before the first tile begins.
    For width = stride this is stride * ceil(max(width, min_chars) / stride) + stride - 1.
    """
    return (chain_tiles(geometry, min_chars) - 1) * geometry.stride + geometry.width + geometry.stride - 1


def trace_floor(geometry: Geometry, min_chars: int) -> int:
    """Return the length from which every copy of at least ``min_chars`` units is traced.

    Verification starts from one window, which a copy is certain to hold from width + stride - 1 units on.
    """
    return max(geometry.width + geometry.stride - 1, min_chars)
