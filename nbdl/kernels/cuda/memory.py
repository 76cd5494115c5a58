"""The card's memory, and the order in which it works."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import SIMULATED, cuda

if not SIMULATED:
    from numba.cuda.cudadrv.driver import device_memset


def free_bytes() -> int:
    """How much of the card's memory nobody uses; without end in the simulator."""
    return 2**62 if SIMULATED else int(cuda.current_context().get_memory_info().free)


def allocate(size: int) -> Any:
    """An array of zeroed bytes on the card."""
    memory = cuda.device_array(size, np.uint8)
    if SIMULATED:
        memory.copy_to_device(np.zeros(size, np.uint8))
    else:
        device_memset(memory, 0, size)
    return memory


def to_card(array: np.ndarray) -> Any:
    """A copy of an array on the card."""
    return cuda.to_device(array)


def multiprocessors() -> int:
    """How many the card has, and so how many blocks run at the same time; one after another in the simulator."""
    return 1 if SIMULATED else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)


def new_stream() -> Any:
    """Kernels launched on it run one after another, and after what has been copied to the card."""
    return 0 if SIMULATED else cuda.stream()
