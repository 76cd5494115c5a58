"""One row after another: threads stand by for parts of its products, where that pays, and nothing else changes."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from nbdl import nn
from nbdl.codegen import standby, waiting
from nbdl.codegen.standby import STANDBY, Standby
from nbdl.machine import cores
from tests.kernels.test_standby import nobody_at_a_place, nobody_stands_by, parts_done, until

ROW = np.random.default_rng(0).normal(size=(1, 700)).astype(np.float32)
SEQUENCE = ROW.reshape(1, 7, 100)

two_cores = pytest.mark.skipif(cores() < 2, reason="threads stand by on other cores")


def large() -> nn.Module:
    """Some of its products pay."""
    return nn.Sequential(nn.Dense(512, "relu"), nn.Dense(300, "tanh"), nn.Dense(3))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls follow one another at once, however long they take."""
    monkeypatch.setattr(standby, "PAUSE", math.inf)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """A list that gets an entry for each call for which threads may stand by."""
    found: list[object] = []
    run = STANDBY.run
    monkeypatch.setattr(STANDBY, "run", lambda *given: found.append(given) or run(*given))
    return found


def share(net: nn.Module, x: np.ndarray) -> None:
    """Predict until a thread has done a part; the bits are always those of one worker."""
    alone = net.predict(x, workers=1).tobytes()
    before = parts_done()

    def one_was_shared() -> bool:
        assert [net.predict(x).tobytes() for _ in range(100)] == [alone] * 100
        return parts_done() > before

    until(one_was_shared)


@two_cores
@pytest.mark.usefixtures("at_once")
def test_rows_are_shared_and_have_the_same_bits() -> None:
    share(large(), ROW)
    share(nn.Sequential(nn.SimpleRNN(256), nn.Dense(2)), SEQUENCE)


@two_cores
@pytest.mark.usefixtures("at_once")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_threads_of_its_own() -> None:
    net = large()
    share(net, ROW)
    child = os.fork()
    if child == 0:
        signal.alarm(100)  # ends the child if nothing happens
        share(net, ROW)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4


def test_nobody_stands_by_in_a_fork_at_first() -> None:
    threads = Standby()
    threads._asleep = []  # as if they had begun
    with nobody_at_a_place():
        threads.forget()
        assert nobody_stands_by()
    assert threads._asleep is None


@pytest.mark.parametrize(
    ("net", "rows", "workers", "shared"),
    [
        (large, 1, None, True),
        (large, 1, 2, True),
        (large, 1, 1, False),
        (large, 6, None, False),
        (lambda: nn.Dense(8), 1, None, False),
        (lambda: nn.Activation("tanh"), 1, None, False),
    ],
)
def test_threads_stand_by_for_large_products_of_one_row(
    net: Callable[[], nn.Module], rows: int, workers: int | None, shared: bool, calls: list[object]
) -> None:
    network = net()
    for _ in range(3):
        network.predict(np.repeat(ROW, rows, 0), workers=workers)
    assert len(calls) == 2 * shared  # the first call records


def woken(pause: float, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often threads are woken, of which two sleep, by three calls."""
    monkeypatch.setattr(standby, "PAUSE", pause)
    woken: list[int] = []

    class Lock:
        def release(self) -> None:
            woken.append(1)

    threads = Standby()
    monkeypatch.setattr(threads, "_begin", lambda asleep: asleep.extend([Lock(), Lock()]))
    for number in range(3):
        threads.run(lambda number: None, number)
    return len(woken)


def test_only_calls_at_once_wake_threads_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert woken(math.inf, monkeypatch) == 2
    assert woken(0.0, monkeypatch) == 0


def test_rows_are_predicted_where_no_thread_can_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "PAUSE", math.inf)
    monkeypatch.setattr(standby, "cores", lambda: 2)

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    threads, done = Standby(), []
    for number in range(3):
        threads.run(done.append, number)
    assert done == [0, 1, 2]


def test_the_end_waits_until_threads_have_left_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting.IN_COMPILED_CODE.append("somebody")
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            waiting.IN_COMPILED_CODE.remove("somebody")

    until(lambda: waiting.IN_COMPILED_CODE == ["somebody"])
    monkeypatch.setattr(waiting.time, "sleep", nap)
    waiting.leave_compiled_code()
    assert len(naps) == 3
    monkeypatch.setattr(waiting, "LONGEST", 0.0)
    waiting.IN_COMPILED_CODE.append("somebody")
    waiting.leave_compiled_code()  # not for ever
    waiting.IN_COMPILED_CODE.remove("somebody")


@two_cores
@pytest.mark.usefixtures("at_once")
def test_threads_that_stand_by_are_among_those_that_the_end_waits_for() -> None:
    share(large(), ROW)
    until(lambda: not waiting.IN_COMPILED_CODE)
    seen: list[str] = []

    def one_was_seen() -> bool:
        share(large(), ROW)
        seen.extend(waiting.IN_COMPILED_CODE)
        return "nbdl_standby_0" in seen

    until(one_was_seen)
    until(lambda: not waiting.IN_COMPILED_CODE)
