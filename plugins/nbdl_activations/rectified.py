"""Activations with a corner at 0: they leave what is positive as it is.

The test is `x <= 0` and not `x > 0`, so that NaN stays NaN and isn't hidden as a zero.
"""

from __future__ import annotations

import nbdl
from nbdl.tensor import Tensor, TensorLike

# Fixed by the requirement that mean 0 and variance 1 are kept (equation 14 of the SELU paper).
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def relu(x: TensorLike) -> Tensor:
    """Rectified linear unit, max(x, 0); the derivative at 0 is 0.

    >>> relu([-1.0, 2.0])
    tensor([0., 2.])

    Source: Nair, Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, ICML 2010.
    """
    x = nbdl.asarray(x)
    return nbdl.where(x <= 0, 0.0, x)


def leaky_relu(x: TensorLike, slope: float = 0.01) -> Tensor:
    """Leaky rectified linear unit: x where positive, slope * x elsewhere.

    Args:
        slope: slope for negative x.

    >>> leaky_relu([-1.0, 2.0], slope=0.5)
    tensor([-0.5,  2. ])

    Source: Maas, Hannun, Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, ICML 2013.
    """
    x = nbdl.asarray(x)
    return nbdl.where(x <= 0, slope * x, x)


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """Exponential linear unit: x where positive, alpha * (exp(x) - 1) elsewhere.

    Args:
        alpha: minus the value approached for very negative x.

    >>> elu([-100.0, 2.0])
    tensor([-1.,  2.])

    Source: Clevert, Unterthiner, Hochreiter, Fast and Accurate Deep Network Learning by Exponential Linear Units
    (ELUs), ICLR 2016.
    """
    x = nbdl.asarray(x)
    negative = nbdl.where(x <= 0, x, 0.0)  # the exponential of a large x would be infinite, and its derivative NaN
    return nbdl.where(x <= 0, alpha * nbdl.expm1(negative), x)


def selu(x: TensorLike) -> Tensor:
    """Scaled exponential linear unit, scale * elu(x, alpha): layer after layer keeps mean 0 and variance 1.

    Use it with the initializer `lecun_normal`.

    >>> selu([-100.0, 0.0])
    tensor([-1.7580993,  0.       ])

    Source: Klambauer et al., Self-Normalizing Neural Networks, NeurIPS 2017.
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)
