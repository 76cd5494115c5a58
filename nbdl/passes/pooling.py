"""Maxima first: a monotone function of the largest element is the largest element of the function.

What follows a convolution (a bias, an activation) is worked out, and derived, for the maxima only: for a quarter of the
elements where the windows are 2x2. Of elements that the function makes equal, the first got the gradient; now the first
of the largest does. They are equal where the function is flat, and no gradient flows, or differ by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nbdl.ir import ops
from nbdl.ir.graph import Node, scope, substitute, topological
from nbdl.ir.pooling import max_pool
from nbdl.ir.primitives import apply

INCREASING = {"tanh", "sigmoid", "exp", "expm1", "erf"}

Step = tuple[Node, Callable[[Node], Node]]


def pool_first(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs in which maxima over windows are taken before what is monotone in each channel."""
    wanted = {node.inputs[1] for node in topological(outputs) if node.name == "gradient"}
    new: dict[Node, Node] = {}

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name != "max_pool":
            return None
        x, steps = node.inputs[0], []
        while x not in wanted and (step := _monotone(x, new)) is not None:
            steps.append((x, step[1]))
            x = step[0]
        if not steps:
            return None
        pooled = max_pool(new[x], node.param("geometry"))
        for old, again in reversed(steps):
            with scope(old.scope):
                pooled = again(pooled)
        return pooled

    substitute(outputs, replace, new)
    return [new[output] for output in outputs]


def _monotone(node: Node, new: Mapping[Node, Node]) -> Step | None:
    """The operand of a function that never falls, and the function; None for other nodes."""
    if node.name in INCREASING:
        return node.inputs[0], lambda x: apply(node.name, x)
    if node.name in ("maximum", "minimum", "add", "subtract"):
        first, second = node.inputs
        if first.shape == node.shape and _by_channel(second):
            return first, lambda x: apply(node.name, x, new[second])
    if node.name == "where":
        return _rectified(node)
    return None


def _by_channel(node: Node) -> bool:
    """Whether an operand is the same for all pixels."""
    return all(size == 1 for size in node.shape[:-1])


def _rectified(node: Node) -> Step | None:
    """x where it is above a number, that number elsewhere."""
    condition, low, x = node.inputs
    if condition.name != "less_equal" or condition.inputs[0] is not x:
        return None
    limit = condition.inputs[1]
    if limit.name != "constant" or low.name != "constant" or limit.param("value") != low.param("value"):
        return None
    return x, lambda pooled: ops.where(ops.binary("less_equal", pooled, limit), low, pooled)
