"""Windows over a sequence: rows that overlap in memory instead of being copied."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray


def windows(sequence: NDArray[Any], length: int, stride: int = 1) -> NDArray[Any]:
    """Return the windows of `length` steps that begin every `stride` steps: `(windows, length, ...)`, read only.

    Nothing is copied: 64 windows may share each step. Programs read such rows as they lie.

    >>> windows(np.arange(7), 3, stride=2).tolist()
    [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    """
    sequence = np.ascontiguousarray(sequence)
    count = max(0, (len(sequence) - length) // stride + 1)
    step = sequence.strides[0]
    shape, strides = (count, length, *sequence.shape[1:]), (stride * step, step, *sequence.strides[1:])
    return as_strided(sequence, shape, strides, writeable=False)


def elements(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers in rows, each as often as it is stored: once, however many windows share it.

    >>> elements(windows(np.arange(1000), 64)).shape, elements(np.zeros((3, 4))).shape
    ((1000,), (12,))
    """
    size = int(np.prod(rows.shape[1:]))
    overlapping = len(rows) > 1 and rows[:1].flags.c_contiguous and 0 < rows.strides[0] < size * rows.itemsize
    if not overlapping or rows.strides[0] % rows.itemsize:
        return rows.reshape(-1)
    count = (len(rows) - 1) * rows.strides[0] // rows.itemsize + size
    return as_strided(rows, (count,), (rows.itemsize,), writeable=False)
