"""The one module that knows numba-cuda: everything else in this folder takes from here what a kernel is made of.

`kernel` compiles what is launched, `device` what kernels call. A kernel's first argument is the card as its threads see
it: one array of bytes, into which it looks with `view`, at places that it is told, and which thread this is
(`threads.py`). How many threads run is up to who launches it (`launch.py`): a kernel takes its share of the work from
`elements`, or from `groups` and `members`, or from `columns` and `lanes`. A block has *columns* in x and *lanes* in y;
the lanes of a column work together.

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
    from nbdl.kernels.cuda.simulated_threads import (
        block_x,
        block_y,
        blocks_x,
        blocks_y,
        shared,
        syncthreads,
        task,
        thread_x,
        thread_y,
        threads_x,
        threads_y,
    )
else:
    from nbdl.kernels.cuda.caching import KernelCache
    from nbdl.kernels.cuda.strides import strides
    from nbdl.kernels.cuda.threads import (
        block_x,
        block_y,
        blocks_x,
        blocks_y,
        shared,
        syncthreads,
        task,
        thread_x,
        thread_y,
        threads_x,
        threads_y,
    )
    from nbdl.kernels.cuda.views import divided, load, load4, read, store, view

f32, f64, i32, i64, u8, u32, b1 = np.float32, np.float64, np.int32, np.int64, np.uint8, np.uint32, np.bool_
"""Types of numbers, as generated code calls them."""

config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # a step has kernels of one thread, and means it

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


__all__ = [  # what stands here for others
    "divided", "load", "load4", "read", "shared", "store", "syncthreads", "task", "view",
]  # fmt: skip


@device
def elements(card, size):
    """The share of a thread in `size` elements: threads that follow one another have elements that do."""
    return strides(i64(block_x(card)) * threads_x(card) + thread_x(card), size, i64(blocks_x(card)) * threads_x(card))


@device
def groups(card, size):
    """The share of a block in `size` rows."""
    return strides(block_x(card), size, blocks_x(card))


@device
def members(card, size):
    """The share of a lane in the `size` elements of its block's row."""
    return strides(thread_y(card), size, threads_y(card))


@device
def columns(card, size):
    """The first of each stretch of `size` columns that a block does, one for each of its threads in x."""
    return strides(block_x(card) * threads_x(card), size, blocks_x(card) * threads_x(card))


@device
def column(card):
    """The place of a thread's column in the stretch of its block."""
    return thread_x(card)


@device
def slices(card):
    """Between how many blocks the rows of a column are divided."""
    return blocks_y(card)


@device
def this_slice(card):
    """Which of the slices a block has."""
    return block_y(card)


@device
def lanes(card, size):
    """The share of a lane in the `size` elements of a column, which the lanes of all blocks in y have together."""
    return strides(block_y(card) * threads_y(card) + thread_y(card), size, blocks_y(card) * threads_y(card))


@device
def is_first(card):
    """Whether this is the first of all threads."""
    return block_x(card) == 0 and thread_x(card) == 0


@device
def leads(card):
    """Whether this is the first lane of its block."""
    return thread_y(card) == 0
