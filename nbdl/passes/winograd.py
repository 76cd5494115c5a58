"""Convolutions with square kernels by Winograd's algorithm, where that is quicker on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.ir.graph import Node, substitute
from nbdl.ir.winograd import winograd
from nbdl.kernels.winograd import best_tile

CONVOLUTIONS = {"conv2d", "conv2d_back", "conv2d_weights"}


def save_products(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs whose convolutions need fewer products."""

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        tile = best_tile(node.param("geometry")) if node.name in CONVOLUTIONS else None
        if tile is None:
            return None
        first, second = inputs
        return winograd(node, first, second, tile)

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]
