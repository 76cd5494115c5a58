"""Positional encodings: what tells attention in which order its inputs stand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from nbdl.errors import OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Shape, show_shape
from nbdl.nn.initializers import Initializer
from nbdl.nn.inputs import only
from nbdl.nn.module import Module, Parameter
from nbdl.options import check_whole
from nbdl.tensor import Tensor

BASE = 10_000.0
"""Wavelengths go from 2 pi to this many times as much."""


def _angles(time: int, width: int, base: float) -> np.ndarray:
    """position / base**(2 i / width): `(time, width / 2)`."""
    rates = base ** (-np.arange(0, width, 2) / width)
    return np.arange(time)[:, None] * rates


def sinusoids(time: int, width: int, base: float = BASE) -> np.ndarray:
    """The table of sinusoidal encodings, `(time, width)`: sines in even columns, cosines in odd ones.

    >>> sinusoids(2, 4).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]], dtype=float32)
    """
    angles = _angles(time, width + width % 2, base)
    table = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(time, -1)[:, :width]
    return np.ascontiguousarray(table, np.float32)


@lru_cache(maxsize=64)  # one node for all layers and traces: a program is handed each table once
def _sinusoids(time: int, width: int, base: float, dtype: np.dtype[Any]) -> Node:
    return ops.value(sinusoids(time, width, base).astype(dtype), name="positions")


@lru_cache(maxsize=64)
def _turns(time: int, depth: int, base: float, dtype: np.dtype[Any]) -> tuple[Node, Node]:
    """What the halves of a head, and the halves swapped, are multiplied by: `(time, 1, 2, depth / 2)` each."""
    angles = _angles(time, depth, base)[:, None, None]
    cosines = np.concatenate([np.cos(angles), np.cos(angles)], axis=2)
    sines = np.concatenate([-np.sin(angles), np.sin(angles)], axis=2)
    return ops.value(cosines.astype(dtype), name="cosines"), ops.value(sines.astype(dtype), name="sines")


class SinusoidalPositions(Module):
    """Add sines and cosines of the position: y[:, t] = x[:, t] + table[t].

    table[t, 2i] = sin(t / base**(2i / channels)) and table[t, 2i + 1] = cos of the same, with x and y `(rows, time,
    channels)`. Nothing is trained, and any time is possible.

    Args:
        base: the longest wavelength is 2 pi times this.

    Raises:
        OptionError: a base that isn't positive.
        ShapeError: the input isn't `(rows, time, channels)`.

    >>> SinusoidalPositions()(np.zeros((1, 2, 4), np.float32)).numpy().round(2)
    array([[[0.  , 1.  , 0.  , 1.  ],
            [0.84, 0.54, 0.01, 1.  ]]], dtype=float32)

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.5.
    """

    def __init__(self, base: float = BASE):
        _check_base("SinusoidalPositions", base)
        self.base = base

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x + table."""
        x = only(inputs)
        time, channels = _sequence(x.shape)
        return x + Tensor.wrap(_sinusoids(time, channels, self.base, x.dtype))


class LearnedPositions(Module):
    """Add a trained vector for each position: y[:, t] = x[:, t] + table[t].

    x and y are `(rows, time, channels)`, the table is `(length, channels)`.

    Args:
        length: the longest time, at least 1.
        initializer: starting values of the table.

    Raises:
        OptionError: the length isn't a whole number of at least 1.
        ShapeError: the input isn't `(rows, time, channels)`, or has more positions than the table.

    >>> LearnedPositions(8)(np.zeros((1, 3, 4), np.float32)).shape
    (1, 3, 4)

    Source: Gehring et al., Convolutional Sequence to Sequence Learning, ICML 2017, section 3.1.
    """

    table: Parameter

    def __init__(self, length: int, initializer: Initializer = "normal"):
        self.length = check_whole("length of LearnedPositions", length, 1)
        self.initializer = initializer

    def build(self, *shapes: Shape) -> None:
        """Make the table for inputs `(rows, time, channels)`."""
        _, channels = _sequence(shapes[0])
        self.table = self.parameter("table", (self.length, channels), self.initializer)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x + table."""
        x = only(inputs)
        time, channels = _sequence(x.shape)
        if time > self.length:
            raise ShapeError(f"the sequence has {time} positions, but the table of positions has only {self.length}")
        if channels != self.table.shape[1]:
            raise ShapeError(f"it was built for {self.table.shape[1]} channels, not {channels}")
        return x + self.table[:time]


def rotated(x: Tensor, base: float = BASE) -> Tensor:
    """Rotary encoding: turn pairs of elements of x by angles that grow with the position.

    With x `(..., time, heads, depth)` and angle = t / base**(2i / depth), the pair (x[..., i], x[..., i + depth/2]) at
    position t becomes (a cos - b sin, a sin + b cos). The product of a turned query and a turned key depends on the
    distance of their positions only.

    Raises:
        ShapeError: an odd depth.

    >>> rotated(Tensor(np.ones((1, 2, 1, 2), np.float32))).numpy().round(2)[0, :, 0]
    array([[ 1.  ,  1.  ],
           [-0.3 ,  1.38]], dtype=float32)

    Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, Neurocomputing 568 (2024).
    """
    *_, time, _, depth = x.shape
    if not isinstance(time, int) or not isinstance(depth, int) or depth % 2:
        raise ShapeError(f"rotary positions turn pairs of channels: each head needs an even number, not {depth}")
    cosines, sines = map(Tensor.wrap, _turns(time, depth, base, x.dtype))
    halves = x.reshape(*x.shape[:-1], 2, depth // 2)
    return (halves * cosines + halves[..., ::-1, :] * sines).reshape(x.shape)


def _check_base(name: str, base: float) -> None:
    if not base > 0:
        raise OptionError(f"{name} takes a positive base, not {base}")


def _sequence(shape: Shape) -> tuple[int, int]:
    """Time and channels of a shape."""
    if len(shape) != 3 or not isinstance(shape[1], int) or not isinstance(shape[2], int):
        raise ShapeError(f"it takes sequences (rows, time, channels), not {show_shape(shape)}")
    return shape[1], shape[2]
