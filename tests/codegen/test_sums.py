"""Sums over large arrays, compiled: a float32 that adds up one number after another stops growing."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn

SUMS = {
    "numbers": lambda x: nbdl.sum(x),
    "squares": lambda x: nbdl.mean(nbdl.square(x - 0.5)),
    "of rows": lambda x: nbdl.sum(nbdl.log(nbdl.sum(nbdl.exp(x), axis=-1))),
}


@pytest.mark.parametrize("shape", [(4_000_000,), (2000, 2000), (20, 500, 400), (2, 2_000_000), (2_000_000, 2)], ids=str)
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_many_numbers(name, shape):
    x = np.full(shape, 0.1, np.float32)
    exact = float(SUMS[name](nbdl.asarray(x.astype(np.float64))))
    rows = len(shape) == 1 and name == "of rows"  # one row, whose sum is a float32
    np.testing.assert_allclose(float(nbdl.jit(SUMS[name])(x)), exact, rtol=1e-3 if rows else 2e-6)


class Same(nn.Module):
    """What it is given."""

    def forward(self, x):
        return x


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loss_of_many_rows(workers):
    x = np.full((200_000, 4), 0.1, np.float32)
    net = Same()
    net.compile(loss=lambda prediction, target: nbdl.mean(nbdl.square(prediction - target)))
    found = net.evaluate(x, np.zeros_like(x), batch_size=100_000, workers=workers)
    np.testing.assert_allclose(found["loss"], float(np.float32(0.1)) ** 2, rtol=2e-6)
