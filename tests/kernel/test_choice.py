"""Which kernel is chosen, and what choosing costs."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from provenance import kernel as chosen

ROOT = Path(chosen.__file__).parents[2]
needs_native = pytest.mark.skipif(
    find_spec("provenance.kernel._native") is None, reason="the compiled kernel is not installed"
)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROVENANCE_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_reference_can_be_forced_and_says_so() -> None:
    done = run("from provenance import kernel; print(kernel.name)", PROVENANCE_KERNEL="reference")
    assert (done.stdout, done.stderr) == ("reference\n", "")


@needs_native
@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512", ""])
def test_the_compiled_kernel_uses_no_more_than_it_may(isa: str) -> None:
    done = run("from provenance import kernel; print(kernel.name)", PROVENANCE_KERNEL_ISA=isa)
    order = ["portable", "avx2", "avx512"]
    assert done.stdout.startswith("native-")
    assert order.index(done.stdout.strip().removeprefix("native-")) <= order.index(isa or "avx512")


@needs_native
def test_numpy_is_not_imported_where_the_compiled_kernel_is_there() -> None:
    code = "import sys; from provenance import kernel; kernel.normalise(b''); print('numpy' in sys.modules)"
    assert run(code).stdout == "False\n"


def test_an_unknown_choice_is_refused_in_one_line() -> None:
    done = run("import provenance.kernel", PROVENANCE_KERNEL="fast")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "PROVENANCE_KERNEL is 'fast'" in last and "'native' or 'reference'" in last


HIDE = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == "provenance.kernel._native":
            raise ImportError("hidden")
sys.meta_path.insert(0, Nothing())
from provenance import kernel
print(kernel.name)
print(kernel.slow_notice())
"""


def test_without_the_compiled_kernel_the_reference_runs_and_has_a_notice() -> None:
    name, notice = run(HIDE).stdout.splitlines()
    assert name == "reference"
    assert "slow" in notice and "identical results" in notice and "Rust" in notice


def test_no_notice_is_given_to_who_chose_the_reference() -> None:
    assert run(HIDE, PROVENANCE_KERNEL="reference").stdout == "reference\nNone\n"


def test_a_compiled_kernel_that_is_asked_for_and_missing_is_an_error() -> None:
    done = run(HIDE, PROVENANCE_KERNEL="native")
    assert done.returncode != 0
    assert "compiled kernel cannot be loaded" in done.stderr.strip().splitlines()[-1]


def test_every_kernel_has_every_function(kernel: ModuleType) -> None:
    names = set(chosen.__all__) - {"name", "slow_notice"}
    assert all(callable(getattr(kernel, name)) for name in names)
    assert all(callable(getattr(chosen, name)) for name in names)


@needs_native
def test_the_compiled_kernel_has_the_signatures_of_the_reference(reference: ModuleType, native: ModuleType) -> None:
    for name in set(chosen.__all__) - {"name", "slow_notice", "KeyCollector"}:
        ours = inspect.signature(getattr(native, name)).parameters
        theirs = inspect.signature(getattr(reference, name)).parameters
        assert [(each.name, each.kind, each.default) for each in ours.values()] == [
            (each.name, each.kind, each.default) for each in theirs.values()
        ], name
