"""Whether workers can share a batch: each row must be computed from itself, and rows may meet only in sums and
maxima.
"""

from __future__ import annotations

from collections.abc import Iterable

from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, Shape, Size, has_batch, product


def mixes_rows(nodes: Iterable[Node]) -> bool:
    """Whether a node needs to see all rows of the batch at once, so that one worker must do it all."""
    return any(_mixes(node) for node in nodes)


def _mixes(node: Node) -> bool:
    if node.name == "gather":
        return isinstance(node.inputs[0].shape[0], Batch)
    if node.name == "argmax":
        return isinstance(node.inputs[0].shape[node.param("axis")], Batch)
    if node.name == "reshape":
        return has_batch(node.shape) and _before(node.shape) != _before(node.inputs[0].shape)
    if node.primitive.kind == "index":  # the place of an element is counted over the whole batch
        return has_batch(node.shape) and _before(node.shape) != 1
    return False


def _before(shape: Shape) -> Size:
    """How many blocks of rows follow one another in memory."""
    place = next(axis for axis, size in enumerate(shape) if isinstance(size, Batch))
    return product(shape[:place])
