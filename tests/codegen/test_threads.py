"""The threads that share a program's steps."""

from __future__ import annotations

import math
import os
import signal
import threading
import time

import numpy as np
import pytest

from nbdl.codegen import threads as module
from nbdl.codegen.threads import Threads
from nbdl.kernels.cpu.barrier import LINE, barrier_state
from nbdl.kernels.cpu.handover import CALLS, QUICK, begin_call, end_call
from tests.kernels.processes import run_python
from tests.kernels.test_standby import until


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


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls follow one another at once, and nobody is late, however long it takes."""
    monkeypatch.setattr(module, "PAUSE", math.inf)
    monkeypatch.setattr(module, "LATE", math.inf)
    monkeypatch.setattr(module, "AWAKE", math.inf)


def working(sync: np.ndarray, seen: list[int]) -> module.Work:
    """What `run` of a program does about calls: the workers meet before they end one."""
    meeting = threading.Barrier(2)

    def work(number: int) -> None:
        begin_call(sync, number, 2)
        seen.append(number)
        meeting.wait(60)
        end_call(sync, number, 2)

    return work


def test_threads_stand_by_between_calls_that_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sync, seen = barrier_state(2), []  # type: ignore[var-annotated]
    threads, work = Threads(1, sync), working(sync, seen)
    threads.run(work)
    at_once(monkeypatch)
    for _ in range(9):
        threads.run(work)
    assert sync[QUICK] == 1
    until(lambda: sync[CALLS] == sync[LINE + CALLS] == 10)
    monkeypatch.setattr(module, "PAUSE", 0.0)
    threads.run(work)
    assert sync[QUICK] == 0
    assert sorted(seen) == [0] * 11 + [1] * 11


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_between_calls_that_follow_at_once(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    """Worker 0 may fail before it has begun a call, another worker in the middle."""
    at_once(monkeypatch)
    sync, seen = barrier_state(2), []  # type: ignore[var-annotated]
    threads, work = Threads(1, sync), working(sync, seen)

    def fail(number: int) -> None:
        if number == bad:
            raise ZeroDivisionError(number)
        begin_call(sync, number, 2)
        end_call(sync, number, 2)

    for _ in range(3):
        threads.run(work)
        with pytest.raises(ZeroDivisionError, match=str(bad)):
            threads.run(fail)
    threads.run(work)
    assert sorted(seen) == [0] * 4 + [1] * 4


def test_the_end_of_the_interpreter_waits_for_threads_that_stand_by() -> None:
    """Those look for the next call for a tenth of a second here."""
    script = """
    import atexit, math, sys
    atexit.register(lambda: print(sys.modules["nbdl.codegen.waiting"].IN_COMPILED_CODE))  # comes last

    from nbdl.codegen import threads
    from nbdl.codegen.waiting import IN_COMPILED_CODE
    from nbdl.kernels.cpu import handover
    from nbdl.kernels.cpu.barrier import barrier_state

    threads.PAUSE = threads.LATE = threads.AWAKE = math.inf
    handover.POLLS = 3_000_000
    both = threads.Threads(1, barrier_state(2))
    for _ in range(3):
        both.run(lambda number: None)
    while not IN_COMPILED_CODE:
        pass
    print(IN_COMPILED_CODE)
    """
    assert run_python(script).split() == ["['nbdl_1']", "[]"]


def test_after_a_late_thread_none_stands_by_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    monkeypatch.setattr(module, "LATE", 0.0)
    monkeypatch.setattr(module, "REST", math.inf)
    sync, seen = barrier_state(2), []  # type: ignore[var-annotated]
    threads, work = Threads(1, sync), working(sync, seen)
    threads.run(work)
    threads.run(work)
    assert sync[QUICK] == 1
    until(lambda: threads._board.resting_until == math.inf)
    threads.run(work)
    assert sync[QUICK] == 0


@pytest.mark.parametrize("place", ["_tell", "_take_answers"])
def test_ctrl_c_around_the_work(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Before worker 0 begins, while another waits for it, and before it has taken the answers."""
    sync, seen = barrier_state(2), []  # type: ignore[var-annotated]
    threads, real = Threads(1, sync), getattr(Threads, place)

    def interrupted(self: Threads, *given: object) -> None:
        monkeypatch.setattr(Threads, place, real)
        if place == "_tell":
            real(self, *given)
        raise KeyboardInterrupt

    def meeting(name: str) -> module.Work:
        def work(number: int) -> None:
            while number and not sync[0] and not sync[-LINE]:  # for worker 0, or to be sent off
                time.sleep(0.001)
            sync[0] = 1
            seen.append((name, number))

        return work

    monkeypatch.setattr(Threads, place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        threads.run(meeting("first"))
    threads.run(meeting("second"))
    assert sorted(seen[-2:]) == [("second", 0), ("second", 1)]
    assert ("first", 1) in seen[:-2]
    assert not sync[-LINE]


def test_who_stands_by_for_long_sleeps_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every other call, where no time is short enough."""
    at_once(monkeypatch)
    monkeypatch.setattr(module, "AWAKE", 0.0)
    sync, seen = barrier_state(2), []  # type: ignore[var-annotated]
    threads, work, quick = Threads(1, sync), working(sync, seen), []
    for _ in range(6):
        threads.run(work)
        quick.append(int(sync[QUICK]))
    assert quick == [1, 0, 1, 0, 1, 0]
    assert len(seen) == 12
