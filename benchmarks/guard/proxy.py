"""What does the proxy cost: wall time, time to the first token, and is nothing mixed up under many streams?

    python -m benchmarks.guard.proxy INDEX [--rounds N] [--streams N]

Behind the proxy is SmolLM2 (135 M parameters, GGUF) in xllamacpp's server. Asked directly and through the proxy by
turns, one stream at a time and eight at once; then 32 streams at once of a scripted upstream, each of which must get
the answer to its own prompt, while the proxy's memory is watched. Prints one JSON line a claim.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.guard.models import gguf, serving
from benchmarks.guard.scripted import function, told
from tests.guard.upstream import Upstream, running

PROMPT = "Write a Python function that reads a file and counts its words. Explain it."


@contextmanager
def proxied(upstream: str, index: str, policy: str) -> Iterator[tuple[str, int]]:
    """Run `provenance proxy` in a process of its own; gives its address and process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import sys; from cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "proxy", "--upstream", upstream, "--index", index, "--policy", policy]
    with subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL) as process:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port}/v1", process.pid
        finally:
            process.terminate()


async def asked(client: httpx2.AsyncClient, address: str, body: dict[str, Any]) -> tuple[float, float, str]:
    """Stream one answer: seconds to the first text, seconds in all, the text."""
    begun = time.perf_counter()
    first, text = 0.0, ""
    async with client.stream("POST", f"{address}/chat/completions", json={**body, "stream": True}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    piece = choice["delta"].get("content") or ""
                    if piece and not text:
                        first = time.perf_counter() - begun
                    text += piece
    return first, time.perf_counter() - begun, text


async def together(address: str, bodies: list[dict[str, Any]]) -> list[tuple[float, float, str]]:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=600, limits=limits) as client:
        return list(await asyncio.gather(*(asked(client, address, body) for body in bodies)))


def body(seed: int, tokens: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"{PROMPT} Style {seed}."}]
    return {"model": "m", "messages": messages, "max_tokens": tokens, "temperature": 0, "seed": 1}


def overhead(index: str, rounds: int) -> None:
    for streams, tokens in ((1, 128), (8, 64)):
        with serving(gguf(), streams=streams, threads=1) as upstream:
            for policy in ("annotate", "strict"):
                with proxied(upstream, index, policy) as (guarded, _):
                    times: dict[str, list[float]] = {upstream: [], guarded: []}
                    firsts: dict[str, list[float]] = {upstream: [], guarded: []}
                    texts: dict[str, list[str]] = {}
                    for turn in range(rounds + 1):
                        for address in (upstream, guarded) if turn % 2 else (guarded, upstream):
                            begun = time.perf_counter()
                            answers = asyncio.run(together(address, [body(turn, tokens) for _ in range(streams)]))
                            if turn:  # the first warms up
                                times[address].append(time.perf_counter() - begun)
                                firsts[address] += [first for first, _, _ in answers]
                            texts[address] = [text for _, _, text in answers]
                off, on = (statistics.median(times[address]) for address in (upstream, guarded))
                first_off, first_on = (statistics.median(firsts[address]) for address in (upstream, guarded))
                characters = statistics.median(map(len, texts[upstream]))
                told(
                    f"added wall time: proxy with the GGUF model, {streams} stream{'s' * (streams > 1)}",
                    "<= 10 %; first token <= 1 hold-back window later",
                    preset=policy,
                    rounds=rounds,
                    tokens=tokens,
                    off_seconds=round(off, 3),
                    on_seconds=round(on, 3),
                    added_percent=round(100 * (on / off - 1), 1),
                    first_token_off_ms=round(first_off * 1e3),
                    first_token_on_ms=round(first_on * 1e3),
                    # 31 normalised characters, at the model's own speed
                    window_ms=round(31 / characters * (off - first_off) * 1e3),
                )


def resident(process: int) -> int:
    """Resident memory of a process in KiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def mixed_up(index: str, streams: int, rounds: int = 12) -> None:
    upstream = Upstream()
    upstream.script = lambda asked, _: own(int(asked["messages"][0]["content"]))
    wrong, sizes = 0, []
    with ExitStack() as stack:
        address = stack.enter_context(running(upstream.app))
        guarded, process = stack.enter_context(proxied(address, index, "strict"))
        for number in range(rounds):
            numbers = range(number * streams, (number + 1) * streams)
            bodies = [{"model": "m", "messages": [{"role": "user", "content": str(each)}]} for each in numbers]
            answers = asyncio.run(together(guarded, bodies))
            wrong += sum(text != own(each) for each, (_, _, text) in zip(numbers, answers, strict=True))
            sizes.append(resident(process))
    told(
        f"{streams} concurrent streams",
        "no mix-up, memory flat",
        answers=rounds * streams,
        wrong=wrong,
        resident_mib=[round(each / 1024, 1) for each in sizes],
        growth_after_the_third_round_percent=round(100 * (sizes[-1] / sizes[2] - 1), 1),
    )


def own(number: int) -> str:
    return f"Answer {number}:\n" + function(50_000 + number, 40)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("index")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--only", choices=("overhead", "streams"))
    arguments = parser.parse_args()
    steps: dict[str, Callable[[], None]] = {
        "overhead": lambda: overhead(arguments.index, arguments.rounds),
        "streams": lambda: mixed_up(arguments.index, arguments.streams),
    }
    for name, step in steps.items():
        if arguments.only in (None, name):
            step()


if __name__ == "__main__":
    main()
