"""Document ids as people type them."""

from __future__ import annotations

from provenance.errors import ParameterError


def document_id(value: str) -> bytes:
    """Return the 16 bytes of a document id. Raises `ParameterError` where it is none."""
    try:
        identity = bytes.fromhex(value)
    except ValueError:
        identity = b""
    if len(identity) != 16:
        raise ParameterError(f"{value!r} is no document id: 32 hex digits, as answers give it")
    return identity
