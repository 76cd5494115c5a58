"""Fold transposed operands into matrix products: the kernels read them transposed at no cost."""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute


def fold_transposes(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs whose matrix products have flags in place of `transpose` nodes."""

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name != "matmul":
            return None
        x, transpose_x = _untransposed(inputs[0], node.param("transpose_x"))
        y, transpose_y = _untransposed(inputs[1], node.param("transpose_y"))
        return ops.product_of(x, y, transpose_x, transpose_y)

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]


def _untransposed(operand: Node, flag: bool) -> tuple[Node, bool]:
    rank = len(operand.shape)
    swap = (*range(rank - 2), rank - 1, rank - 2)
    if operand.name == "transpose" and operand.param("permutation") == swap:
        return operand.inputs[0], not flag
    return operand, flag
