"""What an index is built with; decided once, recorded in index.json, the same for every later addition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from provenance.errors import ParameterError
from provenance.membership.base import Geometry, Unit
from provenance.windows import DEFAULT_SEED, DEFAULT_STRIDE, DEFAULT_WIDTH

NORMALISERS = ("layout-1", "portrait-1")
FINGERPRINTS = ("syncmers-1", "none")
"""Rules of fingerprints (`provenance.lexing.fingerprints`); the name changes with the rule, or with the lexer."""
FilterKind = Literal["blocked", "pybloom", "portrait"]
_KINDS = ("blocked", "pybloom", "portrait")
_PORTRAIT = ("codepoint", "portrait-1", "none", "portrait")
"""Unit, normaliser, engine and filter of an index of imported portraits: they come together or not at all."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of one index; an instance is always valid.

    ``width`` and ``stride`` count UTF-8 bytes of normalised text. ``false_positive_rate`` is the target of one
    window against all layers together. ``group`` is how many consecutive windows share one commonness sample;
    a sample that stands in ``common_repositories`` repositories is common. ``segment_bytes`` is how much text
    one segment holds, about. ``engine`` and ``filter`` name the implementations of search and membership.
    ``fingerprints`` names the rule by which code is fingerprinted, so that edited copies are found, or is ``none``.
    """

    width: int = DEFAULT_WIDTH
    stride: int = DEFAULT_STRIDE
    unit: Unit = "utf8"
    seed: int = DEFAULT_SEED
    normaliser: str = "layout-1"
    false_positive_rate: float = 1e-6
    group: int = 33
    common_repositories: int = 10
    segment_bytes: int = 128 << 20
    engine: str = "tantivy"
    filter: FilterKind = "blocked"
    fingerprints: str = "syncmers-1"

    def __post_init__(self) -> None:
        """Raise `ParameterError` where a value is out of range."""
        for name, low, high in (
            ("width", 8, 4096),
            ("stride", 1, 4096),
            ("seed", 0, (1 << 64) - 1),
            ("group", 1, 65536),
            ("common_repositories", 2, 1 << 20),
            ("segment_bytes", 1 << 10, 1 << 32),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ParameterError(f"{name} is {value!r}: it must be a whole number from {low} to {high}")
        rate = self.false_positive_rate
        if type(rate) is not float or not 1e-12 <= rate <= 0.1:
            raise ParameterError(f"false_positive_rate is {rate!r}: it must be a fraction from 1e-12 to 0.1")
        for name, known in (
            ("unit", ("utf8", "codepoint")),
            ("normaliser", NORMALISERS),
            ("engine", ("tantivy", "elasticsearch", "none")),
            ("filter", _KINDS),
            ("fingerprints", FINGERPRINTS),
        ):
            if getattr(self, name) not in known:
                raise ParameterError(f"{name} is {getattr(self, name)!r}: this release has {', '.join(known)}")
        if self.engine == "none" and self.fingerprints != "none":
            raise ParameterError("fingerprints stand in the search engine: with engine none they are none, too")
        together = [left == right for left, right in zip(self._portrait_values(), _PORTRAIT, strict=True)]
        if any(together) and not all(together):
            raise ParameterError(f"{', '.join(_PORTRAIT)} come together (an imported portrait) or not at all")

    def _portrait_values(self) -> tuple[str, ...]:
        return self.unit, self.normaliser, self.engine, self.filter

    @property
    def geometry(self) -> Geometry:
        """Return what filters and queries must share."""
        return Geometry(self.width, self.stride, self.unit, self.seed, self.normaliser)

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as they stand in index.json: without fingerprints as before there were any."""
        values = asdict(self)
        if self.fingerprints == "none":
            del values["fingerprints"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Parameters:
        """Return the parameters that index.json records. Raises `ParameterError`."""
        names = {field.name for field in fields(cls)}
        values = {"fingerprints": "none", **values}
        if set(values) != names:
            odd = ", ".join(sorted(names ^ set(values)))
            raise ParameterError(f"parameters missing or unknown to this release: {odd}")
        return cls(**values)

    def deciding_answers(self) -> bytes:
        """Return the canonical JSON of what decides answers; the digest of an index begins with it."""
        names = ["width", "stride", "unit", "seed", "normaliser"] + ["fingerprints"] * (self.fingerprints != "none")
        return canonical_json({name: getattr(self, name) for name in names})


def canonical_json(value: Any) -> bytes:
    """Return the one serialisation that hashes are made over: sorted keys, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
