"""Full-text engines behind one Protocol, and literal, ranked and regular-expression search over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import EngineUnavailable, ParameterError
from provenance.search.base import SearchEngine, SegmentWriter

if TYPE_CHECKING:
    from provenance.search.elasticsearch.cluster import ClusterSettings

__all__ = ["ENGINES", "discard", "open_engine", "open_writer", "prepare", "tidy"]

ENGINES = ("tantivy", "elasticsearch")
"""Names that the parameter ``engine`` of an index may have."""


def open_engine(parameters: Mapping[str, Any], segment_directories: Sequence[Path]) -> SearchEngine:
    """Return the engine over the search parts of the segments, in the order given.

    A `ContentRef` of the engine counts segments by their position in ``segment_directories``.
    Raises `ParameterError` for an engine this release does not have, `CorruptFile` for a damaged part,
    `EngineUnavailable` for an index that holds filters only, or a cluster that does not answer, `MismatchError` for a
    cluster that has not all of it.
    """
    if parameters.get("engine") == "none":
        raise EngineUnavailable("this index is an imported portrait, a filter without texts: check can ask it, no more")
    _check(parameters)
    if parameters["engine"] == "elasticsearch":
        from provenance.search.elasticsearch.querying import ElasticsearchEngine

        return ElasticsearchEngine(segment_directories)
    from provenance.search.tantivy import TantivyEngine

    return TantivyEngine(segment_directories)


def open_writer(parameters: Mapping[str, Any], directory: Path) -> SegmentWriter:
    """Return a writer for the search part of one new segment, whose directory exists, in an index folder's segments."""
    _check(parameters)
    if parameters["engine"] == "elasticsearch":
        from provenance.search.elasticsearch.loading import ElasticsearchWriter

        return ElasticsearchWriter(directory)
    from provenance.search.tantivy import TantivyWriter

    return TantivyWriter(directory)


def prepare(parameters: Mapping[str, Any], root: Path, cluster: ClusterSettings | None = None) -> None:
    """Make ready what segments of an index folder are written to; for a writer that holds the lock, before any of them.

    Raises `ParameterError` where the engine needs a cluster and none is known, or none and one is given,
    `EngineUnavailable` where it does not answer, `MismatchError` where it is not the one of before.
    """
    if parameters.get("engine") == "elasticsearch":
        from provenance.search.elasticsearch.cluster import ClusterSettings as Settings
        from provenance.search.elasticsearch.cluster import prepare as prepare_cluster

        prepare_cluster(root, cluster or Settings())
    elif cluster is not None:
        raise ParameterError("the address of a cluster is for the engine elasticsearch alone (--engine elasticsearch)")


def tidy(parameters: Mapping[str, Any], root: Path, text_bytes: int) -> None:
    """Make what an engine keeps outside of the folder small and fast to ask, after so much text was added.

    Raises `EngineUnavailable`.
    """
    if parameters.get("engine") == "elasticsearch":
        from provenance.search.elasticsearch.cluster import tidy as tidy_cluster

        tidy_cluster(root, text_bytes)


def discard(segment_directories: Iterable[Path]) -> None:
    """Delete what segments have outside of their folders, which are about to go. Raises `EngineUnavailable`."""
    elsewhere = [folder for folder in segment_directories if (folder / "search" / "elasticsearch.json").exists()]
    if elsewhere:
        from provenance.search.elasticsearch.cluster import discard as discard_parts

        discard_parts(elsewhere)


def _check(parameters: Mapping[str, Any]) -> None:
    engine = parameters.get("engine")
    if engine not in ENGINES:
        raise ParameterError(f"engine {engine!r} is not known; this release has: {', '.join(ENGINES)}")
