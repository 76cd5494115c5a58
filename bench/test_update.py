"""Adam's loop over parameters, with fast and with exact divisions; alone, and with a reader on another core.

    pytest bench/test_update.py --benchmark-only --benchmark-columns=min,median --benchmark-group-by=group

What another core has read since it was last written must be taken away from that core, line by line, before it is
written again. That is what updates of several workers wait for: each reads all parameters, and writes its part.
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
        first = f32(0.9) * m[i] + f32(0.1) * g[i]
        second = f32(0.999) * v[i] + f32(0.001) * (g[i] * g[i])
        p[i] = p[i] - f32(1e-3) * first / (sqrt(second) + f32(1e-8))
        m[i] = first
        v[i] = second


@program
def run_fast(p, m, v, g):
    update_fast(p, m, v, g)


@program
def run_exact(p, m, v, g):
    update_exact(p, m, v, g)


@program
def add_up(p, out):
    total = p[0]
    for i in range(1, len(p)):
        total += p[i]
    out[0] = total


UPDATES: dict[str, Callable[..., None]] = {"fast": run_fast, "exact": run_exact}


@pytest.mark.parametrize("reader", ["alone", "read by another core"])
@pytest.mark.parametrize("division", UPDATES)
@pytest.mark.parametrize("size", [27_456, 104_832, 334_880])
def test_adam(benchmark: Any, size: int, division: str, reader: str) -> None:
    arrays = [aligned_zeros(size, np.float32) for _ in range(4)]
    arrays[3][:] = np.random.default_rng(0).normal(size=size)
    out, update = np.zeros(1, np.float32), UPDATES[division]
    benchmark.group = f"Adam, {size:,} parameters"
    with ThreadPoolExecutor(1) as pool:

        def read() -> None:
            if reader != "alone":
                pool.submit(add_up, arrays[0], out).result()

        benchmark.pedantic(update, arrays, setup=read, rounds=400, warmup_rounds=5)
