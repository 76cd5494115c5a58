"""Threads that stand by while rows are predicted one after another: `nbdl.kernels.cpu.standby` says what for.

A thread that stands by keeps a core busy, and one that sleeps takes longer to wake than a row takes to predict. So they
are woken by the second of two calls that follow one another at once, and go to sleep soon after the last one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nbdl.codegen.ahead import compile_for
from nbdl.codegen.program import Program
from nbdl.codegen.waiting import IN_COMPILED_CODE, PAUSE
from nbdl.machine import cores

POLLS = 5000
"""How often a thread looks for something to do before it goes to sleep: for longer than `PAUSE`."""

REST = 0.01
"""Seconds in which a thread is left alone after it came too late: others want its core."""


class Standby:
    """The threads, one for each core but the caller's; they begin when they are first woken."""

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._asleep: list[threading.Lock] | None = None
        self._last = 0.0
        self._beginning = threading.Lock()

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """Call `work(*arguments)`; wake the threads before, if the last such call has just ended."""
        if self._asleep != [] and time.perf_counter() - self._last < PAUSE:
            self._wake()
        work(*arguments)
        self._last = time.perf_counter()

    def forget(self) -> None:
        """Begin anew, in a fork, where threads don't live on."""
        if self._asleep is not None:
            from nbdl.kernels.cpu.standby import memory

            memory[:] = 0
        self._begin_anew()

    def _wake(self) -> None:
        with self._beginning:
            if self._asleep is None:
                self._asleep = []
                self._begin(self._asleep)
        with suppress(IndexError):  # when all are awake
            while True:
                self._asleep.pop().release()

    def _begin(self, asleep: list[threading.Lock]) -> None:
        from nbdl.kernels.cpu.standby import MOST

        with suppress(RuntimeError):  # no more threads are allowed, or the interpreter is about to end: then without
            for place in range(min(cores() - 1, MOST)):
                # A daemon: it must not keep the interpreter from ending.
                name = f"nbdl_standby_{place}"
                threading.Thread(target=_serve, args=(place, name, asleep), name=name, daemon=True).start()


def _serve(place: int, name: str, asleep: list[threading.Lock]) -> None:
    """Stand by, again and again; in between sleep, until somebody takes the lock from those asleep and releases it."""
    from nbdl.kernels.cpu.standby import stand_by

    wake = threading.Lock()
    wake.acquire()
    while True:
        IN_COMPILED_CODE.append(name)
        useful = stand_by(place, POLLS)
        IN_COMPILED_CODE.remove(name)
        if not useful:
            time.sleep(REST)
        asleep.append(wake)
        wake.acquire()


STANDBY = Standby()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=STANDBY.forget)


def shareable_products(program: Program) -> int:
    """How many products and convolutions were large enough for several threads so far, if a program has any at all."""
    if not program.needs_scratch:
        return 0
    from nbdl.kernels.cpu.standby import ASKED, memory

    return int(memory[ASKED])


def compile_standby() -> None:
    """Compile what the threads run, or find it on disk: not in a thread that the interpreter's end would cut off."""
    from nbdl.kernels.cpu.standby import stand_by

    compile_for(stand_by, (0, POLLS))
