"""What the simulator has in place of `threads.py`: which thread this is, and what its block shares."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda


@dataclass(frozen=True)
class Task:
    """The card as a thread sees it that stands in for another."""

    memory: Any
    block_x: int
    block_y: int
    blocks_x: int
    blocks_y: int
    thread_x: int
    thread_y: int
    threads_x: int
    threads_y: int
    barrier: int
    shared: int


task = Task
device = cuda.jit(device=True)


HARDWARE: dict[str, Callable[[], int]] = {
    "block_x": lambda: cuda.blockIdx.x,
    "block_y": lambda: cuda.blockIdx.y,
    "blocks_x": lambda: cuda.gridDim.x,
    "blocks_y": lambda: cuda.gridDim.y,
    "thread_x": lambda: cuda.threadIdx.x,
    "thread_y": lambda: cuda.threadIdx.y,
    "threads_x": lambda: cuda.blockDim.x,
    "threads_y": lambda: cuda.blockDim.y,
}
"""Where a thread is, as the simulated hardware says."""


def _place(name: str) -> Any:
    """The function that asks one of the places."""

    def ask(card: Any) -> int:
        place: int = getattr(card, name) if isinstance(card, Task) else HARDWARE[name]()
        return place

    return device(ask)


block_x, block_y, blocks_x, blocks_y, thread_x, thread_y, threads_x, threads_y = map(_place, HARDWARE)


@device
def syncthreads(card: Any) -> None:
    """Wait for the other threads of the block."""
    if isinstance(card, Task):
        thread: Any = threading.current_thread()
        thread.meet(card.barrier, card.threads_x * card.threads_y)
    else:
        cuda.syncthreads()


@device
def shared(card: Any, start: int, size: int, dtype: Any) -> np.ndarray:
    """The array of `size` numbers that begins at byte `start` of what the threads of the block share."""
    begin = start + (card.shared if isinstance(card, Task) else 0)
    whole: np.ndarray = cuda.shared.array(0, np.dtype(np.uint8))
    end = begin + size * np.dtype(dtype).itemsize
    assert end <= len(whole), f"bytes {begin} to {end} of {len(whole)} that a block shares"
    return whole[begin:end].view(dtype)
