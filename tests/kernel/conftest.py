"""Kernels to compare: the reference, and the compiled one with every instruction set that this machine has."""

from __future__ import annotations

import os
import shutil
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from provenance.kernel import reference as numpy_kernel

ISAS = ("portable", "avx2", "avx512")


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The kernel in numpy."""
    return numpy_kernel


def _load(isa: str, folder: Path) -> ModuleType | None:
    """Load a copy of the compiled kernel that runs with ``isa``; None where it is not installed.

    The instruction set is chosen once a library; a copy of the file is a library of its own.
    """
    installed = find_spec("provenance.kernel._native")
    if installed is None or installed.origin is None:
        return None
    path = Path(shutil.copy(installed.origin, folder / f"{isa}.abi3.so"))
    name = "provenance.kernel._native"
    spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    before = os.environ.get("PROVENANCE_KERNEL_ISA")
    os.environ["PROVENANCE_KERNEL_ISA"] = isa
    try:
        module.isa()
    finally:
        if before is None:
            del os.environ["PROVENANCE_KERNEL_ISA"]
        else:
            os.environ["PROVENANCE_KERNEL_ISA"] = before
    return module


def _of(isa: str, folder: Path) -> ModuleType:
    """Return the compiled kernel with an instruction set, or skip the test."""
    module = _load(isa, folder)
    if module is None:
        pytest.skip("the compiled kernel is not installed")
    if module.isa() != isa:
        pytest.skip(f"this machine has no {isa}")
    return module


@pytest.fixture(scope="session", params=ISAS)
def native(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The compiled kernel, once for each instruction set."""
    return _of(request.param, tmp_path_factory.mktemp("kernel"))


@pytest.fixture(scope="session", params=["reference", *ISAS])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Every kernel there is."""
    if request.param == "reference":
        return numpy_kernel
    return _of(request.param, tmp_path_factory.mktemp("kernel"))
