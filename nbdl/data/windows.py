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


def stored(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of rows as they are stored, each once, however many windows share it.

    >>> stored(windows(np.arange(1000, dtype=np.uint8), 64)).size
    1000
    """
    size = rows[0].nbytes
    if not rows[:1].flags.c_contiguous or not 0 < rows.strides[0] <= size:
        rows = np.ascontiguousarray(rows)
    span = (len(rows) - 1) * rows.strides[0] + size
    return as_strided(rows.view(np.uint8), (span,), (1,), writeable=False)
