"""`keras.utils`."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl import functions, random
from nbdl.compat.naming import missing


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Class numbers as one-hot rows, float32.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    numbers = np.asarray(x).astype(np.int64)
    if numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    return np.array(functions.one_hot(numbers, num_classes or int(numbers.max(initial=0)) + 1).numpy())


def set_random_seed(seed: int) -> None:
    """Start nbdl's random numbers anew, and NumPy's."""
    random.set_seed(seed)
    np.random.seed(seed)  # as Keras does, for programs that use it


def normalize(x: Any, axis: int = -1) -> np.ndarray:
    """Each vector along an axis divided by its length."""
    values = np.asarray(x, np.float32)
    length = np.linalg.norm(values, axis=axis, keepdims=True)
    return values / np.where(length == 0, 1, length)


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
