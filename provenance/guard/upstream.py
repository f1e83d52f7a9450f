"""A model behind somebody else's OpenAI-compatible server (llama.cpp for GGUF files, vLLM, Ollama), asked in a stream.

upstream = Upstream("http://127.0.0.1:8080/v1")
answer = guarded(upstream.answering(Sampling()), guard)("def parse(")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import httpx2

from provenance.errors import ModelError, ParameterError
from provenance.guard.assistant import messages
from provenance.guard.openai_shapes import join_parts
from provenance.guard.sampling import Sampling
from provenance.guard.wire import EventLines, Halves, dumped

_CAUSES: Mapping[int, str] = {
    401: "it wants a key",
    403: "the key may not do this",
    404: "it has no such route or model",
    429: "it is busy",
    503: "it is not ready",
}


def require_address(address: str) -> str:
    """Return the address of an upstream as requests are added to it. Raises `ParameterError` for what is none."""
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, TypeError):
        url = None
    if url is None or url.scheme not in ("http", "https") or not url.host:
        raise ParameterError(f"upstream is {address!r}: it must be an address like http://127.0.0.1:8080/v1")
    return address.rstrip("/") + "/"


class Upstream:
    """An OpenAI-compatible server. Usable from many threads; `close` it."""

    def __init__(self, address: str, model: str | None = None, *, key: str | None = None, seconds: float = 600) -> None:
        """``address`` goes up to and with ``/v1``; without ``model`` the first that the server names is asked.

        ``key`` is sent as bearer token; ``seconds`` is how long the server may be silent.
        Raises `ParameterError` for an address that is none.
        """
        self.address = address
        self._model = model
        self._client = httpx2.Client(
            base_url=require_address(address),
            timeout=httpx2.Timeout(seconds, connect=10.0),
            headers={"authorization": f"Bearer {key}"} if key else {},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def name(self) -> str:
        """Return the name of the model. Raises `ModelError`."""
        if self._model is None:
            try:
                answer = self._client.get("models")
            except httpx2.RequestError as error:
                raise self._unreachable(error) from None
            self._require_good(answer)
            try:
                self._model = str(answer.json()["data"][0]["id"])
            except (ValueError, KeyError, IndexError, TypeError):
                raise ModelError(f"{self.address}: the server names no model; name one") from None
        return self._model

    def answering(self, sampling: Sampling, *, chat: bool = False) -> Callable[[str], Iterator[str]]:
        """Return a function that yields the answer to a prompt; with ``chat`` a technical assistant answers it.

        It raises `ModelError` where the server cannot be reached, refuses, or breaks off.
        """
        attempts = count()

        def answer(prompt: str) -> Iterator[str]:
            body: dict[str, Any] = {
                "model": self.name,
                "stream": True,
                "max_tokens": sampling.max_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
            }
            seed = sampling.seeded(next(attempts))
            if seed is not None:
                body["seed"] = seed
            if chat:
                return self._stream("chat/completions", {**body, "messages": messages(prompt)})
            return self._stream("completions", {**body, "prompt": prompt})

        return answer

    def _stream(self, path: str, body: Mapping[str, Any]) -> Iterator[str]:
        try:
            headers = {"content-type": "application/json"}
            with self._client.stream("POST", path, content=dumped(body), headers=headers) as answer:
                if answer.status_code != 200:
                    answer.read()
                self._require_good(answer)
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    # There are servers that do not stream, whatever they are asked.
                    yield from self._texts(answer.read().decode("utf-8", "replace"))
                    return
                halves = Halves()
                for line in _lines(answer):
                    data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                    if data == "[DONE]":
                        break
                    if data:
                        yield from map(halves.feed, self._texts(data))
                yield halves.finish()
        except httpx2.RequestError as error:
            raise self._unreachable(error) from None

    def _texts(self, data: str) -> Iterator[str]:
        try:
            chunk = json.loads(data)
            if "error" in chunk:
                raise ModelError(f"{self.address}: the server failed in the middle of the answer")
            for choice in chunk["choices"]:
                message = choice.get("delta") or choice.get("message") or choice
                join_parts(message)
                piece = message.get("text") or message.get("content")
                if piece:
                    yield str(piece)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ModelError(f"{self.address}: what the server says is no completion") from None

    def _require_good(self, answer: httpx2.Response) -> None:
        if answer.status_code == 200:
            return
        try:
            # The message could quote the prompt; the code does not.
            error = answer.json()["error"]
            code = str(error.get("code") or error.get("type") or "")[:80]
        except (ValueError, KeyError, TypeError, AttributeError):
            code = ""
        cause = _CAUSES.get(answer.status_code, "it refuses the question")
        raise ModelError(f"{self.address}: the server says {answer.status_code}{f' ({code})' if code else ''}: {cause}")

    def _unreachable(self, error: httpx2.RequestError) -> ModelError:
        if isinstance(error, httpx2.ReadTimeout):
            return ModelError(f"{self.address}: the server has been silent for too long")
        if isinstance(error, (httpx2.ReadError, httpx2.RemoteProtocolError)):
            return ModelError(f"{self.address}: the server broke off in the middle of the answer")
        return ModelError(f"{self.address}: the server cannot be reached; is it running, and is this its /v1 address?")


def _lines(answer: httpx2.Response) -> Iterator[str]:
    lines = EventLines()
    for piece in answer.iter_bytes():
        yield from lines.feed(piece)
    yield from lines.finish()
