"""Whatever an answer is made of and however it is cut: nothing is lost, nothing added, and places are true."""

from __future__ import annotations

import random

import pytest

from provenance.guard.guarded import Guard
from provenance.guard.policy import Policy, Rule
from provenance.guard.policy_file import PRESETS
from provenance.index import Index

FOREIGN = ("Zwölf Boxkämpfer ", "\r\n\r\n \t", "🦆 pack my box; ", "\r", "x\ud800y", "\n```python\n", "\n```\n", "  ")
REDACT = Policy("redact", (Rule("all", "redact"),), on_error="closed", marker="[gone]")


def written(rng: random.Random, texts: list[str]) -> str:
    parts = []
    for _ in range(rng.randrange(1, 7)):
        if rng.random() < 0.5:
            parts.append(rng.choice(FOREIGN))
            continue
        text = rng.choice(texts)
        at = rng.randrange(len(text) - 400)
        copied = text[at : at + rng.randrange(1, 400)]
        parts.append(copied.replace("\n", "\r\n  ") if rng.random() < 0.3 else copied)
    return "".join(parts)


@pytest.mark.parametrize("policy", [*PRESETS.values(), REDACT], ids=lambda each: each.name)
def test_answers_of_any_make_and_cut(corpus: Index, corpus_texts: list[str], policy: Policy) -> None:
    long = [text for text in corpus_texts if len(text) > 3000]
    decided = 0
    with Guard(corpus, policy) as guard:
        for seed in range(150):
            rng = random.Random(seed)
            text = written(rng, long)
            session = guard.session(followed=seed % 3 == 0)
            out, at = "", 0
            while at < len(text):
                step = rng.choice((1, 2, 3, 5, 9, 40, 300))
                out += session.feed(text[at : at + step]).text
                at += step
                assert all(0 <= each.span.start < each.span.end <= len(out) for each in session.growing), seed
            out += session.finish().text
            assert session.failure is None, seed
            if session.ending == "ended":
                assert text.startswith(out) and policy.name in ("strict", "copyleft"), seed
            elif policy is not REDACT or not session.decisions:
                assert out == text, seed
            for each in session.decisions:
                decided += 1
                span = each.span
                low, high = (len(out[:place].encode("utf-8", "surrogatepass")) for place in (span.start, span.end))
                assert (span.start_byte, span.end_byte) == (low, high) and span.start <= span.end <= len(out), seed
                assert policy is not REDACT or out[span.start : span.end] == "[gone]", seed
    assert decided > 30
