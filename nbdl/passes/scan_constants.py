"""What is the same in every step of a scan: known numbers, and what is computed from constants alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, topological, with_inputs
from nbdl.ir.scan import Body, known_number
from nbdl.ir.shapes import has_batch
from nbdl.passes.scan_tools import exchange, same_keys, scans_of, with_body


def inline_numbers(outputs: Sequence[Node]) -> list[Node]:
    """What a step is given that is one known number becomes part of the body, where it can be simplified."""

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body, operands = node.param("body"), dict(zip(node.param("body").leaves, inputs, strict=True))
        numbers: dict[Node, Node] = {}
        for leaf in (*body.elements, *body.constants):
            number = known_number(operands[leaf])
            if number is not None:
                numbers[leaf] = ops.broadcast_to(number, leaf.shape)
        return with_body(node, *_replaced(body, operands, numbers, {})) if numbers else _rebuilt(node, inputs)

    return exchange(outputs, new_scan, same_keys) if scans_of(outputs) else list(outputs)


def hoist(outputs: Sequence[Node]) -> list[Node]:
    """What a step computes from constants alone is computed once, before the loop; so are their transposes, which
    matrix products would read transposed in every step.
    """

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body = _transposing_before(node.param("body"))
        operands = dict(zip(body.leaves, inputs, strict=True))
        moved = {each: _outside(each, operands) for each in _fixed(body)}
        leaves = {each: _leaf_like(each) for each in moved}
        added = {leaves[each]: outside for each, outside in moved.items()}
        return with_body(node, *_replaced(body, operands, leaves, added)) if moved else _rebuilt(node, inputs)

    return exchange(outputs, new_scan, same_keys) if scans_of(outputs) else list(outputs)


def _rebuilt(node: Node, inputs: tuple[Node, ...]) -> Node:
    return node if inputs == node.inputs else with_inputs(node, inputs)


def _transposing_before(body: Body) -> Body:
    """The body with transposes of constants as operations of their own."""

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name != "matmul" or not node.param("transpose_y"):
            return None
        x, y = inputs
        if y not in body.constants or has_batch(y.shape):
            return None
        return ops.product_of(x, ops.swap_last(y), node.param("transpose_x"), False)

    new = substitute(body.outputs, change)
    return body.with_outputs([new[each] for each in body.outputs])


def _fixed(body: Body) -> list[Node]:
    """The largest expressions of constants in a body that are worth moving out: to repeat numbers is not work."""
    fixed = set(body.constants)
    for node in body.order:
        if node.inputs and all(each in fixed or _is_number(each) for each in node.inputs):
            fixed.add(node)
    needed = [*body.outputs, *[each for node in body.order if node not in fixed for each in node.inputs]]
    found: dict[Node, None] = {}
    for node in needed:
        while node in fixed and node.name == "broadcast":
            (node,) = node.inputs
        if node in fixed and node.inputs and node.name != "scan":
            found[node] = None
    return list(found)


def _is_number(node: Node) -> bool:
    return node.name in ("constant", "batch_size")


def _outside(node: Node, operands: dict[Node, Node]) -> Node:
    """The same expression of the operands."""
    new = dict(operands)
    for each in topological([node], new.__contains__):
        if each not in new:
            new[each] = _rebuilt(each, tuple([new[below] for below in each.inputs]))
    return new[node]


def _leaf_like(node: Node) -> Node:
    leaf = ops.leaf(node.shape, node.dtype, differentiable=node.differentiable)
    leaf.scope, leaf.title = node.scope, node.title
    return leaf


def _replaced(
    body: Body, operands: dict[Node, Node], new: dict[Node, Node], added: dict[Node, Node]
) -> tuple[Body, list[Node]]:
    """A body with some nodes replaced, and its operands; `added` are further constants."""
    outputs = substitute(body.outputs, lambda node, inputs: new.get(node))
    made = body.with_outputs([outputs[each] for each in body.outputs])
    made = replace(
        made,
        elements=tuple([leaf for leaf in body.elements if leaf not in new]),
        constants=(*[leaf for leaf in body.constants if leaf not in new], *added),
    )
    return made, [(operands | added)[leaf] for leaf in made.leaves]
