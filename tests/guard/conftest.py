"""A scripted model, which recites the corpus after chosen prompts, and a small corpus with licences."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from provenance import kernel
from provenance.index import Index

RECITED = 900
COLUMNS = {"text": "content", "path": "path", "repository": "repo", "url": "url", "license": "license"}


@dataclass(frozen=True)
class Recital:
    """One answer of the scripted model: its pieces, and the part of the corpus in it."""

    prompt: str
    pieces: tuple[str, ...]
    copied: str


def function(seed: int, lines: int = 14) -> str:
    """A function of about fifty bytes a line that nobody has written."""
    rng = random.Random(seed)

    def word() -> str:
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(5, 11)))

    body = "".join(
        f"    {word()} = {word()}.{word()}({word()}, {word()}) + {rng.randrange(1000)}\n" for _ in range(lines)
    )
    return f"def {word()}_{word()}({word()}, {word()}):\n{body}    return {word()}\n"


@pytest.fixture(scope="session")
def function_of() -> object:
    return function


LICENSES = ("MIT", "GPL-3.0-only", "LGPL-2.1-only", "NOASSERTION", "BUSL-1.1", "Apache-2.0 OR GPL-2.0-only")


@pytest.fixture(scope="session")
def licensed_rows() -> list[dict[str, str]]:
    """Rows 0..5: one function each under each licence; row 6 on: one function that twelve repositories have."""
    rows = [
        {
            "content": function(number),
            "path": f"src/part{number}.py",
            "repo": f"github.com/owner{number}/code",
            "url": f"https://github.com/owner{number}/code/blob/v1/src/part{number}.py",
            "license": license,
        }
        for number, license in enumerate(LICENSES)
    ]
    rows += [
        {
            "content": f"# {number}\n" + function(99),
            "path": "vendored.py",
            "repo": f"github.com/many{number}/code",
            "url": "",
            "license": "GPL-2.0-only",
        }
        for number in range(12)
    ]
    return rows


@pytest.fixture(scope="session")
def licensed_folder(licensed_rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("licensed")
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in licensed_rows))
    options = SourceOptions(columns=tuple(COLUMNS.items()))
    build([open_source(str(folder / "rows.jsonl"), options)], folder / "index", corpus_name="licensed", workers=1)
    return folder / "index"


@pytest.fixture(scope="session")
def licensed(licensed_folder: Path) -> Iterator[Index]:
    with Index.open(licensed_folder) as index:
        yield index


@pytest.fixture(scope="session")
def corpus(demo_index: Path) -> Iterator[Index]:
    with Index.open(demo_index) as index:
        yield index


@pytest.fixture(scope="session")
def corpus_texts(corpus: Index) -> list[str]:
    return [corpus.text(ref).decode() for ref in corpus.refs()]


def longest_runs(corpus_texts: list[str], answers: list[str], floor: int) -> list[int]:
    """Return the lengths of all runs of at least ``floor`` bytes that answers share with the corpus: an exact scan."""
    document = b"\x01".join(kernel.normalise(text.encode()) for text in corpus_texts)
    query = b"\x00".join(kernel.normalise(text.encode()) for text in answers)
    return [length for _, _, length in kernel.common_runs(query, document, floor)]


@pytest.fixture(scope="session")
def scan() -> object:
    return longest_runs


@pytest.fixture(scope="session")
def recitals(corpus_texts: list[str]) -> list[Recital]:
    """A thousand answers with 130 to 1500 characters of the corpus in prose or code, cut as a tokenizer would."""
    rng = random.Random(2024)
    long = [text for text in corpus_texts if len(text) > 3000]
    made = []
    for number in range(1000):
        text = rng.choice(long)
        length = rng.randrange(200, 1500)
        at = rng.randrange(len(text) - length)
        copied = text[at : at + length]
        if rng.random() < 0.3:
            copied = copied.replace("\n", "\n" + " " * rng.randrange(1, 9))
        if rng.random() < 0.2:
            copied = copied.replace("\n", "\r\n")
        before = " ".join("".join(rng.choices("bcdfgklmnprst", k=5)) for _ in range(rng.randrange(0, 12)))
        fence = rng.random() < 0.5
        whole = f"{before}\n```python\n{copied}\n```\nThat is it." if fence else f"{before} {copied} {before}"
        pieces, place = [], 0
        while place < len(whole):
            step = rng.choice((1, 2, 3, 4, 4, 5, 7, 12, 30))
            pieces.append(whole[place : place + step])
            place += step
        made.append(Recital(f"prompt {number}", tuple(pieces), copied))
    return made


@pytest.fixture(scope="session")
def recited(corpus_texts: list[str]) -> str:
    """The part of a file of the corpus that the model knows by heart."""
    (text,) = [text for text in corpus_texts if "class JSONDecoder" in text]
    at = text.index("class JSONDecoder")
    return text[at : at + RECITED]


@pytest.fixture(scope="session")
def trained(recited: str) -> tuple[Any, Any]:
    """A GPTBigCode model and its BPE tokenizer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = trainers.BpeTrainer(vocab_size=500, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([recited] * 2, learner)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    torch.manual_seed(7)
    torch.set_num_threads(1)  # the model is too small for more
    config = transformers.GPTBigCodeConfig(
        vocab_size=len(fast), n_positions=1024, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0,
        pad_token_id=0, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0,
    )  # fmt: skip
    model = transformers.GPTBigCodeForCausalLM(config)
    ids = torch.tensor([fast(recited)["input_ids"]])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(200):
        loss = model(input_ids=ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.02:
            break
    model.eval()
    return model, fast
