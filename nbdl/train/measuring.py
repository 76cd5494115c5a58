"""Evaluate and predict: programs without an update."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.cards import choose_device
from nbdl.codegen.plan import Plan
from nbdl.codegen.program import Bound
from nbdl.data.dataset import Dataset
from nbdl.errors import DataError
from nbdl.nn.module import Module
from nbdl.options import check_whole
from nbdl.train import tracing
from nbdl.train.compiling import remember, require_compiled
from nbdl.train.debugging import DebugEvaluation, predict_debugged
from nbdl.train.device import bind, choose_workers
from nbdl.train.feed import Feed, make_feed
from nbdl.train.given import given_to

WORKING_MEMORY = 2**24
"""Bytes: what the values of a step may take, so that they stay near the processor."""


def rows_at_once(plan: Plan, most: int, rows: int) -> int:
    """Rows of a step that need no more working memory than `WORKING_MEMORY`, `most` at most."""
    return max(1, min(most, rows, WORKING_MEMORY // max(plan.row_bytes, 1)))


class Evaluation:
    """Measures loss and metrics on the same rows as often as asked."""

    def __init__(self, net: Module, feed: Feed, *, batch_size: int, workers: int, device: str = "cpu"):
        batch_size, workers = check_whole("batch_size", batch_size, 1), check_whole("workers", workers, 1)
        self.rows = feed.rows
        self.traced = tracing.trace_evaluation(net, feed, min(batch_size, feed.rows))
        remember(net, "evaluation", self.traced.program)
        batch = rows_at_once(self.traced.program.plan, batch_size, feed.rows)
        self.steps = -(-feed.rows // batch)
        self.bound: Bound | DebugEvaluation
        if tracing.is_debugged(net):
            self.bound = DebugEvaluation(net, feed, self.traced, batch=batch)
        else:
            self.bound = bind(self.traced.program, self.traced.arrays, device, batch=batch, workers=workers)
        self.order = np.arange(feed.rows)

    def measure(self) -> dict[str, Any]:
        """Return what the network's `test_step` reports, over all rows."""
        self.traced.sums[:] = 0
        self.bound.push()  # the parameters may be others
        self.bound.run(self.order, 0, self.steps)
        return self.traced.results(self.rows)


def evaluate(
    net: Module, x: Any, y: Any = None, *, batch_size: int = 1024, sample_weight: Any = None, workers: int = 1,
    device: str = "cpu",
) -> dict[str, Any]:  # fmt: skip
    """Return loss and metrics on data; `x` may be a `Dataset`, whose test rows are taken; `device` is as for `fit`."""
    require_compiled(net)
    device = choose_device(device)
    if isinstance(x, Dataset):
        if x.test is None:
            raise DataError(f"the data set {x.name} has no test rows; give arrays")
        x, y = given_to(net, x.test)
    feed = make_feed(x, y, sample_weight)
    tracing.build(net, feed, net.test_step if tracing.has_own_test(net) else None)
    return Evaluation(net, feed, batch_size=batch_size, workers=workers, device=device).measure()


class Prediction:
    """Predicts rows of one shape as often as asked, a few at a time: traced and compiled once.

    Args:
        net: the network.
        x: rows as `predict` takes them; later ones have the same shape.
        workers: threads; None chooses by the size of the work.
        device: as for `fit`.

    Raises:
        DataError, ShapeError: data that don't fit.
    """

    def __init__(
        self, net: Module, x: Any, *, batch_size: int = 1024, workers: int | None = 1, device: str = "cpu"
    ):
        batch_size = check_whole("batch_size", batch_size, 1)
        workers = None if workers is None else check_whole("workers", workers, 1)
        self.net, self.batch = net, batch_size
        self.feed = make_feed(x)
        tracing.build(net, self.feed)
        if tracing.is_debugged(net):
            return
        self.traced, row, dtype = tracing.trace_prediction(net, self.feed, min(batch_size, self.feed.rows))
        plan = self.traced.program.plan
        remember(net, "prediction", self.traced.program)
        self.predicted = np.empty((self.feed.rows, *row), dtype)
        self.batch = rows_at_once(plan, batch_size, self.feed.rows)
        workers = choose_workers(plan, self.batch) if workers is None else min(workers, self.batch)
        results = {"predicted": self.predicted, "finite": np.empty(self.feed.rows, bool)}
        arrays = {**self.traced.arrays, **results}
        self.bound = bind(self.traced.program, arrays, choose_device(device), batch=self.batch, workers=workers)

    def run(self) -> np.ndarray:
        """Return the output for the rows as they are now: whoever made them may have written others in their place."""
        if tracing.is_debugged(self.net):
            return predict_debugged(self.net, self.feed, batch=self.batch)
        self.bound.push(rows=True)
        self.bound.run(np.arange(self.feed.rows), 0, -(-self.feed.rows // self.batch))
        return self.predicted
