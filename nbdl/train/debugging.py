"""Training with NumPy, an operation at a time: breakpoints and prints see values, and every value is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nbdl import lazy, random
from nbdl.ir import ops
from nbdl.nn.module import Module
from nbdl.tensor import Tensor
from nbdl.train.feed import Batch, Feed
from nbdl.train.totals import Logs, Measured
from nbdl.train.tracing import Traced, evaluating


class DebugProgram:
    """What runs with `compile(debug=True)` in place of a compiled program: a step on tensors that have values.

    Args:
        step: takes a batch and returns what is reported: the network's `train_step` or `test_step`.
        feed: the rows.
        traced: the arrays and totals of the program that it stands for.
        batch: rows of a batch.
        seed: what random numbers depend on.

    Raises `NumericsError` at the first operation that gives NaN or infinity, naming its layer; nothing of a step that
    fails is kept.
    """

    def __init__(self, step: Callable[[Batch], Logs], feed: Feed, traced: Traced, *, batch: int, seed: int = 0):
        self.step, self.feed, self.traced = step, feed, traced
        self.batch, self.seed = batch, seed

    def run(self, order: np.ndarray, first: int, steps: int, offset: int = 0) -> None:
        """Run steps; the arguments are those of a compiled program."""
        for number in range(first, first + steps):
            before = self.traced.copies()
            try:
                with debugged(self.seed, offset + number):
                    self._step(order[number * self.batch : (number + 1) * self.batch])
                self.traced.adopt_assigned()
            except BaseException:
                self.traced.put_back(before)
                raise

    def pull(self) -> None:
        """The arrays are up to date."""

    push = pull

    def _step(self, rows: np.ndarray) -> None:
        logs = self.step(batch_at(self.feed, rows))
        for total in self.traced.totals:
            log = logs[total.name]
            sums = log.sums.numpy() if isinstance(log, Measured) else log.numpy() * len(rows)
            end = total.start + int(np.prod(total.shape))
            self.traced.sums[total.start : end] += np.ravel(sums)


class DebugEvaluation:
    """A `DebugProgram` for `test_step`: layers act as they do outside of training."""

    def __init__(self, net: Module, feed: Feed, traced: Traced, *, batch: int):
        self.net = net
        self.program = DebugProgram(net.test_step, feed, traced, batch=batch)

    def run(self, order: np.ndarray, first: int, steps: int) -> None:
        """Run steps; the arguments are those of a compiled program."""
        with evaluating(self.net):
            self.program.run(order, first, steps)

    def push(self) -> None:
        """The arrays are those that it works on."""


def predict_debugged(net: Module, feed: Feed, *, batch: int) -> np.ndarray:
    """The network's output for every row, computed with NumPy."""
    parts: list[Any] = []
    with evaluating(net):
        for step, start in enumerate(range(0, feed.rows, batch)):
            with debugged(0, step):
                rows = np.arange(start, min(start + batch, feed.rows))
                parts.append(net(*batch_at(feed, rows).inputs).numpy())
    return np.concatenate(parts)


def batch_at(feed: Feed, rows: np.ndarray) -> Batch:
    """Some rows, as tensors with values."""

    def picked(array: np.ndarray | None) -> Tensor | None:
        return None if array is None else Tensor(array[rows])

    return Batch(tuple(Tensor(array[rows]) for array in feed.inputs), picked(feed.target), picked(feed.weight))


@contextmanager
def debugged(seed: int, step: int) -> Iterator[None]:
    """Inside, nothing is compiled, everything is checked, and random numbers are those of a program's step."""
    with lazy.debugging(), random.traced(ops.value(np.array([seed, step], np.int64))):
        yield
