"""A row times a large matrix, computed together with threads that stand by.

Such a product takes as long as reading the matrix, and two cores read faster than one; but to wake a thread takes as
long as the product. So threads stand by for a while after they were last needed (`stand_by`): each looks again and
again at slots of its own in `memory`, where whoever has a row to multiply leaves it a part of the columns. Nobody
depends on them: where none stands by, or one doesn't begin in time, its part is computed by who wanted to leave it to
it. A number is the same sum, in the same order, whoever adds it up.

A thread's first slot says what it is doing:

    AWAY -> WAITING -> CLAIMED -> POSTED -> WORKING -> DONE -> WAITING -> ... -> AWAY

Who claims a thread writes a part to the other slots and posts it. When it is done, whoever posted it lets the thread
wait for the next one, or dismisses it if it was late, or misses one part after another: then others want its core.
"""

from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types

from nbdl.kernels.cpu.barrier import LINE, SPINS, give_up_core, load_acquire, pause, store_release
from nbdl.kernels.cpu.copies import span
from nbdl.kernels.cpu.jit import kernel, program
from nbdl.kernels.cpu.tile import multiply_row, multiply_vector
from nbdl.kernels.cpu.vector import INDEX, VECTOR_BYTES, intrinsic, offset, vector_lanes
from nbdl.kernels.cpu.views import array_of

MOST: Final = 3
"""Threads that may stand by."""

PART_BYTES: Final = 2**16
"""Bytes of the matrix that each gets at least: they take a microsecond, several times what it takes to post a part."""

PART_COLUMNS: Final = 64
"""Columns that each gets at least: rows are read in pieces of so many, and a vector's width is added up otherwise."""

LATE: Final = 10_000
"""Spins in which a thread that has begun must be done, some 0.2 ms: one that isn't has lost its core."""

MOST_MISSED: Final = 16
"""Parts that a thread may miss one after another: an interrupt makes it miss one or two."""

BYTES_A_SPIN: Final = 2**11
"""Bytes of a matrix that are read, at most, during a spin."""

AWAY, WAITING, CLAIMED, POSTED, WORKING, DONE, DISMISSED = range(7)

PARTS, MISSED = LINE - 2, LINE - 1
"""A thread's slots that count the parts it has done, and those that it has missed since."""

ASKED: Final = MOST * LINE
"""The slot that counts products that are large enough for several threads."""

