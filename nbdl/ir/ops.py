"""Functions that make nodes, one for each primitive and for the compositions that derivatives need.

Derivative rules read like formulas because nodes have Python's operators (defined at the end of this file).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import copysign
from typing import Any

import numpy as np

from nbdl.errors import DtypeError, ShapeError
from nbdl.ir.graph import Node
from nbdl.ir.primitives import TABLE, apply
from nbdl.ir.shapes import Batch, Shape, Size, broadcast, one_axis, product, show_shape

Number = bool | int | float
FLOAT32 = np.dtype(np.float32)
INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)
DTYPES = {np.dtype(each) for each in (np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_)}


@lru_cache(maxsize=1024)
def _constant(value: Number, kind: str, dtype: np.dtype[Any]) -> Node:
    try:
        return apply("constant", value=dtype.type(value).item(), dtype=dtype)
    except OverflowError:
        raise DtypeError(f"{value} is no {dtype} number; make the other operand larger: x.astype('int64')") from None


def dtype_of(dtype: Any) -> np.dtype[Any]:
    """A dtype as NumPy's. Raises `DtypeError` for one that no tensor has."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in DTYPES:
        raise DtypeError(f"the dtype {dtype} isn't supported; there are {', '.join(sorted(map(str, DTYPES)))}")
    return found


def constant(value: Number, dtype: Any) -> Node:
    """A scalar known when the graph is made."""
    dtype = dtype_of(dtype)
    kind = type(value).__name__  # 1, 1.0 and True are equal, and not the same constant; nor are 0.0 and -0.0
    return _constant(value, kind if value else f"{kind} {copysign(1, value)}", dtype)


def leaf(shape: Shape, dtype: Any, *, name: str = "", differentiable: bool = False) -> Node:
    """A value that will be given from outside when the program runs."""
    return Node(TABLE["input"], (), (("name", name),), shape, np.dtype(dtype), differentiable)


def value(array: np.ndarray, *, name: str = "", differentiable: bool = False) -> Node:
    """A leaf whose value is known already."""
    return Node(TABLE["input"], (), (("name", name),), array.shape, array.dtype, differentiable, array)


def batch_size(dtype: Any = np.float32) -> Node:
    """The number of rows of the whole batch (of all workers), as a scalar."""
    return apply("batch_size", dtype=np.dtype(dtype))


# --- dtypes -------------------------------------------------------------------------------------------------------


def cast(x: Node, dtype: Any) -> Node:
    """Convert to another dtype."""
    dtype = dtype_of(dtype)
    if x.dtype == dtype:
        return x
    if x.name == "constant":
        return constant(x.param("value"), dtype)
    return apply("cast", x, dtype=dtype)


def as_float(x: Node) -> Node:
    """Integers and booleans become float32; floating-point numbers stay."""
    return x if x.dtype.kind == "f" else cast(x, FLOAT32)


def promote(*operands: Node | Number) -> tuple[Node, ...]:
    """Give all operands one dtype, as NumPy does with arrays; Python numbers adapt to the arrays' dtype."""
    dtypes = {each.dtype for each in operands if isinstance(each, Node)}
    dtype = dtypes.pop() if len(dtypes) == 1 else _common(dtypes)
    numbers = [each for each in operands if not isinstance(each, Node)]
    if numbers and dtype.kind != "f":
        if any(isinstance(each, float) for each in numbers):
            dtype = FLOAT32
        elif dtype.kind == "b" and any(not isinstance(each, bool) for each in numbers):
            dtype = INT64
    return tuple([cast(each, dtype) if isinstance(each, Node) else constant(each, dtype) for each in operands])


def _common(dtypes: set[np.dtype[Any]]) -> np.dtype[Any]:
    if not dtypes:
        return FLOAT32
    floats = {each for each in dtypes if each.kind == "f"}
    # integers adapt to the floating-point operand: int64 and float32 give float32, not NumPy's float64
    return np.result_type(*(floats or dtypes))


# --- elementwise ----------------------------------------------------------------------------------------------------


def binary(name: str, x: Node | Number, y: Node | Number) -> Node:
    """Record a two-operand elementwise primitive."""
    if not (isinstance(x, Node) and isinstance(y, Node) and x.dtype == y.dtype):
        x, y = promote(x, y)
    return apply(name, x, y)


def add(x: Node | Number, y: Node | Number) -> Node:
    """x + y"""
    return binary("add", x, y)


def subtract(x: Node | Number, y: Node | Number) -> Node:
    """x - y"""
    return binary("subtract", x, y)


def multiply(x: Node | Number, y: Node | Number) -> Node:
    """x * y"""
    return binary("multiply", x, y)


def floating_binary(name: str, x: Node | Number, y: Node | Number) -> Node:
    """Record a two-operand elementwise primitive on floating-point numbers."""
    x, y = promote(x, y)
    return apply(name, as_float(x), as_float(y))


