"""Workers that stand by are let go by worker 0's next call, and go by themselves if none comes."""

from __future__ import annotations

import threading

import pytest

from nbdl.kernels.cpu.barrier import LINE, barrier_state
from nbdl.kernels.cpu.handover import CALLS, POLLS, QUICK, begin_call, end_call, stand_by
from tests.kernels.test_standby import until

FOREVER = 2**62


def test_who_stands_by_says_so_and_begins_with_the_next_call() -> None:
    sync = barrier_state(3)
    sync[CALLS] = 7
    others = [threading.Thread(target=stand_by, args=(sync, worker, FOREVER), daemon=True) for worker in (1, 2)]
    stand_by(sync, 0, 0)  # compiled here
    for each in others:
        each.start()
    until(lambda: [sync[worker * LINE + CALLS] for worker in (1, 2)] == [7, 7])
    assert all(each.is_alive() for each in others)
    begin_call(sync, 0, 3)
    for each in others:
        each.join(60)
    assert sync[CALLS] == 8
    assert not any(each.is_alive() for each in others)


def test_nobody_waits_forever() -> None:
    sync = barrier_state(2)
    sync[QUICK] = 1
    begin_call(sync, 0, 2)
    end_call(sync, 0, 2)  # worker 1 never ends
    stand_by(sync, 1, POLLS)  # and no other call begins
    assert sync[LINE + CALLS] == 1


@pytest.mark.parametrize(("worker", "workers"), [(1, 2), (0, 1)])
def test_other_workers_and_those_alone_count_nothing(worker: int, workers: int) -> None:
    sync = barrier_state(2)
    begin_call(sync, worker, workers)
    end_call(sync, worker, workers)
    assert not sync.any()
