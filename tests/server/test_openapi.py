"""The OpenAPI document is kept: schemathesis sends what it allows, and what it forbids."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

OPERATIONS = [
    ("/api/v1/check", "POST"),
    ("/api/v1/trace", "POST"),
    ("/api/v1/search", "POST"),
    ("/api/v1/documents/{document}", "GET"),
    ("/api/v1/index", "GET"),
    ("/api/v1/indexes", "GET"),
]


@pytest.fixture(scope="session")
def described(client: Any) -> Any:
    """The document of the running server."""
    return schemathesis.openapi.from_url(f"{client.base}/api/v1/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_one_that_the_document_allows(
    described: Any, path: str, method: str, mode: GenerationMode
) -> None:
    operation = described[path][method]
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.path_parameters):
        pytest.skip("it takes nothing that could be wrong")

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=50, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        case.call_and_validate(
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
            timeout=30,
        )

    ask()


def test_the_document_describes_every_route_of_the_api(client: Any) -> None:
    document = client.get("/api/v1/openapi.json").json
    assert sorted(document["paths"]) == [
        "/api/v1/check",
        "/api/v1/documents/{document}",
        "/api/v1/index",
        "/api/v1/indexes",
        "/api/v1/search",
        "/api/v1/trace",
    ]
    text = client.get("/api/v1/openapi.json").text
    assert "#/$defs/" not in text
    for name in ("check", "trace", "search", "show", "info", "error"):
        assert f"Answer_{name}" in document["components"]["schemas"]
