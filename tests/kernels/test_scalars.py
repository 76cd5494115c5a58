"""Maximum and minimum: what NumPy means by them, and vector code where a loop looks for one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.scalars import maximum, minimum


@kernel
def both(x, y, larger, smaller):
    for i in range(len(x)):
        larger[i] = maximum(x[i], y[i])
        smaller[i] = minimum(x[i], y[i])


@kernel
def largest(x):
    result = x[0]
    for i in range(len(x)):
        result = maximum(result, x[i])
    return result


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_as_numpy(dtype: str):
    values = np.array([0, 1, 2, 100, 200, 255], dtype)
    if dtype.startswith("float"):
        values = np.array([0.0, -1.5, 1.5, np.inf, -np.inf, np.nan], dtype)
    elif dtype.startswith("int"):
        values -= 100
    x, y = (each.ravel() for each in np.meshgrid(values, values))
    larger, smaller = np.empty_like(x), np.empty_like(x)
    both(x, y, larger, smaller)
    np.testing.assert_array_equal(larger, np.maximum(x, y))
    np.testing.assert_array_equal(smaller, np.minimum(x, y))


@pytest.mark.parametrize("place", [0, 1, 17, 99])
def test_nan_is_the_largest_of_all(place: int):
    x = np.random.default_rng(0).normal(size=100).astype(np.float32)
    assert largest(x) == x.max()
    x[place] = np.nan
    assert np.isnan(largest(x))


def test_a_reduction_is_vector_code():
    largest(np.zeros(3, np.float32))
    text = largest.inspect_llvm(largest.signatures[0])
    assert re.search(r"llvm\.maximum\.v\d+f32", text)
