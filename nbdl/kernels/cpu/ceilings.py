"""The two ceilings of one core: fused multiply-adds a second in registers, and bytes a second from memory.

A kernel is as good as its share of the ceiling that binds it. Both are the best of several short runs: other load on
the machine can only lower a figure.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.tile import TILE_ROWS, TILE_VECTORS
from nbdl.kernels.cpu.vector import INDEX, POINTER, VECTOR_BYTES, Vectors, intrinsic, outlined, pointer

ACCUMULATORS = TILE_ROWS * TILE_VECTORS


def peak_flops(dtype: type[np.floating[Any]] = np.float32) -> float:
    """Return the floating-point operations a second of one core, a fused multiply-add counting as two."""
    sums, steps = np.zeros(ACCUMULATORS * VECTOR_BYTES // dtype().itemsize, dtype), 200_000
    return 2 * sums.size * steps / best_seconds(lambda: _multiply_adds(sums, steps))


def bandwidth(size: int = 2**28) -> float:
    """Return the bytes a second that one core reads, over and over, of an array of `size` bytes.

    A small array lies in a cache; the default is too large for any.
    """
    values = np.ones(max(size // 4, 1024), np.float32)
    times = max(1, 2**24 // values.nbytes)
    return times * values.nbytes / best_seconds(lambda: _totals(values, times), runs=10)


def best_seconds(run: Callable[[], object], runs: int = 30) -> float:
    """Return the shortest time of `runs` calls, after one that is not counted."""
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


@kernel
def _multiply_adds(sums: Any, steps: int) -> None:
    independent_chains(pointer(sums), steps)


@kernel
def _totals(values: Any, times: int) -> Any:
    total = values[0]
    for number in range(times):
        total += number
        for i in range(len(values)):
            total += values[i]
    return total


@intrinsic
def independent_chains(typingctx: Any, sums: Any, steps: Any) -> Any:
    """Run `steps` multiply-adds on each of as many accumulators as a full register tile has; store them to `sums`."""

    def emit_chains(builder: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
        v = Vectors(builder, sums.dtype)
        factors = v.load(arguments[0])
        entry, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(INDEX)
        before = [builder.phi(v.type) for _ in range(ACCUMULATORS)]
        totals = [v.multiply_add(factors, factors, total) for total in before]
        following = builder.add(step, ir.Constant(INDEX, 1))
        step.add_incoming(ir.Constant(INDEX, 0), entry)
        step.add_incoming(following, loop)
        for number, (old, new) in enumerate(zip(before, totals, strict=True)):
            old.add_incoming(ir.Constant(v.type, [float(number)] * v.lanes), entry)
            old.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", following, arguments[1]), loop, after)
        builder.position_at_end(after)
        for number, total in enumerate(totals):
            v.store(total, v.vector_address(arguments[0], number))

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        function = outlined(builder.module, f"nbdl.chains.{sums.dtype}", [POINTER, INDEX], emit_chains)
        builder.call(function, [builder.bitcast(arguments[0], POINTER), arguments[1]])
        return context.get_dummy_value()

    return types.void(sums, types.intp), emit

