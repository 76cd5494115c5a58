"""Functions that make one number of many: sums, extremes and where they are, and what is normalised by them."""

from __future__ import annotations

from collections.abc import Callable

from nbdl.creation import asarray, full_like
from nbdl.elementwise import exp, isfinite, log, sqrt, square, stop_gradient, where
from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Axis, normalize_axes, one_axis, show_shape
from nbdl.shaping import concat, known_size
from nbdl.tensor import Tensor, TensorLike, node_of

_wrap = Tensor.wrap


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


def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product over axes, of which none may be the batch axis of a program: `ShapeError`."""
    given = asarray(x)
    if given.dtype.kind in "bu":
        given = given.astype("int64")
    axes = normalize_axes(axis, given.ndim)
    for each in axes:
        size = known_size(given, each)
        while size > 1:  # the first half times the second, so that rounding errors don't add up
            half = size // 2
            rest = [_piece(given, each, 2 * half, size)] if size % 2 else []
            halves = _piece(given, each, 0, half) * _piece(given, each, half, 2 * half)
            given, size = concat([halves, *rest], each), half + size % 2
        if not size:
            given = full_like(sum(given, each, keepdims=True), 1)
    return _reduced(given.node, axes, keepdims)


def _piece(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    return _wrap(ops.slice_axis(x.node, axis, start, stop - start))


def cumulative_sum(x: TensorLike, axis: int | None = None) -> Tensor:
    """Sums of the elements up to each one along an axis (that of a vector need not be named).

    Raises `ShapeError` for the batch axis of a program, or if there are several axes and none is named.

    >>> import nbdl
    >>> nbdl.cumulative_sum([1.0, 2.0, 3.0])
    tensor([1., 3., 6.])
    """
    given = asarray(x)
    return _running(given.astype("int64") if given.dtype.kind in "bu" else given, axis, 0, Tensor.__add__)


def cumulative_prod(x: TensorLike, axis: int | None = None) -> Tensor:
    """Products of the elements up to each one along an axis (that of a vector need not be named).

    Raises `ShapeError` as `cumulative_sum` does.
    """
    given = asarray(x)
    return _running(given.astype("int64") if given.dtype.kind in "bu" else given, axis, 1, Tensor.__mul__)


def _running(x: Tensor, axis: int | None, neutral: int, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine each element with the one 1, 2, 4, ... places before: then each holds all of those before it.

    Source: Hillis and Steele, Data Parallel Algorithms, CACM 29 (1986).
    """
    if axis is None and x.ndim != 1:
        raise ShapeError(f"along which axis of {show_shape(x.shape)}? Name one: axis=-1")
    place = one_axis(-1 if axis is None else axis, x.ndim)
    size, step = known_size(x, place), 1
    while step < size:
        before = _piece(x, place, 0, size - step)
        x = combine(x, concat([full_like(_piece(x, place, 0, step), neutral), before], place))
        step *= 2
    return x


def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element along axes."""
    given = asarray(x)
    if given.dtype.kind in "bu":
        return max(given.astype("int32"), axis, keepdims).astype(given.dtype)
    axes = normalize_axes(axis, given.ndim)
    return _reduced(ops.reduce_max(given.node, axes), axes, keepdims)


def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element along axes."""
    given = asarray(x)
    if given.dtype.kind in "bu":
        return min(given.astype("int32"), axis, keepdims).astype(given.dtype)
    if given.dtype.kind == "i":  # the smallest whole number has no negative
        return -1 - max(-1 - given, axis, keepdims)
    return -max(-given, axis, keepdims)


def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the first largest element along an axis, or among all elements in their order."""
    node = node_of(x)
    if axis is None:
        index = ops.argmax(ops.reshape(node, (-1,)), 0)
        return _wrap(ops.reshape(index, (1,) * len(node.shape) if keepdims else ()))
    return _reduced(ops.argmax(node, axis), normalize_axes(axis, len(node.shape)), keepdims)


def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the first smallest element along an axis, or among all elements in their order."""
    given = asarray(x)
    if given.dtype.kind in "bu":
        given = given.astype("int32")
    return argmax(-1 - given if given.dtype.kind == "i" else -given, axis, keepdims)


def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether an element along axes holds; numbers hold unless they are 0."""
    return sum(asarray(x) != 0, axis, keepdims) > 0


def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements along axes hold; numbers hold unless they are 0."""
    return sum(asarray(x) == 0, axis, keepdims) == 0


def count_nonzero(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements along axes aren't 0."""
    return sum(asarray(x) != 0, axis, keepdims)


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


__all__ = [
    "all", "any", "argmax", "argmin", "count_nonzero", "cumulative_prod", "cumulative_sum", "log_softmax", "logsumexp",
    "max", "mean", "min", "prod", "softmax", "std", "sum", "var",
]  # fmt: skip
