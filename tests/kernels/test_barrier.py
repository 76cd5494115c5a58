"""The barrier: nobody passes before all have come, crowded workers make progress, and an abort frees everyone."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

from nbdl.kernels.cpu.barrier import LINE, abort_barrier, barrier, barrier_state
from nbdl.kernels.cpu.jit import OPTIONS
from tests.kernels.processes import outputs_of_two

TIMEOUT = 60


@njit(**OPTIONS)
def meet_and_check(sync, worker, workers, rounds, counters, mistakes):
    """Raise one's counter, meet, read the others' counters, meet again; plain memory, ordered by the barrier alone."""
    for round_number in range(rounds):
        counters[worker, 0] += 1
        if not barrier(sync, worker, workers):
            return False
        for other in range(workers):
            if counters[other, 0] != round_number + 1:
                mistakes[worker] += 1
        if not barrier(sync, worker, workers):
            return False
    return True


def run_threads(workers: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(worker)` in a thread each and return the results; a hang fails instead of blocking the suite."""
    results: list[Any] = [None] * workers

    def target(worker: int) -> None:
        results[worker] = work(worker)

    threads = [threading.Thread(target=target, args=(worker,), daemon=True) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "a worker hangs in the barrier"
    return results


@pytest.mark.parametrize(("workers", "rounds"), [(1, 100_000), (2, 100_000), (3, 5_000), (4, 5_000), (8, 2_000)])
def test_nobody_is_ahead_or_behind(workers: int, rounds: int) -> None:
    sync = barrier_state(workers)
    counters, mistakes = np.zeros((workers, LINE), np.int64), np.zeros(workers, np.int64)
    meet_and_check(barrier_state(1), 0, 1, 1, np.zeros((1, LINE), np.int64), np.zeros(1, np.int64))
    results = run_threads(workers, lambda w: meet_and_check(sync, w, workers, rounds, counters, mistakes))
    assert results == [True] * workers
    assert mistakes.sum() == 0
    assert (counters[:, 0] == rounds).all()


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_abort_frees_all_who_wait(workers: int) -> None:
    sync = barrier_state(workers)
    barrier(barrier_state(1), 0, 1)

    def work(worker: int) -> bool:
        if worker == 0:  # the one that fails never comes
            time.sleep(0.05)
            abort_barrier(sync)
            return False
        return bool(barrier(sync, worker, workers))

    assert run_threads(workers, work) == [False] * workers


def test_who_comes_after_an_abort_leaves_at_once_until_it_is_cleared() -> None:
    sync = barrier_state(2)
    abort_barrier(sync)
    assert barrier(sync, 0, 2) is False
    assert barrier(sync, 0, 1) is False
    sync[:] = 0
    assert run_threads(2, lambda worker: barrier(sync, worker, 2)) == [True, True]


def test_one_worker_does_not_wait() -> None:
    assert barrier(barrier_state(1), 0, 1) is True


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one worker, got 0"):
        barrier_state(0)


SCRIPT = """
from nbdl.kernels.cpu.barrier import barrier, barrier_state
assert barrier(barrier_state(1), 0, 1)
print(sum(barrier.stats.cache_hits.values()))
"""


def test_a_new_process_finds_it_compiled(tmp_path: Path) -> None:
    assert outputs_of_two(SCRIPT, tmp_path) == [["0"], ["1"]]
