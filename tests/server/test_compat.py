"""Clients of Data Portraits' server: the editor extension, scripts that ask /q, and QUIP."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from provenance.membership.portrait import PortraitFilter
from provenance.text import NormalisedText

SHARED = Path(os.environ.get("PROVENANCE_PORTRAITS", Path(__file__).parents[3] / "shared" / "portraits"))
Asked = Any
Q_FIELDS = {
    "idx", "doc", "segments", "is_member", "chains", "chain_idxs", "longest_chain", "expected_longest", "badness",
    "width", "seq_id",
}  # fmt: skip
BEFORE = {
    "ascii": "x = 1\n",
    "accents": "# naïve élan\n",
    "CJK": "# 漢字かな\n",
    "emoji": "# 😀 🎉\n",
    "CRLF": "a\r\n\r\n",
}


def merged_by_the_extension(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what llm-vscode makes of spans: each is joined to the last one where it begins before that one's end."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


@pytest.mark.parametrize("index", ["demo", "portrait"])
@pytest.mark.parametrize("kind", BEFORE)
def test_the_extension_underlines_what_was_copied_and_nothing_else(
    client: Asked, snippet: str, index: str, kind: str
) -> None:
    own = "".join(f"zqx_{number} = {number * 7919} @ wholly_mine\n" for number in range(12))
    first, second = snippet[:700], snippet[900:1600]
    text = BEFORE[kind] + first + own + second
    if kind == "CRLF":
        text = text.replace("\n", "\r\n")
    # The window around the cursor, as the extension cuts and sends it.
    answer = client.post(f"/overlap?index={index}", {"document": text})
    assert answer.status == 200 and set(answer.json) == {"spans", "segments", "raw_segments"}
    spans = [tuple(span) for span in answer.json["spans"]]
    assert spans == sorted(spans)
    assert [text[start:end] for start, end in spans] == answer.json["raw_segments"]
    merged = merged_by_the_extension(spans)
    assert set(range(*merged[0])) and all(
        any(low <= start and end <= high for low, high in merged) for start, end in spans
    ), "the merge loses a span"
    mine = text.index("zqx_1 "), text.index("zqx_11")
    foreign = [end - start for start, end in merged if end > mine[0] and start < mine[1]]
    # A portrait errs once in some hundred windows, by single windows of 50 (line ends are two characters under CRLF).
    assert not foreign if index == "demo" else all(length <= 60 for length in foreign)
    covered = sum(end - start for start, end in merged)
    assert covered > 0.8 * (len(first) + len(second))


def test_segments_are_the_normalised_text_of_the_spans(client: Asked, snippet: str) -> None:
    for index, normaliser in (("demo", "layout-1"), ("portrait", "portrait-1")):
        answer = client.post(f"/overlap?index={index}", {"document": f"é {snippet}"}).json
        for segment, raw in zip(answer["segments"], answer["raw_segments"], strict=True):
            assert NormalisedText(raw, normaliser).normalised.decode() == segment.strip()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_q_answers_with_every_field_of_the_original(client: Asked, snippet: str, method: str) -> None:
    body = json.dumps({"document": snippet, "seq_id": {"any": [1]}}).encode()
    answer = client.ask(method, "/q?index=portrait", body, Content_Type="application/json").json
    assert set(answer) == Q_FIELDS
    assert (answer["segments"], answer["width"], answer["seq_id"], answer["idx"]) == (None, 50, {"any": [1]}, 0)
    assert answer["doc"] == NormalisedText(snippet, "portrait-1").normalised.decode()
    assert len(answer["is_member"]) == len(answer["doc"]) - 49
    for chain, indices in zip(answer["chains"], answer["chain_idxs"], strict=True):
        assert chain == [answer["doc"][at : at + 50] for at in indices]
        assert all(answer["is_member"][at] for at in indices)
        assert all(b - a == 50 for a, b in zip(indices, indices[1:], strict=False))
    lengths = [len(chain) for chain in answer["chains"]]
    assert lengths == sorted(lengths, reverse=True) and answer["longest_chain"] == lengths[0]
    assert answer["expected_longest"] == len(answer["is_member"]) / 50
    assert answer["badness"] == answer["longest_chain"] / answer["expected_longest"]


@pytest.mark.parametrize("kind", BEFORE)
def test_windows_of_bytes_are_told_in_characters(client: Asked, snippet: str, kind: str) -> None:
    answer = client.post("/q", {"document": BEFORE[kind] + snippet[:600], "seq_id": None}).json
    assert answer["longest_chain"] > 5
    for chain, indices in zip(answer["chains"], answer["chain_idxs"], strict=True):
        for window, at in zip(chain, indices, strict=True):
            assert answer["is_member"][at] and answer["doc"][at:].startswith(window)


def test_documents_that_are_missing_empty_or_odd(client: Asked) -> None:
    assert client.post("/overlap", {}).json == ""
    assert client.post("/q", {}).json == {}
    assert client.post("/overlap", {"document": ""}).json == {"spans": [], "segments": [], "raw_segments": []}
    empty = client.post("/q", {"document": "", "seq_id": 1}).json
    assert (empty["is_member"], empty["chains"], empty["longest_chain"], empty["badness"]) == ([], [], 0, 0)
    for path in ("/overlap", "/q", "/quip"):
        for body in (b"", b"[]", b'"x"', b"{", b"\xff", b"[" * 50_000):
            answer = client.ask("POST", path, body, Content_Type="application/json")
            assert 400 <= answer.status < 500 and answer.json["error"]["message"]
    assert client.post("/overlap", {"document": 5}).status == 422
    assert client.post("/q", {"document": "x"}).status == 400
    assert client.post("/quip", {"documents": "x"}).status == 400
    assert client.post("/quip", {"documents": ["x"] * 21}).status == 422


def test_quip_counts_and_marks_quotes(client: Asked, snippet: str) -> None:
    texts = [snippet[:400], "x" * 60, "short"]
    reports = client.post("/quip?index=portrait", {"documents": texts, "format_quotes": True}).json
    assert [report["idx"] for report in reports] == [0, 1, 2]
    for report in reports:
        counted = report["quip_report"]
        assert (counted["numerator"], counted["denominator"]) == (sum(report["is_member"]), len(report["is_member"]))
        assert report["quote_text"].replace("[", "").replace("]", "") == report["doc"].replace("[", "").replace("]", "")
        assert len(report["segments"]) == len(report["is_member"])
    assert reports[0]["quip_report"]["quip_25_beta"] > 0
    assert reports[1]["quip_report"] == {"too_short": False, "numerator": 0, "denominator": 11, "quip_25_beta": 0.0}
    assert reports[2]["quip_report"] == {"too_short": True, "numerator": 0, "denominator": 0, "quip_25_beta": None}
    assert "quote_latex" not in client.post("/quip", {"documents": ["x"]}).json[0]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the original library's answers are not on this machine")
@pytest.mark.parametrize("name", ["quip.25-1", "stdlib.50-50"])
def test_answers_of_the_original_come_over_http(name: str, start: Any, settings: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    from indexer.portraits import import_portraits

    import_portraits(tmp_path / "index", [SHARED / f"{name}.bf"])
    answers = json.loads((SHARED / f"{name}.bf.answers.json").read_text())
    stride = PortraitFilter.open(SHARED / f"{name}.bf").geometry.stride
    with start(replace(settings, indexes=(("original", tmp_path / "index"),))) as client:
        for answer in answers:
            route, body = (
                ("/quip", {"documents": [answer["text"]]})
                if stride == 1
                else ("/q", {"document": answer["text"], "seq_id": 0})
            )
            ours = client.post(route, body).json
            ours = ours[0] if route == "/quip" else ours
            assert ours["doc"] == answer["normalised"]
            assert "".join(str(int(member)) for member in ours["is_member"]) == answer["is_member"]
            assert ours["expected_longest"] == pytest.approx(answer["expected_longest"])
            if all(b - a == stride for run in answer["chain_starts"] for a, b in zip(run, run[1:], strict=False)):
                assert ours["longest_chain"] == answer["longest_chain"]
                assert ours["badness"] == pytest.approx(answer["badness"])
                assert [run for run in ours["chain_idxs"] if run in answer["chain_starts"]] == ours["chain_idxs"]
