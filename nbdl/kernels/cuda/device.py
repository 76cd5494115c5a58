"""The one module that knows numba-cuda: everything else in this folder takes from here what a kernel is made of.

`kernel` compiles what is launched, `device` what kernels call. A kernel gets the memory of the card as one array of
bytes, and looks into it with `view`, at places that it is told. How many threads run is up to who launches it
(`launch.py`): a kernel takes its share of the work from `elements`, or from `groups` and `members`, or from `columns`
and `lanes`. A block has *columns* in x and *lanes* in y; the lanes of a column work together.

With NUMBA_ENABLE_CUDASIM=1 set before this is imported, everything runs in Python, a thread for each of the card's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda
from numba.cuda.core import config

SIMULATED = bool(config.ENABLE_CUDASIM)
"""Whether kernels run in Numba's simulator."""

if SIMULATED:
    from nbdl.kernels.cuda.simulated import divided, load, load4, read, store, strides, view
else:
    from nbdl.kernels.cuda.caching import KernelCache
    from nbdl.kernels.cuda.strides import strides
    from nbdl.kernels.cuda.views import divided, load, load4, read, store, view

f32, f64, i32, i64, u8, u32, b1 = np.float32, np.float64, np.int32, np.int64, np.uint8, np.uint32, np.bool_
"""Types of numbers, as generated code calls them."""

config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # a step has kernels of one thread, and means it

ALIGNED = None if SIMULATED else 16
"""Bytes: where arrays in shared memory begin that are read four numbers at a time."""

THREADS = 4 if SIMULATED else 256
"""Of a block."""

OPTIONS: dict[str, Any] = {} if SIMULATED else {"lto": False}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that is launched; its machine code is kept on disk."""
    compiled = cuda.jit(**OPTIONS)(function)
    if not SIMULATED:
        compiled._cache = KernelCache(function)
    return compiled


def device(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels call; it becomes part of each."""
    return cuda.jit(device=True, **OPTIONS)(function)


__all__ = ["divided", "load", "load4", "read", "store", "view"]  # what stands here for others


@device
def elements(size):
    """The share of a thread in `size` elements: threads that follow one another have elements that do."""
    return strides(cuda.grid(1), size, cuda.gridsize(1))


@device
def groups(size):
    """The share of a block in `size` rows."""
    return strides(cuda.blockIdx.x, size, cuda.gridDim.x)


@device
def members(size):
    """The share of a lane in the `size` elements of its block's row."""
    return strides(cuda.threadIdx.y, size, cuda.blockDim.y)


@device
def columns(size):
    """The first of each stretch of `size` columns that a block does, one for each of its threads in x."""
    return strides(cuda.blockIdx.x * cuda.blockDim.x, size, cuda.gridDim.x * cuda.blockDim.x)


@device
def column():
    """The place of a thread's column in the stretch of its block."""
    return cuda.threadIdx.x


@device
def slices():
    """Between how many blocks the rows of a column are divided."""
    return cuda.gridDim.y


@device
def this_slice():
    """Which of the slices a block has."""
    return cuda.blockIdx.y


@device
def syncthreads():
    """Wait for the other threads of the block."""
    cuda.syncthreads()


@device
def lanes(size):
    """The share of a lane in the `size` elements of a column, which the lanes of all blocks in y have together."""
    return strides(cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y, size, cuda.gridDim.y * cuda.blockDim.y)


@device
def is_first():
    """Whether this is the first of all threads."""
    return cuda.grid(1) == 0


@device
def leads():
    """Whether this is the first lane of its block."""
    return cuda.threadIdx.y == 0
