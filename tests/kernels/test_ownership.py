"""Cache lines taken back before they are written: nothing changes but whose they are."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

import nbdl
from nbdl import nn
from nbdl.kernels.cpu.jit import OPTIONS, kernel
from nbdl.kernels.cpu.ownership import claim


@kernel
def claimed(array, workers):
    claim(array, workers)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000])
def test_numbers_stay_as_they_are(size: int, dtype: type) -> None:
    array = np.random.default_rng(0).normal(size=size + 40).astype(dtype)
    before = array.copy()
    claimed(array[20 : 20 + size], 2)
    np.testing.assert_array_equal(array, before)


def test_a_number_of_each_line_is_written() -> None:
    """LLVM would leave out plain writes of what has just been read."""
    compiled = njit(**OPTIONS)(claim.py_func)  # one from the cache could not be looked at
    compiled(np.zeros(100, np.float32), 2)
    assert "store atomic" in compiled.inspect_llvm(compiled.signatures[0])


def test_updates_claim_what_all_workers_read() -> None:
    """Parameters, but not the optimizer's moments, of which each worker has a part."""
    nbdl.set_seed(0)
    net = nn.Sequential(nn.Dense(4, "relu"), nn.Dense(2))
    net.compile("adam", "mse")
    x = np.random.default_rng(0).random((8, 3), np.float32)
    net.fit(x, x[:, :2], epochs=1, verbose=False)
    lines = [line.strip() for line in net.source().splitlines() if "claim(" in line]
    assert lines == ["claim(part(parameters, low, (size,)), workers)"]
