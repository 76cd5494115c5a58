"""A batch picked from a data set that is larger than the caches: rows asked for before they are copied, and not.

    pytest bench/test_rows.py --benchmark-only --benchmark-columns=min,median --benchmark-group-by=group

Between two batches a step's worth of other memory is read, as training does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nbdl.kernels.cpu.copies import take_rows
from nbdl.kernels.cpu.jit import program
from nbdl.kernels.cpu.views import move

RNG = np.random.default_rng(0)
BATCH = 32


@program
def asked_for(data, picked, out):
    take_rows(data, picked, out)


@program
def copied(data, picked, out):
    width = data.shape[1]
    for i in range(len(picked)):
        move(data, picked[i] * width, out, i * width, width)


@pytest.mark.parametrize("take", [copied, asked_for], ids=["copied", "asked for"])
@pytest.mark.parametrize("width", [256, 784, 3072])
def test_rows(benchmark: Any, width: int, take: Callable[..., None]) -> None:
    data = np.ones((200_000_000 // width // 4, width), np.float32)
    out, others = np.zeros((BATCH, width), np.float32), np.ones(250_000, np.float32)
    benchmark.group = f"{BATCH} rows of {width}"

    def other_batch() -> tuple[tuple[np.ndarray, ...], dict[str, Any]]:
        others.sum()
        return (data, RNG.integers(0, len(data), BATCH), out), {}

    benchmark.pedantic(take, setup=other_batch, rounds=2000, warmup_rounds=5)
