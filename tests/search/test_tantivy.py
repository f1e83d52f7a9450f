"""What is the embedded engine's own: how it opens its parts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Thread

import pytest

from provenance.search.tantivy import TantivyEngine, TantivyWriter


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    folder = tmp_path / "segment"
    folder.mkdir()
    writer = TantivyWriter(folder)
    writer.read(b"def one_text(): return 1\n")
    writer.add(0, [])
    writer.finish()
    return folder


def test_opening_leaves_nothing_behind_however_busy_the_machine(
    segment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def open_and_close() -> None:
        for _ in range(40):
            engine = TantivyEngine([segment])
            opened.append(engine.frequencies("words", ["text"])[0])
            engine.close()

    opened: list[int] = []
    threads = [Thread(target=open_and_close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [1] * 320
    assert not list(scratch.iterdir())
    assert not [file for file in (segment / "search").iterdir() if file.name.startswith(".")]
