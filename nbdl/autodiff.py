"""Reverse-mode differentiation, from graph to graph.

The graph is walked once from the loss to the leaves. Each node hands its gradient to its inputs by the derivative rule
in its row of the primitive table, and a node used several times adds up what it is handed (Griewank and Walther,
Evaluating Derivatives, 2nd edition, SIAM 2008, chapter 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node, depending_on, scope, substitute, topological
from nbdl.ir.shapes import product, show_shape

BACKWARD = "backward of "


def differentiate(loss: Node, wrt: Sequence[Node]) -> list[Node]:
    """Return the derivative of a scalar `loss` with respect to each node of `wrt` (zeros where it doesn't depend on
    it).

    Raises `ShapeError` if the loss is not a scalar.
    """
    if product(loss.shape) != 1:
        raise ShapeError(
            f"a gradient needs a scalar; this tensor has the shape {show_shape(loss.shape)}: take its mean or sum first"
        )
    return pull_back([(loss, ops.broadcast_to(ops.constant(1, loss.dtype), loss.shape))], wrt)


def pull_back(seeds: Sequence[tuple[Node, Node]], wrt: Sequence[Node]) -> list[Node]:
    """Return, for each node of `wrt`, the sum over the seeds of gradient times derivative.

    A seed is an output together with the gradient that it is handed, of the output's shape.
    """
    order = topological([output for output, _ in seeds])
    needed = _leading_to(set(wrt), order)
    gradients: dict[Node, Node] = {}
    several: dict[Node, dict[Any, Node]] = {}  # of nodes with several results: the gradients by the results' keys
    for output, seed in seeds:
        _add_to(gradients, output, seed)
    for node in reversed(order):
        gradient: Any = several.get(node) or gradients.get(node)
        if gradient is None or node not in needed or node.primitive.derivative is None:
            continue
        if node.primitive.kind == "result":
            key = (node.param("kind"), node.param("index"))
            _add_to(several.setdefault(node.inputs[0], {}), key, gradient)
            continue
        if node.title and gradient.inputs and not gradient.title:
            gradient.title = f"d_{node.title}"
        with scope(node.scope if node.scope.startswith(BACKWARD) else BACKWARD + (node.scope or "the loss")):
            for each, part in zip(node.inputs, node.primitive.derivative(node, gradient), strict=True):
                if part is not None and each in needed:
                    _add_to(gradients, each, ops.unbroadcast(part, each.shape))
    return [_gradient_of(node, gradients) for node in wrt]


def _add_to(gradients: dict[Any, Node], key: Any, gradient: Any) -> None:
    known = gradients.get(key)
    gradients[key] = gradient if known is None else ops.add(known, gradient)


def _gradient_of(node: Node, gradients: dict[Node, Node]) -> Node:
    known = gradients.get(node)
    zero = ops.constant(0, node.dtype)
    return ops.broadcast_to(zero if known is None else known, node.shape)


def _leading_to(targets: set[Node], order: list[Node]) -> set[Node]:
    """The nodes through which a gradient reaches one of `targets`."""
    needed: set[Node] = set()
    for node in order:
        if node in targets or any(each in needed for each in node.inputs):
            needed.add(node)
    return needed


def expand_gradients(outputs: Sequence[Node], leaves: Iterable[Node] | None = None) -> list[Node]:
    """Replace every deferred `gradient` node by the nodes that compute it; all gradients of one loss share a walk.

    With `leaves` only those that depend on one of these: what doesn't stays the node that it is, since others know it
    by that (a parameter after an update, by which a gradient is asked for later).
    """
    own = None if leaves is None else depending_on(leaves, outputs)

    def is_outside(node: Node) -> bool:
        return own is not None and node not in own

    wanted: dict[Node, list[Node]] = {}
    for node in topological(outputs, is_outside):
        if node.name == "gradient" and not is_outside(node):
            wanted.setdefault(node.inputs[0], []).append(node.inputs[1])
    if not wanted:
        return list(outputs)
    walked: dict[Node, dict[Node, Node]] = {}
    new: dict[Node, Node] = {}

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name != "gradient":
            return None
        old_loss, (loss, _) = node.inputs[0], inputs
        if old_loss not in walked:
            targets = [_rebuilt(each, new) for each in wanted[old_loss]]
            walked[old_loss] = dict(zip(wanted[old_loss], differentiate(loss, targets), strict=True))
        return walked[old_loss][node.inputs[1]]

    substitute(outputs, replace, new, is_outside)
    return [new[output] for output in outputs]


def _rebuilt(node: Node, new: dict[Node, Node]) -> Node:
    """A target below the loss has been rebuilt already; another one gets a gradient of zero."""
    return new.get(node, node)
