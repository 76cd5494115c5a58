"""Functions that make tensors, with the names of the Python array API standard."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nbdl.errors import OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, Size, product, show_shape, sizes_of
from nbdl.tensor import Tensor, TensorLike, as_array, hold_tensors, node_of

_wrap = Tensor.wrap


def asarray(x: TensorLike, dtype: Any = None) -> Tensor:
    """Turn anything array-like into a tensor; an array isn't copied, so what is pending sees what is written to it."""
    if isinstance(x, Tensor):
        return x if dtype is None else x.astype(dtype)
    if isinstance(x, list | tuple) and hold_tensors(x):
        return asarray(_wrap(node_of(x)), dtype)
    return _wrap(ops.value(as_array(x, dtype)))


def full(shape: int | Sequence[Size], value: float, dtype: Any = np.float32) -> Tensor:
    """A tensor filled with one value."""
    return _wrap(ops.broadcast_to(ops.constant(value, np.dtype(dtype)), sizes_of(shape)))


def zeros(shape: int | Sequence[Size], dtype: Any = np.float32) -> Tensor:
    """A tensor of zeros."""
    return full(shape, 0, dtype)


def ones(shape: int | Sequence[Size], dtype: Any = np.float32) -> Tensor:
    """A tensor of ones."""
    return full(shape, 1, dtype)


def full_like(x: TensorLike, value: float) -> Tensor:
    """A tensor of the shape and dtype of `x`, filled with one value."""
    node = node_of(x)
    return _wrap(ops.broadcast_to(ops.constant(value, node.dtype), node.shape))


def zeros_like(x: TensorLike) -> Tensor:
    """Zeros of the shape and dtype of `x`."""
    return full_like(x, 0)


def ones_like(x: TensorLike) -> Tensor:
    """Ones of the shape and dtype of `x`."""
    return full_like(x, 1)


def arange(start: float | Size, stop: float | None = None, step: float = 1, dtype: Any = None) -> Tensor:
    """start, start + step, ... up to but without `stop`; with one argument 0, 1, ... up to it.

    Whole numbers make int64, others float32. A size of the batch axis is counted from 0 on. Raises `ShapeError` for a
    step of 0.

    >>> import nbdl
    >>> nbdl.arange(4).tolist(), nbdl.arange(3, 0, -1).tolist()
    ([0, 1, 2, 3], [3, 2, 1])
    """
    if isinstance(start, Batch):
        return _wrap(ops.iota(start, np.int64 if dtype is None else dtype))
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ShapeError("arange can't go on by 0")
    is_whole = all(isinstance(each, int | np.integer) for each in (start, stop, step))
    size = builtins.max(0, math.ceil((stop - start) / step))
    dtype = np.dtype((np.int64 if is_whole else np.float32) if dtype is None else dtype)
    if (start, step) == (0, 1):
        return _wrap(ops.iota(size, dtype))
    if is_whole and dtype.kind != "f":
        return _wrap(ops.iota(size, np.int64) * int(step) + int(start)).astype(dtype)
    return _wrap(ops.iota(size, np.float64) * float(step) + float(start)).astype(dtype)


def linspace(start: float, stop: float, num: int = 50, dtype: Any = np.float32, endpoint: bool = True) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, which is the last one (or would come next)."""
    gaps = num - 1 if endpoint else num
    places = arange(num, dtype=np.float64)
    made = places * (float(stop - start) / builtins.max(gaps, 1)) + float(start)
    last = float(stop if gaps else start)  # as it is given, not as rounding makes it
    return _wrap(ops.where((places == gaps).node, last, made.node)).astype(dtype)


def eye(rows: int, columns: int | None = None, k: int = 0, dtype: Any = np.float32) -> Tensor:
    """Zeros, with ones on the main diagonal, or the k-th above it."""
    return (_diagonals(rows, rows if columns is None else columns) == k).astype(dtype)


def tril(x: TensorLike, k: int = 0) -> Tensor:
    """Zeros above the k-th diagonal of the last two axes, the rest as it is."""
    given = _matrix(x)
    return _wrap(ops.where((_diagonals(*given.shape[-2:]) <= k).node, given, ops.constant(0, given.dtype)))


def triu(x: TensorLike, k: int = 0) -> Tensor:
    """Zeros below the k-th diagonal of the last two axes, the rest as it is."""
    given = _matrix(x)
    return _wrap(ops.where((_diagonals(*given.shape[-2:]) >= k).node, given, ops.constant(0, given.dtype)))


def _matrix(x: TensorLike) -> Node:
    node = node_of(x)
    if len(node.shape) < 2:
        raise ShapeError(f"a triangle needs two axes, and {show_shape(node.shape)} has {len(node.shape)}")
    return node


def _diagonals(rows: Size, columns: Size) -> Tensor:
    """Which diagonal an element of a matrix is on: 0 the main one, 1 the one above."""
    return arange(columns) - arange(rows).reshape(-1, 1)


def meshgrid(*vectors: TensorLike, indexing: str = "xy") -> list[Tensor]:
    """Each vector along an axis of its own, repeated along the others; "xy" swaps the first two axes, "ij" does not.

    Raises `OptionError` for another `indexing`.
    """
    if indexing not in ("xy", "ij"):
        raise OptionError(f'indexing is "xy" or "ij", not {indexing!r}')
    nodes = [node_of(each) for each in vectors]
    rank = len(nodes)
    places = list(range(rank))
    if indexing == "xy" and rank > 1:
        places[:2] = [1, 0]
    shape: list[Size] = [1] * rank
    for place, node in zip(places, nodes, strict=True):
        shape[place] = product(node.shape)
    along = [tuple(shape[place] if axis == place else 1 for axis in range(rank)) for place in places]
    return [
        _wrap(ops.broadcast_to(ops.reshape(node, own), tuple(shape))) for node, own in zip(nodes, along, strict=True)
    ]


def one_hot(indices: TensorLike, size: int, dtype: Any = np.float32) -> Tensor:
    """1 at the index and 0 elsewhere along a new last axis of `size`."""
    node = node_of(indices)
    if node.dtype.kind in "ub":  # there may be more classes than the dtype can count
        node = ops.cast(node, np.int64)
    hit = ops.binary("equal", ops.reshape(node, (*node.shape, 1)), ops.iota(size, node.dtype))
    return _wrap(ops.cast(hit, dtype))


__all__ = [
    "arange", "asarray", "eye", "full", "full_like", "linspace", "meshgrid", "one_hot", "ones", "ones_like", "tril",
    "triu", "zeros", "zeros_like",
]  # fmt: skip
