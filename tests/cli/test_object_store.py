"""An S3-compatible server on this machine: tables and archives are indexed from it, and after a kill resumed."""

from __future__ import annotations

import gzip
import io
import json
import logging
import random
import signal
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

Run = Callable[..., CompletedProcess[bytes]]
BUCKET = "corpus"


class Store:
    """A bucket on the server: what is put there, and what a process needs to know to reach it."""

    def __init__(self, address: str) -> None:
        # Nothing of this machine's own configuration may reach the server, or the other way round.
        self.environment = {
            "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        }  # fmt: skip
        self._client = boto3.client(
            "s3", endpoint_url=address, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        self._client.create_bucket(Bucket=BUCKET)

    def put(self, name: str, raw: bytes) -> None:
        self._client.put_object(Bucket=BUCKET, Key=name, Body=raw)

    def drop(self, name: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=name)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    threaded = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    threaded.start()
    host, port = threaded.get_host_and_port()
    yield f"http://{host}:{port}"
    threaded.stop()


@pytest.fixture
def store(server: str) -> Store:
    found = Store(server)
    for name, raw in objects().items():
        found.put(name, raw)
    return found


def text(number: int) -> str:
    chance = random.Random(number)
    return "".join(f"def f{chance.getrandbits(60):x}(a):\n    return a + {chance.getrandbits(40)}\n" for _ in range(40))


def objects() -> dict[str, bytes]:
    rows = [{"content": text(n), "path": f"{n}.py", "repo_name": f"o/r{n % 3}", "license": "mit"} for n in range(60)]
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows[:40]), table, row_group_size=5)
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows[40:])
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as whole:
        entry = tarfile.TarInfo("tool-1.0/main.py")
        entry.size = len(text(99))
        whole.addfile(entry, io.BytesIO(text(99).encode()))
    return {
        "set/data/a.parquet": table.getvalue(),
        "set/data/b.jsonl.gz": gzip.compress(lines),
        "set/README.md": b"# about\n",
        "tool-1.0.tar.gz": archive.getvalue(),
    }


def report(done: CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_tables_and_archives_come_from_a_bucket_and_are_traced(run: Run, store: Store, tmp_path: Path) -> None:
    index = tmp_path / "index"
    places = (f"s3://{BUCKET}/set", f"s3://{BUCKET}/tool-1.0.tar.gz")
    done = run("index", *places, "--index", index, "-j", "2", "--format", "json", env=store.environment)
    assert report(done)["report"]["documents"] == 61
    asked = tmp_path / "asked.py"
    for number, source in ((7, ("o/r1", "7.py", "MIT")), (50, ("o/r2", "50.py", "MIT")), (99, ("tool-1.0", "main.py"))):
        asked.write_text(text(number))
        answer = report(run("trace", asked, "--index", index, "--fail-on", "never", "--format", "json"))
        (found,) = answer["results"][0]["spans"][0]["sources"]
        assert (found["repository"], found["path"], found["license"])[: len(source)] == source


def test_a_build_from_a_bucket_that_was_killed_goes_on(run: Run, store: Store, tmp_path: Path) -> None:
    words = ("index", f"s3://{BUCKET}/set", "-j", "1", "--segment-bytes", "30000", "--format", "json")
    whole = report(run(*words, "--index", tmp_path / "whole", env=store.environment))
    killed = run(*words, "--index", tmp_path / "i", env=store.environment | {"PROVENANCE_FAULT": "task-commit:3"})
    assert killed.returncode == -signal.SIGKILL
    resumed = report(run(*words, "--index", tmp_path / "i", env=store.environment))
    assert resumed["report"]["resumed_tasks"] == 2
    assert resumed["index"]["digest"] == whole["index"]["digest"]


def test_what_is_wrong_in_a_bucket_is_named(run: Run, store: Store, tmp_path: Path) -> None:
    for place, words in (
        (f"s3://{BUCKET}/none", ("s3://corpus/none", "there is nothing")),
        ("s3://no-such-bucket/x", ("s3://no-such-bucket/x",)),
        (f"s3://{BUCKET}/set/README.md", ("no table is here",)),
    ):
        done = run("index", place, "--index", tmp_path / "i", env=store.environment)
        said = done.stderr.decode()
        assert done.returncode == 2 and len(said.splitlines()) == 1 and all(word in said for word in words), said
    store.put("set/data/c.parquet", objects()["set/data/a.parquet"][:-30])
    done = run("index", f"s3://{BUCKET}/set", "--index", tmp_path / "i", "--format", "json", env=store.environment)
    tally = report(done)["report"]["tally"]
    store.drop("set/data/c.parquet")
    assert (tally["documents"], tally["skipped"]) == (60, {"unreadable table": 1})
    assert "data/c.parquet" in tally["examples"]["unreadable table"][0]


def test_addresses_whose_package_is_missing_say_which(run: Run, tmp_path: Path) -> None:
    for place, package in (("gs://bucket/x.parquet", "gcsfs"), ("abfs://c/x.parquet", "adlfs")):
        done = run("index", place, "--index", tmp_path / "i")
        said = done.stderr.decode()
        assert done.returncode == 2 and len(said.splitlines()) == 1, said
        assert place in said and package in said, said
