"""Building an index and adding to one: plan, segments by several workers, one filter layer, one replaced index.json.

Killed at any moment, the build leaves the index as it was before, and the same command goes on where it stopped:
finished tasks are found in the scratch folder, everything else is done again (ARCHITECTURE.md, Building).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.commit import WriterLock, read_manifest
from indexer.plan import count_tasks, make_plan
from indexer.pool import Crew
from indexer.report import BuildReport, Listener
from indexer.rules import Rules, described
from indexer.run import Run, count_workers, require_documents
from indexer.sources.base import DocumentSource
from provenance.errors import MismatchError
from provenance.manifest import Corpus, Manifest
from provenance.parameters import Parameters
from provenance.search import place, prepare

if TYPE_CHECKING:
    from provenance.search.elasticsearch.cluster import ClusterSettings

BY_RULE = frozenset(
    "binary,empty,excluded,git-lfs pointer,hard link,hidden,ignored by .gitignore,index,minified,no text,not a file,"
    "package metadata,submodule,symbolic link,too large,too small".split(",")
)
"""Reasons for which a text is left out on purpose. Any other means that something of the corpus was lost, and
that the index is not complete."""


def build(
    sources: Sequence[DocumentSource],
    directory: str | os.PathLike[str],
    *,
    parameters: Parameters | None = None,
    corpus_name: str | None = None,
    corpus_revision: str | None = None,
    workers: int | None = None,
    rules: Rules | None = None,
    progress: Listener | None = None,
    cluster: ClusterSettings | None = None,
) -> BuildReport:
    """Build an index from sources, or add to the one that is there; returns the report.

    ``parameters`` None means those of the existing index, else the defaults. Documents that the index holds already
    are skipped and counted. ``workers`` is a number of processes, by default one a CPU; with 1 all is done in this
    process. The result does not depend on it. With more, the calling script must be importable
    (``if __name__ == "__main__":``). ``rules`` are for the report: the sources have applied them. ``cluster`` is for
    the engine elasticsearch; an index remembers where its cluster is.

    Raises `MismatchError` for other parameters than the existing index has, `IndexBusy` where another process
    writes it, `CorpusError` where there is nothing to index, `StorageError` where the disk refuses. The
    index that was there before stays readable whatever happens.
    """
    root = Path(directory)
    with WriterLock(root) as lock, Crew(count_workers(workers), lock.descriptor) as crew:
        old = read_manifest(root)
        if old is not None and parameters is not None and parameters != old.parameters:
            raise MismatchError(_difference(root, old.parameters, parameters))
        parameters = parameters or (old.parameters if old is not None else Parameters())
        require_documents(root, parameters)
        prepare(parameters.as_dict(), root, cluster, [entry.id for entry in old.segments] if old is not None else ())
        run = Run(root, crew, old, parameters, progress)
        run.report.rules = dict(described(rules)) if rules is not None else {}
        before = old or Manifest(parameters=parameters, corpus=Corpus(corpus_name or root.resolve().name))
        corpus = replace(
            before.corpus,
            name=corpus_name or before.corpus.name,
            revision=corpus_revision or before.corpus.revision,
        )
        decisive = (
            "build",
            parameters,
            place(parameters.as_dict(), root),
            rules,
            before.digest,
            before.removed,
            corpus.name,
            corpus.revision,
        )
        segment_bytes, kinds = parameters.segment_bytes, {type(source) for source in sources}

        def planned(units: int, weight: int) -> None:
            run.planned(units, weight)
            crew.gather(count_tasks(weight, segment_bytes), kinds)

        with run.phase("planning"):
            plan = make_plan(sources, segment_bytes, decisive, planned)
        results = run.write_segments(plan, sources, before, segment_bytes=segment_bytes, known=bool(before.segments))
        added = [entry for result in results for entry in result.segments]
        if not added:
            run.scratch.remove()
            return run.nothing_new(old, results)
        corpus = replace(corpus, complete=corpus.complete and BY_RULE.issuperset(run.report.tally.skipped))
        return run.commit(before, (*before.segments, *added), results, corpus, rebuild=None)


def _difference(root: Path, old: Parameters, new: Parameters) -> str:
    found, wanted = asdict(old), asdict(new)
    named = ", ".join(f"{name} {found[name]} (not {wanted[name]})" for name in found if found[name] != wanted[name])
    return f"{root}: the index was built with {named}; add with the same settings, or build into another folder"
