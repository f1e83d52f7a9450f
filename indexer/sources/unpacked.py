"""Packages that lie unpacked in a folder: npm's ``node_modules``, cargo's registry, source distributions."""

from __future__ import annotations

from collections.abc import Collection

from indexer.sources.metadata import Package, cargo_package, npm_package, python_package

_MAX_METADATA = 1 << 20
_CARGO_MARKS = frozenset((".cargo-ok", ".cargo_vcs_info.json", "Cargo.toml.orig"))
_SDIST_MARKS = frozenset(("setup.py", "setup.cfg", "pyproject.toml"))


def unpacked_package(folder: str, names: Collection[str]) -> Package | None:
    """Return what a folder with these entries is the unpacked form of, or None.

    A package.json counts only below ``node_modules`` and a Cargo.toml only beside what cargo leaves there: in a work
    tree they name what will be published, not what was.
    """
    if "package.json" in names and _in_node_modules(folder):
        return npm_package(_text(f"{folder}/package.json"))
    if "Cargo.toml" in names and not _CARGO_MARKS.isdisjoint(names):
        return cargo_package(_text(f"{folder}/Cargo.toml"))
    if "PKG-INFO" in names and not _SDIST_MARKS.isdisjoint(names):
        return python_package(_text(f"{folder}/PKG-INFO"))
    return None


def _in_node_modules(folder: str) -> bool:
    parts = folder.split("/")
    if len(parts) >= 3 and parts[-2].startswith("@"):
        return parts[-3] == "node_modules"
    return len(parts) >= 2 and parts[-2] == "node_modules"


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_METADATA)
    except OSError:
        return ""
