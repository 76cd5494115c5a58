"""Starting values that don't depend on the size of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.errors import OptionError

Shape = tuple[int, ...]


def zeros(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """All 0: for biases.

    Source: the neutral element of addition.
    """
    return np.zeros(shape, dtype)


def ones(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """All 1: for scales.

    Source: the neutral element of multiplication.
    """
    return np.ones(shape, dtype)


def constant(rng: np.random.Generator, shape: Shape, dtype: Any, value: float = 0.0) -> np.ndarray:
    """One value everywhere.

    Args:
        value: the value.

    Source: a bias of the forget gate at 1, for one: Jozefowicz, Zaremba, Sutskever, An Empirical Exploration of
    Recurrent Network Architectures, ICML 2015.
    """
    return np.full(shape, value, dtype)


def uniform(rng: np.random.Generator, shape: Shape, dtype: Any, low: float = -0.05, high: float = 0.05) -> np.ndarray:
    """Evenly distributed from `low` (included) to `high` (excluded).

    Args:
        low: the smallest value.
        high: the value that none reaches.

    Raises:
        OptionError: `high` is below `low`.

    Source: LeCun et al., Efficient BackProp, in Neural Networks: Tricks of the Trade (1998), section 4.6.
    """
    if high < low:
        raise OptionError(f"uniform needs low <= high, not {low} and {high}")
    return rng.uniform(low, high, shape).astype(dtype)


def normal(rng: np.random.Generator, shape: Shape, dtype: Any, mean: float = 0.0, std: float = 0.05) -> np.ndarray:
    """Normally distributed.

    Args:
        mean: mean of the distribution.
        std: its standard deviation.

    Raises:
        OptionError: `std` is negative.

    Source: LeCun et al., Efficient BackProp, in Neural Networks: Tricks of the Trade (1998), section 4.6.
    """
    if std < 0:
        raise OptionError(f"normal needs a standard deviation of at least 0, not {std}")
    return rng.normal(mean, std, shape).astype(dtype)
