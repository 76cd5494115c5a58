"""Losses for numbers: how far a prediction is from its target.

Each is the mean over the batch of the mean over a row's elements, so that rows can be weighted.
"""

from __future__ import annotations

import nbdl
from nbdl.errors import OptionError
from nbdl.targets import aligned, row_means
from nbdl.tensor import Tensor, TensorLike


def mse(prediction: TensorLike, target: TensorLike) -> Tensor:
    """Mean squared error, mean((prediction - target)**2).

    Prediction and target have one shape, (rows, ...); the result is a scalar. (n,) and (n, 1) go together.

    Raises:
        ShapeError: the shapes differ.

    >>> mse([[1.0], [2.0]], [1.0, 4.0])
    tensor(2.)

    Source: Gauss, Theoria combinationis observationum erroribus minimis obnoxiae (1823).
    """
    prediction, target = aligned(prediction, target, "mse")
    return nbdl.mean(row_means(nbdl.square(prediction - target)))


def mae(prediction: TensorLike, target: TensorLike) -> Tensor:
    """Mean absolute error, mean(|prediction - target|); its gradient is 0 where they are equal.

    Prediction and target have one shape, (rows, ...); the result is a scalar. (n,) and (n, 1) go together.

    Raises:
        ShapeError: the shapes differ.

    >>> mae([1.0, 2.0], [1.0, 4.0])
    tensor(1.)

    Source: Boscovich, De litteraria expeditione per pontificiam ditionem (1757).
    """
    prediction, target = aligned(prediction, target, "mae")
    return nbdl.mean(row_means(nbdl.abs(prediction - target)))


def huber(prediction: TensorLike, target: TensorLike, delta: float = 1.0) -> Tensor:
    """Huber loss: quadratic near the target, linear far from it, so that outliers pull less.

    mean of 0.5 * e**2 where |e| <= delta, else delta * (|e| - 0.5 * delta), with e = prediction - target. Prediction
    and target have one shape, (rows, ...); the result is a scalar. (n,) and (n, 1) go together.

    Args:
        delta: the error at which the loss turns linear, in units of the target; positive.

    Raises:
        ShapeError: the shapes differ.
        OptionError: `delta` isn't positive.

    >>> huber([0.0, 0.0], [1.0, 3.0])
    tensor(1.5)

    Source: Huber, Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35 (1964).
    """
    if delta <= 0:
        raise OptionError(f"huber needs a positive delta, not {delta}")
    prediction, target = aligned(prediction, target, "huber")
    error = nbdl.abs(prediction - target)
    return nbdl.mean(row_means(nbdl.where(error <= delta, 0.5 * error * error, delta * (error - 0.5 * delta))))
