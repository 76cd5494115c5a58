"""Where training runs, and on how many threads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nbdl.cards import examine_cuda
from nbdl.codegen.plan import Plan
from nbdl.codegen.program import Bound, Program
from nbdl.codegen.work import Call
from nbdl.errors import OptionError
from nbdl.ir.cost import operations
from nbdl.machine import cores

WORTH_SHARING = 4_000_000  # operations a step, in calls: below, the workers' meetings cost more than they save


def card_name() -> str:
    """What the card is called that programs run on."""
    cards = examine_cuda()["cards"]
    return str(cards[0]["name"]) if cards else "a simulated card"


def bind(
    program: Program,
    arrays: Mapping[str, np.ndarray],
    device: str,
    *,
    batch: int,
    workers: int = 1,
    seed: int = 0,
    precision: str = "float32",
) -> Bound:
    """Make a program ready to run on a device."""
    if device == "cpu":
        return program.bind(arrays, batch=batch, workers=workers, seed=seed)
    from nbdl.codegen.cuda.program import CudaProgram  # numba-cuda need not be installed

    return CudaProgram.of(program).bind(arrays, batch=batch, seed=seed, precision=precision)


def check_precision(precision: str, device: str) -> None:
    """Raise `OptionError` unless products can be computed in a precision on a device."""
    if precision not in ("float32", "tf32", "bf16"):
        raise OptionError(f"the precision is float32, tf32 or bf16, not {precision!r}")
    if device == "cpu" and precision != "float32":
        raise OptionError(f"{precision} is for the tensor cores of a card; a CPU computes in float32")


def choose_workers(plan: Plan, batch: int) -> int:
    """As many workers as there are cores, if a step has enough work for them."""
    work = sum(operations(kernel.node, batch) for kernel in plan.kernels if isinstance(kernel, Call))
    return cores() if work >= WORTH_SHARING and batch >= 2 * cores() else 1
