"""A model on this machine, loaded with `transformers`: StarCoder's checkpoints, or any other decoder.

model = LocalModel.load("bigcode/starcoder2-3b")
answer = guarded(model.answering(guard, Sampling()), guard)("def parse(")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import model_info
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from provenance.errors import ModelError, ParameterError
from provenance.guard.assistant import messages
from provenance.guard.fim import FIM_TOKENS, read_on
from provenance.guard.guarded import Guard
from provenance.guard.sampling import Sampling
from provenance.guard.transformers import RowReport, wrap

DTYPES = ("auto", "float32", "bfloat16", "float16")


class LocalModel:
    """A model and its tokenizer; for one thread at a time."""

    def __init__(self, model: Any, tokenizer: Any, name: str = "model") -> None:
        """Take a model that is loaded already; ``name`` is what messages call it."""
        self.name = name
        self.report = RowReport()
        self._model = model
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, named: str | os.PathLike[str], *, device: str | None = None, dtype: str = "auto") -> LocalModel:
        """Load a model from a folder, or by its name on the Hugging Face hub (kept in its cache; HF_HUB_OFFLINE=1).

        ``device`` is one of torch's (``cpu``, ``cuda:1``, ``mps``), the fastest there is without. Code that comes with
        a checkpoint is never run.

        Raises:
            ParameterError: no such device or type. ModelError: there is no such model, or it cannot be loaded.
        """
        name = os.fspath(named)
        if dtype not in DTYPES:
            raise ParameterError(f"dtype is {dtype!r}: it must be one of {', '.join(DTYPES)}")
        place = _device(device)
        folder = _folder(name)
        quiet: Any = logging
        quiet.set_verbosity_error()
        quiet.disable_progress_bar()
        try:
            if folder is not None:
                tokenizer, model, info = _loaded(folder, dtype, asking=False)
            else:
                try:
                    # What the cache holds whole is loaded without asking anybody.
                    tokenizer, model, info = _loaded(name, dtype, asking=False)
                except Exception:
                    _require_on_hub(name)
                    tokenizer, model, info = _loaded(name, dtype, asking=True)
        except ModelError:
            raise
        except Exception as error:  # transformers, torch, safetensors and the hub have no base in common
            raise ModelError(
                f"{name}: the model cannot be loaded: {type(error).__name__}: {_first_line(error)}"
            ) from error
        if info["missing_keys"]:
            raise ModelError(f"{name}: {len(info['missing_keys'])} tensors are missing from the checkpoint")
        try:
            model.to(place).eval()
        except (RuntimeError, AssertionError) as error:
            raise ModelError(
                f"{name}: the model cannot be put on {place}: {_first_line(error)}; try --device cpu"
            ) from error
        return cls(model, tokenizer, name)

    def answering(self, guard: Guard, sampling: Sampling, *, chat: bool = False) -> Callable[[str], Iterator[str]]:
        """Return a function that yields the answer to a prompt; with ``chat`` a technical assistant answers it.

        What the policy blocks is forbidden in the decoder, and `report` tells how often; every other action is for
        `provenance.guard.guarded` to take. It raises `ParameterError` for a prompt that leaves no room for an answer.
        """
        model = wrap(self._model, self._tokenizer, guard)
        attempts = count()

        def answer(prompt: str) -> Iterator[str]:
            ids = self._ids(prompt, chat=chat)
            room = (getattr(self._model.config, "max_position_embeddings", None) or 1 << 30) - ids.shape[-1]
            if room < 1:
                raise ParameterError(
                    f"the prompt has {ids.shape[-1]} tokens: {self.name} reads {ids.shape[-1] + room} at most, answer "
                    "included"
                )
            seed = sampling.seeded(next(attempts))
            if seed is not None:
                torch.manual_seed(seed)
            drawn: dict[str, Any] = {"do_sample": False}
            if sampling.temperature:
                drawn = {
                    "do_sample": True,
                    "temperature": sampling.temperature,
                    "top_p": sampling.top_p,
                    "top_k": 0,
                }
            try:
                self.report = yield from model.stream(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=min(sampling.max_tokens, room),
                    **drawn,
                )
            except RuntimeError as error:  # torch's, of memory for example, or of a type that a device has not
                raise ModelError(f"{self.name}: the model failed: {_first_line(error)}") from error

        return answer

    def _ids(self, prompt: str, *, chat: bool) -> torch.Tensor:
        tokenizer = self._tokenizer
        if not chat and read_on(prompt) != prompt and not tokenizer.added_tokens_encoder.keys() & set(FIM_TOKENS):
            raise ParameterError(f"{self.name} has no tokens for filling in the middle")
        if chat:
            if not tokenizer.chat_template:
                raise ParameterError(f"{self.name} has no template for chats: it goes on with code; leave --chat out")
            prompt = tokenizer.apply_chat_template(messages(prompt), tokenize=False, add_generation_prompt=True)
        ids = list(tokenizer(prompt, add_special_tokens=not chat)["input_ids"])
        if not ids:
            start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
            if start is None:
                raise ParameterError(f"the prompt is empty, and {self.name} has no token to begin with")
            ids = [start]
        return torch.tensor([ids], device=self._model.device)


def _loaded(named: str, dtype: str, *, asking: bool) -> tuple[Any, Any, dict[str, Any]]:
    """Return tokenizer, model, and what is told of the loading; without ``asking`` the hub is left alone."""
    settings: dict[str, Any] = {"dtype": dtype, "output_loading_info": True}
    tokenizer = AutoTokenizer.from_pretrained(named, local_files_only=not asking)
    loaded: Any = AutoModelForCausalLM.from_pretrained(named, local_files_only=not asking, **settings)
    return tokenizer, *loaded


def _folder(name: str) -> str | None:
    """Return the folder of a model, None for a name that the hub could have. Raises `ModelError` for anything else."""
    path = Path(name).expanduser()
    if path.is_file():
        remedy = "a GGUF file is served by llama.cpp's server: name its address as upstream"
        raise ModelError(
            f"{name}: {remedy if path.suffix == '.gguf' else 'this is a file; name the folder of a model'}"
        )
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"{name}: there is no config.json in this folder: it is no model for transformers")
        return str(path)
    if name.count("/") > 1 or name.startswith(("/", ".", "~")) or not name:
        raise ModelError(f"{name}: there is no such folder")
    return None


def _require_on_hub(name: str) -> None:
    """Raise `ModelError` unless the hub has a model of this name."""
    try:
        model_info(name, timeout=10)
    except (RepositoryNotFoundError, HFValidationError):
        cause = "the hub has no model of this name for you"
    except Exception:  # clients of the hub have changed what they raise with each version
        cause = "the hub cannot be reached"
    else:
        return
    raise ModelError(f"{name}: there is no such folder, and {cause}") from None


def _device(chosen: str | None) -> torch.device:
    try:
        if chosen is not None:
            return torch.device(chosen)
    except RuntimeError:
        raise ParameterError(f"device is {chosen!r}: torch has none of this name; cpu, cuda and mps are some") from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no cause is told"])[0][:200]
