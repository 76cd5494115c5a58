"""Whether workers can share a batch: each row must be computed from itself, and rows may meet only in sums and
maxima.

What matters is how the rows lie along a batch axis. In `(n, 10)` they follow one another. Merging the axes of `(5, n,
10)` gives `(5 n, 10)`, where 5 *blocks*, each of all rows, follow one another; a worker has its rows of every block. That
is fine as long as everything that is combined has the same blocks, and nobody asks for the place of an element.
"""

from __future__ import annotations

from collections.abc import Iterable

from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, Shape, Size, has_batch, product


class _Mixed(Exception):
    """Rows are mixed."""


def mixes_rows(nodes: Iterable[Node]) -> bool:
    """Whether a node needs to see all rows of the batch at once, so that one worker must do it all; `nodes` come each
    after its inputs.
    """
    blocks: dict[Node, int] = {}
    try:
        for node in nodes:
            blocks[node] = _blocks(node, [blocks.get(each, 1) for each in node.inputs if has_batch(each.shape)])
    except _Mixed:
        return True
    return False


def _blocks(node: Node, given: list[int]) -> int:
    """The blocks along the batch axis of a node, `given` those of the inputs that have one."""
    if _asks_for_all_rows(node) or len(set(given)) > 1:
        raise _Mixed
    blocks = given[0] if given else 1
    if node.name == "scan":
        if blocks != 1 or mixes_rows(node.param("body").order):
            raise _Mixed
    elif node.name == "reshape" and has_batch(node.shape):
        blocks, rest = divmod(blocks * _before(node.inputs[0].shape), _before(node.shape))
        if rest or not blocks or _multiple(node.shape) % blocks:
            raise _Mixed
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
