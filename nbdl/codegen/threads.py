"""Threads that wait for their part of a program's steps.

A pool of `concurrent.futures` would do the same, but what it keeps in Python for each call takes as long as a small
network's step. Here a call is an entry in each thread's queue and one in the caller's.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Work: TypeAlias = Callable[[int], None]
Answers: TypeAlias = "SimpleQueue[BaseException | None]"
Inbox: TypeAlias = "SimpleQueue[tuple[Work, Answers] | None]"


class Threads:
    """Threads number 1 to `count`; the caller is number 0. They begin with the first call and end with this object."""

    def __init__(self, count: int):
        self.count = count
        self._inboxes: list[Inbox] = []
        self._process = 0

    def run(self, work: Work) -> None:
        """Call `work(number)` in each thread and here; raise what one of them raised."""
        if self._process != os.getpid():  # at first, and in a fork, where threads don't live on
            self._process = os.getpid()
            self._inboxes = [_begin(number, self) for number in range(1, self.count + 1)]
        # Answers to a call that Ctrl-C has ended must not be taken for those of the next one.
        answers: Answers = SimpleQueue()
        for inbox in self._inboxes:
            inbox.put((work, answers))
        try:
            work(0)
        finally:
            errors = [answers.get() for _ in self._inboxes]
            for error in filter(None, errors):
                raise error


def _begin(number: int, owner: Threads) -> Inbox:
    inbox: Inbox = SimpleQueue()
    # A daemon: it must not keep the interpreter from ending.
    threading.Thread(target=_serve, args=(number, inbox), name=f"nbdl_{number}", daemon=True).start()
    weakref.finalize(owner, inbox.put, None).atexit = False
    return inbox


def _serve(number: int, inbox: Inbox) -> None:
    """Do what comes, until the owner is gone; between two calls nothing of it is held."""
    while (call := inbox.get()) is not None:
        work, answers = call
        try:
            work(number)
        except BaseException as error:
            answers.put(error)
        else:
            answers.put(None)
        del call, work, answers
