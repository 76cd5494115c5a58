"""Products of matrices that lie in larger arrays: how their axes follow one another in memory.

`strided_matmul` is `matmul` of operands whose axes are permuted, with a result whose axes are: what would be copied
before and after a product is read and written where it lies. A pass makes it (`nbdl/passes/transposes.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbdl.errors import DtypeError, ShapeError
from nbdl.ir.graph import Node
from nbdl.ir.primitives import NO_DERIVATIVE, Context, apply, define
from nbdl.ir.shapes import Batch, Shape, Size, product, show_shape

Axes = tuple[int, ...]


def _permuted(shape: Shape, axes: Axes) -> Shape:
    return tuple(shape[axis] for axis in axes)


def _infer(x: Node, y: Node, x_axes: Axes, y_axes: Axes, axes: Axes) -> tuple[Shape, np.dtype[Any]]:
    left, right = _permuted(x.shape, x_axes), _permuted(y.shape, y_axes)
    if len(left) != len(right) or left[:-2] != right[:-2] or left[-1] != right[-2]:
        raise ShapeError(f"strided_matmul of {show_shape(left)} and {show_shape(right)}")
    if x.dtype != y.dtype or x.dtype.kind != "f":
        raise DtypeError(f"matmul takes two floating-point tensors of one dtype, not {x.dtype} and {y.dtype}")
    return _permuted((*left[:-1], right[-1]), axes), x.dtype


def _evaluate(context: Context, node: Node, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    result = np.matmul(np.transpose(x, node.param("x_axes")), np.transpose(y, node.param("y_axes")))
    return np.ascontiguousarray(np.transpose(result, node.param("axes")))


define("strided_matmul", "call", infer=_infer, evaluate=_evaluate, derivative=NO_DERIVATIVE)


def strided_matmul(x: Node, y: Node, x_axes: Axes, y_axes: Axes, axes: Axes) -> Node:
    """transpose(matmul(transpose(x, x_axes), transpose(y, y_axes)), axes)"""
    return apply("strided_matmul", x, y, x_axes=x_axes, y_axes=y_axes, axes=axes)


@dataclass(frozen=True)
class Layout:
    """Where the elements of three matrices of many products lie: `c[i, j] = a[i, j] @ b[i, j]`.

    `sizes` are those of i, j, m, n, k. `a` are the elements between two i, j, m, k, `b` between two i, j, k, n, `c`
    between two i, j, m. With `swapped` a is read from the second operand and b from the first: the products are
    transposed.
    """

    sizes: tuple[Size, ...]
    a: tuple[Size, ...]
    b: tuple[Size, ...]
    c: tuple[Size, ...]
    swapped: bool


def strides_of(shape: Shape) -> tuple[Size, ...]:
    """How many elements lie between two along each axis, in row-major order."""
    return tuple(product(shape[axis + 1 :]) for axis in range(len(shape)))


def layout_of(node: Node) -> Layout | None:
    """Say how a kernel computes a `strided_matmul`; None if it can't: rows of the second operand and of the result have
    to be (or to have been, transposed) contiguous, and the products to be counted by two numbers.
    """
    x, y = node.inputs
    axes: Axes = node.param("axes")
    x_steps = _permuted(strides_of(x.shape), node.param("x_axes"))
    y_steps = _permuted(strides_of(y.shape), node.param("y_axes"))
    own = strides_of(node.shape)
    steps = tuple(own[axes.index(axis)] for axis in range(len(axes)))
    sizes = _permuted(node.shape, tuple(axes.index(axis) for axis in range(len(axes))))
    (m, n), k = sizes[-2:], _permuted(x.shape, node.param("x_axes"))[-1]
    if any(isinstance(size, Batch) for size in (m, n, k)):
        return None
    blocks = _joined(sizes[:-2], x_steps[:-2], y_steps[:-2], steps[:-2])
    if len(blocks) > 2:
        return None
    counts, of_x, of_y, own_blocks = zip(*[*[(1, 0, 0, 0)] * (2 - len(blocks)), *blocks], strict=True)
    (x_row, x_column), (y_row, y_column), (row, column) = x_steps[-2:], y_steps[-2:], steps[-2:]
    if column == 1 and 1 in (y_row, y_column):
        x_lies, y_lies = (*of_x, x_row, x_column), (*of_y, y_row, y_column)
        return Layout((*counts, m, n, k), x_lies, y_lies, (*own_blocks, row), False)
    if row == 1 and 1 in (x_row, x_column):
        x_lies, y_lies = (*of_x, x_column, x_row), (*of_y, y_column, y_row)
        return Layout((*counts, n, m, k), y_lies, x_lies, (*own_blocks, column), True)
    return None


Block = tuple[Size, Size, Size, Size]


def _joined(sizes: Shape, *steps: Sequence[Size]) -> list[Block]:
    """Axes with the steps of three arrays along them; two that follow one another in all three are one."""
    found: list[Block] = []
    for block in zip(sizes, *steps, strict=True):
        size, *own = block
        if size == 1:
            continue
        if found and all(before == _times(step, size) for before, step in zip(found[-1][1:], own, strict=True)):
            block = (_times(found[-1][0], size), *own)
            found.pop()
        found.append(block)
    return found


def _times(one: Size, other: Size) -> Size:
    return product((one, other))
