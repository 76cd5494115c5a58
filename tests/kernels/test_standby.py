"""Products and convolutions of a row that several threads compute: the bits are those of one thread, and nobody waits
for nothing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numba import njit

from nbdl.kernels.cpu.barrier import pause
from nbdl.kernels.cpu.jit import OPTIONS
from nbdl.kernels.cpu.matmul import SCRATCH, matmul_nn, matmul_nn_add, matmul_nt
from nbdl.kernels.cpu.standby import (
    ASKED,
    AWAY,
    DISMISSED,
    DONE,
    MISSED,
    MOST,
    MOST_MISSED,
    PARTS,
    POSTED,
    SLOTS,
    WAITING,
    WORKING,
    memory,
    replace,
    stand_by,
)
from nbdl.kernels.cpu.winograd import winograd
from nbdl.kernels.cpu.winograd_points import winograd_points

TIMEOUT = 60
PATIENT = 2**60
"""Polls that nobody lives to see."""


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does; fail instead of hanging."""
    for _ in range(TIMEOUT * 500):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("nothing happens")


def parts_done() -> int:
    """Parts that threads on standby have done so far."""
    return int(memory[PARTS::SLOTS].sum())


def nobody_stands_by() -> bool:
    """Whether the threads of an earlier test have gone to sleep."""
    return not memory[: MOST * SLOTS : SLOTS].any()


@contextmanager
def standing_by(threads: int) -> Iterator[None]:
    """So many threads that stand by, also when they were dismissed, until the end."""
    until(nobody_stands_by)
    ended: list[bool] = []

    def serve(place: int) -> None:
        while not ended:
            stand_by(place, PATIENT)

    running = [threading.Thread(target=serve, args=(place,), daemon=True) for place in range(threads)]
    for thread in running:
        thread.start()
    until(lambda: all(memory[place * SLOTS] == WAITING for place in range(threads)))
    try:
        yield
    finally:
        ended.append(True)

        def all_left() -> bool:
            memory[: threads * SLOTS : SLOTS] = DISMISSED  # also for who has just begun
            return not any(thread.is_alive() for thread in running)

        until(all_left)
        memory[: threads * SLOTS : SLOTS] = AWAY


@contextmanager
def nobody_at_a_place() -> Iterator[None]:
    """A place at which a thread seems to wait."""
    until(nobody_stands_by)
    memory[MISSED], memory[0] = 0, WAITING
    try:
        yield
    finally:
        memory[0] = AWAY


def operands(k: int, n: int, dtype: str, *, transposed: bool = False) -> list[np.ndarray]:
    rng = np.random.default_rng(k + n)
    matrix = rng.normal(size=(n, k) if transposed else (k, n)).astype(dtype)
    row = rng.normal(size=(1, k)).astype(dtype)
    return [row, matrix, rng.normal(size=(1, n)).astype(dtype), np.zeros(SCRATCH, dtype)]


def product(multiply: Callable[..., None], given: list[np.ndarray]) -> bytes:
    """The bits of a product; `given` stays as it was."""
    row, matrix, out, scratch = given
    out = out.copy()
    multiply(row, matrix, out, scratch)
    return out.tobytes()


@pytest.mark.parametrize("threads", [1, MOST])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("multiply", [matmul_nn, matmul_nn_add, matmul_nt])
def test_the_bits_are_those_of_one_thread(multiply: Callable[..., None], dtype: str, threads: int) -> None:
    sizes = [(1500, 130), (2100, 203), (700, 512), (129, 1031)]
    cases = [operands(k, n, dtype, transposed=multiply is matmul_nt) for k, n in sizes]
    alone = [product(multiply, each) for each in cases]
    with standing_by(threads):
        before = parts_done()

        def one_was_shared() -> bool:
            for _ in range(30):  # on a busy machine who stands by may be without a core for a while
                assert [product(multiply, each) for each in cases] == alone
            return parts_done() > before

        until(one_was_shared)


