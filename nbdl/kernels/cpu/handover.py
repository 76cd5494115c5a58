"""How the workers of a program take up a call, and end it, without waiting for the interpreter's lock.

Threads come from Python, and go back to it, through the interpreter's lock. Who asks for it while another thread has it
is put to sleep, as is who has nothing to do, and to be woken takes longer than many a call. So where calls follow one
another at once, the others *stand by* in compiled code, and worker 0 sees to it that never two ask for the lock: it
lets the others go when it has left Python itself, and goes back to Python when they stand by again.

    worker 0     Python | begin_call       steps       end_call | Python
    others            stand_by | Python |  steps  | Python | stand_by

This tells when, not what: that comes by queues (`nbdl/codegen/threads.py`), and a worker that doesn't begin or end in
time is waited for there.
"""

from typing import Final

from nbdl.kernels.cpu.barrier import LINE, SPINS, give_up_core, load_acquire, pause, store_release
from nbdl.kernels.cpu.jit import kernel, program

CALLS: Final = 1
"""The slot in a worker's line of the barrier's memory that has the last call: that worker 0 has begun, or that another
has ended.
"""

QUICK: Final = 2
"""Worker 0's slot that says whether the others stand by after this call."""

POLLS: Final = 5000
"""How often a worker looks before it goes to sleep: for some tenths of a millisecond."""


@kernel
def _look_for(sync, place, call, polls):
    """Wait until a slot has reached a call, but no longer than for so many looks."""
    while load_acquire(sync, place) < call and polls > 0:
        polls -= 1
        pause()
        if polls % SPINS == 0:
            give_up_core()


@kernel
def begin_call(sync, worker, workers):
    """As worker 0, let those begin who stand by."""
    if worker == 0 and workers > 1:
        store_release(sync, CALLS, sync[CALLS] + 1)


@kernel
def end_call(sync, worker, workers):
    """As worker 0, wait until the others stand by again."""
    if worker == 0 and workers > 1 and sync[QUICK] != 0:
        for other in range(1, workers):
            _look_for(sync, other * LINE + CALLS, sync[CALLS], POLLS)


@program
def stand_by(sync, worker, polls):
    """As another worker, say that a call has ended, and wait for the next one, but no longer than for so many looks."""
    ended = load_acquire(sync, CALLS)
    store_release(sync, worker * LINE + CALLS, ended)
    _look_for(sync, CALLS, ended + 1, polls)
