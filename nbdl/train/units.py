"""Metrics in the units of the data, where training works on standardised targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.tensor import Tensor, TensorLike
from nbdl.train.metric import Metric


class InUnits(Metric):
    """A metric of `prediction * scale + mean` against `target * scale + mean`.

    Args:
        name: what it is called in logs.
        metric: the metric.
        mean: what was subtracted from the targets, `(targets,)`.
        scale: what they were divided by, `(targets,)`.

    >>> from nbdl.train import batch_sums
    >>> class Largest(Metric):
    ...     '''Mean of the prediction.'''
    ...     def sums(self, prediction, target):
    ...         return batch_sums(prediction, prediction * 0 + 1)
    ...     def result(self, sums):
    ...         return float(sums[0, 0] / sums[1, 0])
    >>> metric = InUnits("largest", Largest(), np.array([100.0]), np.array([10.0]))
    >>> metric.result(metric.sums([[1.0], [3.0]], [[1.0], [3.0]]).numpy())
    120.0
    """

    def __init__(self, name: str, metric: Metric, mean: np.ndarray, scale: np.ndarray):
        self.name = name
        self.metric = metric
        self.mean = Tensor(np.asarray(mean, np.float32))
        self.scale = Tensor(np.asarray(scale, np.float32))

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return the metric's sums over the batch, both sides in the units of the data."""
        return self.metric.sums(self._restored(prediction), self._restored(target))

    def result(self, sums: np.ndarray) -> Any:
        """Return the metric's result."""
        return self.metric.result(sums)

    def _restored(self, values: TensorLike) -> Tensor:
        tensor = values if isinstance(values, Tensor) else Tensor(values)
        return tensor * self.scale + self.mean
