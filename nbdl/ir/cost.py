"""How much arithmetic a node asks for, before anything is simplified or fused."""

import math

from nbdl.ir.composite import COMPOSITIONS
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, product


def operations(node: Node, rows: int) -> int:
    """Return the additions, multiplications, comparisons, exponentials, ... of a node over a batch of `rows` rows.

    Each element of an elementwise operation counts one, whatever the function; a matrix product counts a
    multiplication and an addition for each pair of elements, and so does a convolution, also where its kernel hangs
    over an edge of the image, and where Winograd's algorithm needs fewer; moving data counts nothing.

    >>> import nbdl
    >>> operations(nbdl.matmul(nbdl.ones((2, 3)), nbdl.ones((3, 4))).node, rows=1)
    48
    """
    kind = node.primitive.kind
    if node.name == "softmax":  # maximum, difference, exponential, sum, quotient
        return 5 * _elements(node, rows)
    if kind == "elementwise" or node.name in COMPOSITIONS:
        return _elements(node, rows)
    if kind == "reduction" or node.name in ("argmax", "scatter_add"):
        return _elements(node.inputs[0], rows)
    if node.name == "matmul":
        depth = node.inputs[0].shape[-2 if node.param("transpose_x") else -1]
        return 2 * _elements(node, rows) * (depth.multiple * rows if isinstance(depth, Batch) else depth)
    if node.name == "strided_matmul":
        deep = node.inputs[0].shape[node.param("x_axes")[-1]]
        return 2 * _elements(node, rows) * (deep.multiple * rows if isinstance(deep, Batch) else deep)
    convolution = node.name.replace("winograd", "conv2d")
    if convolution in ("conv2d", "conv2d_weights", "conv2d_back"):
        result = {"conv2d": node, "conv2d_weights": node.inputs[1], "conv2d_back": node.inputs[0]}[convolution]
        return 2 * _elements(result, rows) * math.prod(node.param("geometry").weights[:3])
    if node.name in ("max_pool", "sum_pool"):
        return _elements(node, rows) * math.prod(node.param("geometry").kernel)
    if node.name in ("max_pool_back", "sum_pool_back"):
        return _elements(node, rows)
    if node.name == "scan":
        return int(node.param("length")) * sum(operations(each, rows) for each in node.param("body").order)
    return 0


def _elements(node: Node, rows: int) -> int:
    size = product(node.shape)
    return size.multiple * rows if isinstance(size, Batch) else size
