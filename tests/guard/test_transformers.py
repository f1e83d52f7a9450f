"""A guard in the decoder: a model of StarCoder's architecture, trained until it recites a file, cannot recite it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from provenance.errors import ParameterError
from provenance.guard.decoding import Prompt, Recitation
from provenance.guard.guarded import Guard
from provenance.guard.policy import Policy, Rule
from provenance.guard.policy_file import PRESETS
from provenance.index import Index
from provenance.windows import check_floor

# What CI has to have is an error there where it is missing.
needed = importlib.import_module if os.environ.get("CI") else pytest.importorskip
torch = needed("torch")
transformers = needed("transformers")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

PROMPT = "class JSONDecoder"


def generated(model: Any, tokenizer: Any, prompts: list[str], **settings: Any) -> tuple[list[str], Any]:
    ids = tokenizer(prompts, return_tensors="pt")["input_ids"]
    mask = torch.ones_like(ids)
    made = model.generate(ids, attention_mask=mask, max_new_tokens=140, **settings)
    sequences = made if isinstance(made, torch.Tensor) else made.sequences
    return tokenizer.batch_decode(sequences[:, ids.shape[1] :], skip_special_tokens=True), made


@pytest.fixture(scope="module")
def floor(corpus: Index) -> int:
    return check_floor(corpus.geometry, PRESETS["strict"].min_chars)


@pytest.fixture
def guard(corpus: Index) -> Iterator[Guard]:
    with Guard(corpus, PRESETS["strict"]) as guard:
        yield guard


def wrapped(trained: tuple[Any, Any], guard: Guard) -> Any:
    return guard.wrap(trained[0], trained[1])


def test_the_model_recites_when_nobody_guards_it(
    trained: tuple[Any, Any], corpus_texts: list[str], scan: Callable[..., list[int]], floor: int
) -> None:
    (text,), _ = generated(*trained, [PROMPT], do_sample=False)
    assert max(scan(corpus_texts, [text], floor)) > 200


@pytest.mark.parametrize(
    "settings",
    [
        {"do_sample": False},
        {"do_sample": True, "num_return_sequences": 4, "temperature": 0.8, "top_k": 20},
        {"do_sample": False, "num_beams": 3, "num_return_sequences": 2},
        {"do_sample": False, "return_dict_in_generate": True, "output_scores": True},
        {"do_sample": False, "prompt_lookup_num_tokens": 4},
        {"do_sample": True, "num_beams": 2, "min_p": 0.2, "repetition_penalty": 1.2, "bad_words_ids": [[7]]},
    ],
    ids=["greedy", "sampled", "beams", "dict", "drafts", "all at once"],
)
def test_a_guarded_model_writes_no_run_of_the_floor(
    trained: tuple[Any, Any],
    guard: Guard,
    corpus_texts: list[str],
    scan: Callable[..., list[int]],
    floor: int,
    settings: dict[str, Any],
) -> None:
    torch.manual_seed(3)
    texts, made = generated(wrapped(trained, guard), trained[1], [PROMPT], **settings)
    assert scan(corpus_texts, texts, floor) == []
    assert len(made.attribution) == len(made.texts) == len(texts)
    assert all(each["forbidden"] > 0 or each["ended_by_guard"] for each in made.attribution)
    assert all(len(text) > 60 for text in texts)
    assert all(each["spans"] == [] and each["ending"] == "complete" for each in made.attribution)


def test_changed_white_space_does_not_evade_it(trained: tuple[Any, Any], guard: Guard, recited: str) -> None:
    prompt = Prompt(guard, "")
    state = Recitation(prompt)
    ended = False
    for line in recited.split("\n"):
        for piece in (line[at : at + 3] for at in range(0, len(line), 3)):
            if state.missing is not None and state.completes(piece):
                ended = True
            state.feed(piece)
        state.feed("\r\n \t \n")
    assert ended


def test_a_batch_is_guarded_row_by_row(
    trained: tuple[Any, Any], guard: Guard, corpus_texts: list[str], scan: Callable[..., list[int]], floor: int
) -> None:
    model, tokenizer = trained
    ids = tokenizer(PROMPT)["input_ids"]
    other = tokenizer("zq zq zq zq zq zq zq zq")["input_ids"][: len(ids)]
    assert len(other) == len(ids)
    batch = torch.tensor([ids, other])
    made = wrapped(trained, guard).generate(
        batch, attention_mask=torch.ones_like(batch), max_new_tokens=140, do_sample=False
    )
    texts = tokenizer.batch_decode(made[:, len(ids) :], skip_special_tokens=True)
    assert scan(corpus_texts, texts, floor) == [] and made.attribution[0]["forbidden"] > 0


def test_prompts_of_other_lengths_are_padded_before(
    trained: tuple[Any, Any], guard: Guard, corpus_texts: list[str], scan: Callable[..., list[int]], floor: int
) -> None:
    model, tokenizer = trained
    prompts = [PROMPT, "zq " * 9, PROMPT + '(object):\n    """Simple']
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left", return_token_type_ids=False)
    made = wrapped(trained, guard).generate(**inputs, max_new_tokens=140, do_sample=True, num_return_sequences=2)
    texts = tokenizer.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert len(made.attribution) == 6 and scan(corpus_texts, texts, floor) == []
    assert made.attribution[0]["forbidden"] > 0 and made.attribution[4]["forbidden"] > 0


