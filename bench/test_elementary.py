"""Nanoseconds an element of the elementary functions and the random numbers, against NumPy on the same array.

pytest bench/test_elementary.py --benchmark-columns=min,median
"""

from typing import Any

import numpy as np
import pytest
from numba import njit

from nbdl.kernels import reference_random
from nbdl.kernels.cpu import elementary, random
from nbdl.kernels.cpu.jit import OPTIONS

SIZE = 4096
NUMPY = {name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "tanh", "sin", "cos")}
DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(elementary.__all__) - {"pow"}))
def test_elementary(benchmark: Any, name: str, dtype: type) -> None:
    function = getattr(elementary, name)

    @njit(**OPTIONS)
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    x = np.linspace(0.05, 5, SIZE, dtype=dtype)
    benchmark(loop, x, np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_power(benchmark: Any, dtype: type) -> None:
    function = elementary.pow

    @njit(**OPTIONS)
    def loop(x, y, z):
        for i in range(x.size):
            z[i] = function(x[i], y[i])

    x, y = np.linspace(0.05, 5, SIZE, dtype=dtype), np.linspace(-3, 3, SIZE, dtype=dtype)
    benchmark(loop, x, y, np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NUMPY)
def test_numpy(benchmark: Any, name: str, dtype: type) -> None:
    x = np.linspace(0.05, 5, SIZE, dtype=dtype)
    benchmark(NUMPY[name], x, np.empty_like(x))


@pytest.mark.parametrize("name", ["random_bits", "uniform", "normal", "uniform_float64", "normal_float64"])
def test_random(benchmark: Any, name: str) -> None:
    function = getattr(random, name)

    @njit(**OPTIONS)
    def loop(y, step):
        for i in range(y.size):
            y[i] = function(1, step, 3, i)

    benchmark(loop, np.empty(SIZE, getattr(reference_random, name)(0, 0, 0, 0).dtype), 2)
