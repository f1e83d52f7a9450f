"""Small filters over known keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from provenance.membership.base import Geometry
from provenance.membership.blocked import MEMBERSHIP, BlockedFilter, Header, write_filter


@pytest.fixture(scope="session")
def geometry() -> Geometry:
    """The geometry of an index with default parameters."""
    return Geometry(32, 32, "utf8", 0x70726F76656E616E, "layout-1")


@pytest.fixture(scope="session")
def write(geometry: Geometry) -> Callable[..., Header]:
    """What writes a filter of ascending distinct keys: ``write(path, keys, target=…, …)``."""

    def write_keys(path: Path, keys: bytes, *, announced: int | None = None, **settings: object) -> Header:
        values = np.frombuffer(keys, dtype="<u8")

        def key_range(low: int, high: int) -> bytes:
            first = np.searchsorted(values, np.uint64(low))
            last = len(values) if high == 1 << 64 else np.searchsorted(values, np.uint64(high))
            return values[first:last].tobytes()

        count = len(values) if announced is None else announced
        return write_filter(path, count, key_range, **{"geometry": geometry, "role": MEMBERSHIP, **settings})

    return write_keys


@pytest.fixture
def make_filter(tmp_path: Path, write: Callable[..., Header]) -> Callable[..., BlockedFilter]:
    """What writes a filter of ascending distinct keys and opens it."""
    made = 0

    def make(keys: bytes, **settings: object) -> BlockedFilter:
        nonlocal made
        made += 1
        path = tmp_path / f"{made}.flt"
        write(path, keys, **{"target": 1e-6, **settings})
        return BlockedFilter.open(path)

    return make
