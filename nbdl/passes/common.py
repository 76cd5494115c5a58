"""Common subexpressions: the same operation on the same inputs is computed once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from nbdl.ir.graph import Node, substitute, with_inputs


def share_common(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs in which equal nodes are one node."""
    known: dict[Hashable, Node] = {}

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name == "input":
            return node
        key = (node.name, node.params, node.shape, node.dtype, inputs)
        if key not in known:
            known[key] = node if inputs == node.inputs else with_inputs(node, inputs)
        return known[key]

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]
