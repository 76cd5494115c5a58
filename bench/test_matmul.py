"""The CPU matrix product beside NumPy's, on the shapes of small and middle-sized networks.

    OPENBLAS_NUM_THREADS=1 pytest -s bench/test_matmul.py --benchmark-group-by=group

Each group is one shape, and holds both products; the share of one core's measured peak is printed. `gflops` and `share`
are in the extra information of each row (`--benchmark-json`), too. On a machine that others use as well, add
`--benchmark-timer=time.process_time`. The last groups are products that two workers share as those of a program do:
each has half of the rows of a batch.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from numba import njit

from nbdl.kernels.cpu import matmul
from nbdl.kernels.cpu.ceilings import ACCUMULATORS, independent_chains, peak_flops
from nbdl.kernels.cpu.jit import OPTIONS
from nbdl.kernels.cpu.vector import VECTOR_BYTES, pointer

SHAPES = [
    # letters, m, k, n: a layer of 784-64-64-10 at batch 32, forward, weight gradient, input gradient
    ("nn", 32, 784, 64),
    ("nn", 32, 64, 64),
    ("nn", 32, 64, 10),
    ("tn", 784, 32, 64),
    ("tn", 64, 32, 10),
    ("nt", 32, 10, 64),
    ("nt", 32, 64, 64),
    # a regression, a recurrent step
    ("nn", 32, 10, 1),
    ("tn", 10, 32, 1),
    ("nn", 32, 60, 50),
    # 784-512-512-10 at batch 128
    ("nn", 128, 784, 512),
    ("nn", 128, 512, 512),
    ("tn", 784, 128, 512),
    ("nt", 128, 512, 512),
    # few rows: input gradients that transpose these, and rows alone
    ("nt", 16, 512, 512),
    ("nt", 32, 784, 128),
    ("nn", 1, 784, 100),
    ("nn", 1, 784, 256),
    ("nn", 1, 784, 512),
    # beyond the caches
    ("nn", 1024, 1024, 1024),
    ("tn", 1024, 1024, 1024),
    ("nt", 1024, 1024, 1024),
    ("tt", 1024, 1024, 1024),
]


def repeated(letters: str) -> Callable[..., None]:
    """Return a compiled loop over one product: from Python, the call alone would cost more than the small shapes."""
    product = getattr(matmul, f"matmul_{letters}")

    @njit(**OPTIONS)
    def run(a: Any, b: Any, c: Any, scratch: Any, times: int) -> None:
        for _ in range(times):
            product(a, b, c, scratch)

    return run


LOOPS = {letters: repeated(letters) for letters in ("nn", "tn", "nt", "tt")}


@pytest.fixture(scope="module")
def peak() -> float:
    return peak_flops()


@pytest.mark.parametrize("library", ["nbdl", "numpy"])
@pytest.mark.parametrize(("letters", "m", "k", "n"), SHAPES)
def test_product(benchmark: Any, peak: float, letters: str, m: int, k: int, n: int, library: str) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((k, m) if letters[0] == "t" else (m, k)).astype(np.float32)
    b = rng.standard_normal((n, k) if letters[1] == "t" else (k, n)).astype(np.float32)
    c, scratch = np.empty((m, n), np.float32), np.empty(matmul.SCRATCH, np.float32)
    times = max(1, min(1000, 10**7 // (m * k * n)))
    left, right = a.T if letters[0] == "t" else a, b.T if letters[1] == "t" else b

    def numpy_loop() -> None:
        for _ in range(times):
            np.matmul(left, right, out=c)

    benchmark.group = f"{letters} {m}x{k} @ {k}x{n}"
    if library == "nbdl":
        benchmark.pedantic(LOOPS[letters], (a, b, c, scratch, times), rounds=20, warmup_rounds=1)
    else:
        benchmark.pedantic(numpy_loop, rounds=20, warmup_rounds=1)
    report(benchmark, 2 * m * n * k * times / benchmark.stats.stats.min, peak, library)


@pytest.mark.parametrize("letters", ["nn", "nt", "tn"])
def test_two_workers(benchmark: Any, letters: str) -> None:
    size, half, rng = 1024, 512, np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, size), np.float32)
    product, works = LOOPS[letters], []
    for rows in (slice(half), slice(half, size)):
        right = b[rows] if letters == "tn" else b  # a gradient of weights: each adds up its rows
        result = np.empty((size if letters == "tn" else half, size), np.float32)
        works.append((product, a[rows], right, result, np.empty(matmul.SCRATCH, np.float32), 1))
        product(*works[-1][1:])
    sums, steps = np.zeros((2, ACCUMULATORS * VECTOR_BYTES // 4), np.float32), 400_000
    chains = [(run_chains, each, steps) for each in sums]
    for run, *arguments in chains:
        run(*arguments)
    peak = 2 * sums.size * steps / seconds_together(chains)
    benchmark.group = f"{letters} {size}x{size} @ {size}x{size}, two workers"
    seconds = benchmark.pedantic(seconds_together, (works,), rounds=1)
    report(benchmark, 2 * size**3 / seconds, peak, "nbdl")


@njit(**OPTIONS)
def run_chains(sums: Any, steps: int) -> None:
    """Multiply and add in registers."""
    independent_chains(pointer(sums), steps)


def seconds_together(works: Sequence[tuple[Any, ...]], rounds: int = 20) -> float:
    """Return the shortest time in which threads that begin together have done their work, each a function and its
    arguments. It is processor time: that of other programs doesn't count.
    """
    together = Barrier(len(works))

    def measure(run: Any, *arguments: Any) -> list[float]:
        times = []
        for _ in range(rounds):
            together.wait()
            start = time.thread_time()
            run(*arguments)
            times.append(time.thread_time() - start)
        return times

    with ThreadPoolExecutor(len(works)) as pool:
        measured = [pool.submit(measure, *work) for work in works]
        return min(map(max, zip(*[each.result() for each in measured], strict=True)))


def report(benchmark: Any, flops: float, peak: float, name: str) -> None:
    """Keep and print the operations a second, and their share of the peak."""
    benchmark.extra_info.update(gflops=round(flops / 1e9, 1), share=round(flops / peak, 3))
    print(f"\n{benchmark.group}, {name}: {flops / 1e9:.0f} GFLOP/s, {flops / peak:.0%} of the peak")