def test_the_guard_is_not_lost_with_what_the_model_returns(trained: tuple[Any, Any], guard: Guard) -> None:
    model = wrapped(trained, guard)
    assert model.to("cpu") is model and model.eval() is model
    assert model(torch.tensor([[1, 2]])).logits.shape[:2] == (1, 2)
    assert not hasattr(model, "generate_batch") and model.config is trained[0].config
    with pytest.raises(AttributeError, match="generate_batch is not guarded"):
        model.generate_batch([[1]])


def test_going_on_with_a_quoted_file_is_forbidden_where_the_prompt_is_continued(
    trained: tuple[Any, Any], corpus: Index, recited: str
) -> None:
    quoted = recited[:200]
    said = {}
    for rule in ("given", "continued"):
        with Guard(corpus, replace(PRESETS["strict"], prompt=rule)) as guard:
            state = Recitation(Prompt(guard, quoted))
            count = 0
            while not state.feed(recited[200 + count]):
                count += 1
            said[rule] = count
    # The quoted part makes the chain long enough: the first window that ends in the answer completes it.
    assert said["continued"] < 32 < 96 <= said["given"] + 1


def test_where_every_token_is_forbidden_the_sequence_ends(
    trained: tuple[Any, Any], corpus: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recitation, "completes", lambda self, piece: True)
    lengths = torch.full((len(trained[1]),), 25)  # no token is too short
    monkeypatch.setattr("provenance.guard.transformers.token_lengths", lambda tokenizer: lengths)
    with Guard(corpus, PRESETS["strict"]) as guard:
        (text,), made = generated(wrapped(trained, guard), trained[1], [PROMPT], do_sample=False)
    assert made.attribution[0]["ended_by_guard"] and 30 < len(text) < 127


def test_annotations_tell_of_what_was_recited_and_nothing_is_changed(trained: tuple[Any, Any], corpus: Index) -> None:
    (plain,), _ = generated(*trained, [PROMPT], do_sample=False)
    with Guard(corpus) as guard:
        (text,), made = generated(wrapped(trained, guard), trained[1], [PROMPT], do_sample=False)
    assert text == plain == made.texts[0]
    spans = made.attribution[0]["spans"]
    assert spans and spans[0]["evidence"][0]["sources"][0]["path"].endswith("decoder.py")


def test_other_actions_cut_the_sequence_where_they_cut_the_text(trained: tuple[Any, Any], corpus: Index) -> None:
    policy = Policy("p", (Rule("all", "stop"),), on_error="closed")
    with Guard(corpus, policy) as guard:
        (text,), made = generated(wrapped(trained, guard), trained[1], [PROMPT], do_sample=False)
        assert made.attribution[0]["ending"] == "ended" and len(made.texts[0]) < 64
        assert made.texts[0].startswith(text)
        with pytest.raises(ParameterError, match="streamer"):
            wrapped(trained, guard).generate(torch.tensor([[5]]), streamer=object())


def test_a_streamer_sees_what_the_decoder_let_through(
    trained: tuple[Any, Any], guard: Guard, corpus_texts: list[str], scan: Callable[..., list[int]], floor: int
) -> None:
    seen: list[str] = []

    class Listener(transformers.TextStreamer):  # type: ignore[misc, name-defined]
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            seen.append(text)

    model, tokenizer = trained
    (text,), _ = generated(
        wrapped(trained, guard), tokenizer, [PROMPT], do_sample=False, streamer=Listener(tokenizer, skip_prompt=True)
    )
    assert "".join(seen).replace("<|end|>", "").strip() == text.strip() and scan(corpus_texts, seen, floor) == []


def test_copyleft_asks_for_the_sources_of_what_it_forbids(trained: tuple[Any, Any], corpus: Index) -> None:
    (plain,), _ = generated(*trained, [PROMPT], do_sample=False)
    with Guard(corpus, PRESETS["copyleft"]) as guard:
        (text,), _ = generated(wrapped(trained, guard), trained[1], [PROMPT], do_sample=False)
        assert text != plain
    with Guard(corpus, replace(PRESETS["copyleft"], allow=("*",))) as guard:
        (text,), _ = generated(wrapped(trained, guard), trained[1], [PROMPT], do_sample=False)
        assert text == plain


def test_what_cannot_be_guarded_is_refused(trained: tuple[Any, Any], guard: Guard) -> None:
    model = wrapped(trained, guard)
    with pytest.raises(ParameterError, match="no input ids"):
        model.generate(inputs_embeds=torch.zeros(1, 1, 64))
    assert model.config is trained[0].config
