"""How does the server behave under load, past it, and beside clients that are slow?

Data: an index of the standard library and the installed packages (made in a temporary folder, or named with
``--index``). Questions are stretches of its modules and the same stretches with their words turned around, so that
half of them are copies; 500 characters for /overlap, as the editor extension sends them, 250 for /api/v1/trace.
The server is `provenance serve` in a process of its own, wrk (Debian: ``apt install wrk``) asks on the loopback.

- steady: 32 connections. What fails, how long answers take, answers a second, as a share of what the server answers
  to /healthz in the same run; memory before and after.
- overload: ten times as many connections as questions may be inside. Every answer is 200, 429 or 503; afterwards
  the server answers as before, and nothing of the overload is left waiting.
- slow: 200 clients that send a byte a second, beside 32 that do not.

    python benchmarks/load.py [--index DIR] [--seconds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.build import build
from indexer.sources import open_source
from provenance.kernel import name as kernel_name

CONNECTIONS = 32
INSIDE = 66
"""Questions that the server lets in here: two workers and a queue of 64."""
SLOW = 200
QUESTIONS = 1_000
ROUTES = {"/overlap": ("document", 500), "/api/v1/trace": ("text", 250)}
_LUA = """
local bodies = {}
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
local place = 0
function setup(thread) thread:set("place", math.random(#bodies)) end
function request()
  place = place % #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[place])
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", summary.requests, summary.duration, e.status,
    e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True)
class Outcome:
    """What wrk saw: answers a second, those with an error status, broken connections, and times in milliseconds."""

    rate: float
    refused: int
    broken: int
    p50: float
    p99: float
    longest: float


class Server:
    """`provenance serve` in a process of its own."""

    def __init__(self, index: Path, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.log = folder / "log"
        code = "import sys; from cli.main import main; sys.exit(main())"
        options = ["serve", "--index", str(index), "--port", str(self.port), "--workers", "2"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([sys.executable, "-c", code, *options], stdout=log, stderr=log)
        until = time.monotonic() + 60
        while True:
            try:
                self.get("/readyz")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"the server does not start:\n{self.log.read_text()}")
                time.sleep(0.1)

    def get(self, path: str) -> str:
        """Return the answer to one question."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def statuses(self, route: str) -> Counter[int]:
        """Return how many requests of a route were answered with each status."""
        found: Counter[int] = Counter()
        for line in self.get("/metrics").splitlines():
            if match := re.fullmatch(rf'.*route="{re.escape(route)}",status="(\d+)"\}} (\d+)', line):
                found[int(match[1])] += int(match[2])
        return found

    def memory(self) -> float:
        """Return the resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]

    def waiting(self) -> int:
        """Return how many questions wait or are being answered."""
        return sum(
            int(number) for number in re.findall(r"^provenance_(?:running|waiting) (\d+)", self.get("/metrics"), re.M)
        )


def wrk(server: Server, route: str, seconds: float, connections: int, bodies: Path | None = None) -> Outcome:
    """Ask for a while and return what came of it."""
    script = server.log.with_name("questions.lua")
    script.write_text(_LUA if bodies else _LUA[_LUA.index("function done") :])
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    command += ["--timeout", "60s", "--script", str(script), f"http://127.0.0.1:{server.port}{route}"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "BODIES": str(bodies)}, check=True
    )
    found = re.search(r"RESULT (.*)", done.stdout)
    assert found, done.stdout + done.stderr
    requests, microseconds, refused, broken, p50, p99, longest = map(int, found[1].split())
    return Outcome(requests / microseconds * 1e6, refused, broken, p50 / 1e3, p99 / 1e3, longest / 1e3)


def questions(folder: Path) -> dict[str, Path]:
    """Write the bodies of each route, a line each, and return where they are."""
    chance = random.Random(7)
    modules = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [text for text in (path.read_text("utf-8", "replace") for path in modules) if len(text) > 2000]
    files = {}
    for route, (field, length) in ROUTES.items():
        bodies = []
        for number in range(QUESTIONS):
            text = chance.choice(texts)
            start = chance.randrange(len(text) - length)
            cut = text[start : start + length]
            if number % 2:
                cut = re.sub(r"[A-Za-z]{3,}", lambda word: word[0][::-1], cut)
            bodies.append(json.dumps({field: cut}))
        files[route] = folder / f"{field}.jsonl"
        files[route].write_text("\n".join(bodies) + "\n")
    return files


