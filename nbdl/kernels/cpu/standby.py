"""Work of a few microseconds, shared with threads that stand by.

One row goes through a large product or convolution in less time than it takes to wake a thread. So threads stand by for
a while after they were last needed (`stand_by`): each looks again and again at slots of its own in `memory`, where
whoever has work to `share` leaves it a part. Nobody depends on them: where none stands by, or one doesn't begin in
time, its part is done by who wanted to leave it to it. A number is the same sum, in the same order, whoever adds it up.

A thread's first slot says what it is doing:

    AWAY -> WAITING -> CLAIMED -> POSTED -> WORKING -> DONE -> WAITING -> ... -> AWAY

Who claims a thread writes a task to the other slots and posts it. When it is done, whoever posted it lets the thread
wait for the next one, or dismisses it if it was late, or misses one part after another: then others want its core.

A task is a shared function (`nbdl.kernels.cpu.shared`) and some numbers, of which the first is the address of what it
computes. `signature` has the function's arguments: that address, that of all numbers, the part, and how many there are.
"""

from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.errors import TypingError

from nbdl.kernels.cpu.barrier import LINE, SPINS, give_up_core, load_acquire, pause, store_release
from nbdl.kernels.cpu.jit import program
from nbdl.kernels.cpu.vector import INDEX, POINTER, intrinsic, offset, pointer
from nbdl.kernels.cpu.views import array_of

MOST: Final = 3
"""Threads that may stand by."""

NUMBERS: Final = 16
"""Numbers of a task."""

SLOTS: Final = 2 * LINE
"""Slots of a thread: its state, the function, the part, how many parts there are, the numbers, and two counters."""

LATE: Final = 10_000
"""Spins in which a thread that has begun must be done, some 0.2 ms: one that isn't has lost its core."""

MOST_MISSED: Final = 16
"""Parts that a thread may miss one after another: an interrupt makes it miss one or two."""

AWAY, WAITING, CLAIMED, POSTED, WORKING, DONE, DISMISSED = range(7)

PARTS, MISSED = SLOTS - 2, SLOTS - 1
"""A thread's slots that count the parts it has done, and those that it has missed since."""

ASKED: Final = MOST * SLOTS
"""The slot that counts tasks that were large enough for several threads."""

memory = np.zeros((MOST + 2) * SLOTS, np.int64)
memory = memory[-memory.ctypes.data // 8 % LINE :][: (MOST + 1) * SLOTS]  # from the beginning of a line on

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
def pointer_at(typingctx: Any, number: Any, like: Any) -> Any:
    """Return the pointer of a type at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return like(types.int64, like), emit


@intrinsic
def task_of(typingctx: Any, numbers: Any) -> Any:
    """Return a pointer to a task's numbers, which lie on the stack; those that are pointers become addresses."""
    if len(numbers) > NUMBERS:
        raise TypingError(f"a task has {NUMBERS} numbers at most, not {len(numbers)}")

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        task = cgutils.alloca_once(builder, INDEX, size=NUMBERS)
        values = cgutils.unpack_tuple(builder, arguments[0])
        for place, (value, kind) in enumerate(zip(values, numbers, strict=True)):
            is_pointer = isinstance(kind, types.CPointer)
            number = builder.ptrtoint(value, INDEX) if is_pointer else context.cast(builder, value, kind, types.int64)
            builder.store(number, builder.gep(task, [INDEX(place)], source_etype=INDEX))
        return task

    return types.CPointer(types.int64)(numbers), emit


def signature(scalar: types.Float) -> Any:
    """The arguments of a function that does a part of a task."""
    return types.void(types.CPointer(scalar), types.CPointer(types.int64), types.intp, types.intp)


@intrinsic
def _do(typingctx: Any, work: Any, task: Any, part: Any, parts: Any) -> Any:
    """Call the function at an address for a part of a task."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, numbers, *which = arguments
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, INDEX, INDEX])
        result = builder.inttoptr(builder.load(numbers, typ=INDEX), POINTER)
        function = builder.inttoptr(address, kind.as_pointer())
        builder.call(function, [result, builder.bitcast(numbers, POINTER), *which])
        return context.get_dummy_value()

    return types.void(types.int64, task, types.intp, types.intp), emit


@inline
def _claim(slots, most):
    """Claim up to so many threads that stand by; return their places as bits, and their number."""
    claimed = number = 0
    for place in range(MOST):
        slot = place * SLOTS
        waits = number < most and load_acquire(slots, slot) == WAITING
        if waits and replace(slots, slot, WAITING, CLAIMED):
            claimed |= 1 << place
            number += 1
    return claimed, number


@inline
def _post(slots, slot, work, task, part, parts):
    """Leave a part to a thread that was claimed."""
    slots[slot + 1], slots[slot + 2], slots[slot + 3] = work, part, parts
    for place in range(NUMBERS):
        slots[slot + 4 + place] = task[place]
    store_release(slots, slot, POSTED)


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


@inline
def share(work, task, most, longest):
    """Do all parts of a task, up to `most`, together with the threads that stand by.

    A thread that has begun and takes more than so many spins is late.
    """
    slots, claimed, others = _memory(), 0, 0
    if most > 1:
        slots[ASKED] += 1
        claimed, others = _claim(slots, most - 1)
    parts, part = others + 1, 0
    for place in range(MOST):
        if claimed >> place & 1:
            part += 1
            _post(slots, place * SLOTS, work, task, part, parts)
    _do(work, task, 0, parts)
    part = 0
    for place in range(MOST):
        if claimed >> place & 1:
            slot, part = place * SLOTS, part + 1
            if replace(slots, slot, POSTED, CLAIMED):  # the thread hasn't begun
                _do(work, task, part, parts)
                slots[slot + MISSED] += 1
                useful = slots[slot + MISSED] < MOST_MISSED
            else:
                useful = _wait(slots, slot, LATE + longest)
                slots[slot + MISSED] = 0
            store_release(slots, slot, WAITING if useful else DISMISSED)


@program
def stand_by(place, polls):
    """Do what is posted at a place, until nothing was for so many polls; return False if the thread was dismissed.

    There must be one thread at most for each place.
    """
    slots, slot, left = _memory(), place * SLOTS, polls
    slots[slot + MISSED] = 0
    store_release(slots, slot, WAITING)
    while True:
        state = load_acquire(slots, slot)
        if state == POSTED and replace(slots, slot, POSTED, WORKING):
            _do(slots[slot + 1], offset(pointer(slots), slot + 4), slots[slot + 2], slots[slot + 3])
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
