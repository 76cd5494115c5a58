"""Whose a cache line is: what several cores have read, one of them must have to itself before it writes.

To take a line away from another core takes as long as many an instruction, and a line that lies in its own cache as
well a core seems to ask for late, when the write is the next in line. `bench/test_update.py` shows what that costs.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from nbdl.aligned import LINE
from nbdl.kernels.cpu.jit import kernel


@intrinsic
def _write_again(typingctx: Any, array: Any, position: Any) -> Any:
    """Write what stands at a position; as an atomic write, which LLVM doesn't leave out."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        address = builder.gep(data, [arguments[1]])
        builder.store_atomic(builder.load_atomic(address, "monotonic", size), address, "monotonic", size)
        return context.get_dummy_value()

    return types.void(array, types.intp), emit


@kernel
def claim(array, workers):
    """Take the lines of an array that is about to be written away from the cores that have read it.

    One number of each line is written, as it is: short writes, with nothing in between. The loop that follows writes
    other arrays as well, and whole vectors: behind those such lines wait longer.
    """
    if workers > 1:
        for i in range(0, len(array), LINE // array.itemsize):
            _write_again(array, i)
