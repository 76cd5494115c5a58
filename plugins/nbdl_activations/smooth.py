"""Smooth activations that work element by element."""

from __future__ import annotations

import math

import nbdl
from nbdl.tensor import Tensor, TensorLike

TANH_GELU_CUBIC = 0.044715  # section 2 of the paper


def linear(x: TensorLike) -> Tensor:
    """The identity: x.

    >>> linear([-1.0, 2.0])
    tensor([-1.,  2.])

    Source: the plain output of a layer.
    """
    return nbdl.asarray(x)


def sigmoid(x: TensorLike) -> Tensor:
    """Logistic function, 1 / (1 + exp(-x)); losses work from the x that it remembers.

    >>> sigmoid([0.0])
    tensor([0.5])

    Source: Verhulst, Recherches mathématiques sur la loi d'accroissement de la population (1845).
    """
    return nbdl.sigmoid(x)


def tanh(x: TensorLike) -> Tensor:
    """Hyperbolic tangent.

    >>> tanh([0.0, 100.0])
    tensor([0., 1.])

    Source: LeCun et al., Efficient BackProp, in Neural Networks: Tricks of the Trade (1998), section 4.4.
    """
    return nbdl.tanh(x)


def softplus(x: TensorLike) -> Tensor:
    """Smooth rectifier, log(1 + exp(x)), computed as max(x, 0) + log(1 + exp(-|x|)) so that nothing overflows.

    >>> softplus([-1000.0, 1000.0])
    tensor([   0., 1000.])

    Source: Dugas et al., Incorporating Second-Order Functional Knowledge for Better Option Pricing, NeurIPS 2000.
    """
    x = nbdl.asarray(x)
    return nbdl.maximum(x, 0.0) + nbdl.log1p(nbdl.exp(-nbdl.abs(x)))


def silu(x: TensorLike) -> Tensor:
    """Sigmoid linear unit, also called swish: x * sigmoid(x).

    >>> silu([0.0, 100.0])
    tensor([  0., 100.])

    Source: Elfwing, Uchibe, Doya, Sigmoid-Weighted Linear Units for Neural Network Function Approximation in
    Reinforcement Learning, Neural Networks 107 (2018).
    """
    x = nbdl.asarray(x)
    return x * nbdl.sigmoid(x)


def gelu(x: TensorLike, approximate: bool = False) -> Tensor:
    """Gaussian error linear unit: x times the probability that a standard normal number is below x.

    Exactly 0.5 * x * (1 + erf(x / sqrt(2))); approximately 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))).

    Args:
        approximate: whether to use the form with tanh.

    >>> gelu([0.0, 100.0])
    tensor([  0., 100.])

    Source: Hendrycks, Gimpel, Gaussian Error Linear Units (GELUs), arXiv:1606.08415 (2016).
    """
    x = nbdl.asarray(x)
    if approximate:
        return 0.5 * x * (1 + nbdl.tanh(math.sqrt(2 / math.pi) * (x + TANH_GELU_CUBIC * x * x * x)))
    return 0.5 * x * (1 + nbdl.erf(x * math.sqrt(0.5)))
