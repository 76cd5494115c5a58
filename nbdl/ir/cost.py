"""How much arithmetic a node asks for, before anything is simplified or fused."""

from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, product


def operations(node: Node, rows: int) -> int:
    """Return the additions, multiplications, comparisons, exponentials, ... of a node over a batch of `rows` rows.

    Each element of an elementwise operation counts one, whatever the function; a matrix product counts a
    multiplication and an addition for each pair of elements; moving data counts nothing.

    >>> import nbdl
    >>> operations(nbdl.matmul(nbdl.ones((2, 3)), nbdl.ones((3, 4))).node, rows=1)
    48
    """
    kind = node.primitive.kind
    if kind == "elementwise":
        return _elements(node, rows)
    if kind == "reduction" or node.name in ("argmax", "scatter_add"):
        return _elements(node.inputs[0], rows)
    if node.name == "matmul":
        depth = node.inputs[0].shape[-2 if node.param("transpose_x") else -1]
        return 2 * _elements(node, rows) * (depth.multiple * rows if isinstance(depth, Batch) else depth)
    if node.name == "scan":
        return int(node.param("length")) * sum(operations(each, rows) for each in node.param("body").order)
    return 0


def _elements(node: Node, rows: int) -> int:
    size = product(node.shape)
    return size.multiple * rows if isinstance(size, Batch) else size
