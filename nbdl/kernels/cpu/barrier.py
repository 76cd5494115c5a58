"""A barrier for worker threads that run compiled code, without the interpreter and without a lock.

Every worker owns a counter in a cache line of its own. To meet, a worker raises its counter and waits until
no other one is behind. Nobody writes to another's line, so there is no contended read-modify-write; with W workers a
meeting costs each of them W - 1 cache-line transfers, which is right for the tens of workers of one machine.

The last line is the abort flag. Whoever sets it, from any thread, sends all waiting workers off with False.
"""

import sys
from typing import Any

import llvmlite.ir as ir
import numpy as np
from llvmlite import binding
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic
from numpy.typing import NDArray

from nbdl.kernels.cpu.jit import kernel

LINE = 16
"""Slots of 8 bytes a worker: two cache lines, as processors fetch them in pairs."""

SPINS = 100
"""Polls before a waiting worker gives its core away: a microsecond or two, ten times what a meeting takes when each has
a core. With more workers than cores a meeting takes about this long for each worker that has to wait for a core."""


def barrier_state(workers: int) -> NDArray[np.int64]:
    """Return the shared memory of one barrier: a line for each worker and one for the abort flag."""
    if workers < 1:
        raise ValueError(f"a barrier needs at least one worker, got {workers}")
    return np.zeros((workers + 1) * LINE, np.int64)


def abort_barrier(sync: NDArray[np.int64]) -> None:
    """Make every waiting worker, and all who come later, leave the barrier with False. `sync[:] = 0` starts afresh."""
    sync[-LINE] = 1


def _slot_address(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def load_acquire(typingctx: Any, array: Any, position: Any) -> Any:
    """Read a slot; what its writer wrote before the slot is visible after it."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return builder.load_atomic(_slot_address(context, builder, signature, arguments), "acquire", 8)

    return types.int64(array, types.intp), emit


@intrinsic
def store_release(typingctx: Any, array: Any, position: Any, value: Any) -> Any:
    """Write a slot after everything written before it."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        address = _slot_address(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], address, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), emit


def _pause_instruction() -> tuple[str, list[ir.Constant]]:
    """Return the LLVM intrinsic that tells this processor that the loop spins, and its arguments."""
    architecture = binding.get_process_triple().split("-")[0]
    if architecture in ("x86_64", "i686", "i386"):
        return "llvm.x86.sse2.pause", []
    if architecture in ("aarch64", "arm64"):
        return "llvm.aarch64.hint", [ir.IntType(32)(1)]
    return "llvm.donothing", []


@intrinsic
def pause(typingctx: Any) -> Any:
    """Let the other hardware thread of the core go on for a few cycles."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        name, constants = _pause_instruction()
        function_type = ir.FunctionType(ir.VoidType(), [c.type for c in constants])
        builder.call(get_or_insert_function(builder.module, function_type, name), constants)
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def give_up_core(typingctx: Any) -> Any:
    """Let another thread run on this core."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        function_type = ir.FunctionType(ir.IntType(32), [])
        builder.call(get_or_insert_function(builder.module, function_type, name), [])
        return context.get_dummy_value()

    return types.void(), emit


@kernel
def wait_for(sync, worker, round_number):
    """Wait until `worker` has reached the round; return False when the barrier is aborted."""
    spins = 0
    while load_acquire(sync, worker * LINE) < round_number:
        if load_acquire(sync, sync.size - LINE) != 0:
            return False
        spins += 1
        if spins < SPINS:
            pause()
        else:
            give_up_core()
    return True


@kernel
def barrier(sync, worker, workers):
    """Wait until all workers are here; return whether to go on (False: somebody aborted).

    `sync` is the array from `barrier_state(workers)`. What a worker wrote before the barrier, all can read after it.
    """
    if workers > 1:
        round_number = sync[worker * LINE] + 1
        store_release(sync, worker * LINE, round_number)
        for other in range(workers):
            if not wait_for(sync, other, round_number):
                return False
    return load_acquire(sync, sync.size - LINE) == 0
