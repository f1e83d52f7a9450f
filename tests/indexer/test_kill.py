"""Death at chosen and at random moments: the index stays readable, and what comes out is what would have."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.compact import compact
from provenance.errors import IndexBusy, ProvenanceError
from provenance.index import Index

Built = Callable[..., Any]
POINTS = ("spill:3", "segment-commit:2", "task-commit:2", "layer-rename", "manifest-write", "sweep")
BUILD = """
import sys
from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.parameters import Parameters
corpus, target, workers = sys.argv[1:4]
sources = [open_source(f"{corpus}/part{n}", SourceOptions(each_folder=True)) for n in range(10)]
parameters = Parameters(segment_bytes=60_000, common_repositories=3)
if __name__ == "__main__":
    build(sources, target, workers=int(workers), corpus_name="small", parameters=parameters)
"""
COMPACT = """
import sys
from indexer.compact import compact
if __name__ == "__main__":
    compact(sys.argv[2], workers=int(sys.argv[3]), segment_bytes=200_000)
"""


def start(script: str, corpus: Path, target: Path, workers: int, fault: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if fault:
        environment["PROVENANCE_FAULT"] = fault
    command = [sys.executable, "-c", script, str(corpus), str(target), str(workers)]
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate(timeout=30)


def gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came true")


def again(action: Callable[[], Any]) -> Any:
    """Do something as soon as the processes that a kill has orphaned are gone."""
    for _ in range(1200):
        try:
            return action()
        except IndexBusy:
            time.sleep(0.05)
    raise AssertionError("the writer's lock was never given up")


def assert_clean(folder: Path) -> None:
    """Nothing is left but what index.json names."""
    with Index.open(folder) as index:
        index.verify()
        assert sorted(os.listdir(folder / "segments")) == sorted(entry.id for entry in index.manifest.segments)
        assert sorted(os.listdir(folder / "layers")) == sorted(entry.id for entry in index.manifest.layers)
    assert not (folder / "build").exists()


@pytest.fixture(scope="module")
def base(corpus: Path, small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the first two parts, to be added to."""
    from indexer.sources import open_source
    from indexer.sources.base import SourceOptions

    folder = tmp_path_factory.mktemp("base") / "index"
    sources = [open_source(str(corpus / f"part{n}"), SourceOptions(each_folder=True)) for n in range(2)]
    build(sources, folder, workers=1, corpus_name="small", parameters=small)
    return folder


