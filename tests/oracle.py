"""A naive judge: what operations mean, in plain loops over plain numbers. Slow, and independent of nbdl."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np


def elementwise(function: Callable[..., float], *arrays: np.ndarray) -> np.ndarray:
    """Apply a function of Python numbers element by element, after NumPy's broadcasting."""
    repeated = np.broadcast_arrays(*arrays)
    result = [function(*(array[index].item() for array in repeated)) for index in np.ndindex(repeated[0].shape)]
    return np.array(result).reshape(repeated[0].shape)


def _divide(x: float, y: float) -> float:
    if y == 0:
        return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1, y)
    return x / y


def _power(x: float, y: float) -> float:
    return math.nan if x < 0 and y != int(y) else x**y


ELEMENTWISE: dict[str, Callable[..., float]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": _divide,
    "power": _power,
    "remainder": lambda x, y: x % y,
    "maximum": lambda x, y: x if x >= y else y,
    "minimum": lambda x, y: x if x <= y else y,
    "negative": lambda x: -x,
    "abs": lambda x: x if x >= 0 else -x,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "floor": math.floor,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "erf": math.erf,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "logical_and": lambda x, y: x and y,
    "logical_or": lambda x, y: x or y,
    "logical_not": lambda x: not x,
    "is_finite": math.isfinite,
    "stop_gradient": lambda x: x,
    "where": lambda condition, x, y: x if condition else y,
    "cast": float,
}
"""The meaning of each elementwise primitive for Python numbers (finite ones, inside its domain)."""


def reduce(x: np.ndarray, axes: Sequence[int], combine: Callable[[float, float], float]) -> np.ndarray:
    """Combine the elements along axes, which stay with size 1."""
    result = np.full([1 if axis in axes else size for axis, size in enumerate(x.shape)], None, object)
    for index in np.ndindex(x.shape):
        place = tuple(0 if axis in axes else i for axis, i in enumerate(index))
        result[place] = x[index].item() if result[place] is None else combine(result[place], x[index].item())
    return result.astype(x.dtype)


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Matrix product of the last two axes; leading axes are equal."""
    rows, inner, columns = x.shape[-2], x.shape[-1], y.shape[-1]
    result = np.zeros((*x.shape[:-1], columns), x.dtype)
    for lead in np.ndindex(x.shape[:-2]):
        for i, j in itertools.product(range(rows), range(columns)):
            result[(*lead, i, j)] = math.fsum(x[(*lead, i, k)].item() * y[(*lead, k, j)].item() for k in range(inner))
    return result


def argmax(x: np.ndarray, axis: int) -> np.ndarray:
    """Index of the first largest element along an axis, which stays with size 1."""
    result = np.zeros([1 if each == axis else size for each, size in enumerate(x.shape)], np.int64)
    for index in np.ndindex(result.shape):
        row = [x[(*index[:axis], i, *index[axis + 1 :])].item() for i in range(x.shape[axis])]
        result[index] = row.index(max(row))
    return result


def gather(x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Rows of x."""
    result = np.zeros(indices.shape + x.shape[1:], x.dtype)
    for place in np.ndindex(indices.shape):
        result[place] = x[indices[place]]
    return result


def scatter_add(updates: np.ndarray, indices: np.ndarray, rows: int) -> np.ndarray:
    """Zeros with each update added to the row that its index names."""
    result = np.zeros((rows, *updates.shape[indices.ndim :]), updates.dtype)
    for place in np.ndindex(indices.shape):
        result[indices[place]] += updates[place]
    return result


def slice_axis(x: np.ndarray, axis: int, start: int, size: int, step: int) -> np.ndarray:
    """Every step-th element along an axis."""
    result = np.zeros([size if each == axis else length for each, length in enumerate(x.shape)], x.dtype)
    for index in np.ndindex(result.shape):
        result[index] = x[(*index[:axis], start + step * index[axis], *index[axis + 1 :])]
    return result


def pad_axis(x: np.ndarray, axis: int, before: int, after: int, step: int) -> np.ndarray:
    """Zeros before, after and between the elements of an axis."""
    length = before + max(0, (x.shape[axis] - 1) * step + 1) + after
    result = np.zeros([length if each == axis else size for each, size in enumerate(x.shape)], x.dtype)
    for index in np.ndindex(x.shape):
        result[(*index[:axis], before + step * index[axis], *index[axis + 1 :])] = x[index]
    return result


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax along the last axis of a matrix."""
    result = np.zeros_like(x)
    for i, row in enumerate(x):
        top = max(row.tolist())
        exponentials = [math.exp(value - top) for value in row.tolist()]
        result[i] = [value / math.fsum(exponentials) for value in exponentials]
    return result


def confusion(predicted: Sequence[int], true: Sequence[int], classes: int) -> np.ndarray:
    """How often class i was taken for class j."""
    result = np.zeros((classes, classes), np.int64)
    for guess, fact in zip(predicted, true, strict=True):
        result[fact, guess] += 1
    return result
