"""Starting values of parameters, looked up among plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nbdl.errors import ShapeError
from nbdl.ir.shapes import show_shape
from nbdl.resolve import resolve

Initializer = str | Mapping[str, Any] | Callable[..., np.ndarray]
"""A name, a mapping with `name` and options, or `function(rng, shape, dtype) -> array`."""


def initialize(
    initializer: Initializer, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> np.ndarray:
    """Return the starting values of a parameter. Raises `ShapeError` if the initializer makes others."""
    function = resolve("initializers", initializer)
    values = np.asarray(function(rng, shape, dtype), dtype, order="C")
    if values.shape != shape:
        name = initializer if isinstance(initializer, str) else getattr(function, "__name__", type(function).__name__)
        raise ShapeError(
            f"the initializer {name} was asked for values of the shape {show_shape(shape)} and gave "
            f"{show_shape(values.shape)}: it must return an array of the shape that it is given"
        )
    return values


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Numbers of inputs and outputs of a weight: the last axis is outputs, the one before it inputs, the others a
    receptive field.

    >>> fans((3, 3, 16, 32))
    (144, 288)
    """
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = int(np.prod(shape[:-2]))
    return field * shape[-2], field * shape[-1]