def divide(x: Node | Number, y: Node | Number) -> Node:
    """x / y; integers are divided as float32."""
    return floating_binary("divide", x, y)


def fast_divide(x: Node | Number, y: Node | Number) -> Node:
    """x / y, to within three units of the last place where y is finite and far from 0."""
    return floating_binary("fast_divide", x, y)


def power(x: Node | Number, y: Node | Number) -> Node:
    """x ** y; small whole and half exponents become products and roots, which are exact and fast."""
    if isinstance(x, Node) and isinstance(y, int | float) and x.dtype.kind == "f":
        if y == 2:
            return multiply(x, x)
        if y == 1:
            return x
        if y == 3:
            return multiply(multiply(x, x), x)
        if y == 0.5:
            return sqrt(x)
        if y == -1:
            return divide(1, x)
    return floating_binary("power", x, y)


def maximum(x: Node | Number, y: Node | Number) -> Node:
    """The larger of two; NaN if one of them is."""
    return binary("maximum", x, y)


def minimum(x: Node | Number, y: Node | Number) -> Node:
    """The smaller of two; NaN if one of them is."""
    return binary("minimum", x, y)


def unary(name: str, x: Node) -> Node:
    """Record a one-operand elementwise primitive."""
    return apply(name, x)


def floating(name: str, x: Node) -> Node:
    """Record a one-operand elementwise primitive on floating-point numbers."""
    return apply(name, as_float(x))


def negative(x: Node) -> Node:
    """-x"""
    return apply("negative", x)


def sqrt(x: Node) -> Node:
    """Square root."""
    return floating("sqrt", x)


def exp(x: Node) -> Node:
    """e ** x"""
    return floating("exp", x)


def log(x: Node) -> Node:
    """Natural logarithm."""
    return floating("log", x)


def where(condition: Node, x: Node | Number, y: Node | Number) -> Node:
    """x where the condition holds, else y."""
    x, y = promote(x, y)
    return apply("where", cast(condition, BOOL), x, y)


def stop_gradient(x: Node) -> Node:
    """x, seen as a constant by differentiation."""
    return apply("stop_gradient", x)


# --- reductions -------------------------------------------------------------------------------------------------------


def reduce_sum(x: Node, axes: Sequence[int]) -> Node:
    """Sum over axes, which stay with size 1."""
    x = cast(x, INT64) if x.dtype.kind in "bu" else x
    return apply("sum", x, axes=tuple(axes)) if axes else x


def reduce_max(x: Node, axes: Sequence[int]) -> Node:
    """Maximum over axes, which stay with size 1."""
    return apply("max", x, axes=tuple(axes)) if axes else x


def softmax(x: Node, axis: int) -> Node:
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    return apply("softmax", as_float(x), axis=one_axis(axis, len(x.shape)))


def count(shape: Shape, axes: Sequence[int], dtype: Any) -> Node:
    """The number of elements along axes, as a scalar."""
    size = product(tuple(shape[axis] for axis in axes))
    if isinstance(size, Batch):
        return multiply(batch_size(dtype), size.multiple)
    return constant(size, np.dtype(dtype))


# --- shape ------------------------------------------------------------------------------------------------------------


def reshape(x: Node, shape: Shape) -> Node:
    """The same elements in another shape; one size may be -1."""
    if shape == x.shape:
        return x
    shape = fill_in(x.shape, tuple(shape))
    return x if shape == x.shape else apply("reshape", x, shape=shape)


def fill_in(old: Shape, shape: tuple[Any, ...]) -> Shape:
    """Work out the size written as -1, and check the number of elements. Raises `ShapeError`."""
    total = product(old)
    if any(not isinstance(size, Batch) and size < -1 for size in shape):
        raise ShapeError(f"can't reshape {show_shape(old)} to {shape}: a size can't be negative")
    if shape.count(-1) > 1:
        raise ShapeError(f"can't reshape {show_shape(old)} to {shape}: only one size can be -1")
    if -1 in shape:
        rest = product(tuple(size for size in shape if size != -1))
        shape = tuple(_quotient(total, rest, old, shape) if size == -1 else size for size in shape)
    if product(shape) != total:
        raise ShapeError(
            f"can't reshape {show_shape(old)} to {show_shape(shape)}: {total} against {product(shape)} elements"
        )
    return shape


def _quotient(total: Size, rest: Size, old: Shape, shape: tuple[Any, ...]) -> Size:
    whole = total.multiple if isinstance(total, Batch) else total
    part = rest.multiple if isinstance(rest, Batch) else rest
    if part == 0 or whole % part or (isinstance(rest, Batch) and not isinstance(total, Batch)):
        raise ShapeError(f"can't reshape {show_shape(old)} to {shape}: {total} elements don't divide by {rest}")
    quotient = whole // part
    return Batch(quotient) if isinstance(total, Batch) and not isinstance(rest, Batch) else quotient


