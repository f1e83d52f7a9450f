"""The OpenAPI document: the routes as FastAPI describes them, the answers as the contract's JSON Schema has them."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from provenance import __version__
from provenance.reports import contract

ANSWERS = "#/components/schemas/Answer_"
"""Where the definitions of the contract stand in the document."""
DESCRIPTION = (
    "Attribution and membership testing for the training corpora of code models. Ranges are half-open; `start` and "
    "`end` count code points, `*_byte` UTF-8 bytes, `*_utf16` UTF-16 code units; lines are 1-based and inclusive."
)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application; made once."""
    if app.openapi_schema is None:
        made = get_openapi(title="corpus-provenance", version=__version__, description=DESCRIPTION, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        text = json.dumps(contract.schema()["$defs"]).replace("#/$defs/", ANSWERS)
        for name, definition in json.loads(text).items():
            schemas[f"Answer_{name}"] = definition
        schemas["Answer_indexes"] = {
            "type": "object",
            "properties": {
                "schema_version": {"const": contract.SCHEMA_VERSION},
                "indexes": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["schema_version", "indexes"],
        }
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        made["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        app.openapi_schema = made
    return app.openapi_schema
