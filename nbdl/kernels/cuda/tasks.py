"""One kernel that does what the launches of many steps do: task by task, and between two of them all threads meet.

What is launched is written down in a table, a row for each task: which kernel, its blocks, the threads of a block, and
its arguments. The threads of a block of this kernel are divided among as many of a task's blocks as they suffice for,
and each of these goes on to others until all are done. Sums are added up in the order of the launches, as each block
of a task does what it did by itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from nbdl.kernels.cuda.device import SIMULATED, cuda, device, i32, kernel, task

BLOCK = 8 if SIMULATED else 256
"""Threads of a block of this kernel: as many as the largest block of a task."""
BLOCK_BYTES = 48 * 1024
"""What a block may share, on any card."""
KIND, BLOCKS_X, BLOCKS_Y, THREADS_X, THREADS_Y, SHARED, ARGUMENTS = range(7)
"""What the numbers of a row of the table are; the last begins those that the task's kernel gets."""


@device
def meet_in_block():
    """Wait for the other threads of the only block."""
    cuda.syncthreads()


@device
def meet_in_grid():
    """Wait for the threads of all blocks, which all run at the same time: a cooperative launch."""
    cuda.cg.this_grid().sync()


@cache
def many_steps(work: Any, alone: bool) -> Any:
    """The kernel that runs the tasks of a table again and again, with one block or many.

    Args:
        work: `work(card, table, reals, at)` does a block of the task whose row begins at `at`; `reals` are the same
            places of the table as float64.
        alone: whether one block does everything.
    """
    meet = meet_in_block if alone else meet_in_grid

    @kernel
    def steps(memory, table, reals, tasks, width, count):
        for _ in range(count):
            for at in range(0, tasks * width, width):
                across, down, wide = i32(table[at + BLOCKS_X]), i32(table[at + BLOCKS_Y]), i32(table[at + THREADS_X])
                threads = wide * i32(table[at + THREADS_Y])
                together = cuda.blockDim.x // threads  # blocks that this one does at a time
                mine, thread = cuda.threadIdx.x // threads, cuda.threadIdx.x % threads
                x, y, high, shared = thread % wide, thread // wide, threads // wide, mine * i32(table[at + SHARED])
                for block in range(cuda.blockIdx.x * together + mine, across * down, cuda.gridDim.x * together):
                    card = task(
                        memory, block % across, block // across, across, down, x, y, wide, high, mine + 1, shared
                    )
                    work(card, table, reals, at)
                meet()

    return steps
