"""Adam's loop over parameters: with fast and with exact divisions; and after another core has read the parameters.

    pytest bench/test_update.py --benchmark-only --benchmark-columns=min,median --benchmark-group-by=group

With several workers each reads all parameters, and writes its part. What another core has read must be taken away from
it, line by line, before it is written: on the way of the loop, or at once (`claim`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from typing import Any

import numpy as np
import pytest
from numba import float32 as f32

from nbdl.aligned import aligned_zeros
from nbdl.kernels.cpu.jit import loop, program
from nbdl.kernels.cpu.ownership import claim
from nbdl.kernels.cpu.scalars import fast_divide


@loop
def update_fast(p, m, v, g):
    for i in range(len(p)):
        first = m[i] + f32(0.1) * (g[i] - m[i])
        second = v[i] + f32(0.001) * (g[i] * g[i] - v[i])
        p[i] = p[i] - f32(1e-3) * fast_divide(first, sqrt(second) + f32(1e-8))
        m[i] = first
        v[i] = second


@loop
def update_exact(p, m, v, g):
    for i in range(len(p)):
        first = m[i] + f32(0.1) * (g[i] - m[i])
        second = v[i] + f32(0.001) * (g[i] * g[i] - v[i])
        p[i] = p[i] - f32(1e-3) * (first / (sqrt(second) + f32(1e-8)))
        m[i] = first
        v[i] = second


@program
def run_fast(p, m, v, g):
    update_fast(p, m, v, g)


@program
def run_exact(p, m, v, g):
    update_exact(p, m, v, g)


@program
def run_claimed(p, m, v, g):
    claim(p, 2)
    update_fast(p, m, v, g)


@program
def add_up(p, out):
    total = p[0]
    for i in range(1, len(p)):
        total += p[i]
    out[0] = total


CASES: dict[str, tuple[Callable[..., None], bool]] = {
    "exact": (run_exact, False),
    "fast": (run_fast, False),
    "fast, read by another core": (run_fast, True),
    "fast, read by another core, claimed": (run_claimed, True),
}
"""Updates, and whether another core reads the parameters before each."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [27_456, 104_832, 334_880])
def test_adam(benchmark: Any, size: int, case: str) -> None:
    update, is_read = CASES[case]
    arrays = [aligned_zeros(size, np.float32) for _ in range(4)]
    arrays[3][:] = np.random.default_rng(0).normal(size=size)
    out = np.zeros(1, np.float32)
    benchmark.group = f"Adam, {size:,} parameters"
    with ThreadPoolExecutor(1) as pool:

        def read() -> None:
            add_up(arrays[0], out)
            if is_read:
                pool.submit(add_up, arrays[0], out).result()

        benchmark.pedantic(update, arrays, setup=read, rounds=1000, warmup_rounds=5)
