"""Fold transposed operands and results into matrix products: the kernels read and write them transposed at no cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, topological
from nbdl.ir.strided import Axes, layout_of, strided_matmul


def fold_transposes(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs whose matrix products have flags, or orders of axes, in place of `transpose` nodes."""
    uses = Counter(each for node in topological(outputs) for each in node.inputs)
    uses.update(outputs)

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name == "matmul":
            x, transpose_x = _untransposed(inputs[0], node.param("transpose_x"))
            y, transpose_y = _untransposed(inputs[1], node.param("transpose_y"))
            folded = ops.product_of(x, y, transpose_x, transpose_y)
            return _with_operands_where_they_lie(folded) or folded
        if node.name == "transpose" and uses[node.inputs[0]] == 1:
            return _with_result_where_it_goes(inputs[0], node.param("permutation"))
        return None

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]


def _swapped(rank: int) -> Axes:
    return (*range(rank - 2), rank - 1, rank - 2)


def _untransposed(operand: Node, flag: bool) -> tuple[Node, bool]:
    if operand.name == "transpose" and operand.param("permutation") == _swapped(len(operand.shape)):
        return operand.inputs[0], not flag
    return operand, flag


def _with_operands_where_they_lie(node: Node) -> Node | None:
    """A product of operands whose axes are permuted, as one that reads them as they are; None if it can't."""
    rank = len(node.shape)
    if rank == 2 or all(each.name != "transpose" for each in node.inputs):
        return None
    x, y = node.inputs
    plain = [(each, _axes(rank, node.param(flag))) for each, flag in ((x, "transpose_x"), (y, "transpose_y"))]
    folded = [_source(each, axes) for each, axes in plain]
    for (left, x_axes), (right, y_axes) in (folded, (folded[0], plain[1]), (plain[0], folded[1])):
        if left is x and right is y:
            continue
        candidate = strided_matmul(left, right, x_axes, y_axes, tuple(range(rank)))
        if layout_of(candidate) is not None:
            return candidate
    return None


def _axes(rank: int, transposed: bool) -> Axes:
    return _swapped(rank) if transposed else tuple(range(rank))


def _source(operand: Node, axes: Axes) -> tuple[Node, Axes]:
    """What an operand is a transposition of, and the order in which the product takes its axes."""
    if operand.name != "transpose":
        return operand, axes
    permutation = operand.param("permutation")
    return operand.inputs[0], tuple(permutation[axis] for axis in axes)


def _with_result_where_it_goes(product: Node, permutation: Axes) -> Node | None:
    """A product that nothing but a transposition reads, as one that writes its result transposed; None if it can't."""
    rank = len(product.shape)
    if product.name == "matmul" and rank > 2:
        flags = product.param("transpose_x"), product.param("transpose_y")
        x_axes, y_axes = (_axes(rank, flag) for flag in flags)
        axes: Axes = tuple(range(rank))
    elif product.name == "strided_matmul":
        x_axes, y_axes, axes = (product.param(name) for name in ("x_axes", "y_axes", "axes"))
    else:
        return None
    order = tuple(axes[axis] for axis in permutation)
    x, y = product.inputs
    candidate = strided_matmul(x, y, x_axes, y_axes, order)
    return candidate if layout_of(candidate) is not None else None