@pytest.mark.parametrize("threads", [1, MOST])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kernel", "tile", "channels", "outputs"), [(3, 4, 33, 66), (3, 2, 66, 70), (5, 2, 31, 50)])
def test_so_are_those_of_a_convolution_by_points(
    kernel: int, tile: int, channels: int, outputs: int, dtype: str, threads: int
) -> None:
    rng, side = np.random.default_rng(0), tile + kernel - 1
    x = rng.normal(size=(1, 13, 14, channels)).astype(dtype)
    w = rng.normal(size=(kernel, kernel, channels, outputs)).astype(dtype)
    scratch = np.zeros(SCRATCH, dtype)

    def convolved() -> bytes:
        points = np.full((side, side, channels, outputs), np.nan, dtype)
        out = np.full((1, 14 - kernel, 15 - kernel, outputs), np.nan, dtype)
        scratch[:] = np.nan  # or the products of the last time would do
        winograd_points(w, points, tile, scratch)
        winograd(x, points, out, tile, 0, 0, scratch)
        return points.tobytes() + out.tobytes()

    alone = convolved()
    with standing_by(threads):
        before = parts_done()

        def both_were_shared() -> bool:
            for _ in range(30):
                assert convolved() == alone
            return parts_done() >= before + 2 * threads  # of the weights and of the image

        until(both_were_shared)


def test_a_part_that_nobody_begins_is_computed_all_the_same() -> None:
    given = operands(700, 512, "float32")
    alone = product(matmul_nn, given)
    with nobody_at_a_place():
        for missed in range(1, MOST_MISSED + 1):
            assert product(matmul_nn, given) == alone
            assert memory[MISSED] == missed
            assert memory[0] == (WAITING if missed < MOST_MISSED else DISMISSED)
        assert product(matmul_nn, given) == alone  # on its own


@njit(**OPTIONS)
def begin(slots):
    """Begin with what is posted at the first place, as soon as something is."""
    while not replace(slots, 0, POSTED, WORKING):
        pause()


def test_who_comes_too_late_is_dismissed() -> None:
    given = operands(700, 512, "float32")

    def is_dismissed(seconds: float) -> bool:
        """Whether a thread is that begins in time and takes so long."""
        memory[0] = WAITING
        late = threading.Thread(target=begin, args=(memory,), daemon=True)

        def multiply() -> None:
            while late.is_alive():  # on a busy machine it may miss some
                memory[MISSED] = 0
                product(matmul_nn, given)

        other = threading.Thread(target=multiply, daemon=True)
        late.start()
        other.start()
        late.join(TIMEOUT)
        time.sleep(seconds)
        memory[0] = DONE
        other.join(TIMEOUT)
        return bool(memory[0] == DISMISSED)

    with nobody_at_a_place():
        assert any(is_dismissed(seconds) for seconds in (0.2, 1, 5))  # who waits has no core all the time


def test_a_thread_leaves_when_nothing_comes() -> None:
    until(nobody_stands_by)
    assert stand_by(0, 1000)
    assert memory[0] == AWAY


def test_a_dismissed_thread_says_so() -> None:
    until(nobody_stands_by)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(stand_by(0, PATIENT)), daemon=True)
    thread.start()
    until(lambda: bool(memory[0] == WAITING))
    memory[0] = DISMISSED
    thread.join(TIMEOUT)
    assert answers == [False]
    assert memory[0] == AWAY


@pytest.mark.parametrize(("rows", "k", "n"), [(1, 100, 200), (1, 10_000, 96), (2, 700, 512)])
def test_what_is_small_or_narrow_or_has_rows_enough_is_not_shared(rows: int, k: int, n: int) -> None:
    row, matrix, _, scratch = operands(k, n, "float32")
    with nobody_at_a_place():
        before = memory[ASKED]
        matmul_nn(np.repeat(row, rows, 0), matrix, np.zeros((rows, n), np.float32), scratch)
        assert memory[ASKED] == before
        assert memory[MISSED] == 0
