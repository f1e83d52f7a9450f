"""How an answer is drawn, whatever model draws it."""

from __future__ import annotations

from dataclasses import dataclass

from provenance.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Sampling:
    """At most ``max_tokens`` tokens; ``temperature`` 0 takes the likeliest each time, others choose within ``top_p``.

    ``seed`` makes a choice repeatable; each further sample of one answer is drawn with the next seed.
    """

    max_tokens: int = 512
    temperature: float = 0.2
    top_p: float = 0.95
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raise `ParameterError` for a value out of range."""
        for name, value, low, high in (
            ("max_tokens", self.max_tokens, 1, 1_000_000),
            ("temperature", self.temperature, 0, 2),
            ("seed", self.seed or 0, 0, 2**32 - 1),
        ):
            if not low <= value <= high:
                raise ParameterError(f"{name} is {value}: it must be from {low} to {high}")
        if not 0 < self.top_p <= 1:
            raise ParameterError(f"top_p is {self.top_p}: it must be above 0, at most 1")

    def seeded(self, attempt: int) -> int | None:
        """Return the seed of a sample, counted from 0."""
        return None if self.seed is None else (self.seed + attempt) % 2**32
