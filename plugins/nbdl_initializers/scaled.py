"""Starting values scaled by the numbers of inputs and outputs, so that signals keep their size from layer to layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nbdl.errors import ShapeError
from nbdl.nn.initializers import fans

Shape = tuple[int, ...]


def _uniform(rng: np.random.Generator, shape: Shape, dtype: Any, variance: float) -> np.ndarray:
    limit = math.sqrt(3 * variance)  # a uniform distribution on [-limit, limit] has the variance limit**2 / 3
    return rng.uniform(-limit, limit, shape).astype(dtype)


def _normal(rng: np.random.Generator, shape: Shape, dtype: Any, variance: float) -> np.ndarray:
    return rng.normal(0, math.sqrt(variance), shape).astype(dtype)


def glorot_uniform(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """Uniform with variance 2 / (inputs + outputs): for tanh, sigmoid and linear layers.

    Source: Glorot, Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, AISTATS 2010,
    equation 16.
    """
    return _uniform(rng, shape, dtype, 2 / sum(fans(shape)))


def glorot_normal(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """Normal with variance 2 / (inputs + outputs): for tanh, sigmoid and linear layers.

    Source: Glorot, Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, AISTATS 2010,
    equation 12.
    """
    return _normal(rng, shape, dtype, 2 / sum(fans(shape)))


def he_uniform(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """Uniform with variance 2 / inputs: for ReLU, which halves the variance.

    Source: He et al., Delving Deep into Rectifiers, ICCV 2015, equation 10.
    """
    return _uniform(rng, shape, dtype, 2 / fans(shape)[0])


def he_normal(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """Normal with variance 2 / inputs: for ReLU, which halves the variance.

    Source: He et al., Delving Deep into Rectifiers, ICCV 2015, equation 10.
    """
    return _normal(rng, shape, dtype, 2 / fans(shape)[0])


def lecun_normal(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """Normal with variance 1 / inputs: for selu.

    Source: LeCun et al., Efficient BackProp, in Neural Networks: Tricks of the Trade (1998), section 4.6; Klambauer
    et al., Self-Normalizing Neural Networks, NeurIPS 2017.
    """
    return _normal(rng, shape, dtype, 1 / fans(shape)[0])


def orthogonal(rng: np.random.Generator, shape: Shape, dtype: Any, gain: float = 1.0) -> np.ndarray:
    """A matrix whose rows or columns, whichever are fewer, are orthogonal and of length `gain`: for recurrent layers.

    All axes but the last count as rows. The matrix comes from the QR decomposition of normal numbers; the signs of
    R's diagonal go to Q, without which the matrices would not be evenly distributed (Mezzadri, Notices of the AMS 54,
    2007).

    Args:
        gain: length of the rows or columns.

    Raises:
        ShapeError: there are fewer than two axes.

    Source: Saxe, McClelland, Ganguli, Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural
    Networks, ICLR 2014.
    """
    if len(shape) < 2:
        raise ShapeError(f"orthogonal needs a matrix, with two axes or more, not the shape {shape}")
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diagonal(r))
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)
