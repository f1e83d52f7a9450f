"""The guard in the decoder: does a trained model recite past it, and what does it cost?

    python -m benchmarks.guard.decoder INDEX [COUNT]

Trains a GPTBigCode model on a part of an indexed text until it recites it. Then, one JSON line each:

- COUNT prompts cut from that text, greedy and sampled, with `strict`: runs of at least the floor, by exact scan;
- added wall time of `annotate` and `strict` on answers that copy nothing and on recitals, guard off and on by turns;
  and beside it of a model ten times as large, because overhead is a share of the time of a model's step.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import Any

import torch

from benchmarks.guard.models import trained
from benchmarks.guard.scripted import function, runs, texts_of, told
from provenance.guard.guarded import Guard
from provenance.guard.policy_file import PRESETS
from provenance.index import Index
from provenance.windows import check_floor

LENGTH = 900
ROUNDS = 12


def generated(model: Any, tokenizer: Any, ids: Any, tokens: int, **settings: Any) -> list[str]:
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, **settings)
    return list(tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True))


def provoked(index: Index, model: Any, tokenizer: Any, recited: str, count: int) -> None:
    texts = texts_of(index)
    floor = check_floor(index.geometry, PRESETS["strict"].min_chars)
    tokens = tokenizer(recited)["input_ids"]
    rng = random.Random(3)
    places = [rng.randrange(len(tokens) - 60) for _ in range(count)]
    unguarded, answers, forbidden, ended = 0, [], 0, 0
    with Guard(index, PRESETS["strict"]) as guard:
        wrapped = guard.wrap(model, tokenizer)
        for number in range(0, count, 25):
            ids = torch.tensor([tokens[at : at + 8] for at in places[number : number + 25]])
            torch.manual_seed(number)
            how: dict[str, Any] = {"do_sample": False}
            if number // 25 % 2:
                how = {"do_sample": True, "temperature": 0.8, "top_k": 20}
            unguarded += len(runs(texts, generated(model, tokenizer, ids, 100, **how), floor))
            made = wrapped.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=100, **how)
            answers += tokenizer.batch_decode(made[:, 8:], skip_special_tokens=True)
            forbidden += sum(each["forbidden"] > 0 for each in made.attribution)
            ended += sum(each["ended_by_guard"] for each in made.attribution)
    told(
        "strict, trained GPTBigCode model, prompts that provoke recitation",
        "0 runs of the floor emitted",
        prompts=count,
        runs_unguarded=unguarded,
        runs_emitted=len(runs(texts, answers, floor)),
        went_another_way=forbidden,
        ended_by_guard=ended,
        median_characters=statistics.median(map(len, answers)),
    )


def overhead(index: Index, model: Any, tokenizer: Any, prompts: dict[str, str], tokens: int) -> None:
    parameters = sum(each.numel() for each in model.parameters())
    for what, prompt in prompts.items():
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, :200]
        for name in ("annotate", "strict"):
            with Guard(index, PRESETS[name]) as guard:
                wrapped = guard.wrap(model, tokenizer)
                times: dict[bool, list[float]] = {False: [], True: []}
                for turn in range(2 * ROUNDS + 2):
                    on = turn % 2 == 1
                    begun = time.perf_counter()
                    generated(wrapped if on else model, tokenizer, ids, tokens, do_sample=False, min_new_tokens=tokens)
                    times[on].append(time.perf_counter() - begun)
                off, on_time = (statistics.median(each[1:]) for each in (times[False], times[True]))
                told(
                    "added wall time: transformers model",
                    "<= 10 %",
                    million_parameters=round(parameters / 1e6, 1),
                    answer=what,
                    preset=name,
                    tokens=tokens,
                    off_ms_a_token=round(off / tokens * 1e3, 3),
                    on_ms_a_token=round(on_time / tokens * 1e3, 3),
                    added_percent=round(100 * (on_time / off - 1), 1),
                )


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with Index.open(sys.argv[1]) as index:
        (text,) = [each for each in texts_of(index) if "class JSONDecoder(" in each]
        at = text.index("class JSONDecoder(")
        recited = text[at : at + LENGTH]
        model, tokenizer = trained(recited, width=112, layers=3)
        if count:
            provoked(index, model, tokenizer, recited, count)
        prompts = {"copies nothing": function(7)[:300], "recites": recited[:40]}
        overhead(index, model, tokenizer, prompts, 100)
        large, tokenizer = trained(recited, width=256, layers=8, steps=1)
        overhead(index, large, tokenizer, {"copies nothing": prompts["copies nothing"]}, 100)


if __name__ == "__main__":
    main()
