"""Short last axes: elementwise work on images of few channels goes along several axes at once.

Channels are the innermost loop, and six of them fill no vector. The last axes are joined, (n, 14, 14, 6) to
(n, 14, 84), where all that a loop works out allows it: what has a number for each channel (a bias) is repeated, once a
step, and a sum over the pixels first adds up lines of 84 numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, topological
from nbdl.ir.primitives import apply
from nbdl.ir.shapes import Batch, Shape, product

LANES = 16  # float32 in the widest vectors that there are
LONG = 4 * LANES  # in an axis so long it matters little that the last vector isn't full


def join_short_axes(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs whose elementwise work has no short last axes, unless more values would be stored for it."""
    inside = _worked_out_together(outputs)

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node not in inside:
            return None
        joined = [_join(each, _extent(node)) for each in inputs]
        if node.name == "sum":
            return _sum(joined[0], node)
        return ops.reshape(apply(node.name, *joined, **dict(node.params)), node.shape)

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]


def _extent(node: Node) -> Shape:
    """The shape that the loop of a node goes over."""
    return node.inputs[0].shape if node.name == "sum" else node.shape


def _kept(shape: Shape) -> int:
    """How many axes stay if the others, as few of the last ones as make a long one, are joined."""
    if not shape or shape[-1] == 1 or (isinstance(shape[-1], int) and shape[-1] % LANES == 0):
        return len(shape)
    joined = 1
    for kept in range(len(shape) - 1, 0, -1):
        size = shape[kept]
        if isinstance(size, Batch):
            break
        joined *= size
        if joined >= LONG:
            return kept
    return len(shape)


def _join(x: Node, extent: Shape) -> Node:
    """An operand with the last axes joined, repeated along them if it has only some."""
    if not x.shape:
        return x
    kept = _kept(extent)
    aligned = (*[1] * (len(extent) - len(x.shape)), *x.shape)
    first, last = aligned[:kept], aligned[kept:]
    if product(last) != 1:
        last = extent[kept:]
        x = ops.broadcast_to(x, (*first, *last))
    return ops.reshape(x, (*first, product(last)))


def _sum(x: Node, node: Node) -> Node:
    """The sum of a node, given its operand with the last axes joined."""
    extent, axes = _extent(node), node.param("axes")
    kept = _kept(extent)
    before, joined = [axis for axis in axes if axis < kept], [axis for axis in axes if axis >= kept]
    if len(joined) == len(extent) - kept:
        return ops.reshape(ops.reduce_sum(x, [*before, kept]), node.shape)
    lines = ops.reduce_sum(x, before)
    return ops.reduce_sum(ops.reshape(lines, (*lines.shape[:-1], *extent[kept:])), joined)


def _worked_out_together(outputs: Sequence[Node]) -> set[Node]:
    """The nodes whose axes are joined: no loop is cut in two by it, as what lies between would be stored."""
    users = defaultdict(list)
    order = topological(outputs)
    for node in order:
        for each in node.inputs:
            users[each].append(node)
    inside = {node for node in order if _has_short_axes(node)}
    while outside := {node for node in inside if not _fits(node, inside, users[node])}:
        inside -= outside
    return inside


def _has_short_axes(node: Node) -> bool:
    extent = _extent(node) if node.inputs else ()
    kept = _kept(extent)
    if kept > len(extent) - 2:
        return False
    if node.name == "sum":
        left = set(range(kept, len(extent))) - set(node.param("axes"))
        return left <= {len(extent) - 1}
    return node.primitive.kind == "elementwise" and all(_is_small_or_whole(each, extent) for each in node.inputs)


def _is_small_or_whole(x: Node, extent: Shape) -> bool:
    """Whether an operand has all of the joined axes, or none, or nothing but some of them."""
    last = x.shape[_kept(extent) - len(extent) :]
    return last == extent[_kept(extent) :] or product(last) == 1 or product(last) == product(x.shape)


def _fits(node: Node, inside: set[Node], users: Sequence[Node]) -> bool:
    """Whether what a node is worked out from, and what needs it, is joined as well, or in memory anyway."""
    extent = _extent(node)
    if any(each.shape == extent and each not in inside and not _has_memory(each) for each in node.inputs):
        return False
    return node.name == "sum" or all(user in inside or _reads_memory(user) for user in users)


def _has_memory(node: Node) -> bool:
    while node.primitive.kind == "view":
        node = node.inputs[0]
    return node.primitive.kind in ("leaf", "call", "reduction", "result")


def _reads_memory(user: Node) -> bool:
    if user.primitive.kind != "view":
        return user.primitive.kind == "call"
    sizes = [[size for size in shape if size != 1] for shape in (user.shape, user.inputs[0].shape)]
    return sizes[0] != sizes[1]