memory = np.zeros((MOST + 2) * LINE, np.int64)
memory = memory[-memory.ctypes.data // 8 % LINE :][: (MOST + 1) * LINE]  # from the beginning of a line on

_SYMBOL: Final = f"{__name__}.memory"
llvm.add_symbol(_SYMBOL, memory.ctypes.data)

inline = njit(inline="always")


@intrinsic
def _memory(typingctx: Any) -> Any:
    """Return `memory`, which lies elsewhere in each process that runs the same machine code."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        known = builder.module.globals
        address = known.get(_SYMBOL) or ir.GlobalVariable(builder.module, INDEX, _SYMBOL)
        return array_of(context, builder, signature.return_type, address, [ir.Constant(INDEX, memory.size)])

    return types.Array(types.int64, 1, "C")(), emit


@intrinsic
def replace(typingctx: Any, array: Any, position: Any, old: Any, new: Any) -> Any:
    """Write `new` to a slot that holds `old`, before anybody else can; return whether it held that."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        found = builder.cmpxchg(builder.gep(data, [arguments[1]]), *arguments[2:], "acq_rel", "acquire")
        return builder.extract_value(found, 1)

    return types.boolean(array, types.intp, types.int64, types.int64), emit


@intrinsic
def _number(typingctx: Any, pointer: Any) -> Any:
    """Return a pointer's address as a number."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], INDEX)

    return types.int64(pointer), emit


@intrinsic
def _pointer(typingctx: Any, number: Any, scalar: Any) -> Any:
    """Return the pointer to scalars of a type at an address."""
    result = types.CPointer(scalar.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(result))

    return result(types.int64, scalar), emit


@inline
def _compute(task, part, parts, scalar):
    """Compute one of several parts of a row of scalars."""
    row, step, matrix, matrix_row, c, n, depth, transposed, add, _ = task
    start, size = span(n, part, parts)
    row, matrix, c = _pointer(row, scalar), _pointer(matrix, scalar), offset(_pointer(c, scalar), start)
    if transposed != 0:
        multiply_vector(offset(matrix, start * matrix_row), matrix_row, row, c, size, depth, add != 0)
    else:
        multiply_row(row, step, offset(matrix, start), matrix_row, c, size, depth, add != 0)


@inline
def _claim(slots, most):
    """Claim up to so many threads that stand by; return their places as bits, and their number."""
    claimed = number = 0
    for place in range(MOST):
        if number < most and replace(slots, place * LINE, WAITING, CLAIMED):
            claimed |= 1 << place
            number += 1
    return claimed, number


@inline
def _post(slots, slot, task, part, parts):
    """Leave a part to a thread that was claimed."""
    for place, number in enumerate(task):
        slots[slot + 1 + place] = number
    slots[slot + 11], slots[slot + 12] = part, parts
    store_release(slots, slot, POSTED)


@inline
def _posted(slots, slot):
    """Return what was posted: task, part and parts."""
    first, second = slot + 1, slot + 6
    numbers = slots[first], slots[first + 1], slots[first + 2], slots[first + 3], slots[first + 4]
    others = slots[second], slots[second + 1], slots[second + 2], slots[second + 3], slots[second + 4]
    return numbers + others, slots[slot + 11], slots[slot + 12]


@inline
def _wait(slots, slot, most):
    """Wait until a part is done; return whether that took no more than so many spins."""
    spins = 0
    while load_acquire(slots, slot) != DONE:
        spins += 1
        pause()
        if spins % SPINS == 0:
            give_up_core()
    return spins <= most


@kernel
def multiply_together(row, step, matrix, matrix_row, c, n, depth, transposed, add):
    """c[j] = sum_k row[k * step] * matrix[k * matrix_row + j], or matrix[j * matrix_row + k] of a `transposed` one.

    It is computed by as many threads as stand by and find enough to do; `add` adds it to c.
    """
    slots, size = _memory(), VECTOR_BYTES // vector_lanes(c)
    task = (_number(row), step, _number(matrix), matrix_row, _number(c), n, depth, int(transposed), int(add), size)
    bytes_read = n * depth * size
    most = min(bytes_read // PART_BYTES, n // PART_COLUMNS)
    claimed, others = 0, 0
    if most > 1:
        slots[ASKED] += 1
        claimed, others = _claim(slots, most - 1)
    parts, part = others + 1, 0
    for place in range(MOST):
        if claimed >> place & 1:
            part += 1
            _post(slots, place * LINE, task, part, parts)
    _compute(task, 0, parts, c)
    part = 0
    for place in range(MOST):
        if claimed >> place & 1:
            slot, part = place * LINE, part + 1
            if replace(slots, slot, POSTED, CLAIMED):  # the thread hasn't begun
                _compute(task, part, parts, c)
                slots[slot + MISSED] += 1
                useful = slots[slot + MISSED] < MOST_MISSED
            else:
                useful = _wait(slots, slot, LATE + bytes_read // BYTES_A_SPIN)
                slots[slot + MISSED] = 0
            store_release(slots, slot, WAITING if useful else DISMISSED)


@program
def stand_by(place, polls):
    """Do what is posted at a place, until nothing was for so many polls; return False if the thread was dismissed.

    There must be one thread at most for each place.
    """
    slots, slot, left = _memory(), place * LINE, polls
    slots[slot + MISSED] = 0
    store_release(slots, slot, WAITING)
    while True:
        state = load_acquire(slots, slot)
        if state == POSTED and replace(slots, slot, POSTED, WORKING):
            task, part, parts = _posted(slots, slot)
            if task[-1] == 8:
                _compute(task, part, parts, types.float64)
            else:
                _compute(task, part, parts, types.float32)
            slots[slot + PARTS] += 1
            store_release(slots, slot, DONE)
            left = polls
        elif state == DISMISSED or (left <= 0 and replace(slots, slot, WAITING, AWAY)):
            store_release(slots, slot, AWAY)
            return state != DISMISSED
        left -= 1
        pause()
        if left % SPINS == 0:
            give_up_core()
