"""Convolutions with square kernels by Winograd's algorithm, where that is quicker on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nbdl.ir.graph import Node, substitute
from nbdl.ir.shapes import Batch
from nbdl.ir.winograd import winograd
from nbdl.kernels.winograd import best_tile

CONVOLUTIONS = {"conv2d", "conv2d_back", "conv2d_weights"}


def products_saver(batch: int | None = None) -> Callable[[Sequence[Node]], list[Node]]:
    """Return the pass for batches of so many rows. If that isn't known, the points of weights must pay for one."""

    def save_products(outputs: Sequence[Node]) -> list[Node]:
        """Return outputs whose convolutions need fewer products."""

        def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
            if node.name not in CONVOLUTIONS:
                return None
            first, second = inputs
            rows = first.shape[0]
            tile = best_tile(node.param("geometry"), rows.multiple * (batch or 1) if isinstance(rows, Batch) else rows)
            return winograd(node, first, second, tile) if tile else None

        new = substitute(outputs, replace)
        return [new[output] for output in outputs]

    return save_products
