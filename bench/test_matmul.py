"""The CPU matrix product beside NumPy's, on the shapes of small and middle-sized networks.

    OPENBLAS_NUM_THREADS=1 pytest bench/test_matmul.py --benchmark-group-by=group

Each group is one shape, and holds both products. `gflops` and `share` (of one core's measured peak) are in the extra
information of each row (`--benchmark-json`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from nbdl.kernels.cpu import matmul
from nbdl.kernels.cpu.ceilings import peak_flops
from nbdl.kernels.cpu.jit import OPTIONS

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
    flops = 2 * m * n * k * times / benchmark.stats.stats.min
    benchmark.extra_info.update(gflops=round(flops / 1e9, 1), share=round(flops / peak, 3))
