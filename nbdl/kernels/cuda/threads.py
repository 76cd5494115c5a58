"""Which thread this is, and what its block shares: asked of a kernel's first argument, the card as its threads see it.

That is either the card's memory, where a kernel was launched by itself: block and thread are the hardware's. Or it is a
`Task`: one kernel does the work of many launches, and its threads are told for which block of which launch they
stand in (`tasks.py`). What was compiled for the one is compiled for the other, too, from the same text.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.cuda import cgutils, nvvmutils, types
from numba.cuda.extending import intrinsic, models, register_model

WORD = ir.IntType(32)
SHARED = 3
"""The number of the memory that the threads of a block share, as an address space."""
PLACE = {
    "block_x": "ctaid.x",
    "block_y": "ctaid.y",
    "blocks_x": "nctaid.x",
    "blocks_y": "nctaid.y",
    "thread_x": "tid.x",
    "thread_y": "tid.y",
    "threads_x": "ntid.x",
    "threads_y": "ntid.y",
}
"""Where a thread is, and the register of the hardware that says so."""
OWN = ("barrier", "shared")
"""What else a task knows: at which of the hardware's barriers its threads meet, and the byte of the shared memory at
which theirs begins.
"""


class TaskType(types.Type):  # type: ignore[misc, unused-ignore]
    """The type of a `Task`."""

    def __init__(self) -> None:
        super().__init__("Task")


TASK = TaskType()


@register_model(TaskType)
class TaskModel(models.StructModel):  # type: ignore[misc, unused-ignore]
    """The card's memory, and where the thread is."""

    def __init__(self, manager: Any, kind: Any) -> None:
        words = [(name, types.int32) for name in (*PLACE, *OWN)]
        super().__init__(manager, kind, [("data", types.CPointer(types.uint8)), *words])


def address_of(context: Any, builder: Any, kind: Any, card: Any) -> Any:
    """The address of the card's memory."""
    if kind == TASK:
        return cgutils.create_struct_proxy(kind)(context, builder, value=card).data
    return context.make_array(kind)(context, builder, card).data


@intrinsic
def task(
    typingctx: Any, memory: Any, block_x: Any, block_y: Any, blocks_x: Any, blocks_y: Any, thread_x: Any,
    thread_y: Any, threads_x: Any, threads_y: Any, barrier: Any, shared: Any,
) -> Any:  # fmt: skip
    """Return the card as a thread sees it that stands in for another."""
    words = (block_x, block_y, blocks_x, blocks_y, thread_x, thread_y, threads_x, threads_y, barrier, shared)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = cgutils.create_struct_proxy(TASK)(context, builder)
        made.data = address_of(context, builder, signature.args[0], arguments[0])
        for name, value, kind in zip((*PLACE, *OWN), arguments[1:], signature.args[1:], strict=True):
            setattr(made, name, context.cast(builder, value, kind, types.int32))
        return made._getvalue()

    return TASK(memory, *words), emit


def _place(name: str) -> Any:
    """The function that asks one of the places."""

    def ask(typingctx: Any, card: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if card == TASK:
                return getattr(cgutils.create_struct_proxy(TASK)(context, builder, value=arguments[0]), name)
            return nvvmutils.call_sreg(builder, PLACE[name])

        return types.int32(card), emit

    ask.__name__ = ask.__qualname__ = name
    return intrinsic(ask)


block_x, block_y, blocks_x, blocks_y, thread_x, thread_y, threads_x, threads_y = map(_place, PLACE)


@intrinsic
def syncthreads(typingctx: Any, card: Any) -> Any:
    """Wait for the other threads of the block; those that stand in for one meet at a barrier of their own."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        operands: list[Any] = []
        nothing = ir.FunctionType(ir.VoidType(), [])
        meeting = cgutils.get_or_insert_function(builder.module, nothing, "llvm.nvvm.barrier0")
        if card == TASK:
            here = cgutils.create_struct_proxy(TASK)(context, builder, value=arguments[0])
            operands = [here.barrier, builder.mul(here.threads_x, here.threads_y)]
            kind = ir.FunctionType(ir.VoidType(), [WORD, WORD])
            meeting = ir.InlineAsm(kind, "bar.sync $0, $1;", "r,r,~{memory}", side_effect=True)
        builder.call(meeting, operands, attrs=("convergent",))
        return context.get_dummy_value()

    return types.void(card), emit


def _shared_memory(module: Any) -> Any:
    """What the threads of a block share: as much as the launch says, wherever in the program it is asked for."""
    if "shared_memory" in module.globals:
        return module.globals["shared_memory"]
    whole = cgutils.add_global_variable(module, ir.ArrayType(ir.IntType(8), 0), "shared_memory", SHARED)
    whole.align, whole.linkage = 16, "external"
    return whole


@intrinsic
def shared(typingctx: Any, card: Any, start: Any, size: Any, dtype: Any) -> Any:
    """Return the array of `size` numbers that begins at byte `start` of what the threads of the block share."""
    result = types.Array(dtype.dtype, 1, "C")

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = _shared_memory(builder.module)
        begin = context.cast(builder, arguments[1], signature.args[1], types.intp)
        if card == TASK:
            own = cgutils.create_struct_proxy(TASK)(context, builder, value=arguments[0]).shared
            begin = builder.add(begin, context.cast(builder, own, types.int32, types.intp))
        kind = context.get_data_type(result.dtype)
        address = builder.gep(builder.addrspacecast(whole, ir.IntType(8).as_pointer(), "generic"), [begin])
        width = context.get_constant(types.intp, context.get_abi_sizeof(kind))
        array = context.make_array(result)(context, builder)
        context.populate_array(
            array,
            data=builder.bitcast(address, kind.as_pointer()),
            shape=[context.cast(builder, arguments[2], signature.args[2], types.intp)],
            strides=[width],
            itemsize=width,
            meminfo=None,
        )
        return array._getvalue()

    return result(card, start, size, dtype), emit
