"""Whether workers can share a batch: each row must be computed from itself, and rows may meet only in sums and
maxima.

What matters is how the rows lie along a batch axis. In `(n, 10)` they follow one another. Merging the axes of
`(5, n, 10)` gives `(5 n, 10)`, where 5 *blocks*, each of all rows, follow one another; a worker has its rows of every
block. That is fine as long as everything that is combined has the same blocks, and nobody asks for the place of an
element.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nbdl.ir.graph import Node
from nbdl.ir.scan import Body
from nbdl.ir.shapes import Batch, Shape, Size, has_batch, product


class _MixedError(Exception):
    """Rows are mixed."""


def mixes_rows(nodes: Iterable[Node]) -> bool:
    """Whether a node needs to see all rows of the batch at once, so that one worker must do it all; `nodes` come each
    after its inputs.
    """
    try:
        _all_blocks(nodes, {})
    except _MixedError:
        return True
    return False


def _all_blocks(nodes: Iterable[Node], known: Mapping[Node, int]) -> dict[Node, int]:
    """The blocks along the batch axis of every node; 0 where all rows are the same, which goes with any blocks."""
    blocks = dict(known)
    inside: dict[Node, dict[Node, int]] = {}
    for node in nodes:
        if node.name == "scan":
            inside[node] = _blocks_in_body(node, blocks)
        elif node.primitive.kind == "result":
            computed = node.inputs[0].param("body").output((node.param("kind"), node.param("index")))
            blocks[node] = inside[node.inputs[0]][computed]
        elif node not in known:
            blocks[node] = _blocks(node, [blocks.get(each, 1) for each in node.inputs if has_batch(each.shape)])
    return blocks


def _blocks_in_body(scan: Node, blocks: Mapping[Node, int]) -> dict[Node, int]:
    body: Body = scan.param("body")
    leaves = {leaf: blocks[operand] for leaf, operand in zip(body.leaves, scan.inputs, strict=True)}
    while True:
        found = _all_blocks(body.order, leaves)
        after = {old: found[new] for old, new in zip(body.states, body.new_states, strict=True)}
        if all(after[old] in (0, leaves[old]) for old in body.states):
            return found
        if any(leaves[old] and after[old] not in (0, leaves[old]) for old in body.states):
            raise _MixedError
        leaves |= {old: after[old] for old in body.states if not leaves[old]}  # rows were the same at the beginning


def _blocks(node: Node, given: list[int]) -> int:
    """The blocks along the batch axis of a node, `given` those of the inputs that have one."""
    given = [blocks for blocks in given if blocks]
    if _asks_for_all_rows(node) or len(set(given)) > 1:
        raise _MixedError
    if not given:
        return 1 if node.primitive.kind in ("leaf", "index") else 0
    blocks = given[0]
    if node.name == "reshape" and has_batch(node.shape):
        blocks, rest = divmod(blocks * _before(node.inputs[0].shape), _before(node.shape))
        if rest or not blocks or _multiple(node.shape) % blocks:
            raise _MixedError
    return blocks


def _asks_for_all_rows(node: Node) -> bool:
    if node.name == "gather":
        return bool(node.inputs[0].shape) and isinstance(node.inputs[0].shape[0], Batch)
    if node.name == "argmax":
        return isinstance(node.inputs[0].shape[node.param("axis")], Batch)
    if node.primitive.kind == "index":  # the place of an element is counted over the whole batch
        return has_batch(node.shape) and _before(node.shape) != 1
    return False


def _before(shape: Shape) -> int:
    """How many times all rows follow one another in memory."""
    size = product(shape[: _batch_axis(shape)])
    assert isinstance(size, int)  # one axis only depends on the batch
    return size


def _multiple(shape: Shape) -> int:
    size: Size = shape[_batch_axis(shape)]
    assert isinstance(size, Batch)
    return size.multiple


def _batch_axis(shape: Shape) -> int:
    return next(axis for axis, size in enumerate(shape) if isinstance(size, Batch))
