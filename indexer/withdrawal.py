"""Withdrawal (opt-out): repositories, owners or single documents that must no longer be shown.

It acts at once: one new generation of index.json names a removal set (`provenance.removal`), and from then on no
answer holds the documents, nor a hit on a window that stands in no other document. Names are kept, so that later
additions leave them out as well. Compaction makes it physical.

The keys to hide are those of the texts that have no document left, less those that any remaining text holds; finding
the latter reads every stored text once. Commonness is not counted again before the next compaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.commit import WriterLock, read_manifest, replace_manifest, sweep
from indexer.removals import absent, write_removal_set
from indexer.run import readers, require_documents, utc_now, with_digest
from indexer.worker import Withdrawals
from provenance import kernel
from provenance.errors import IndexMissing, ParameterError
from provenance.manifest import NAME, Manifest, Removed
from provenance.removal import DOCUMENTS, read_documents
from provenance.segment import SegmentReader

if TYPE_CHECKING:
    from numpy import uint64
    from numpy.typing import NDArray

_CHUNK = 64 << 20


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one withdrawal did; holds names and counts, no text.

    ``documents`` and ``contents`` (stored copies of texts) count what it hid on top of earlier withdrawals,
    ``hidden_keys`` all keys hidden until the next compaction. ``attached`` filters were made elsewhere and are
    not covered.
    """

    when: str
    optout_version: int
    repositories: tuple[str, ...]
    owners: tuple[str, ...]
    named: tuple[str, ...]
    documents: int
    contents: int
    hidden_keys: int
    attached: int
    digest_before: str
    digest: str


def withdraw(
    directory: str | os.PathLike[str],
    *,
    repositories: Iterable[str] = (),
    owners: Iterable[str] = (),
    documents: Iterable[bytes] = (),
) -> Receipt:
    """Withdraw repositories, everything of an owner, or documents by their 16-byte ids; returns the receipt.

    Names are compared without regard to case; an owner is any part of a repository's name but the last
    (``owner/name``, ``host/owner/name``). A name that nothing bears now is kept out in future all the same.

    Raises `ParameterError` where nothing is named or an id is none, `IndexMissing`, `IndexBusy`, `StorageError`.
    """
    root = Path(directory)
    asked = _asked(repositories, owners, documents)
    if not (root / NAME).exists():
        raise IndexMissing(f"{root}: there is no index in this folder (no {NAME})")
    with WriterLock(root):
        old = read_manifest(root)
        if old is None:
            raise IndexMissing(f"{root}: there is no index in this folder (no {NAME})")
        require_documents(root, old.parameters)
        rules = Removed(
            repositories=_joined(old.removed.repositories, asked.repositories),
            owners=_joined(old.removed.owners, asked.owners),
            named=_joined(old.removed.named, asked.named),
        )
        hidden = _hidden_before(root, old)
        segments = readers(root, old.segments)
        generation = old.generation + 1
        sweep(root, old)
        try:
            found = _scan(segments, Withdrawals(rules), hidden)
            keys = _keys_of_none_left(segments, found.dead, old)
        finally:
            for segment in segments:
                segment.close()
        removed = rules
        if hidden or found.documents:
            removed = write_removal_set(root, generation, rules, b"".join(sorted(hidden | found.documents)), keys)
        optout = old.corpus.optout_version + 1
        corpus = replace(old.corpus, optout_version=optout, built=utc_now())
        manifest = with_digest(root, replace(old, generation=generation, removed=removed), corpus)
        replace_manifest(root, manifest)
        return Receipt(
            when=corpus.built,
            optout_version=optout,
            repositories=asked.repositories,
            owners=asked.owners,
            named=asked.named,
            documents=len(found.documents),
            contents=found.newly_dead,
            hidden_keys=removed.keys,
            attached=len(old.attached),
            digest_before=old.digest,
            digest=manifest.digest,
        )


@dataclass(slots=True)
class _Found:
    """Documents not hidden before; ``dead`` has the contents without a document left, of each segment."""

    documents: set[bytes]
    dead: list[set[int]]
    newly_dead: int = 0


def _asked(repositories: Iterable[str], owners: Iterable[str], documents: Iterable[bytes]) -> Removed:
    asked = Removed(
        repositories=tuple(sorted({name.strip().casefold() for name in repositories})),
        owners=tuple(sorted({name.strip().casefold() for name in owners})),
        named=tuple(sorted({identity.hex() for identity in documents})),
    )
    if not (asked.repositories or asked.owners or asked.named):
        raise ParameterError("nothing to withdraw: name a repository, an owner or a document")
    if "" in asked.repositories or "" in asked.owners:
        raise ParameterError("a repository or owner to withdraw has an empty name")
    for identity in asked.named:
        if len(identity) != 32:
            raise ParameterError(f"document id {identity!r} has {len(identity) // 2} bytes: it must have 16")
    return asked


def _joined(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*old, *new}))


def _hidden_before(root: Path, old: Manifest) -> frozenset[bytes]:
    if not old.removed.path:
        return frozenset()
    return read_documents(root / old.removed.path / DOCUMENTS, old.removed.documents)


def _scan(segments: Sequence[SegmentReader], rules: Withdrawals, hidden: frozenset[bytes]) -> _Found:
    found = _Found(set(), [set() for _ in segments])
    for segment, dead in zip(segments, found.dead, strict=True):
        for content in range(segment.contents):
            left = new = 0
            for identity, source in segment.sources(content):
                if identity in hidden:
                    continue
                if rules.covers(source.repository, identity):
                    found.documents.add(identity)
                    new += 1
                else:
                    left += 1
            if left == 0:
                dead.add(content)
                found.newly_dead += new > 0
    return found


def _keys_of_none_left(segments: Sequence[SegmentReader], dead: Sequence[set[int]], old: Manifest) -> bytes:
    """Return the keys of dead contents that no living content holds, ascending."""
    import numpy

    none_left: NDArray[uint64] = numpy.empty(0, dtype="<u8")
    for segment, gone in zip(segments, dead, strict=True):
        for keys in _key_chunks(segment, sorted(gone), old):
            none_left = numpy.union1d(none_left, keys)
    for segment, gone in zip(segments, dead, strict=True):
        if not len(none_left):
            break
        living = (content for content in range(segment.contents) if content not in gone)
        for keys in _key_chunks(segment, living, old):
            none_left = absent(none_left, keys)
    return none_left.tobytes()


def _key_chunks(segment: SegmentReader, contents: Iterable[int], old: Manifest) -> Iterable[NDArray[uint64]]:
    """Yield the distinct keys of some contents, ascending, a bounded number at a time."""
    import numpy

    parameters = old.parameters
    gathered = bytearray()
    for content in contents:
        normalised = kernel.normalise(segment.text(content))
        gathered += kernel.window_keys(normalised, parameters.width, parameters.stride, parameters.seed)
        if len(gathered) >= _CHUNK:
            yield numpy.frombuffer(kernel.sort_unique(gathered), dtype="<u8")
            gathered = bytearray()
    if gathered:
        yield numpy.frombuffer(kernel.sort_unique(gathered), dtype="<u8")
