"""Training with NumPy, an operation at a time: breakpoints and prints see values, and every value is checked."""

from __future__ import annotations

import numpy as np

from nbdl import lazy, random
from nbdl.ir import ops
from nbdl.nn.module import Module
from nbdl.tensor import Tensor
from nbdl.train.feed import Batch, Feed
from nbdl.train.tracing import Measured, Traced


class DebugProgram:
    """What `fit` runs with `compile(debug=True)` in place of a compiled program: `train_step` on tensors that have values.

    Raises `NumericsError` at the first operation that gives NaN or infinity, naming its layer.
    """

    def __init__(self, net: Module, feed: Feed, traced: Traced, *, batch: int, seed: int):
        self.net, self.feed, self.traced = net, feed, traced
        self.batch, self.seed = batch, seed

    def run(self, order: np.ndarray, first: int, steps: int, offset: int = 0) -> None:
        """Run steps; the arguments are those of a compiled program."""
        for step in range(first, first + steps):
            rows = order[step * self.batch : (step + 1) * self.batch]
            key = ops.value(np.array([self.seed, offset + step], np.int64))
            with lazy.debugging(), random.traced(key):
                logs = self.net.train_step(self._batch(rows))
                for total in self.traced.totals:
                    log = logs[total.name]
                    sums = log.sums.numpy() if isinstance(log, Measured) else log.numpy() * len(rows)
                    end = total.start + int(np.prod(total.shape))
                    self.traced.sums[total.start : end] += np.ravel(sums)
            self.traced.take_over()

    def _batch(self, rows: np.ndarray) -> Batch:
        def picked(array: np.ndarray | None) -> Tensor | None:
            return None if array is None else Tensor(array[rows])

        return Batch(tuple(Tensor(array[rows]) for array in self.feed.inputs), picked(self.feed.target), picked(self.feed.weight))
