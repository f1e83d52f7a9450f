"""docker-compose.yml as far as it can be judged without Docker: it parses, and all that it leaves open is in .env."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.elasticsearch.node import VERSION

ROOT = Path(__file__).parents[1]


def variables() -> dict[str, str]:
    lines = (ROOT / ".env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def composed() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    known = variables()
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)\}", text))
    assert asked == set(known)
    parsed: dict[str, Any] = yaml.safe_load(re.sub(r"(?<!\$)\$\{(\w+)\}", lambda found: known[found[1]], text))
    return parsed


def test_it_runs_the_version_that_is_tested_on_the_loopback_alone() -> None:
    services = composed()["services"]
    assert services["elasticsearch"]["image"].endswith(f":{VERSION}")
    assert services["certificates"]["image"] == services["elasticsearch"]["image"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_the_node_has_a_password_a_certificate_limits_and_a_volume_of_its_own() -> None:
    parsed = composed()
    node = parsed["services"]["elasticsearch"]
    assert node["environment"]["xpack.security.enabled"] == "true"
    assert node["environment"]["xpack.security.http.ssl.enabled"] == "true"
    assert node["mem_limit"] and node["healthcheck"]["test"]
    named = [volume.partition(":")[0] for volume in node["volumes"]]
    assert set(named) == set(parsed["volumes"])


def test_no_password_is_written_down() -> None:
    assert variables()["ELASTIC_PASSWORD"] == ""
