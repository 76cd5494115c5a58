"""Activations that turn the scores of classes into a distribution."""

from __future__ import annotations

import nbdl
from nbdl.tensor import Tensor, TensorLike


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Probabilities of classes, exp(x) / sum(exp(x)); losses work from the x that it remembers.

    Args:
        axis: the axis of the classes.

    >>> softmax([[0.0, 0.0]])
    tensor([[0.5, 0.5]])

    Source: Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, in Neurocomputing
    (1990).
    """
    return nbdl.softmax(x, axis)


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Logarithms of the probabilities of classes, x - log(sum(exp(x))), without overflow.

    Args:
        axis: the axis of the classes.

    >>> log_softmax([[0.0, 0.0]])
    tensor([[-0.6931472, -0.6931472]])

    Source: Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, in Neurocomputing
    (1990).
    """
    return nbdl.log_softmax(x, axis)
