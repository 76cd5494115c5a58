"""Where training runs, and on how many threads."""

from __future__ import annotations

import os

from nbdl.codegen.fusion import Call
from nbdl.codegen.plan import Plan
from nbdl.errors import OptionError
from nbdl.ir.shapes import Batch, product

WORTH_SHARING = 4_000_000  # operations a step: below, the workers' meetings cost more than the second one saves


def choose_device(device: str) -> str:
    """Check the name of a device and return what `auto` means here.

    Raises `OptionError` if it doesn't exist, or isn't there.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"the device is auto, cpu or cuda, not {device!r}")
    if device == "cuda":
        raise OptionError("this version has no CUDA engine yet; use --device cpu (device='cpu')")
    return "cpu"


def choose_workers(plan: Plan, batch: int) -> int:
    """As many workers as there are cores, if a step has enough work for them."""
    return cores() if operations(plan, batch) >= WORTH_SHARING and batch >= 2 * cores() else 1


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def operations(plan: Plan, batch: int) -> int:
    """Additions and multiplications in the matrix products of a step over `batch` rows."""
    total = 0
    for kernel in plan.kernels:
        if isinstance(kernel, Call) and kernel.node.name == "matmul":
            x = kernel.node.inputs[0]
            depth = x.shape[-2 if kernel.node.param("transpose_x") else -1]
            sizes = product(kernel.node.shape), depth
            number = 2
            for size in sizes:
                number *= size.multiple * batch if isinstance(size, Batch) else size
            total += number
    return total


