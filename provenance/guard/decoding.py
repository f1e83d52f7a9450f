"""Copies seen token by token: would this continuation complete one?

A copy is complete with the window that makes its chain `Policy.min_chars` long. So only a text whose living chain
lacks one window has to be asked about, and of its continuations only those that complete that very window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provenance import kernel
from provenance.errors import ProvenanceError
from provenance.guard.evidence import Excerpt
from provenance.guard.policy import Facts
from provenance.guard.positions import Position
from provenance.guard.scanner import Chains, require_streamable
from provenance.membership.asking import ask
from provenance.membership.base import Hits
from provenance.removal import RemovedKeys
from provenance.text import StreamNormaliser, clean

if TYPE_CHECKING:
    from provenance.guard.guarded import Guard

_KEPT = 1024
"""Normalised bytes of a text that are kept: what a copy is looked up with."""


class Prompt:
    """What a prompt excuses; shared by all texts that answer it."""

    def __init__(self, guard: Guard, text: str) -> None:
        """Read the windows of ``text``. Raises `MismatchError` for an index that cannot be asked in a stream."""
        self.guard = guard
        self._filters = guard.index.filters
        for each in self._filters:
            require_streamable(each.geometry)
        self.geometry = guard.index.geometry
        keys = b""
        if text and guard.policy.prompt != "ignored":
            normalised = kernel.normalise(clean(text).encode())
            keys = kernel.window_keys(normalised, self.geometry.width, 1, self.geometry.seed)
        self._given = RemovedKeys(kernel.sort_unique(keys), self.geometry) if keys else None
        self._removed = None if guard.policy.withdrawn else guard.index.removed_keys

    def ask(self, normalised: bytes) -> Hits:
        """Return what the index's own filters know of a text, without what is excused."""
        own = [each for each in self._filters if each.geometry == self.geometry]
        ((_, answer),) = ask(own, normalised)
        for hidden in (self._removed, self._given):
            if answer.hits and hidden is not None:
                answer = hidden.without(answer, normalised)
        return answer


class Recitation:
    """The copies at the end of one growing text; cheap to copy."""

    def __init__(self, prompt: Prompt) -> None:
        """Begin a text."""
        self._prompt = prompt
        geometry = prompt.geometry
        self._near = prompt.guard.policy.min_chars - geometry.stride
        self._chains = Chains(geometry)
        self._normaliser = StreamNormaliser()
        self._tail = b""
        self._length = 0

    def copy(self) -> Recitation:
        """Return a text that is the same up to here and may go on in another way."""
        other = object.__new__(Recitation)
        other._prompt, other._near = self._prompt, self._near
        other._chains = Chains(self._prompt.geometry)
        other._chains.living = dict(self._chains.living)
        other._normaliser = self._normaliser.copy()
        other._tail, other._length = self._tail, self._length
        return other

    @property
    def near(self) -> bool:
        """Tell whether one more window may complete a copy: a token shorter than a stride brings no more."""
        width = self._prompt.geometry.width
        living = self._chains.living.values()
        return self._near < width or any(each.last + width - each.start >= self._near for each in living)

    @property
    def copying(self) -> bool:
        """Tell whether the text ends in what may become a copy."""
        return bool(self._chains.living)

    def feed(self, piece: str) -> bool:
        """Read the next piece of the text; return whether the policy blocks what it completes."""
        added = self._normaliser.feed(clean(piece).encode())
        if not added:
            return False
        geometry, least = self._prompt.geometry, self._prompt.guard.policy.min_chars
        before = self._length
        self._tail = (self._tail + added)[-_KEPT - len(added) :]
        self._length += len(added)
        low = max(0, before - geometry.width + 1)
        answer = self._prompt.ask(self._tail[low - self._length :] if low < self._length else b"")
        longest = 0
        for start, end in self._chains.carry(low, answer, self._length):
            longest = max(longest, end - start)
        return longest >= least and self._blocked(longest)

    def completes(self, piece: str) -> bool:
        """Return whether the policy blocks what ``piece`` would complete; the text stays as it is."""
        geometry = self._prompt.geometry
        if self._near >= geometry.width:
            needed = min(
                (
                    each.last + geometry.stride + geometry.width
                    for each in self._chains.living.values()
                    if each.last + geometry.width - each.start >= self._near
                ),
                default=None,
            )
            # Normalising makes no text longer, but a run of white space that waits may come with it.
            if needed is None or self._length + len(piece.encode("utf-8", "replace")) + 1 < needed:
                return False
        return self.copy().feed(piece)

    def _blocked(self, length: int) -> bool:
        """Return what the policy says about the chain that ends this text."""
        guard = self._prompt.guard
        policy = guard.policy
        facts = Facts(length)
        if policy.needs_sources or policy.needs_commonness:
            text = self._tail.decode("utf-8", "ignore")
            start = len(self._tail[:-length].decode("utf-8", "ignore")) if length < len(self._tail) else 0
            try:
                facts = guard.examiner.examine(
                    Excerpt(text, Position(), start, len(text)), facts, sources=policy.needs_sources
                ).facts
            except ProvenanceError:
                return policy.on_error == "closed"
        return policy.choose(facts).action == "block"
