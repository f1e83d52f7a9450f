"""What goes over the wire to and from OpenAI-compatible servers: lines of event streams, JSON, halves of characters."""

from __future__ import annotations

import json
import re
from typing import Any

_LINE_END = re.compile(rb"\r\n|\n|\r")
_HALVES = re.compile("[\ud800-\udfff]")


def dumped(value: Any) -> bytes:
    """Return JSON in ASCII: whatever was read, lone surrogates and NaN too, can be passed on."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


class EventLines:
    """Cuts a stream of bytes into the lines of server-sent events: at CR and LF alone.

    Within JSON the line ends of Unicode (U+0085, U+2028, U+2029) may stand unescaped, and they stand in source code.
    """

    def __init__(self) -> None:
        """Begin a stream."""
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[str]:
        """Return the lines that are complete with ``piece``."""
        if not (b"\n" in piece or b"\r" in piece or self._rest.endswith(b"\r")):
            self._rest += piece
            return []
        # A carriage return at the end waits: the line feed that belongs to it may come next.
        held = b"\r" if piece.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(bytes(self._rest) + piece.removesuffix(held))
        self._rest = bytearray(rest + held)
        return [line.decode("utf-8", "replace") for line in lines]

    def finish(self) -> list[str]:
        """Return the last line, which nothing ended."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [line.decode("utf-8", "replace") for line in _LINE_END.split(rest) if line]


class Halves:
    """Joins surrogate pairs that came in two pieces of text; a half that stays alone becomes U+FFFD."""

    def __init__(self) -> None:
        """Begin a text."""
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return ``piece`` with what was held before it; a first half at its end is held."""
        if not self._held and (piece.isascii() or not _HALVES.search(piece)):
            return piece
        text = self._held + piece
        self._held = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text[: len(text) - len(self._held)]
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def finish(self) -> str:
        """Return what stands for a half that was held to the end."""
        held, self._held = self._held, ""
        return "\ufffd" if held else ""
