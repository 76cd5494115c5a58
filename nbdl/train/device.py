"""Where training runs, and on how many threads."""

from __future__ import annotations

from nbdl.codegen.plan import Plan
from nbdl.codegen.work import Call
from nbdl.errors import OptionError
from nbdl.ir.cost import operations
from nbdl.machine import cores

WORTH_SHARING = 4_000_000  # operations a step, in calls: below, the workers' meetings cost more than they save


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
    work = sum(operations(kernel.node, batch) for kernel in plan.kernels if isinstance(kernel, Call))
    return cores() if work >= WORTH_SHARING and batch >= 2 * cores() else 1
