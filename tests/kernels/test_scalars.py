"""Maximum and minimum: what NumPy means by them, and vector code where a loop looks for one; divisions by estimates."""

from __future__ import annotations

import platform
import re

import numpy as np
import pytest
from numba import njit

from nbdl.kernels.cpu.jit import OPTIONS, kernel
from nbdl.kernels.cpu.scalars import fast_divide, is_finite, maximum, minimum


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


@kernel
def quotients(x, y, out):
    for i in range(len(x)):
        out[i] = fast_divide(x[i], y[i])


@kernel
def finite_sums(x, out):
    for i in range(x.shape[0]):
        total = x[i, 0]
        for j in range(1, x.shape[1]):
            total += x[i, j]
        out[i] = is_finite(total)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_may_not_be_finite(dtype: type):
    x = np.ones((6, 40), dtype)
    x[1, 7], x[2, 0], x[3, 39], x[4] = np.nan, np.inf, -np.inf, np.finfo(dtype).max
    out = np.zeros(6, bool)
    finite_sums(x, out)
    assert out.tolist() == [True, False, False, False, False, True]


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


def far_from_zero(size: int, seed: int) -> np.ndarray:
    """Numbers of both signs and of nearly all sizes that float32 has."""
    rng = np.random.default_rng(seed)
    return np.exp2(rng.uniform(-99, 99, size)) * rng.choice([-1, 1], size)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 1 << 18])
def test_a_fast_quotient_is_right_but_for_three_units(size: int):
    """Estimates of 12 bits, where there are none of 14, and one step of Newton's method; without fused operations a bit
    more. With AVX-512 it is half a unit.
    """
    x, y = np.random.default_rng(0).normal(size=size).astype(np.float32), far_from_zero(size, 1).astype(np.float32)
    out = np.empty_like(x)
    quotients(x, y, out)
    exact = x.astype(np.float64) / y
    assert (abs(out - exact) <= 3 * np.spacing(abs(exact.astype(np.float32)))).all()


def test_a_fast_quotient_of_float64_is_exact():
    x, y = np.random.default_rng(0).normal(size=1000), far_from_zero(1000, 1)
    out = np.empty_like(x)
    quotients(x, y, out)
    np.testing.assert_array_equal(out, x / y)


def test_a_fast_quotient_of_nan_is_nan():
    """A gradient that is none must be noticed."""
    x, y, out = np.ones(100, np.float32), np.full(100, 0.5, np.float32), np.empty(100, np.float32)
    x[3], y[7], x[98], y[99] = np.nan, np.nan, np.nan, np.nan
    quotients(x, y, out)
    assert np.flatnonzero(np.isnan(out)).tolist() == [3, 7, 98, 99]


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="looks for instructions by name")
def test_whole_vectors_need_no_divider():
    compiled = njit(**OPTIONS)(quotients.py_func)  # one from the cache could not be looked at
    compiled(*[np.ones(100, np.float32)] * 2, np.ones(100, np.float32))
    (text,) = compiled.inspect_asm().values()
    assert re.search(r"rcp(14)?ps", text)
    assert not re.search(r"divps", text)
