"""Full-text engines behind one Protocol, and literal, ranked and regular-expression search over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance.errors import EngineUnavailable, ParameterError
from provenance.search.base import SearchEngine, SegmentWriter

__all__ = ["ENGINES", "open_engine", "open_writer"]

ENGINES = ("tantivy",)
"""Names that the parameter ``engine`` of an index may have."""


def open_engine(parameters: Mapping[str, Any], segment_directories: Sequence[Path]) -> SearchEngine:
    """Return the engine over the search parts of the segments, in the order given.

    A `ContentRef` of the engine counts segments by their position in ``segment_directories``.
    Raises `ParameterError` for an engine this release does not have, `CorruptFile` for a damaged part,
    `EngineUnavailable` for an index that holds filters only.
    """
    if parameters.get("engine") == "none":
        raise EngineUnavailable("this index is an imported portrait, a filter without texts: check can ask it, no more")
    _check(parameters)
    from provenance.search.tantivy import TantivyEngine

    return TantivyEngine(segment_directories)


def open_writer(parameters: Mapping[str, Any], directory: Path) -> SegmentWriter:
    """Return a writer for the search part of one new segment, whose directory exists."""
    _check(parameters)
    from provenance.search.tantivy import TantivyWriter

    return TantivyWriter(directory)


def _check(parameters: Mapping[str, Any]) -> None:
    engine = parameters.get("engine")
    if engine not in ENGINES:
        raise ParameterError(f"engine {engine!r} is not known; this release has: {', '.join(ENGINES)}")
