"""Whose a cache line is: what several cores have read, one of them must have to itself before it writes.

To take a line away from other cores takes as long as a hundred instructions. A processor asks for many lines at a time
while it reads, but for few while it writes: its writes wait in line behind the first that isn't answered yet.
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

    One number of each line is written, as it is: short writes and nothing in between, so that as many as possible are
    under way at a time. A loop that writes several arrays, of which the others are its own, would ask for one or two.
    """
    if workers > 1:
        for i in range(0, len(array), LINE // array.itemsize):
            _write_again(array, i)
