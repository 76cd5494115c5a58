"""The threads that share a program's steps."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from nbdl.codegen.threads import Threads


def test_each_thread_has_its_number_in_every_call() -> None:
    threads, seen = Threads(2), []
    for _ in range(3):
        meeting = threading.Barrier(3)  # all at the same time
        threads.run(lambda number, meeting=meeting: seen.append((number, meeting.wait(60) >= 0)))  # type: ignore[misc]
    assert sorted(seen) == [(number, True) for number in (0, 1, 2) for _ in range(3)]


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_comes_out_and_the_next_call_works(bad: int) -> None:
    threads, seen = Threads(1), []

    def work(number: int) -> None:
        if number == bad:
            raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError, match=str(bad)):
        threads.run(work)
    threads.run(seen.append)
    assert sorted(seen) == [0, 1]


def test_ctrl_c_while_others_work() -> None:
    """The interrupted call's answer, which comes late, doesn't end the next one."""
    threads, begun, seen = Threads(1), threading.Event(), []

    def interrupted(number: int) -> None:
        if number:
            begun.wait(60)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        else:
            begun.set()

    def slow(number: int) -> None:
        time.sleep(0.1 * number)
        seen.append(number)

    with pytest.raises(KeyboardInterrupt):
        threads.run(interrupted)
    threads.run(slow)
    assert sorted(seen) == [0, 1]


def test_threads_end_with_their_owner() -> None:
    threads, seen = Threads(1), []
    threads.run(lambda number: seen.append(threading.current_thread()))
    (other,) = set(seen) - {threading.current_thread()}
    del threads
    other.join(60)
    assert not other.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_has_threads_of_its_own() -> None:
    threads, seen = Threads(1), []
    threads.run(seen.append)
    child = os.fork()
    if not child:
        signal.alarm(20)  # ends the child if nobody answers
        threads.run(seen.append)
        os._exit(len(seen))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
