"""Loops of few steps become vectors instead of being written out first."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbdl.kernels.cpu.elementary import tanh
from nbdl.kernels.cpu.jit import loop


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path))


def ten_columns(rows, x, out):
    for i in range(rows):
        for j in range(10):
            out[i, j] = tanh(x[i, j])


def sixteen_columns(rows, x, out):
    for i in range(rows):
        for j in range(16):
            out[i, j] = tanh(x[i, j])


def three_columns(rows, x, out):
    for i in range(rows):
        for j in range(3):
            out[i, j] = x[i, j] + 1


def machine_code(function: Any, columns: int, meaning: Callable[[np.ndarray], np.ndarray]) -> str:
    """What LLVM makes of a loop, after it has been run and judged."""
    function = loop(function)  # here: in a cache of its own
    x = np.linspace(-2, 2, 7 * columns, dtype=np.float32).reshape(7, columns)
    out = np.zeros_like(x)
    function(7, x, out)
    np.testing.assert_allclose(out, meaning(x), rtol=1e-6)
    text: str = next(iter(function.overloads.values())).library.get_llvm_str()
    return text


@pytest.mark.parametrize(("function", "columns"), [(ten_columns, 10), (sixteen_columns, 16)])
def test_few_columns_are_a_vector(function: Any, columns: int) -> None:
    assert re.search(r"= fmul [a-z ]*<\d+ x float>", machine_code(function, columns, np.tanh))


def test_fewer_columns_are_written_out() -> None:
    assert not re.search(r"<\d+ x float>", machine_code(three_columns, 3, lambda x: x + 1))
