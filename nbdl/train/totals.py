"""What a step reports, and how it is added up over the batches: one vector, with a part for each number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nbdl.errors import OptionError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import product
from nbdl.tensor import Tensor
from nbdl.train.metric import Metric

FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True)
class Measured:
    """Sums over the batch that a metric will turn into its result."""

    metric: Metric
    sums: Tensor


Logs = Mapping[str, "Tensor | Measured"]


@dataclass(frozen=True)
class Total:
    """A part of the vector of totals: what is added up over the batches for one number that is reported."""

    name: str
    start: int
    shape: tuple[int, ...]
    metric: Metric | None

    def result(self, totals: np.ndarray, rows: int) -> float | np.ndarray:
        """The reported value, given the totals over `rows` rows."""
        if self.metric is None:  # the mean of a scalar
            return float(totals[self.start]) / max(rows, 1)
        sums = totals[self.start : self.start + math.prod(self.shape)].reshape(self.shape)
        return self.metric.result(sums)


def lay_out_totals(logs: Logs) -> tuple[list[Total], Node, Node]:
    """Lay out what is added up over batches in one vector of float64."""
    totals: list[Total] = []
    parts: list[Node] = []
    size = 0
    for name, log in logs.items():
        node = (
            log.sums.node if isinstance(log, Measured) else ops.multiply(_scalar(name, log), ops.batch_size(log.dtype))
        )
        shape = tuple(each for each in node.shape if isinstance(each, int))
        if len(shape) != len(node.shape):
            raise OptionError(f"the log {name!r} has a value for each row; take its mean")
        totals.append(Total(name, size, shape, log.metric if isinstance(log, Measured) else None))
        parts.append(ops.cast(node, FLOAT64))
        size += int(np.prod(shape))
    leaf = ops.leaf((max(size, 1),), FLOAT64, name="totals")
    vector = ops.add(leaf, ops.pack(parts, [each.start for each in totals], size)) if totals else leaf
    return totals, vector, leaf


def _scalar(name: str, log: Tensor) -> Node:
    if product(log.shape) != 1:
        raise OptionError(f"train_step must return scalars; {name!r} has the shape {log.shape}: take its mean")
    return ops.reshape(log.node, ())
