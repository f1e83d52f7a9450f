"""The hot loops: compiled (Rust) where that is installed, else in numpy with identical results.

``PROVENANCE_KERNEL=native`` or ``reference`` forces one; ``PROVENANCE_KERNEL_ISA=portable``, ``avx2`` or
``avx512`` lowers the instruction set that the compiled one uses. Both are read once, at import.
Functions are documented in ``_native.pyi``. numpy is imported by the reference alone.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from provenance.errors import ParameterError

if TYPE_CHECKING:
    from provenance.kernel._native import Buffer as Buffer
    from provenance.kernel._native import Place as Place

__all__ = [
    "GramCollector",
    "KeyCollector",
    "Lexer",
    "TextStream",
    "align_symbols",
    "chains",
    "common_runs",
    "contains",
    "count_ones",
    "find_all",
    "fingerprints",
    "hits",
    "holding",
    "insert_sorted",
    "name",
    "normalise",
    "normalise_map",
    "portrait_chains",
    "portrait_hits",
    "portrait_insert",
    "portrait_normalise_map",
    "pybloom_chains",
    "pybloom_contains",
    "pybloom_hits",
    "pybloom_insert",
    "random_read_limit",
    "sample_positions",
    "slow_notice",
    "sort_unique",
    "wanted_lists",
    "weighed_words",
    "window_keys",
]


def _choose() -> ModuleType:
    forced = os.environ.get("PROVENANCE_KERNEL", "")
    if forced not in ("", "native", "reference"):
        raise ParameterError(f"PROVENANCE_KERNEL is {forced!r}; set it to 'native' or 'reference', or unset it")
    if forced != "reference":
        try:
            return import_module("provenance.kernel._native")
        except ImportError as error:
            if forced:
                raise ParameterError(
                    f"PROVENANCE_KERNEL is 'native', but the compiled kernel cannot be loaded ({error}); "
                    "install a Rust toolchain and reinstall, or unset it"
                ) from error
    return import_module("provenance.kernel.reference")


if TYPE_CHECKING:
    from provenance.kernel._native import (
        GramCollector,
        KeyCollector,
        Lexer,
        TextStream,
        align_symbols,
        chains,
        common_runs,
        contains,
        count_ones,
        find_all,
        fingerprints,
        hits,
        holding,
        insert_sorted,
        isa,
        normalise,
        normalise_map,
        portrait_chains,
        portrait_hits,
        portrait_insert,
        portrait_normalise_map,
        pybloom_chains,
        pybloom_contains,
        pybloom_hits,
        pybloom_insert,
        random_read_limit,
        sample_positions,
        sort_unique,
        wanted_lists,
        weighed_words,
        window_keys,
    )
else:
    _kernel = _choose()
    GramCollector = _kernel.GramCollector
    KeyCollector = _kernel.KeyCollector
    Lexer = _kernel.Lexer
    TextStream = _kernel.TextStream
    align_symbols = _kernel.align_symbols
    chains = _kernel.chains
    common_runs = _kernel.common_runs
    contains = _kernel.contains
    count_ones = _kernel.count_ones
    find_all = _kernel.find_all
    fingerprints = _kernel.fingerprints
    hits = _kernel.hits
    holding = _kernel.holding
    insert_sorted = _kernel.insert_sorted
    isa = _kernel.isa
    normalise = _kernel.normalise
    normalise_map = _kernel.normalise_map
    portrait_chains = _kernel.portrait_chains
    portrait_hits = _kernel.portrait_hits
    portrait_insert = _kernel.portrait_insert
    portrait_normalise_map = _kernel.portrait_normalise_map
    pybloom_chains = _kernel.pybloom_chains
    pybloom_contains = _kernel.pybloom_contains
    pybloom_hits = _kernel.pybloom_hits
    pybloom_insert = _kernel.pybloom_insert
    random_read_limit = _kernel.random_read_limit
    sample_positions = _kernel.sample_positions
    sort_unique = _kernel.sort_unique
    wanted_lists = _kernel.wanted_lists
    weighed_words = _kernel.weighed_words
    window_keys = _kernel.window_keys

name: str = "reference" if isa() == "reference" else f"native-{isa()}"
"""Which kernel runs: ``native-avx512``, ``native-avx2``, ``native-portable`` or ``reference``."""


def slow_notice() -> str | None:
    """Return the line that a program should show once when the reference kernel runs, else None."""
    if name != "reference" or os.environ.get("PROVENANCE_KERNEL"):
        return None
    return (
        "the compiled kernel is not installed: a slow numpy one runs, with identical results; "
        "for the fast one install Rust (https://rustup.rs) and reinstall this package"
    )
