"""Products of tensors: of matrices, of vectors, over an axis of each."""

from __future__ import annotations

from nbdl.errors import ShapeError
from nbdl.functions import expand_dims, reshape, squeeze
from nbdl.ir import ops
from nbdl.ir.shapes import Shape, Size, show_shape
from nbdl.tensor import Tensor, TensorLike, node_of


def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """Matrix product, as NumPy's: vectors are taken as a row (first) or a column (second), leading axes broadcast."""
    left, right = node_of(x), node_of(y)
    if not left.shape or not right.shape:
        raise ShapeError("matmul takes tensors with at least one axis; use * for scalars")
    result_shape = left.shape[:-1] + (right.shape[:-2] + right.shape[-1:] if len(right.shape) > 1 else ())
    if len(left.shape) == 1:
        left = ops.reshape(left, (1, *left.shape))
    if len(right.shape) == 1:
        right = ops.reshape(right, (*right.shape, 1))
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"matmul of {show_shape(node_of(x).shape)} and {show_shape(node_of(y).shape)}: {left.shape[-1]} against "
            f"{right.shape[-2]}"
        )
    if len(right.shape) == 2:  # all leading axes of the first are rows
        flat = ops.reshape(left, (_rows(left.shape), left.shape[-1]))
        return Tensor.wrap(ops.reshape(ops.matmul(flat, right), result_shape))
    leading = ops.broadcast(left.shape[:-2], right.shape[:-2])
    left = ops.broadcast_to(left, leading + left.shape[-2:])
    right = ops.broadcast_to(right, leading + right.shape[-2:])
    product = ops.matmul(left, right)
    axes = [axis for axis, vector in ((-2, node_of(x)), (-1, node_of(y))) if len(vector.shape) == 1]
    return squeeze(Tensor.wrap(product), axes) if axes else Tensor.wrap(product)


def _rows(shape: Shape) -> Size:
    return ops.product(shape[:-1])


def tensordot(x: TensorLike, y: TensorLike) -> Tensor:
    """Sum of products over the last axis of `x` and the first of `y`."""
    right = node_of(y)
    if not right.shape:
        raise ShapeError("tensordot takes tensors with at least one axis; use * for scalars")
    flat = ops.reshape(right, (right.shape[0], -1))
    return reshape(matmul(x, Tensor.wrap(flat)), node_of(x).shape[:-1] + right.shape[1:])


def outer(x: TensorLike, y: TensorLike) -> Tensor:
    """x[i] * y[j]"""
    return expand_dims(x, 1) * expand_dims(y, 0)


__all__ = ["matmul", "outer", "tensordot"]