@pytest.fixture(scope="module")
def grown(base: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after everything else was added, undisturbed."""
    folder = tmp_path_factory.mktemp("grown") / "index"
    shutil.copytree(base, folder)
    process = start(BUILD, corpus, folder, 1)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return folder


@pytest.fixture(scope="module")
def compacted(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after compaction, undisturbed."""
    folder = tmp_path_factory.mktemp("compacted") / "index"
    shutil.copytree(grown, folder)
    compact(folder, workers=1, segment_bytes=200_000)
    return folder


def same(folder: Path, other: Path, filters_of: Callable[[Path], list[bytes]], held: Any) -> None:
    with Index.open(folder) as index, Index.open(other) as expected:
        assert index.digest == expected.digest
    assert filters_of(folder) == filters_of(other)
    assert held(folder) == held(other)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_killed_build_leaves_the_index_readable_and_resumes(
    point: str,
    workers: int,
    base: Path,
    grown: Path,
    corpus: Path,
    tmp_path: Path,
    built: Built,
    filters_of: Callable[[Path], list[bytes]],
    held: Any,
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(base, folder)
    process = start(BUILD, corpus, folder, workers, point)
    _, errors = process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    if process.returncode != -signal.SIGKILL:  # only a worker was killed: the master says so
        assert b"a build worker ended early (killed by SIGKILL" in errors
    with Index.open(folder) as index, Index.open(base) as before:
        if point == "sweep":  # the new generation is in place
            assert index.digest != before.digest
        else:
            assert index.digest == before.digest
        index.verify()
    report = again(lambda: built(folder))
    if point != "sweep":
        if point in ("layer-rename", "manifest-write"):
            assert report.resumed_tasks == report.tasks
        elif workers == 1 and point == "task-commit:2":
            assert report.resumed_tasks == 1
        assert report.tally.documents > 50
    same(folder, grown, filters_of, held)
    assert_clean(folder)


def test_kill_at_twenty_random_moments(
    base: Path,
    grown: Path,
    corpus: Path,
    tmp_path: Path,
    built: Built,
    filters_of: Callable[[Path], list[bytes]],
    held: Any,
) -> None:
    begun = time.monotonic()
    shutil.copytree(base, tmp_path / "timed")
    process = start(BUILD, corpus, tmp_path / "timed", 2)
    process.communicate(timeout=120)
    duration = time.monotonic() - begun
    generator = random.Random(20)
    folder = tmp_path / "index"
    shutil.copytree(base, folder)
    finished = 0
    for moment in range(20):
        process = start(BUILD, corpus, folder, 1 + moment % 2)
        time.sleep(duration * generator.uniform(0.1, 1.0))
        kill_group(process)
        with Index.open(folder) as index, Index.open(base) as before, Index.open(grown) as after:
            assert index.digest in (before.digest, after.digest)
            index.verify()
            done = index.digest == after.digest
        if done:
            finished += 1
            again(lambda: built(folder))
            same(folder, grown, filters_of, held)
            shutil.rmtree(folder)
            shutil.copytree(base, folder)
    assert finished < 20
    again(lambda: built(folder))
    same(folder, grown, filters_of, held)
    assert_clean(folder)


def test_orphaned_workers_stop_and_let_the_next_writer_in_only_then(
    base: Path,
    grown: Path,
    corpus: Path,
    tmp_path: Path,
    built: Built,
    filters_of: Callable[[Path], list[bytes]],
    held: Any,
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(base, folder)
    process = start(BUILD, corpus, folder, 2)
    while process.poll() is None and not list((folder / "segments").glob("000002-*")):
        time.sleep(0.01)
    process.kill()  # the master alone
    process.communicate(timeout=30)
    again(lambda: built(folder))
    same(folder, grown, filters_of, held)
    assert_clean(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupt_ends_at_once_and_leaves_no_worker(workers: int, base: Path, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(base, folder)
    process = start(BUILD, corpus, folder, workers)
    while process.poll() is None and not list((folder / "segments").glob("000002-*")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors and b"SpawnProcess" not in errors  # no worker's traceback
    wait_until(lambda: gone(process.pid))
    assert not list((folder / "segments").glob(".*.part"))
    with Index.open(folder) as index, Index.open(base) as before:
        assert index.digest == before.digest
        index.verify()


def test_another_plan_throws_the_unfinished_build_away_and_says_so(
    base: Path, corpus: Path, tmp_path: Path, built: Built, held: Any
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(base, folder)
    start(BUILD, corpus, folder, 1, "layer-rename").communicate(timeout=120)
    assert len(os.listdir(folder / "segments")) > len(os.listdir(base / "segments"))
    report = again(lambda: built(folder, [5]))
    assert report.resumed_tasks == 0
    assert any("thrown away" in notice for notice in report.notices)
    with Index.open(base) as before, Index.open(folder) as after:
        assert before.documents < after.documents
    assert_clean(folder)


def test_build_resumes_only_with_complete_outputs(
    base: Path,
    grown: Path,
    corpus: Path,
    tmp_path: Path,
    built: Built,
    filters_of: Callable[[Path], list[bytes]],
    held: Any,
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(base, folder)
    start(BUILD, corpus, folder, 1, "layer-rename").communicate(timeout=120)
    scratch = folder / "build" / "000002"
    # The first tasks held nothing new and wrote nothing.
    last = int(sorted(os.listdir(scratch / "tasks"))[-1].removesuffix(".json"))
    next((scratch / "keys").glob(f"*-{last:06d}-*.tiles")).unlink()
    shutil.rmtree(next((folder / "segments").glob(f"000002-{last - 1:06d}-*")))
    (scratch / "tasks" / f"{last - 2:06d}.json").write_bytes(b'{"segments": [')
    report = built(folder)
    assert report.resumed_tasks == report.tasks - 3
    same(folder, grown, filters_of, held)
    assert_clean(folder)


@pytest.mark.parametrize(("point", "workers"), [(point, 1 + n % 2) for n, point in enumerate(POINTS)])
def test_killed_compaction_leaves_the_index_readable_and_resumes(
    point: str,
    workers: int,
    grown: Path,
    compacted: Path,
    corpus: Path,
    tmp_path: Path,
    filters_of: Callable[[Path], list[bytes]],
    held: Any,
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(grown, folder)
    process = start(COMPACT, corpus, folder, workers, point)
    process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    with Index.open(folder) as index, Index.open(grown) as before:
        assert index.digest == before.digest
        index.verify()
    again(lambda: compact(folder, workers=1, segment_bytes=200_000))
    same(folder, compacted, filters_of, held)
    assert_clean(folder)


def test_worker_that_dies_is_named_with_its_cause(base: Path, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(base, folder)
    process = start(BUILD, corpus, folder, 2, "spill")
    _, errors = process.communicate(timeout=120)
    last = errors.decode().strip().splitlines()[-1]
    assert last.startswith(ProvenanceError.__module__ + "." + ProvenanceError.__name__)
    assert "killed by SIGKILL" in last and "resume" in last
