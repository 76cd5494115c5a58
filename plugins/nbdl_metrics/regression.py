"""Metrics of numbers: how far predictions are from their targets."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

import nbdl
from nbdl.targets import aligned, row_means
from nbdl.tensor import Tensor, TensorLike
from nbdl.train.metric import Metric, batch_sums


class MeanSquaredError(Metric):
    """Mean squared error, mean((prediction - target)**2), in the square of the target's unit.

    Prediction and target have one shape, (rows, ...); (n,) and (n, 1) go together.

    Raises:
        ShapeError: the shapes differ.

    >>> metric = MeanSquaredError()
    >>> metric.result(metric.sums([1.0, 2.0], [1.0, 4.0]).numpy())
    2.0

    Source: Gauss, Theoria combinationis observationum erroribus minimis obnoxiae (1823).
    """

    name = "mse"
    higher_is_better: ClassVar[bool] = False

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return the sum of the rows' mean squared errors, and the number of rows."""
        prediction, target = aligned(prediction, target, self.name)
        rows = row_means(nbdl.square(prediction - target))
        return batch_sums(rows, nbdl.ones_like(rows))

    def result(self, sums: np.ndarray) -> float:
        """Return error / rows."""
        return _mean(sums)


class RootMeanSquaredError(MeanSquaredError):
    """Root of the mean squared error, sqrt(mean((prediction - target)**2)), in the target's unit.

    The root is taken of the mean over all rows, not in each batch. Prediction and target have one shape, (rows, ...);
    (n,) and (n, 1) go together.

    Raises:
        ShapeError: the shapes differ.

    >>> metric = RootMeanSquaredError()
    >>> metric.result(metric.sums([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 8.0]).numpy())
    2.0

    Source: Hyndman, Koehler, Another Look at Measures of Forecast Accuracy, International Journal of Forecasting 22
    (2006).
    """

    name = "rmse"

    def result(self, sums: np.ndarray) -> float:
        """Return sqrt(error / rows)."""
        return float(np.sqrt(_mean(sums)))


class MeanAbsoluteError(Metric):
    """Mean absolute error, mean(|prediction - target|), in the target's unit.

    Prediction and target have one shape, (rows, ...); (n,) and (n, 1) go together.

    Raises:
        ShapeError: the shapes differ.

    >>> metric = MeanAbsoluteError()
    >>> metric.result(metric.sums([1.0, 2.0], [1.0, 4.0]).numpy())
    1.0

    Source: Boscovich, De litteraria expeditione per pontificiam ditionem (1757).
    """

    higher_is_better: ClassVar[bool] = False

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return the sum of the rows' mean absolute errors, and the number of rows."""
        prediction, target = aligned(prediction, target, "mae")
        rows = row_means(nbdl.abs(prediction - target))
        return batch_sums(rows, nbdl.ones_like(rows))

    def result(self, sums: np.ndarray) -> float:
        """Return error / rows."""
        return _mean(sums)


class R2(Metric):
    """Coefficient of determination: the share of the targets' variance that the prediction explains; 1 is perfect.

    1 - sum((target - prediction)**2) / sum((target - mean)**2); with several targets in a row, the mean over them. A
    target that is the same everywhere gives 1 if it is predicted exactly, else 0.

    The sums are float64: sum((target - mean)**2) comes from sum(target**2) - sum(target)**2 / rows, which in float32
    has nothing left of it when the mean is some thousand times the spread. In float64 that point is at 10**7 times.

    Raises:
        ShapeError: the shapes differ.

    >>> metric = R2()
    >>> metric.result(metric.sums([0.0, 2.0], [0.0, 4.0]).numpy())
    0.5

    Source: Wright, Correlation and Causation, Journal of Agricultural Research 20 (1921).
    """

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return rows, sum of targets, of their squares, and of squared residuals: (4, ...) for targets (n, ...)."""
        prediction, target = aligned(prediction, target, "r2")
        target = target.astype("float64")
        residual = prediction.astype("float64") - target
        return batch_sums(nbdl.ones_like(target), target, target * target, residual * residual)

    def result(self, sums: np.ndarray) -> float:
        """Return the share of variance that is explained."""
        rows, total, squares, residual = sums.reshape(4, -1)
        if not rows.all():
            return float("nan")
        spread = squares - total * total / rows
        constant = spread <= np.finfo(np.float64).eps * squares  # all that rounding leaves of a spread of 0
        missed = np.where(constant, (residual > 0).astype(np.float64), residual / np.where(constant, 1, spread))
        return float(np.mean(1 - missed))


def _mean(sums: np.ndarray) -> float:
    return float(sums[0] / sums[1]) if sums[1] else float("nan")
