"""The processor's clock, for kernels that are timed one by one."""

from __future__ import annotations

import platform
import time
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nbdl.errors import NbdlError
from nbdl.kernels.cpu.jit import kernel

CALIBRATION = 0.05  # seconds


@intrinsic
def clock(typingctx: Any) -> Any:
    """Return the ticks of the processor since it was started; a few dozen cycles."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        counter = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, counter, "llvm.readcyclecounter"), [])

    return types.int64(), codegen


@kernel
def _read(out):
    """out[0] = now"""
    out[0] = clock()


def ticks_a_second() -> float:
    """Measure the clock.

    Raises `NbdlError` on a processor whose clock programs may not read.
    """

    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise NbdlError(f"on {platform.machine()}, programs may not read the processor's clock")
    now = np.zeros(1, np.int64)
    _read(now)
    begin, first = time.perf_counter(), int(now[0])
    time.sleep(CALIBRATION)
    _read(now)
    return (int(now[0]) - first) / (time.perf_counter() - begin)
