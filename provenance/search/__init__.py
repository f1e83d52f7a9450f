"""Full-text engines behind one Protocol, and literal, ranked and regular-expression search over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import EngineUnavailable, ParameterError
from provenance.search.base import SearchEngine, SegmentWriter

if TYPE_CHECKING:
    from provenance.search.elasticsearch.cluster import ClusterSettings
    from provenance.store import Frames

__all__ = [
    "ENGINES",
    "discard",
    "expect_frames",
    "is_outdated",
    "open_engine",
    "open_frames",
    "open_writer",
    "place",
    "prepare",
    "settle",
    "tidy",
    "uses_cluster",
]

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


def open_frames(segment: Path) -> Frames:
    """Return the frames of a segment's block file of texts, which lie on a cluster.

    Raises `EngineUnavailable`, `MismatchError`, `CorruptFile`.
    """
    from provenance.search.elasticsearch.texts import ClusterFrames

    return ClusterFrames(segment)


def expect_frames(wanted: Iterable[tuple[Frames, Sequence[int]]]) -> None:
    """Fetch frames of several segments, all in one go. Raises as `open_frames`."""
    from provenance.search.elasticsearch.texts import ClusterFrames, expect

    expect((frames, blocks) for frames, blocks in wanted if isinstance(frames, ClusterFrames))


def open_writer(parameters: Mapping[str, Any], directory: Path) -> SegmentWriter:
    """Return a writer for the search part of one new segment, whose directory exists, in an index folder's segments."""
    _check(parameters)
    if parameters["engine"] == "elasticsearch":
        from provenance.search.elasticsearch.loading import ElasticsearchWriter

        return ElasticsearchWriter(directory)
    from provenance.search.tantivy import TantivyWriter

    return TantivyWriter(directory)


def prepare(
    parameters: Mapping[str, Any],
    root: Path,
    cluster: ClusterSettings | None = None,
    segments: Iterable[str] = (),
    *,
    new: bool = False,
) -> None:
    """Make ready what segments of an index folder are written to; for a writer that holds the lock, before any of them.

    ``segments`` names those in force; ``new`` asks for a place beside theirs, where the engine has one.
    Raises `ParameterError` where the engine needs a cluster and none is known, or none and one is given,
    `EngineUnavailable` where it does not answer, `MismatchError` where it is not the one of before.
    """
    if parameters.get("engine") == "elasticsearch":
        from provenance.search.elasticsearch.cluster import ClusterSettings as Settings
        from provenance.search.elasticsearch.upkeep import prepare as prepare_cluster

        prepare_cluster(root, cluster or Settings(), _folders(root, segments), new=new)
    elif cluster is not None or new:
        raise ParameterError("the address of a cluster is for the engine elasticsearch alone (--engine elasticsearch)")


def place(parameters: Mapping[str, Any], root: Path) -> str:
    """Return the id of the place outside of the folder that segments are written to; none for most engines."""
    if parameters.get("engine") != "elasticsearch":
        return ""
    from provenance.search.elasticsearch.cluster import Record

    return Record.of(root).loading.uuid


def is_outdated(parameters: Mapping[str, Any], root: Path, segments: Iterable[str]) -> bool:
    """Tell whether the place outside of the folder that segments are in is of another release. `EngineUnavailable`."""
    if parameters.get("engine") != "elasticsearch" or not uses_cluster(root):
        return False
    from provenance.search.elasticsearch.upkeep import is_outdated as is_mapping_outdated

    return is_mapping_outdated(root, _folders(root, segments))


def uses_cluster(root: Path) -> bool:
    """Tell whether an index folder has anything on a cluster."""
    return (root / "elasticsearch.json").exists()


def settle(parameters: Mapping[str, Any], root: Path) -> None:
    """Tell others which place outside of the folder is the one in force, once it is. Raises `EngineUnavailable`."""
    if parameters.get("engine") == "elasticsearch":
        from provenance.search.elasticsearch.upkeep import settle as settle_alias

        settle_alias(root)


def tidy(parameters: Mapping[str, Any], root: Path, text_bytes: int) -> None:
    """Make what an engine keeps outside of the folder small and fast to ask, after so much text was added.

    Raises `EngineUnavailable`.
    """
    if parameters.get("engine") == "elasticsearch":
        from provenance.search.elasticsearch.upkeep import tidy as tidy_cluster

        tidy_cluster(root, text_bytes)


def discard(segment_directories: Iterable[Path]) -> None:
    """Delete what segments have outside of their folders, which are about to go. Raises `EngineUnavailable`."""
    elsewhere = [folder for folder in segment_directories if (folder / "search" / "elasticsearch.json").exists()]
    if elsewhere:
        from provenance.search.elasticsearch.upkeep import discard as discard_parts

        discard_parts(elsewhere)


def _folders(root: Path, segments: Iterable[str]) -> list[Path]:
    return [root / "segments" / name for name in segments]


def _check(parameters: Mapping[str, Any]) -> None:
    engine = parameters.get("engine")
    if engine not in ENGINES:
        raise ParameterError(f"engine {engine!r} is not known; this release has: {', '.join(ENGINES)}")
