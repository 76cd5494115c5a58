"""Arrays that begin at a cache line: in any other, many a vector of a core lies in two lines and takes twice as long to
read or write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

LINE = 64
"""Bytes."""


def aligned_zeros(shape: int | Sequence[int], dtype: Any) -> np.ndarray:
    """Return a contiguous array of zeros; memory that is never touched costs nothing.

    >>> aligned_zeros((2, 3), "float32").ctypes.data % LINE
    0
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    dtype = np.dtype(dtype)
    return _aligned(np.zeros, sizes, dtype, math.prod(sizes) * dtype.itemsize)


def aligned_copy(array: Any, dtype: Any = None) -> np.ndarray:
    """Return a contiguous copy of an array, or of what makes one.

    >>> aligned_copy([1, 2])
    array([1, 2])
    """
    array = np.asarray(array, dtype)
    made = _aligned(np.empty, array.shape, array.dtype, array.nbytes)
    made[...] = array
    return made


def _aligned(make: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: np.dtype, size: int) -> np.ndarray:
    memory = make(size + LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -memory.ctypes.data % LINE)