@contextmanager
def slow_clients(port: int) -> Iterator[None]:
    """Keep clients that send a byte a second; the server may give them up, then they come again."""
    stop = threading.Event()
    head = b"POST /overlap HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"

    def drip() -> None:
        clients: list[socket.socket] = []
        while not stop.wait(1.0 if clients else 0.0):
            kept = []
            for client in clients:
                try:
                    client.send(b" ")
                    kept.append(client)
                except OSError:
                    client.close()
            while len(kept) < SLOW:
                kept.append(socket.create_connection(("127.0.0.1", port)))
                kept[-1].sendall(head)
            clients = kept
        for client in clients:
            client.close()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        time.sleep(2)
        yield
    finally:
        stop.set()
        thread.join()


def measure(index: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Return every figure."""
    bodies = questions(folder)
    server = Server(index, folder)
    found: dict[str, Any] = {}
    try:
        limit = wrk(server, "/healthz", min(5, seconds), CONNECTIONS)
        found["healthz_per_second"] = round(limit.rate)
        for route in ROUTES:
            wrk(server, route, min(5, seconds), CONNECTIONS, bodies[route])
            with ThreadPoolExecutor(1) as pool:
                asking = pool.submit(wrk, server, route, seconds, CONNECTIONS, bodies[route])
                memory = [server.memory()]
                while not wait([asking], seconds / 4).done:
                    memory.append(server.memory())
                steady = asking.result()
            answered = server.statuses(route)
            assert set(answered) == {200} and not steady.broken, (answered, steady)
            found[route] = {
                "errors": steady.refused + steady.broken,
                "per_second": round(steady.rate),
                "share_of_healthz": round(steady.rate / limit.rate, 3),
                "p50_ms": round(steady.p50, 1),
                "p99_ms": round(steady.p99, 1),
                "longest_ms": round(steady.longest, 1),
                "memory_mb_by_quarters": [*map(round, memory), round(server.memory())],
            }
            print(route, found[route], flush=True)
        route = "/api/v1/trace"
        before_overload = server.statuses(route)
        over = wrk(server, route, min(20, seconds), 10 * INSIDE, bodies[route])
        until = time.monotonic() + 60
        begun = time.monotonic()
        while server.waiting() and time.monotonic() < until:
            time.sleep(0.05)
        drained = time.monotonic() - begun
        statuses = server.statuses(route) - before_overload
        assert set(statuses) <= {200, 429, 503} and not over.broken, (statuses, over)
        again = wrk(server, route, min(10, seconds), CONNECTIONS, bodies[route])
        found["overload"] = {
            "connections": 10 * INSIDE,
            "statuses": {str(status): count for status, count in sorted(statuses.items())},
            "broken_connections": over.broken,
            "answered_well_per_second": round(statuses[200] / min(20, seconds)),
            "seconds_until_nothing_waits": round(drained, 2),
            "rate_afterwards_over_before": round(again.rate / found[route]["per_second"], 2),
            "errors_afterwards": again.refused + again.broken,
            "memory_mb": round(server.memory()),
        }
        print("overload", found["overload"], flush=True)
        route = "/overlap"
        alone = wrk(server, route, min(10, seconds), CONNECTIONS, bodies[route])
        with slow_clients(server.port):
            beside = wrk(server, route, min(10, seconds), CONNECTIONS, bodies[route])
        found["slow_clients"] = {
            "clients": SLOW,
            "rate_beside_over_alone": round(beside.rate / alone.rate, 2),
            "p99_ms": [round(alone.p99, 1), round(beside.p99, 1)],
            "errors": beside.refused + beside.broken,
        }
        print("slow", found["slow_clients"], flush=True)
    finally:
        server.process.terminate()
        server.process.wait(30)
    logged = server.log.read_text()
    assert "Traceback" not in logged, logged
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not on the path; on Debian `apt install wrk` brings it")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = options.index
        if index is None:
            index = folder / "index"
            build([open_source(sysconfig.get_path("stdlib"))], index, corpus_name="load")
        result = {
            **measure(index, folder, options.seconds),
            "seconds": options.seconds,
            "connections": CONNECTIONS,
            "kernel": kernel_name,
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
