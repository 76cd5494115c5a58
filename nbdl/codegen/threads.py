"""Threads that wait for their part of a program's steps.

A pool of `concurrent.futures` would do the same, but what it keeps in Python for each call takes as long as a small
network's step. Here a call is an entry in each thread's queue and one in the caller's. Where calls follow one another
at once, threads wait for them in compiled code (`nbdl.kernels.cpu.handover`).
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

import numpy as np

from nbdl.codegen.ahead import compile_for

Work: TypeAlias = Callable[[int], None]
Answers: TypeAlias = "SimpleQueue[BaseException | None]"
Inbox: TypeAlias = "SimpleQueue[tuple[Work, Answers, Work | None] | None]"

PAUSE = 1e-4
"""Seconds between two calls that follow one another at once."""

LONGEST = 1.0
"""Seconds that the interpreter's end waits for threads, which are done within a thousandth unless they have no core."""


NAP = 1e-4
"""Seconds between its looks at them."""


class Threads:
    """Threads number 1 to `count`; the caller is number 0. They begin with the first call and end with this object.

    `sync` is the memory of the barrier of a program's workers, if that is what they run: `run` of `nbdl.codegen.cpu`
    tells those who stand by when to begin.
    """

    def __init__(self, count: int, sync: np.ndarray | None = None):
        self.count = count
        self._sync = sync
        self._inboxes: list[Inbox] = []
        self._process = 0
        self._last = 0.0
        self._wait: Work | None = None

    def run(self, work: Work) -> None:
        """Call `work(number)` in each thread and here; raise what one of them raised."""
        if self._process != os.getpid():  # at first, and in a fork, where threads don't live on
            self._process = os.getpid()
            self._inboxes = [_begin(number, self) for number in range(1, self.count + 1)]
        quick = time.perf_counter() - self._last < PAUSE
        if self._sync is not None and quick != (self._wait is not None):
            self._wait = _wait_for_calls(self._sync, quick)
        # Answers to a call that Ctrl-C has ended must not be taken for those of the next one.
        answers: Answers = SimpleQueue()
        for inbox in self._inboxes:
            inbox.put((work, answers, self._wait))
        try:
            work(0)
        finally:
            errors = [answers.get() for _ in self._inboxes]
            self._last = time.perf_counter()
            for error in filter(None, errors):
                raise error


def _wait_for_calls(sync: np.ndarray, quick: bool) -> Work | None:
    """Tell a program's workers whether the next call follows at once; return what lets a thread stand by for it."""
    from nbdl.kernels.cpu.handover import POLLS, QUICK, stand_by

    sync[QUICK] = quick
    if not quick:
        return None
    compile_for(stand_by, (sync, 1, POLLS))  # here, not in a thread that the interpreter's end would cut off
    return lambda number: stand_by(sync, number, POLLS)


def _begin(number: int, owner: Threads) -> Inbox:
    inbox: Inbox = SimpleQueue()
    # A daemon: it must not keep the interpreter from ending.
    threading.Thread(target=_serve, args=(number, inbox), name=f"nbdl_{number}", daemon=True).start()
    weakref.finalize(owner, inbox.put, None).atexit = False
    return inbox


def _serve(number: int, inbox: Inbox) -> None:
    """Do what comes, until the owner is gone; between two calls nothing of it is held."""
    while (call := inbox.get()) is not None:
        work, answers, wait = call
        try:
            work(number)
        except BaseException as error:
            answers.put(error)
        else:
            answers.put(None)
        del call, work, answers
        if wait is not None:
            _STANDING.append(number)
            wait(number)
            _STANDING.remove(number)
        del wait


_STANDING: list[int] = []
"""The numbers of the threads that stand by."""


@atexit.register
def _leave_compiled_code() -> None:
    """Wait until no thread stands by: at the interpreter's end their machine code goes, and they would run on in it."""
    end = time.perf_counter() + LONGEST
    while _STANDING and time.perf_counter() < end:
        time.sleep(NAP)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_STANDING.clear)
