"""How large a blocked filter must be, and how often it will err: arithmetic, no file, no kernel.

A query's key falls into one region; the region holds L of the filter's n keys, L ~ Binomial(n, 1/R) (for large
filters Poisson with mean n / R). One of its 64 lines is asked, which holds X of those, X ~ Binomial(L, 1/64).
In each of the line's eight words X keys have set one bit of 64, so the asked bit is set with 1 - q^X, q = 63/64,
independently between words. With the binomial theorem one half answers yes, given L, with probability

    g(L) = E (1 - q^X)^8 = sum over j of C(8, j) (-1)^j (1 - (1 - q^j) / 64)^L

and the halves are independent given L, so that the rate is E g(L)^halves. Only additions, multiplications and
divisions of doubles are used (no library powers or logarithms): a size is the same on every machine.
"""

from __future__ import annotations

import math

from provenance.errors import ParameterError

REGION_BYTES = 4096
"""Bytes of one region in one half: 64 lines of 64 bytes."""
MIN_TARGET = 1e-14
"""Smallest rate that can be asked for. A key of 64 bits collides with one of n at a rate of n / 2^64 besides."""
MAX_TARGET = 0.1
"""Largest rate that can be asked for."""
ONE_HALF_FROM = 1e-3
"""From this target on, one half is enough."""
MAX_KEYS = 1 << 48

_FULL_LOAD = 1 << 13
"""Keys a region from which a half answers yes in more than MAX_TARGET of all cases (g is 0.32 there)."""
_SATURATED_LOAD = 1 << 16
"""Keys a region from which the spread of the load no longer shows: the half answers yes but for 1e-6."""
_LINES = 64
_WORDS = 8
_SIGNS = tuple((-1) ** j * math.comb(_WORDS, j) for j in range(_WORDS + 1))


def _bases() -> tuple[float, ...]:
    powers = [1.0]
    for _ in range(_WORDS):
        powers.append(powers[-1] * (63 / 64))
    return tuple(1.0 - (1.0 - power) / _LINES for power in powers)


_BASES = _bases()


def _power(base: float, exponent: int) -> float:
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def _half_rates(first: int, count: int) -> list[float]:
    """Return g(first), g(first + 1), … of one half."""
    terms = [sign * _power(base, first) for sign, base in zip(_SIGNS, _BASES, strict=True)]
    rates = []
    for _ in range(count):
        rates.append(max(0.0, math.fsum(terms)))
        terms = [term * base for term, base in zip(terms, _BASES, strict=True)]
    return rates


def _load_weights(keys: int, regions: int) -> tuple[int, list[float]]:
    """Return the first load that matters and the binomial probabilities from it on."""
    if regions == 1 or keys // regions > _SATURATED_LOAD:
        return keys // regions, [1.0]
    mode = (keys + 1) // regions
    up, weight, load = [1.0], 1.0, mode
    while load < keys and weight > 1e-18:
        weight *= (keys - load) / ((load + 1) * (regions - 1.0))
        load += 1
        up.append(weight)
    down: list[float] = []
    weight, load = 1.0, mode
    while load > 0 and weight > 1e-18:
        weight *= load * (regions - 1.0) / (keys - load + 1)
        load -= 1
        down.append(weight)
    weights = [*reversed(down), *up]
    total = math.fsum(weights)
    return mode - len(down), [weight / total for weight in weights]


def expected_rate(keys: int, regions: int, halves: int) -> float:
    """Return the probability that a filter answers yes to a key that was never inserted.

    ``keys`` distinct keys stand in ``regions`` regions of each of ``halves`` (1 or 2) halves.

    Raises:
        ParameterError: a negative count, no region, or halves other than 1 and 2.
    """
    if not 0 <= keys <= MAX_KEYS:
        raise ParameterError(f"keys is {keys}; it must be from 0 to {MAX_KEYS}")
    if regions < 1:
        raise ParameterError(f"regions is {regions}; a filter has at least 1")
    if halves not in (1, 2):
        raise ParameterError(f"halves is {halves}; it must be 1 or 2")
    if keys == 0:
        return 0.0
    first, weights = _load_weights(keys, regions)
    rates = _half_rates(first, len(weights))
    return math.fsum(
        weight * (rate if halves == 1 else rate * rate) for weight, rate in zip(weights, rates, strict=True)
    )


def size_for(keys: int, target: float) -> tuple[int, int]:
    """Return (regions, halves) of the smallest filter for ``keys`` distinct keys at the false-positive rate ``target``.

    Raises:
        ParameterError: ``keys`` or ``target`` out of range.
    """
    if not 0 <= keys <= MAX_KEYS:
        raise ParameterError(f"keys is {keys}; it must be from 0 to {MAX_KEYS}")
    if not MIN_TARGET <= target <= MAX_TARGET:
        raise ParameterError(f"false-positive rate is {target}; it must be from {MIN_TARGET} to {MAX_TARGET}")
    halves = 1 if target >= ONE_HALF_FROM else 2
    too_few = keys // _FULL_LOAD
    enough = max(1, 2 * too_few)
    while expected_rate(keys, enough, halves) > target:
        too_few, enough = enough, enough * 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if expected_rate(keys, middle, halves) > target:
            too_few = middle
        else:
            enough = middle
    return enough, halves


def expected_fill(keys: int, regions: int) -> float:
    """Return the share of bits that are set: a key sets, in each half, one bit of every word of one line."""
    return 1.0 - math.pow(63 / 64, keys / (regions * _LINES))


def body_bytes(regions: int, halves: int) -> int:
    """Return the size of a filter's body in bytes."""
    return regions * halves * REGION_BYTES
