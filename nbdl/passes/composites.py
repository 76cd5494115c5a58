"""Put compositions in the place of the nodes that stand for them, after gradients have been taken."""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.ir.composite import COMPOSITIONS
from nbdl.ir.graph import Node, substitute


def expand_composites(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs without composite nodes."""

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        composition = COMPOSITIONS.get(node.name)
        return None if composition is None else composition(node, *inputs)

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]
