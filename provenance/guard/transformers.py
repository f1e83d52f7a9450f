"""A guard in the decoder: `transformers` models whose ``generate`` cannot recite what a policy blocks.

    model = guard.wrap(AutoModelForCausalLM.from_pretrained(path), tokenizer)
    output = model.generate(**tokenizer("def ", return_tensors="pt"), max_new_tokens=200)
    tokenizer.batch_decode(output), output.attribution, output.texts

Where a policy has the action ``block``, a logits processor looks at tokens before one is chosen, and forbids each that
would complete a chain of `Policy.min_chars` normalised characters: the answer goes another way, and no run of the floor
is ever written. Unlike MemFree (arXiv 2210.17546) it compares normalised text, which changed white space does not
evade. Tokens too short to complete one are free; of the others the most likely are looked at, and the rest is not
allowed in that step, since sampling would find it. Where no token is left, the sequence ends: the end token alone is
allowed, and `RowReport.ended` tells of it.

Every other action is taken on the finished text by `Session`, as everywhere: ``output.texts`` are what the reader
should see, and ``sequences`` are cut where a text was.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import wraps
from inspect import ismethod
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList, TextStreamer

from provenance import kernel
from provenance.errors import ParameterError
from provenance.guard.decoding import Prompt, Recitation
from provenance.guard.guarded import Guard
from provenance.guard.policy import BLOCKING

_LOOKED_AT = 64
"""Tokens looked at a step; where all of them are forbidden four times as many, and so on up to `_MOST`."""
_MOST = 4096
_CONTEXT = 4
"""Tokens that are decoded again with the next: bytes of one character may lie in so many."""
_WAITING = 4
"""Bytes that may come with a token besides its own: of a character that it ends, and white space before it."""


@dataclass(slots=True)
class RowReport:
    """What was done to one sequence: how often a token was forbidden, and whether it was ended."""

    forbidden: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """One sequence so far: ``text`` is what its tokens from ``start`` on say, ``state`` has read all of it."""

    tokens: tuple[int, ...]
    start: int
    text: str
    state: Recitation
    report: RowReport


class NoRecitation(LogitsProcessor):
    """Forbids tokens that would complete a copy. One object serves one call of ``generate``."""

    def __init__(
        self,
        guard: Guard,
        tokenizer: Any,
        prompts: list[str],
        prompt_tokens: int,
        end: list[int],
        lengths: torch.Tensor,
    ) -> None:
        """Guard answers to ``prompts``; every sequence begins with ``prompt_tokens`` tokens of its prompt.

        ``lengths`` has the normalised bytes of every token (`token_lengths`).
        """
        self._prompts = [Prompt(guard, text) for text in prompts]
        self._tokenizer = tokenizer
        self._skip = prompt_tokens
        self._end = end
        self._lengths = lengths
        # What may hold more than one window's worth of text: rows of signs, mostly.
        stride = min(each.stride for each in self._prompts[0].geometries) if prompts else 0
        self._long = torch.nonzero(lengths + 1 >= stride).flatten().tolist()
        self._rows: dict[tuple[int, ...], _Row] = {}
        self._reports: dict[int, RowReport] = {}

    def report(self, row: int, tokens: tuple[int, ...]) -> RowReport:
        """Return what was done to a sequence of new tokens that answers prompt number ``row``."""
        for end in range(len(tokens), -1, -1):
            known = self._reports.get(hash((row, *tokens[:end])))
            if known is not None:
                return known
        return RowReport()

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Return the scores with what is forbidden at minus infinity."""
        changed: Any = scores.clone()
        for number, ids in enumerate(input_ids.tolist()):
            prompt = number * len(self._prompts) // len(input_ids)
            row = self._row(tuple(ids[self._skip :]), prompt)
            self._rows[(prompt, *row.tokens)] = row
            missing = row.state.missing
            if missing is not None:
                self._forbid(changed[number], row, missing)
            elif self._long and row.state.copying:
                self._forbid_long(changed[number], row)
            self._reports[hash((prompt, *row.tokens))] = row.report
        self._drop_old()
        found: torch.FloatTensor = changed
        return found

    def _row(self, tokens: tuple[int, ...], prompt: int) -> _Row:
        """Return a sequence's state, from that of the sequence it goes on from (beams change places)."""
        known = self._rows.get((prompt, *tokens[:-1])) if tokens else None
        if known is None:
            # The first step, or one that is taken back to: drafts of other decoders are not all accepted.
            known = _Row((), 0, "", Recitation(self._prompts[prompt]), RowReport())
        state = known.state.copy()
        text = self._decoded([tokens[known.start :]])[0]
        state.feed(text[len(known.text) :])
        report = replace(self.report(prompt, tokens[:-1]))
        if len(tokens) - known.start > 4 * _CONTEXT:
            start = len(tokens) - _CONTEXT
            again = self._decoded([tokens[start:]])[0]
            # Cut only where what is left says the same as it did in its place.
            if again and text.endswith(again):
                return _Row(tokens, start, again, state, report)
        return _Row(tokens, known.start, text, state, report)

    def _forbid(self, scores: torch.Tensor, row: _Row, missing: int) -> None:
        """Take out of one sequence's scores what would complete a copy that lacks ``missing`` bytes."""
        nothing = -float("inf")
        size = int(scores.shape[-1])
        # A model may have more scores than its tokenizer has tokens; those say nothing.
        lengths = torch.nn.functional.pad(self._lengths[:size], (0, max(0, size - len(self._lengths))))
        able = (lengths.to(scores.device) + _WAITING >= missing) & (scores > nothing)
        able[self._end] = False
        count = int(able.sum())
        if not count:
            return
        masked = scores.masked_fill(~able, nothing)
        looked, wanted = 0, min(_LOOKED_AT, count)
        allowed: list[int] = []
        while not allowed and looked < min(_MOST, count):
            top = torch.topk(masked, wanted).indices.tolist()[looked:]
            texts = self._decoded([(*row.tokens[row.start :], token) for token in top])
            for token, text in zip(top, texts, strict=True):
                if row.state.completes(text[len(row.text) :]):
                    row.report.forbidden += 1
                else:
                    allowed.append(token)
            looked, wanted = wanted, min(4 * wanted, count)
        able[allowed] = False
        left = scores.masked_fill(able, nothing)
        others = left.clone()
        others[self._end] = nothing
        # The model may end its answer wherever it likes; where nothing else is left it has to.
        row.report.ended = not bool((others > nothing).any())
        if row.report.ended:
            left[self._end] = 0.0
        scores[:] = left

    def _forbid_long(self, scores: torch.Tensor, row: _Row) -> None:
        """Take out the long tokens that would complete a copy of which most is missing yet."""
        texts = self._decoded([(*row.tokens[row.start :], token) for token in self._long])
        for token, text in zip(self._long, texts, strict=True):
            if row.state.copy().feed(text[len(row.text) :]):
                scores[token] = -float("inf")
                row.report.forbidden += 1

    def _decoded(self, sequences: list[tuple[int, ...]]) -> list[str]:
        """Return texts without the characters at their ends that the next token may still complete."""
        found = self._tokenizer.batch_decode(
            [list(each) for each in sequences], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return [str(each).rstrip("\ufffd") for each in found]

    def _drop_old(self) -> None:
        """Keep the newest sequences, and those that they go on from."""
        longest = max(map(len, self._rows))
        self._rows = {key: row for key, row in self._rows.items() if len(key) >= longest - 1}


class GuardedModel:
    """A model whose ``generate`` is guarded; everything else is the model's."""

    def __init__(self, model: Any, tokenizer: Any, guard: Guard) -> None:
        """Guard ``model``, a decoder; `wrap` is the way in."""
        self._model = model
        self._tokenizer = tokenizer
        self._guard = guard
        self._lengths: torch.Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what the model has. Raises `AttributeError` for other ways to generate, which are not guarded."""
        if name.startswith("generate"):
            raise AttributeError(f"{name} is not guarded; use generate")
        found = getattr(self._model, name)
        if not ismethod(found):
            return found

        @wraps(found)
        def call(*arguments: Any, **named: Any) -> Any:
            # ``model = model.to(device)`` must not lose the guard.
            made = found(*arguments, **named)
            return self if made is self._model else made

        return call

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Return what the model makes of tokens, as it is."""
        return self._model(*arguments, **named)

    def generate(self, inputs: Any = None, **settings: Any) -> Any:
        """Return what the model's ``generate`` returns for the same arguments, with ``attribution`` and ``texts``.

        Both have an entry a sequence: the account of `Session.attribution`, with ``forbidden`` and ``ended_by_guard``
        of the decoder; and the text to show. A tensor carries them as attributes too.

        Raises:
            ParameterError: there are no input ids, or a streamer together with an action that needs the whole text.
        """
        ids = inputs if inputs is not None else settings.pop("input_ids", None)
        if ids is None:
            raise ParameterError("generate was given no input ids: the guard has to know the prompt")
        policy = self._guard.policy
        late = sorted((policy.actions & BLOCKING) - {"block"})
        if settings.get("streamer") is not None and late:
            raise ParameterError(
                f"policy {policy.name} has {', '.join(late)}, which comes too late for a streamer; use block, or "
                "stream through `provenance.guard.guarded`"
            )
        prompts = self._prompts(ids)
        processor = self._forbidding(prompts, int(ids.shape[-1]), settings)
        made = self._model.generate(ids, **settings)
        whole = isinstance(made, torch.Tensor)
        sequences = made if whole else made.sequences
        texts, accounts = [], []
        for number, row in enumerate(sequences):
            prompt = number * len(prompts) // len(sequences)
            tokens = tuple(row[ids.shape[-1] :].tolist())
            text, account, kept = self._judged(prompts[prompt], tokens)
            report = processor.report(prompt, tokens) if processor else RowReport()
            accounts.append({**account, "forbidden": report.forbidden, "ended_by_guard": report.ended})
            texts.append(text)
            if kept < len(tokens):
                row[int(ids.shape[-1]) + kept :] = self._padding(settings)
        for target in (sequences, made):
            target.attribution, target.texts = accounts, texts
        return made

    def stream(self, ids: torch.Tensor, **settings: Any) -> Generator[str, None, RowReport]:
        """Yield the text of one answer as it is made, and return what was done to it; the settings are ``generate``'s.

        What the policy blocks is forbidden; its other actions are not taken: `provenance.guard.guarded` takes them.
        Closing the iterator ends the generation with the next token.
        """
        prompts = self._prompts(ids)
        processor = self._forbidding(prompts, int(ids.shape[-1]), settings)
        queue: SimpleQueue[str | BaseException | None] = SimpleQueue()
        stopped = Event()
        stopping = StoppingCriteriaList([*(settings.get("stopping_criteria") or ()), _Stopped(stopped)])
        settings.update(streamer=_Pieces(self._tokenizer, queue), stopping_criteria=stopping)
        made: list[Any] = []

        def run() -> None:
            try:
                made.append(self._model.generate(ids, **settings))
                queue.put(None)
            except BaseException as error:  # it belongs to whoever reads
                queue.put(error)

        thread = Thread(target=run, name="generation", daemon=True)
        thread.start()
        try:
            while True:
                piece = queue.get()
                if piece is None:
                    break
                if isinstance(piece, BaseException):
                    raise piece
                if piece:
                    yield piece
        finally:
            stopped.set()
            thread.join()
        sequences = getattr(made[0], "sequences", made[0])
        return processor.report(0, tuple(sequences[0, ids.shape[-1] :].tolist())) if processor else RowReport()

    def _prompts(self, ids: torch.Tensor) -> list[str]:
        """Return the prompts in words; special tokens tell what is to be filled in."""
        found = self._tokenizer.batch_decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return [str(each) for each in found]

    def _forbidding(self, prompts: list[str], length: int, settings: dict[str, Any]) -> NoRecitation | None:
        """Add to the settings what forbids recitation, where the policy blocks any, and return it."""
        if "block" not in self._guard.policy.actions:
            return None
        if self._lengths is None:
            self._lengths = token_lengths(self._tokenizer)
        end = self._end_tokens(settings)
        processor = NoRecitation(self._guard, self._tokenizer, prompts, length, end, self._lengths)
        settings["logits_processor"] = LogitsProcessorList([*(settings.get("logits_processor") or ()), processor])
        return processor

    def _judged(self, prompt: str, tokens: tuple[int, ...]) -> tuple[str, dict[str, Any], int]:
        """Return the text to show, its account, and how many tokens of the sequence may stay."""
        text = self._decoded(tokens)
        session = self._guard.session(prompt)
        out = session.feed(text).text + session.finish().text
        self._guard.tally.answered(session.ending or "complete")
        kept = len(tokens)
        if out != text:
            low, high = 0, len(tokens)
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if out.startswith(self._decoded(tokens[:middle])) else (low, middle - 1)
            kept = low
        return out, session.attribution(), kept

    def _decoded(self, tokens: tuple[int, ...]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _end_tokens(self, settings: dict[str, Any]) -> list[int]:
        chosen = settings.get("generation_config") or self._model.generation_config
        end = settings.get("eos_token_id", getattr(chosen, "eos_token_id", None))
        end = self._tokenizer.eos_token_id if end is None else end
        if end is None:
            raise ParameterError("the model has no end token: the guard could not end a sequence; give eos_token_id")
        return list(end) if isinstance(end, (list, tuple)) else [int(end)]

    def _padding(self, settings: dict[str, Any]) -> int:
        chosen = settings.get("generation_config") or self._model.generation_config
        pad = settings.get("pad_token_id", getattr(chosen, "pad_token_id", None))
        return int(pad if pad is not None else self._end_tokens(settings)[0])


class _Pieces(TextStreamer):
    """Puts the text of an answer into a queue."""

    def __init__(self, tokenizer: Any, queue: SimpleQueue[str | BaseException | None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        self._queue = queue

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self._queue.put(text)


class _Stopped(StoppingCriteria):
    """Ends the generation when nobody reads it any more."""

    def __init__(self, stopped: Event) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **settings: Any) -> Any:
        return torch.full((input_ids.shape[0],), self._stopped.is_set(), device=input_ids.device, dtype=torch.bool)


def token_lengths(tokenizer: Any) -> torch.Tensor:
    """Return the length of every token's normalised text in bytes; of a part of a character, at least its own."""
    every = [[token] for token in range(len(tokenizer))]
    texts = tokenizer.batch_decode(every, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return torch.tensor([len(kernel.normalise(text.encode())) for text in texts])


def wrap(model: Any, tokenizer: Any, guard: Guard) -> GuardedModel:
    """Return ``model`` with its ``generate`` guarded. Raises `ParameterError` for a model that is no decoder."""
    if getattr(model.config, "is_encoder_decoder", False):
        raise ParameterError("the guard in the decoder is for models whose output begins with the prompt")
    return GuardedModel(model, tokenizer, guard)