def broadcast_to(x: Node, shape: Shape) -> Node:
    """Repeat along axes of size 1 and new leading axes."""
    if x.shape == shape:
        return x
    if broadcast(x.shape, shape) != shape:
        raise ShapeError(f"can't broadcast {show_shape(x.shape)} to {show_shape(shape)}")
    return apply("broadcast", x, shape=shape)


def unbroadcast(x: Node, shape: Shape) -> Node:
    """Sum what broadcasting had repeated: the derivative of `broadcast_to`."""
    if x.shape == shape:
        return x
    extra = len(x.shape) - len(shape)
    axes = [axis for axis, size in enumerate(x.shape) if axis < extra or (shape[axis - extra] == 1 and size != 1)]
    return reshape(reduce_sum(x, axes), shape)


def transpose(x: Node, permutation: Sequence[int] | None = None) -> Node:
    """Permute the axes (reverse them if no permutation is given)."""
    order = tuple(reversed(range(len(x.shape)))) if permutation is None else tuple(permutation)
    if tuple(sorted(order)) != tuple(range(len(x.shape))):
        raise ShapeError(f"{order} isn't a permutation of the {len(x.shape)} axes of {show_shape(x.shape)}")
    return x if order == tuple(range(len(order))) else apply("transpose", x, permutation=order)


def swap_last(x: Node) -> Node:
    """Transpose the last two axes."""
    rank = len(x.shape)
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def slice_axis(x: Node, axis: int, start: int, size: Size, step: int = 1) -> Node:
    """Every `step`-th element along an axis, `size` of them, from `start` on (a negative step goes backwards)."""
    if start == 0 and step == 1 and size == x.shape[axis]:
        return x
    return apply("slice", x, axis=axis, start=start, size=size, step=step)


def pad_axis(x: Node, axis: int, before: int, after: int, step: int = 1) -> Node:
    """Put zeros before, after and (`step - 1` of them) between the elements of an axis: the derivative of
    `slice_axis`.
    """
    return apply("pad", x, axis=axis, before=before, after=after, step=step) if before or after or step != 1 else x


def concatenate(parts: Sequence[Node], axis: int) -> Node:
    """Join along an axis."""
    return parts[0] if len(parts) == 1 else apply("concatenate", *parts, axis=axis)


# --- calls ------------------------------------------------------------------------------------------------------------


def matmul(x: Node, y: Node) -> Node:
    """Matrix product of the last two axes; leading axes must be equal."""
    x, y = promote(x, y)
    return product_of(as_float(x), as_float(y), False, False)


def product_of(x: Node, y: Node, transpose_x: bool, transpose_y: bool) -> Node:
    """Matrix product of operands whose last two axes may be swapped."""
    return apply("matmul", x, y, transpose_x=transpose_x, transpose_y=transpose_y)


def gather(x: Node, indices: Node) -> Node:
    """Rows of `x`: shape `indices.shape + x.shape[1:]`."""
    return apply("gather", x, indices)


def scatter_add(updates: Node, indices: Node, rows: int) -> Node:
    """Zeros of shape `(rows, ...)` with each update added to the row that its index names."""
    return apply("scatter_add", updates, indices, rows=rows)


def iota(size: Size, dtype: Any = np.int64) -> Node:
    """0, 1, 2, ... size - 1"""
    return apply("iota", size=size, dtype=np.dtype(dtype))


def argmax(x: Node, axis: int) -> Node:
    """Index of the first maximum along an axis, which stays with size 1."""
    return apply("argmax", x, axis=one_axis(axis, len(x.shape)))


def random(name: str, key: Node, shape: Shape, dtype: Any, stream: int) -> Node:
    """Random numbers (`random_uniform` or `random_normal`) that depend on the key, the stream and their place."""
    return apply(name, key, shape=shape, dtype=np.dtype(dtype), stream=stream)


def pack(parts: Sequence[Node], offsets: Sequence[int], size: int) -> Node:
    """A vector of zeros with the elements of each part laid down from its offset on."""
    return apply("pack", *parts, offsets=tuple(offsets), size=size)


def gradient(loss: Node, wrt: Node) -> Node:
    """The derivative of a scalar with respect to a node, worked out when the graph is compiled."""
    return apply("gradient", loss, wrt)


_OPERATORS: dict[str, Any] = {
    "__add__": lambda x, y: add(x, y),
    "__radd__": lambda x, y: add(y, x),
    "__sub__": lambda x, y: subtract(x, y),
    "__rsub__": lambda x, y: subtract(y, x),
    "__mul__": lambda x, y: multiply(x, y),
    "__rmul__": lambda x, y: multiply(y, x),
    "__truediv__": lambda x, y: divide(x, y),
    "__rtruediv__": lambda x, y: divide(y, x),
    "__neg__": negative,
}
for _name, _function in _OPERATORS.items():
    setattr(Node, _name, _function)
