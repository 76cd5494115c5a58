"""Pooling in the primitive table: the largest element, or the sum, of each window of images (n, height, width,
channels).

`max_pool` picks the first of equal elements, so its gradient goes to one element a window. `max_pool_back` (hand each
number to the place of the largest element) and `max_pool_take` (take what lies there in another image) are linear in
their second operand, and each is the other's derivative; as the place changes in jumps, nothing flows to the first.
"""

from __future__ import annotations

import numpy as np

from nbdl.errors import ShapeError
from nbdl.ir.convolution import check_floats, check_images
from nbdl.ir.graph import Node
from nbdl.ir.primitives import Context, apply, define
from nbdl.ir.shapes import show_shape
from nbdl.ir.structural import Inferred
from nbdl.kernels import reference_images
from nbdl.kernels.geometry import Geometry


def max_pool(x: Node, geometry: Geometry) -> Node:
    """The largest element of each window and channel."""
    return apply("max_pool", x, geometry=geometry)


def sum_pool(x: Node, geometry: Geometry) -> Node:
    """The sum of each window and channel."""
    return apply("sum_pool", x, geometry=geometry)


def _check(name: str, *operands: Node) -> None:
    check_floats(name, *operands)
    if any(each.shape[0] != operands[0].shape[0] for each in operands):
        raise ShapeError(f"{name} of {' and '.join(show_shape(each.shape) for each in operands)}")


def _result(geometry: Geometry) -> tuple[int, int, int]:
    return (*geometry.result, geometry.image[2])


def _infer_pool(name: str, x: Node, geometry: Geometry) -> Inferred:
    _check(name, x)
    check_images(name, x, geometry.image)
    return (x.shape[0], *_result(geometry)), x.dtype


def _infer_max_back(x: Node, g: Node, geometry: Geometry) -> Inferred:
    _check("max_pool_back", x, g)
    check_images("max_pool_back", x, geometry.image)
    check_images("max_pool_back", g, _result(geometry))
    return x.shape, x.dtype


def _infer_max_take(x: Node, other: Node, geometry: Geometry) -> Inferred:
    _check("max_pool_take", x, other)
    check_images("max_pool_take", x, geometry.image)
    check_images("max_pool_take", other, geometry.image)
    return (x.shape[0], *_result(geometry)), x.dtype


def _infer_sum_back(g: Node, geometry: Geometry) -> Inferred:
    _check("sum_pool_back", g)
    check_images("sum_pool_back", g, _result(geometry))
    return (g.shape[0], *geometry.image), g.dtype


def _evaluate(context: Context, node: Node, *operands: np.ndarray) -> np.ndarray:
    result: np.ndarray = getattr(reference_images, node.name)(*operands, node.param("geometry"))
    return result


def _derivative_max(node: Node, g: Node) -> list[Node | None]:
    return [apply("max_pool_back", node.inputs[0], g, geometry=node.param("geometry"))]


def _derivative_max_back(node: Node, g: Node) -> list[Node | None]:
    return [None, apply("max_pool_take", node.inputs[0], g, geometry=node.param("geometry"))]


def _derivative_max_take(node: Node, g: Node) -> list[Node | None]:
    return [None, apply("max_pool_back", node.inputs[0], g, geometry=node.param("geometry"))]


define(
    "max_pool",
    "call",
    infer=lambda x, geometry: _infer_pool("max_pool", x, geometry),
    evaluate=_evaluate,
    derivative=_derivative_max,
)
define("max_pool_back", "call", infer=_infer_max_back, evaluate=_evaluate, derivative=_derivative_max_back)
define("max_pool_take", "call", infer=_infer_max_take, evaluate=_evaluate, derivative=_derivative_max_take)
define(
    "sum_pool",
    "call",
    infer=lambda x, geometry: _infer_pool("sum_pool", x, geometry),
    evaluate=_evaluate,
    derivative=lambda node, g: [apply("sum_pool_back", g, geometry=node.param("geometry"))],
)
define(
    "sum_pool_back",
    "call",
    infer=_infer_sum_back,
    evaluate=_evaluate,
    derivative=lambda node, g: [sum_pool(g, node.param("geometry"))],
)
