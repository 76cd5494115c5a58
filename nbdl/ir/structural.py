"""Rows of the primitive table that are not elementwise: reductions, movement, matrix product, gather, gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbdl.errors import DtypeError, ShapeError, VerifyError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import NO_DERIVATIVE, Context, define
from nbdl.ir.shapes import Batch, Shape, Size, broadcast, product, show_shape

Inferred = tuple[Shape, np.dtype[Any]]


# --- reductions -------------------------------------------------------------------------------------------------------


def _infer_reduction(x: Node, axes: tuple[int, ...]) -> Inferred:
    if x.dtype.kind not in "fi":
        raise DtypeError(f"a reduction takes floating-point or signed integer numbers, not {x.dtype}")
    return tuple(1 if axis in axes else size for axis, size in enumerate(x.shape)), x.dtype


def _infer_max(x: Node, axes: tuple[int, ...]) -> Inferred:
    _refuse_empty(x, axes)
    return _infer_reduction(x, axes)


def _refuse_empty(x: Node, axes: Sequence[int]) -> None:
    if any(x.shape[axis] == 0 for axis in axes):
        raise ShapeError(f"the maximum over an empty axis of {show_shape(x.shape)} doesn't exist")


def _evaluate_max(context: Context, node: Node, x: np.ndarray) -> np.ndarray:
    return np.max(x, axis=node.param("axes"), keepdims=True)


def _max_derivative(node: Node, g: Node) -> list[Node | None]:
    """Equal maxima share the gradient."""
    x = node.inputs[0]
    hit = ops.cast(ops.binary("equal", x, node), x.dtype)
    return [g * hit / ops.reduce_sum(hit, node.param("axes"))]


define(
    "sum",
    "reduction",
    infer=_infer_reduction,
    evaluate=lambda context, node, x: np.sum(x, axis=node.param("axes"), keepdims=True, dtype=node.dtype),
    derivative=lambda node, g: [ops.broadcast_to(g, node.inputs[0].shape)],
)
define("max", "reduction", infer=_infer_max, evaluate=_evaluate_max, derivative=_max_derivative)


# --- movement ---------------------------------------------------------------------------------------------------------


def _infer_slice(x: Node, axis: int, start: int, size: Size, step: int) -> Inferred:
    length = x.shape[axis]
    if isinstance(length, int):
        if not isinstance(size, int) or size < 0:
            raise ShapeError(f"a slice of {show_shape(x.shape)} can't have {size} elements on axis {axis}")
        ends = (start, start + (size - 1) * step)
        if size and not (0 <= min(ends) and max(ends) < length):
            raise ShapeError(
                f"a slice from {min(ends)} to {max(ends)} lies outside axis {axis} of {show_shape(x.shape)}"
            )
    elif (start, size, step) != (0, length, 1):
        raise ShapeError("the batch axis can't be sliced: a program must work for every batch size")
    return _resized(x.shape, axis, size), x.dtype


def _evaluate_slice(context: Context, node: Node, x: np.ndarray) -> np.ndarray:
    start, step = node.param("start"), node.param("step")
    picked = start + step * np.arange(context.shape(node)[node.param("axis")])
    return np.take(x, picked, axis=node.param("axis"))


def _slice_derivative(node: Node, g: Node) -> list[Node | None]:
    x, axis, start, size, step = (
        node.inputs[0],
        node.param("axis"),
        node.param("start"),
        node.param("size"),
        node.param("step"),
    )
    if size == 0:
        return [ops.broadcast_to(ops.constant(0, g.dtype), x.shape)]
    if step < 0:
        g = ops.slice_axis(g, axis, size - 1, size, -1)
        start, step = start + (size - 1) * step, -step
    length = (size - 1) * step + 1
    length_x = x.shape[axis]
    assert isinstance(length_x, int)  # the batch axis isn't sliced
    return [ops.pad_axis(g, axis, start, length_x - start - length, step)]


def _resized(shape: Shape, axis: int, size: Size) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _infer_pad(x: Node, axis: int, before: int, after: int, step: int) -> Inferred:
    length = x.shape[axis]
    if not isinstance(length, int):
        raise ShapeError("the batch axis can't be padded: a program must work for every batch size")
    return _resized(x.shape, axis, before + max(0, (length - 1) * step + 1) + after), x.dtype


def _evaluate_pad(context: Context, node: Node, x: np.ndarray) -> np.ndarray:
    axis, before, step = node.param("axis"), node.param("before"), node.param("step")
    result = np.zeros(context.shape(node), node.dtype)
    place = [slice(None)] * x.ndim
    place[axis] = slice(before, before + (x.shape[axis] - 1) * step + 1, step)
    if x.shape[axis]:
        result[tuple(place)] = x
    return result


def _pad_derivative(node: Node, g: Node) -> list[Node | None]:
    x, axis = node.inputs[0], node.param("axis")
    return [ops.slice_axis(g, axis, node.param("before"), x.shape[axis], node.param("step"))]


def _infer_concatenate(*parts: Node, axis: int) -> Inferred:
    total = 0
    for part in parts:
        alike = len(part.shape) == len(parts[0].shape) and part.dtype == parts[0].dtype
        if not alike or _resized(part.shape, axis, 0) != _resized(parts[0].shape, axis, 0):
            shapes = ", ".join(f"{each.dtype}{show_shape(each.shape)}" for each in parts)
            raise ShapeError(f"can't concatenate {shapes} along axis {axis}: the other axes and dtypes must be equal")
        size = part.shape[axis]
        if isinstance(size, Batch):
            raise ShapeError("the batch axis can't be concatenated: a program must work for every batch size")
        total += size
    return _resized(parts[0].shape, axis, total), parts[0].dtype


def _concatenate_derivative(node: Node, g: Node) -> list[Node | None]:
    axis, start, parts = node.param("axis"), 0, []
    for each in node.inputs:
        size = each.shape[axis]
        assert isinstance(size, int)  # the batch axis isn't concatenated
        parts.append(ops.slice_axis(g, axis, start, size))
        start += size
    return list(parts)


def _infer_pack(*parts: Node, offsets: tuple[int, ...], size: int) -> Inferred:
    ends = [0]
    for part, offset in zip(parts, offsets, strict=True):
        length = product(part.shape)
        if not isinstance(length, int) or offset < ends[-1] or part.dtype != parts[0].dtype:
            raise ShapeError(f"can't pack {part!r} at {offset}: parts follow one another and have one dtype")
        ends.append(offset + length)
    if ends[-1] > size:
        raise ShapeError(f"{ends[-1]} elements don't fit into a vector of {size}")
    return (size,), parts[0].dtype


def _evaluate_pack(context: Context, node: Node, *parts: np.ndarray) -> np.ndarray:
    vector = np.zeros(node.param("size"), node.dtype)
    for part, offset in zip(parts, node.param("offsets"), strict=True):
        vector[offset : offset + part.size] = part.reshape(-1)
    return vector


def _pack_derivative(node: Node, g: Node) -> list[Node | None]:
    pieces = []
    for part, offset in zip(node.inputs, node.param("offsets"), strict=True):
        length = product(part.shape)
        assert isinstance(length, int)  # checked by the shape rule
        pieces.append(ops.reshape(ops.slice_axis(g, 0, offset, length), part.shape))
    return list(pieces)


def _infer_transpose(x: Node, permutation: tuple[int, ...]) -> Inferred:
    return tuple(x.shape[axis] for axis in permutation), x.dtype


def _transpose_derivative(node: Node, g: Node) -> list[Node | None]:
    permutation = node.param("permutation")
    return [ops.transpose(g, tuple(permutation.index(axis) for axis in range(len(permutation))))]


define(
    "reshape",
    "view",
    infer=lambda x, shape: (shape, x.dtype),
    evaluate=lambda context, node, x: x.reshape(context.shape(node)),
    derivative=lambda node, g: [ops.reshape(g, node.inputs[0].shape)],
)
define(
    "broadcast",
    "movement",
    infer=lambda x, shape: (broadcast(x.shape, shape), x.dtype),
    evaluate=lambda context, node, x: np.broadcast_to(x, context.shape(node)).copy(),
    derivative=lambda node, g: [ops.unbroadcast(g, node.inputs[0].shape)],
)
define(
    "transpose",
    "movement",
    infer=_infer_transpose,
    evaluate=lambda context, node, x: np.ascontiguousarray(np.transpose(x, node.param("permutation"))),
    derivative=_transpose_derivative,
)
define("slice", "movement", infer=_infer_slice, evaluate=_evaluate_slice, derivative=_slice_derivative)
define("pad", "movement", infer=_infer_pad, evaluate=_evaluate_pad, derivative=_pad_derivative)
define(
    "concatenate",
    "call",
    infer=_infer_concatenate,
    evaluate=lambda context, node, *parts: np.concatenate(parts, axis=node.param("axis")),
    derivative=_concatenate_derivative,
)


define("pack", "call", infer=_infer_pack, evaluate=_evaluate_pack, derivative=_pack_derivative)


# --- calls ------------------------------------------------------------------------------------------------------------


def _swapped(shape: Shape, swap: bool) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2]) if swap else shape


def _infer_matmul(x: Node, y: Node, transpose_x: bool, transpose_y: bool) -> Inferred:
    left, right = _swapped(x.shape, transpose_x), _swapped(y.shape, transpose_y)
    fits = len(left) == len(right) >= 2 and left[:-2] == right[:-2] and left[-1] == right[-2]
    if not fits:
        raise ShapeError(
            f"matmul of {show_shape(x.shape)} and {show_shape(y.shape)}: the last size of the first must equal the "
            "last but one of the second, and leading axes must be equal"
        )
    if x.dtype != y.dtype or x.dtype.kind != "f":
        raise DtypeError(f"matmul takes two floating-point tensors of one dtype, not {x.dtype} and {y.dtype}")
    return (*left[:-1], right[-1]), x.dtype


def _matmul_derivative(node: Node, g: Node) -> list[Node | None]:
    """dX = G Yᵀ and dY = Xᵀ G, each transposed once more where the operand was read transposed."""
    x, y = node.inputs
    swap_x, swap_y = node.param("transpose_x"), node.param("transpose_y")
    dx = ops.product_of(y, g, swap_y, True) if swap_x else ops.product_of(g, y, False, not swap_y)
    dy = ops.product_of(g, x, True, swap_x) if swap_y else ops.product_of(x, g, not swap_x, False)
    return [dx, dy]


def _evaluate_matmul(context: Context, node: Node, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = np.swapaxes(x, -1, -2) if node.param("transpose_x") else x
    y = np.swapaxes(y, -1, -2) if node.param("transpose_y") else y
    return np.matmul(x, y)


def _infer_gather(x: Node, indices: Node) -> Inferred:
    if indices.dtype.kind not in "iu":
        raise DtypeError(f"gather takes integer indices, not {indices.dtype}")
    if not x.shape:
        raise ShapeError("gather takes rows of a tensor with at least one axis, not of a scalar")
    return (*indices.shape, *x.shape[1:]), x.dtype


def _evaluate_gather(context: Context, node: Node, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    if indices.size and not (0 <= indices.min() and indices.max() < len(x)):
        where = f" in {node.scope}" if node.scope else ""
        raise ShapeError(f"gather{where}: index {indices.min()} to {indices.max()} in a table of {len(x)} rows")
    return np.asarray(x[indices])  # one index into a vector would give a NumPy scalar


def _infer_scatter(updates: Node, indices: Node, rows: int) -> Inferred:
    if indices.dtype.kind not in "iu":
        raise DtypeError(f"scatter_add takes integer indices, not {indices.dtype}")
    if updates.shape[: len(indices.shape)] != indices.shape:
        raise ShapeError(
            f"scatter_add: indices {show_shape(indices.shape)} don't lead updates {show_shape(updates.shape)}"
        )
    return (rows, *updates.shape[len(indices.shape) :]), updates.dtype


def _evaluate_scatter(context: Context, node: Node, updates: np.ndarray, indices: np.ndarray) -> np.ndarray:
    result = np.zeros(context.shape(node), node.dtype)
    np.add.at(result, indices, updates)
    return result


def _infer_argmax(x: Node, axis: int) -> Inferred:
    _refuse_empty(x, [axis])
    return _resized(x.shape, axis, 1), ops.INT64


def _infer_gradient(loss: Node, wrt: Node) -> Inferred:
    if product(loss.shape) != 1:
        raise ShapeError(
            f"a gradient needs a scalar; this tensor has the shape {show_shape(loss.shape)}: take its mean or sum first"
        )
    if loss.dtype.kind != "f":
        raise DtypeError(f"a gradient needs floating-point numbers; this tensor has the dtype {loss.dtype}")
    return wrt.shape, wrt.dtype


def _deferred(context: Context, node: Node, *arrays: np.ndarray) -> np.ndarray:
    raise VerifyError(f"{node.name} must be expanded before a graph runs")


define(
    "matmul",
    "call",
    infer=_infer_matmul,
    evaluate=_evaluate_matmul,
    derivative=_matmul_derivative,
)


def _gather_derivative(node: Node, gradient: Node) -> list[Node | None]:
    rows = node.inputs[0].shape[0]
    if not isinstance(rows, int):
        raise ShapeError("gather has no derivative where it takes rows of the batch; gather from a table of fixed size")
    return [ops.scatter_add(gradient, node.inputs[1], rows), None]


define(
    "gather",
    "call",
    infer=_infer_gather,
    evaluate=_evaluate_gather,
    derivative=_gather_derivative,
)
define(
    "scatter_add",
    "call",
    infer=_infer_scatter,
    evaluate=_evaluate_scatter,
    derivative=lambda node, g: [ops.gather(g, node.inputs[1]), None],
)
define(
    "argmax",
    "call",
    infer=_infer_argmax,
    evaluate=lambda context, node, x: np.argmax(x, axis=node.param("axis"), keepdims=True),
    derivative=NO_DERIVATIVE,
)
# the derivative of a gradient is taken after it has been expanded; the rule marks the result as differentiable
define("gradient", "deferred", infer=_infer_gradient, evaluate=_deferred, derivative=lambda node, g: [None, None])
