"""Convolutions with 3x3 kernels by Winograd's algorithm, where that is quicker on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.ir.graph import Node, substitute
from nbdl.ir.winograd import winograd
from nbdl.kernels.winograd import pays

CONVOLUTIONS = {"conv2d", "conv2d_back", "conv2d_weights"}


def save_products(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs whose convolutions need fewer products."""

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name not in CONVOLUTIONS or not pays(node.param("geometry")):
            return None
        first, second = inputs
        return winograd(node, first, second)

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]
