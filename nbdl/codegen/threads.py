"""Threads that wait for their part of a program's steps.

A pool of `concurrent.futures` would do the same, but what it keeps in Python for each call takes as long as a small
network's step. Here a call lies on a board that all threads see, and they are told by queues to look there. Where calls
follow one another at once, they wait for the next one in compiled code (`nbdl.kernels.cpu.handover`).
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeAlias

import numpy as np

from nbdl.codegen.ahead import compile_for
from nbdl.codegen.waiting import IN_COMPILED_CODE, PAUSE

Work: TypeAlias = Callable[[int], None]
Inbox: TypeAlias = "SimpleQueue[bool]"

LATE = 1e-3
"""Seconds after which a thread that stands by has long given up, if it has a core of its own."""

REST = 0.1
"""Seconds in which no thread stands by after one was late: others want its core, and get it sooner if it sleeps."""

AWAKE = 0.01
"""Seconds after which threads that stand by sleep for once: the system gives who wakes an idle core, but may leave two
who never sleep on one.
"""

LOOK = 1.0
"""Seconds after which the caller looks for answers without being told to."""


@dataclass(eq=False)
class _Call:
    """What all threads do once; `wait` lets one stand by afterwards, if the next call may follow at once."""

    number: int
    work: Work
    wait: Work | None
    errors: dict[int, BaseException | None] = field(default_factory=dict)
    answered: Inbox = field(default_factory=SimpleQueue)


@dataclass(eq=False)
class _Board:
    """What threads share with their owner, which they don't keep alive."""

    sync: np.ndarray | None
    call: _Call | None = None
    failed: bool = False
    resting_until: float = 0.0

    def fail(self) -> None:
        """Let all who wait at the barrier, or come there later, leave it."""
        self.failed = True
        if self.sync is not None:
            from nbdl.kernels.cpu.barrier import abort_barrier

            abort_barrier(self.sync)


class Threads:
    """Threads number 1 to `count`; the caller is number 0. They begin with the first call and end with this object.

    `sync` is the memory of the barrier of a program's workers, if that is what they run: `run` of `nbdl.codegen.cpu`
    tells those who stand by when to begin, and all of them leave it when one has failed.
    """

    def __init__(self, count: int, sync: np.ndarray | None = None):
        self.count = count
        self._sync = sync
        self._board = _Board(sync)
        self._inboxes: list[Inbox] = []
        self._process = 0
        self._number = 0
        self._last = self._since = 0.0
        self._standing: Work | None = None
        self._wait: Work | None = None

    def run(self, work: Work) -> None:
        """Call `work(number)` in each thread and here; raise what one of them raised.

        Nobody is left at work behind it, whenever Ctrl-C comes.
        """
        if self._process != os.getpid():  # at first, and in a fork, where threads don't live on
            self._board = _Board(self._sync, failed=True)
            self._inboxes = [_begin(number, self, self._board) for number in range(1, self.count + 1)]
            self._process = os.getpid()
        if self._board.call is not None or self._board.failed:
            self._begin_anew(self._board.call)
        self._choose_to_wait(time.perf_counter())
        self._number += 1
        call = _Call(self._number, work, self._wait)
        try:
            self._board.call = call
            self._tell()
            work(0)
        except BaseException:
            self._leave()
            raise
        finally:
            self._take_answers(call)
            self._last = time.perf_counter()
        for error in filter(None, call.errors.values()):
            raise error

    def _choose_to_wait(self, now: float) -> None:
        """Let threads stand by after this call if it follows the last one at once, and tell the workers."""
        quick = now - self._last < PAUSE and now >= self._board.resting_until
        if self._wait is not None:
            quick = quick and now - self._since < AWAKE
        if self._sync is None or quick == (self._wait is not None):
            return
        from nbdl.kernels.cpu.handover import QUICK

        self._standing = self._standing or _standing_by(self._sync)
        self._wait, self._since = self._standing if quick else None, now
        self._sync[QUICK] = quick

    def _begin_anew(self, unfinished: _Call | None) -> None:
        """After a call that has failed, or that Ctrl-C has left before all had answered."""
        if unfinished is not None:
            self._leave()
            self._take_answers(unfinished)
        if self._sync is not None:
            self._sync[:] = 0
        self._wait, self._board.failed = None, False

    def _tell(self) -> None:
        """Let threads look at the board; who has seen what is there doesn't mind."""
        for inbox in self._inboxes:
            inbox.put(True)

    def _leave(self) -> None:
        """Let threads that wait for this one leave their work."""
        self._board.fail()
        self._tell()

    def _take_answers(self, call: _Call) -> None:
        interrupted = None
        while len(call.errors) < self.count:
            try:
                call.answered.get(timeout=LOOK)
            except Empty:
                pass
            except KeyboardInterrupt as error:  # once more, maybe before anybody was told to leave
                interrupted = error
                self._leave()
        self._board.call = None
        if interrupted is not None:
            raise interrupted


def _standing_by(sync: np.ndarray) -> Work:
    """Return what lets a thread stand by for the next call."""
    from nbdl.kernels.cpu.handover import POLLS, stand_by

    compile_for(stand_by, (sync, 1, POLLS))  # here, not in a thread that the interpreter's end would cut off
    return lambda number: stand_by(sync, number, POLLS)


def _begin(number: int, owner: Threads, board: _Board) -> Inbox:
    inbox: Inbox = SimpleQueue()
    # A daemon: it must not keep the interpreter from ending.
    threading.Thread(target=_serve, args=(number, inbox, board), name=_name(number), daemon=True).start()
    weakref.finalize(owner, inbox.put, False).atexit = False
    return inbox


def _name(number: int) -> str:
    return f"nbdl_{number}"


def _serve(number: int, inbox: Inbox, board: _Board) -> None:
    """Do what is on the board, until the owner is gone; between two calls nothing of it is held."""
    done = 0
    while inbox.get():
        done, wait = _do(number, board, done)
        if wait is not None:
            _stand_by(number, wait, board)


def _do(number: int, board: _Board, done: int) -> tuple[int, Work | None]:
    """Do the call on the board, unless it was done before; return its number and how to stand by afterwards."""
    call, error = board.call, None
    if call is None or call.number <= done:
        return done, None
    try:
        call.work(number)
    except BaseException as raised:
        board.fail()
        error = raised
    if call.wait is not None:
        IN_COMPILED_CODE.append(_name(number))
    call.errors[number] = error
    call.answered.put(True)
    return call.number, call.wait


def _stand_by(number: int, wait: Work, board: _Board) -> None:
    begin = time.perf_counter()
    wait(number)
    IN_COMPILED_CODE.remove(_name(number))
    end = time.perf_counter()
    if end - begin > LATE:
        board.resting_until = end + REST
