"""Losses that ask for a margin between the right side and the wrong one."""

from __future__ import annotations

import numpy as np

import nbdl
from nbdl.targets import aligned, as_prediction, class_numbers, row_means
from nbdl.tensor import Tensor, TensorLike


def hinge(prediction: TensorLike, target: TensorLike) -> Tensor:
    """Hinge loss of support vector machines: zero once the right side wins by a margin of 1.

    Two sides, the shapes of prediction and target equal (or (n,) and (n, 1)): mean of max(0, 1 - t * score), with t =
    1 where the target is positive and -1 elsewhere, so both -1/1 and 0/1 will do. Classes, scores (rows, ...,
    classes) and integers (rows, ...): mean over the rows of max(0, 1 + best other score - score of the class). The
    result is a scalar.

    Raises:
        ShapeError: prediction and target don't belong together.

    >>> hinge([2.0, 0.5], [1, -1])
    tensor(0.75)

    Source: Cortes, Vapnik, Support-Vector Networks, Machine Learning 20 (1995); several classes: Crammer, Singer, On
    the Algorithmic Implementation of Multiclass Kernel-based Vector Machines, JMLR 2 (2001).
    """
    prediction, target = as_prediction(prediction, "hinge"), nbdl.asarray(target)
    scores = prediction.shape[:-1]
    if prediction.ndim > 1 and prediction.shape[-1] != 1 and target.shape in (scores, (*scores, 1)):
        return nbdl.mean(row_means(_hinge_of_classes(prediction, class_numbers(prediction, target, "hinge"))))
    prediction, target = aligned(prediction, target, "hinge")
    return nbdl.mean(row_means(nbdl.maximum(0.0, 1 - nbdl.where(target > 0, prediction, -prediction))))


def _hinge_of_classes(scores: Tensor, numbers: Tensor) -> Tensor:
    classes = scores.shape[-1]
    assert isinstance(classes, int)  # the batch is the first axis
    hit = nbdl.one_hot(numbers, classes, np.bool_)
    own = nbdl.sum(nbdl.where(hit, scores, 0.0), axis=-1)
    best_other = nbdl.max(nbdl.where(hit, -np.inf, scores), axis=-1)
    return nbdl.maximum(0.0, 1 + best_other - own)
