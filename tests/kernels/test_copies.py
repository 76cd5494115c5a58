"""Rows picked from a data set."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from nbdl.kernels.cpu.copies import LONG, take_rows
from nbdl.kernels.cpu.jit import OPTIONS, kernel


@kernel
def taken(data, picked, out):
    take_rows(data, picked, out)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize("width", [1, 2, 17, LONG // 8, LONG // 4 - 1, LONG // 4, LONG // 4 + 3])
def test_rows_are_those_picked(width: int, dtype: type) -> None:
    data = np.arange(50 * width).astype(dtype).reshape(50, width)
    picked = np.array([49, 0, 7, 7, 23])
    out = np.zeros((5, width), dtype)
    taken(data, picked, out)
    np.testing.assert_array_equal(out, data[picked])
    taken(data, picked[:0], out[:0])


@pytest.mark.parametrize("width", [5, LONG // 4])
def test_rows_may_overlap(width: int) -> None:
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(300, dtype=np.float32), width)
    picked, out = np.array([100, 0, len(windows) - 1]), np.zeros((3, width), np.float32)
    taken(windows, picked, out)
    np.testing.assert_array_equal(out, windows[picked])


def test_long_rows_are_asked_for_first() -> None:
    compiled = njit(**OPTIONS)(take_rows.py_func)  # one from the cache could not be looked at
    compiled(np.zeros((3, LONG), np.float32), np.array([2]), np.zeros((1, LONG), np.float32))
    text = compiled.inspect_llvm(compiled.signatures[0])
    assert text.index("call void @llvm.prefetch") < text.index("call void @llvm.memcpy")
