"""The protocol of metrics: sums over a batch, traced into the program, and a result from the sums over all batches."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nbdl import functions
from nbdl.recorded import Recorded
from nbdl.tensor import Tensor, TensorLike


class Metric(Recorded):
    """Something that is measured over many batches.

    A subclass defines `sums`, in tensor code, and `result`. Whatever way rows are cut into batches and shared among
    workers, the sums add up to the same, and so the result is that of all rows together (a mean of batches' means
    would not be). Options are keyword parameters of the constructor.

    >>> class MeanOfPrediction(Metric):
    ...     '''Mean of the prediction.'''
    ...     def sums(self, prediction, target):
    ...         return batch_sums(prediction, functions.ones_like(prediction))
    ...     def result(self, sums):
    ...         return sums[0] / sums[1]
    """

    higher_is_better: ClassVar[bool] = True

    def __init__(self) -> None: ...

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return sums over the batch axis: a floating-point tensor whose shape doesn't depend on the batch.

        Make it with `batch_sums`, or as a matrix product over the batch axis, so that the batch reduction comes last.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no sums(self, prediction, target)")

    def result(self, sums: np.ndarray) -> float | np.ndarray:
        """Return the metric, given the sums (float64) over all batches."""
        raise NotImplementedError(f"{type(self).__name__} defines no result(self, sums)")


def batch_sums(*parts: Tensor) -> Tensor:
    """Add up quantities over the batch in one reduction: parts `(n, ...)` of one shape give `(len(parts), ...)`.

    >>> batch_sums(functions.asarray([1.0, 2.0]), functions.asarray([1.0, 1.0]))
    tensor([3., 2.])
    """
    rank = parts[0].ndim
    place = functions.reshape(functions.arange(len(parts)), (1, len(parts), *[1] * (rank - 1)))
    table = functions.expand_dims(parts[-1], 1)
    for number in reversed(range(len(parts) - 1)):
        table = functions.where(place == number, functions.expand_dims(parts[number], 1), table)
    return functions.sum(table, axis=0)
