"""Copies seen token by token: would this continuation complete one?

A copy is complete with the window that makes its chain `Policy.min_chars` long. So only a text whose living chain
lacks one window has to be asked about, and of its continuations only those that complete that very window.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provenance.errors import ProvenanceError
from provenance.guard.evidence import Excerpt
from provenance.guard.fim import read_on
from provenance.guard.policy import Facts
from provenance.guard.positions import Position
from provenance.guard.scanner import excuse, geometries_of, stream_of
from provenance.text import clean

if TYPE_CHECKING:
    from provenance import kernel
    from provenance.guard.guarded import Guard

_KEPT = 4096
"""Characters of a text that are kept: what a copy is looked up with."""


class Prompt:
    """What a prompt excuses; shared by all texts that answer it."""

    def __init__(self, guard: Guard, text: str) -> None:
        """Read the windows of ``text``. Raises `MismatchError` for an index that cannot be asked in a stream."""
        self.guard = guard
        self.geometries = geometries_of(guard.index)
        self._stream = stream_of(guard.index, withdrawn=guard.policy.withdrawn)
        if text and guard.policy.prompt == "continued":
            self._stream.feed(clean(read_on(text))[-_KEPT:])
            self._stream.begin()
        if text and guard.policy.prompt != "ignored":
            excuse(self._stream, guard.index, text)

    def stream(self) -> kernel.TextStream:
        """Return an answer of which nothing is written yet."""
        return self._stream.copy()


class Recitation:
    """The copies at the end of one growing text; cheap to copy."""

    def __init__(self, prompt: Prompt) -> None:
        """Begin a text."""
        self._prompt = prompt
        self._least = prompt.guard.policy.min_chars
        self._stream = prompt.stream()
        self._text = ""

    def copy(self) -> Recitation:
        """Return a text that is the same up to here and may go on in another way."""
        other = object.__new__(Recitation)
        other._prompt, other._least = self._prompt, self._least
        other._stream, other._text = self._stream.copy(), self._text
        return other

    @property
    def missing(self) -> int | None:
        """Return how many bytes are missing, at least, to the next window that may complete a copy.

        None where one more window completes none; a token shorter than a stride brings no more.
        """
        needed = self._needed()
        return None if needed is None else needed - self._stream.length

    @property
    def copying(self) -> bool:
        """Tell whether the text ends in what may become a copy."""
        return any(self._stream.living(number) for number in range(len(self._prompt.geometries)))

    def feed(self, piece: str) -> bool:
        """Read the next piece of the text; return whether the policy blocks what it completes."""
        piece = clean(piece)
        self._text = (self._text + piece)[-_KEPT:]
        _, _, chains = self._stream.feed(piece)
        start, end, first, _ = max(chains, key=lambda each: each[1] - each[0], default=_NONE)
        length = end - start
        return length >= self._least and self._blocked(length, first[0])

    def completes(self, piece: str) -> bool:
        """Return whether the policy blocks what ``piece`` would complete; the text stays as it is."""
        missing = self.missing
        # Normalising makes no text longer, but a run of white space that waits may come with it.
        if missing is None or len(piece.encode("utf-8", "replace")) + 1 < missing:
            return False
        return self.copy().feed(piece)

    def _needed(self) -> int | None:
        """Return the least length at which one more window may have completed a copy."""
        found: list[int] = []
        for number, geometry in enumerate(self._prompt.geometries):
            width, stride = geometry.width, geometry.stride
            if self._least <= width:
                found.append(0)
            found += [
                last + stride + width
                for start, last in self._stream.living(number)
                if last + stride + width - start >= self._least
            ]
        return min(found, default=None)

    def _blocked(self, length: int, begun: int) -> bool:
        """Return what the policy says about a chain that ends this text and began at a code point of it."""
        guard = self._prompt.guard
        policy = guard.policy
        facts = Facts(length)
        if policy.needs_sources or policy.needs_commonness:
            text = self._text
            start = max(0, begun - (self._stream.written[0] - len(text)))
            try:
                facts = guard.examiner.examine(
                    Excerpt(text, Position(), start, len(text)), facts, sources=policy.needs_sources
                ).facts
            except ProvenanceError:
                return policy.on_error == "closed"
        # So much longer may a copy be when it is looked at again.
        longest = facts.length + max(each.stride for each in self._prompt.geometries) - 1
        return policy.choose(replace(facts, length=longest)).action == "block"


_NONE = (0, 0, (0, 0, 0, 0), (0, 0, 0, 0))
