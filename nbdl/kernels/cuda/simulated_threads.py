"""What the simulator has in place of `threads.py`: which thread this is, and what its block shares."""

from __future__ import annotations

import threading
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


@device
def block_x(card: Any) -> int:
    """The number of the block in x."""
    return card.block_x if isinstance(card, Task) else cuda.blockIdx.x


@device
def block_y(card: Any) -> int:
    """The number of the block in y."""
    return card.block_y if isinstance(card, Task) else cuda.blockIdx.y


@device
def blocks_x(card: Any) -> int:
    """How many blocks there are in x."""
    return card.blocks_x if isinstance(card, Task) else cuda.gridDim.x


@device
def blocks_y(card: Any) -> int:
    """How many blocks there are in y."""
    return card.blocks_y if isinstance(card, Task) else cuda.gridDim.y


@device
def thread_x(card: Any) -> int:
    """The number of the thread in x."""
    return card.thread_x if isinstance(card, Task) else cuda.threadIdx.x


@device
def thread_y(card: Any) -> int:
    """The number of the thread in y."""
    return card.thread_y if isinstance(card, Task) else cuda.threadIdx.y


@device
def threads_x(card: Any) -> int:
    """How many threads a block has in x."""
    return card.threads_x if isinstance(card, Task) else cuda.blockDim.x


@device
def threads_y(card: Any) -> int:
    """How many threads a block has in y."""
    return card.threads_y if isinstance(card, Task) else cuda.blockDim.y


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
