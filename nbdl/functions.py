"""Functions on tensors, with the names of the Python array API standard.

Each takes tensors, numbers or arrays and records what it does; nothing is computed until a value is read. Axis
arguments count from the end when negative; None means all axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Size, normalize_axes, one_axis, show_shape, sizes_of
from nbdl.tensor import Tensor, TensorLike, as_array, hold_tensors, node_of, operand

Axis = int | Sequence[int] | None


def _wrap(node: Node) -> Tensor:
    return Tensor.wrap(node)


# --- making tensors ---------------------------------------------------------------------------------------------------


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


def arange(size: Size, dtype: Any = np.int64) -> Tensor:
    """0, 1, 2, ... size - 1"""
    return _wrap(ops.iota(size, dtype))


# --- elementwise ------------------------------------------------------------------------------------------------------


def exp(x: TensorLike) -> Tensor:
    """e ** x"""
    return _wrap(ops.exp(node_of(x)))


def expm1(x: TensorLike) -> Tensor:
    """e ** x - 1, accurate near 0."""
    return _wrap(ops.floating("expm1", node_of(x)))


def log(x: TensorLike) -> Tensor:
    """Natural logarithm; -inf at 0, NaN below."""
    return _wrap(ops.log(node_of(x)))


def log1p(x: TensorLike) -> Tensor:
    """log(1 + x), accurate near 0."""
    return _wrap(ops.floating("log1p", node_of(x)))


def sqrt(x: TensorLike) -> Tensor:
    """Square root; NaN below 0."""
    return _wrap(ops.sqrt(node_of(x)))


def square(x: TensorLike) -> Tensor:
    """x * x"""
    node = node_of(x)
    return _wrap(ops.multiply(node, node))


def sin(x: TensorLike) -> Tensor:
    """Sine of an angle in radians."""
    return _wrap(ops.floating("sin", node_of(x)))


def cos(x: TensorLike) -> Tensor:
    """Cosine of an angle in radians."""
    return _wrap(ops.floating("cos", node_of(x)))


def tanh(x: TensorLike) -> Tensor:
    """Hyperbolic tangent."""
    return _wrap(ops.floating("tanh", node_of(x)))


def erf(x: TensorLike) -> Tensor:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return _wrap(ops.floating("erf", node_of(x)))


def sigmoid(x: TensorLike) -> Tensor:
    """1 / (1 + exp(-x)), without overflow; it remembers x as `.logits` for losses."""
    source = asarray(x)
    result = _wrap(ops.floating("sigmoid", source.node))
    result.logits = source
    return result


def abs(x: TensorLike) -> Tensor:
    """Absolute value."""
    return _wrap(ops.unary("abs", node_of(x)))


def sign(x: TensorLike) -> Tensor:
    """-1, 0 or 1; NaN of NaN."""
    return _wrap(ops.unary("sign", node_of(x)))


def floor(x: TensorLike) -> Tensor:
    """The largest integer not above x, as a floating-point number."""
    return _wrap(ops.floating("floor", node_of(x)))


def isfinite(x: TensorLike) -> Tensor:
    """False for NaN and infinities."""
    return _wrap(ops.floating("is_finite", node_of(x)))


def maximum(x: TensorLike, y: TensorLike) -> Tensor:
    """The larger of two, element by element; NaN if one of them is."""
    return _wrap(ops.maximum(operand(x), operand(y)))


def minimum(x: TensorLike, y: TensorLike) -> Tensor:
    """The smaller of two, element by element; NaN if one of them is."""
    return _wrap(ops.minimum(operand(x), operand(y)))


def clip(x: TensorLike, low: TensorLike | None = None, high: TensorLike | None = None) -> Tensor:
    """Limit to the range from `low` to `high`."""
    node = node_of(x)
    if low is not None:
        node = ops.maximum(node, operand(low))
    return _wrap(node if high is None else ops.minimum(node, operand(high)))


def fast_divide(x: TensorLike, y: TensorLike) -> Tensor:
    """x / y to within three units of the last place, for |y| that is known to lie between 1e-37 and 8e37.

    Such as what an update rule divides by: sqrt(v) + epsilon. On a CPU an update takes about three quarters of the time
    that it takes with `/`, in float32; float64 is divided as by `/`. Outside of these bounds, and where x or the
    quotient is infinite or subnormal, the result may be 0, NaN or less precise, for some elements of a tensor and not
    for others.

    Raises:
        ShapeError: shapes that can't be broadcast together.

    >>> import nbdl
    >>> print(nbdl.fast_divide(nbdl.asarray([1.0, 3.0]), nbdl.asarray([4.0, 2.0])).numpy())
    [0.25 1.5 ]

    Source: Muller et al., Handbook of Floating-Point Arithmetic, Birkhäuser 2018 (division by Newton's method).
    """
    return _wrap(ops.fast_divide(operand(x), operand(y)))


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """x where the condition holds, else y."""
    return _wrap(ops.where(node_of(condition), operand(x), operand(y)))


def power(x: TensorLike, y: TensorLike) -> Tensor:
    """x ** y"""
    return _wrap(ops.power(operand(x), operand(y)))


def stop_gradient(x: TensorLike) -> Tensor:
    """x, seen as a constant by differentiation."""
    return _wrap(ops.stop_gradient(node_of(x)))


# --- reductions -------------------------------------------------------------------------------------------------------


def _reduced(node: Node, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if keepdims:
        return _wrap(node)
    return _wrap(ops.reshape(node, tuple(size for axis, size in enumerate(node.shape) if axis not in axes)))


def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over axes."""
    node = node_of(x)
    axes = normalize_axes(axis, len(node.shape))
    return _reduced(ops.reduce_sum(node, axes), axes, keepdims)


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean over axes."""
    node = ops.as_float(node_of(x))
    axes = normalize_axes(axis, len(node.shape))
    return _reduced(ops.reduce_sum(node, axes) / ops.count(node.shape, axes, node.dtype), axes, keepdims)


def var(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Variance over axes: the mean squared distance from the mean."""
    centre = mean(x, axis, keepdims=True)
    return mean(square(asarray(x) - centre), axis, keepdims)


def std(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Standard deviation over axes: the root of the variance."""
    return sqrt(var(x, axis, keepdims))


def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element along axes."""
    node = node_of(x)
    axes = normalize_axes(axis, len(node.shape))
    return _reduced(ops.reduce_max(node, axes), axes, keepdims)


def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element along axes."""
    source = asarray(x)
    if source.dtype.kind == "i":  # the smallest whole number has no negative
        return -1 - max(-1 - source, axis, keepdims)
    return -max(-source, axis, keepdims)


def argmax(x: TensorLike, axis: int = -1, keepdims: bool = False) -> Tensor:
    """Index of the first largest element along an axis."""
    node = node_of(x)
    return _reduced(ops.argmax(node, axis), normalize_axes(axis, len(node.shape)), keepdims)


def logsumexp(x: TensorLike, axis: int = -1, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) along an axis, without overflow: the maximum is taken out first."""
    source = asarray(x)
    top = stop_gradient(max(source, axis, keepdims=True))
    top = where(isfinite(top), top, 0)  # an infinite one can't be taken out
    total = log(sum(exp(source - top), axis, keepdims=True)) + top
    return _reduced(total.node, normalize_axes(axis, source.ndim), keepdims)


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, without overflow; along the last one it remembers x as `.logits` for
    losses.
    """
    source = asarray(x)
    result = _wrap(ops.softmax(source.node, axis))
    if axis in (-1, source.ndim - 1):
        result.logits = source
    return result


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """log(softmax(x)) along an axis, without overflow or loss of precision."""
    source = asarray(x)
    shifted = source - stop_gradient(max(source, axis, keepdims=True))
    return shifted - log(sum(exp(shifted), axis, keepdims=True))


# --- shape ------------------------------------------------------------------------------------------------------------


def reshape(x: TensorLike, shape: Sequence[Any]) -> Tensor:
    """The same elements in another shape; one size may be -1."""
    return _wrap(ops.reshape(node_of(x), tuple(shape)))


def permute_dims(x: TensorLike, axes: Sequence[int]) -> Tensor:
    """Permute the axes."""
    return _wrap(ops.transpose(node_of(x), axes))


def expand_dims(x: TensorLike, axis: int) -> Tensor:
    """Insert an axis of size 1."""
    node = node_of(x)
    place = one_axis(axis, len(node.shape) + 1)
    return _wrap(ops.reshape(node, (*node.shape[:place], 1, *node.shape[place:])))


def squeeze(x: TensorLike, axis: Axis = None) -> Tensor:
    """Remove axes of size 1. Raises `ShapeError` if a named axis is longer."""
    node = node_of(x)
    axes = (
        [each for each, size in enumerate(node.shape) if size == 1]
        if axis is None
        else normalize_axes(axis, len(node.shape))
    )
    if any(node.shape[each] != 1 for each in axes):
        raise ShapeError(f"can't squeeze axis {axis} of {show_shape(node.shape)}: its size isn't 1")
    return _wrap(ops.reshape(node, tuple(size for each, size in enumerate(node.shape) if each not in axes)))


def broadcast_to(x: TensorLike, shape: Sequence[Size]) -> Tensor:
    """Repeat along axes of size 1 and new leading axes."""
    return _wrap(ops.broadcast_to(node_of(x), tuple(shape)))


def concat(tensors: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join along an existing axis."""
    if not len(tensors):
        raise ShapeError("there are no tensors to join")
    nodes = ops.promote(*[node_of(each) for each in tensors])
    return _wrap(ops.concatenate(nodes, normalize_axes(axis, len(nodes[0].shape))[0]))


def stack(tensors: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join along a new axis."""
    return concat([expand_dims(each, axis) for each in tensors], axis)


def take(x: TensorLike, indices: TensorLike) -> Tensor:
    """Rows of `x`: shape `indices.shape + x.shape[1:]`. In compiled code a row that isn't there is NaN (0 if whole)."""
    return _wrap(ops.gather(node_of(x), node_of(indices)))


def one_hot(indices: TensorLike, size: int, dtype: Any = np.float32) -> Tensor:
    """1 at the index and 0 elsewhere along a new last axis of `size`."""
    node = node_of(indices)
    if node.dtype.kind in "ub":  # there may be more classes than the dtype can count
        node = ops.cast(node, np.int64)
    hit = ops.binary("equal", ops.reshape(node, (*node.shape, 1)), ops.iota(size, node.dtype))
    return _wrap(ops.cast(hit, dtype))


__all__ = [
    "abs", "arange", "argmax", "asarray", "broadcast_to", "clip", "concat", "cos", "erf", "exp", "expand_dims",
    "expm1", "fast_divide", "floor", "full", "full_like", "isfinite", "log", "log1p", "log_softmax", "logsumexp",
    "max", "maximum", "mean", "min", "minimum", "one_hot", "ones", "ones_like", "permute_dims",
    "power", "reshape", "sigmoid", "sign", "sin", "softmax", "sqrt", "square", "squeeze", "stack", "std",
    "stop_gradient", "sum", "take", "tanh", "var", "where", "zeros", "zeros_like",
]  # fmt: skip
