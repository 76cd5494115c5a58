"""Winograd's convolution in the primitive table: rows that a pass puts in the place of `conv2d` and its gradients
where they are quicker. Nothing is derived from them.

`winograd_points` are what a kernel (3, 3, channels, outputs) is mapped to, (4, 4, channels, outputs), or
(4, 4, outputs, channels) if they are `transposed`, as the gradient with respect to the image reads them.
"""

from __future__ import annotations

import numpy as np

from nbdl.errors import ShapeError
from nbdl.ir.convolution import check_floats, check_images
from nbdl.ir.graph import Node
from nbdl.ir.primitives import NO_DERIVATIVE, TABLE, Context, apply, define
from nbdl.ir.shapes import show_shape
from nbdl.ir.structural import Inferred
from nbdl.kernels import reference_images
from nbdl.kernels.geometry import Geometry


def winograd(node: Node, first: Node, second: Node) -> Node:
    """What computes the same as one of the three convolutions, on two operands."""
    geometry = node.param("geometry")
    if node.name == "conv2d_weights":
        return apply("winograd_weights", first, second, geometry=geometry)
    back = node.name == "conv2d_back"
    points = apply("winograd_points", second, transposed=back)
    return apply("winograd_back" if back else "winograd", first, points, geometry=geometry)


def _infer_points(w: Node, transposed: bool) -> Inferred:
    check_floats("winograd_points", w)
    if len(w.shape) != 4 or w.shape[:2] != (3, 3):
        raise ShapeError(f"winograd_points takes weights (3, 3, channels, outputs), not {show_shape(w.shape)}")
    channels, outputs = w.shape[2:]
    return ((4, 4, outputs, channels) if transposed else (4, 4, channels, outputs)), w.dtype


def _check_points(name: str, points: Node, geometry: Geometry, *, transposed: bool) -> None:
    sizes = geometry.weights[2:]
    wanted = (4, 4, *(reversed(sizes) if transposed else sizes))
    if points.shape != wanted:
        raise ShapeError(f"{name} takes points {show_shape(wanted)}, not {show_shape(points.shape)}")


def _infer(x: Node, points: Node, geometry: Geometry) -> Inferred:
    check_floats("winograd", x, points)
    check_images("winograd", x, geometry.image)
    _check_points("winograd", points, geometry, transposed=False)
    return (x.shape[0], *geometry.result, geometry.outputs), x.dtype


def _infer_back(g: Node, points: Node, geometry: Geometry) -> Inferred:
    check_floats("winograd_back", g, points)
    check_images("winograd_back", g, (*geometry.result, geometry.outputs))
    _check_points("winograd_back", points, geometry, transposed=True)
    return (g.shape[0], *geometry.image), g.dtype


def _evaluate_points(context: Context, node: Node, w: np.ndarray) -> np.ndarray:
    points = reference_images.winograd_points(w)
    return points.swapaxes(2, 3) if node.param("transposed") else points


def _evaluate(context: Context, node: Node, x: np.ndarray, points: np.ndarray) -> np.ndarray:
    return reference_images.convolve(x, reference_images.weights_of_points(points), node.param("geometry"))


def _evaluate_back(context: Context, node: Node, g: np.ndarray, points: np.ndarray) -> np.ndarray:
    w = reference_images.weights_of_points(points).swapaxes(2, 3)
    return reference_images.convolve_back(g, w, node.param("geometry"))


define("winograd_points", "call", infer=_infer_points, evaluate=_evaluate_points, derivative=NO_DERIVATIVE)
define("winograd", "call", infer=_infer, evaluate=_evaluate, derivative=NO_DERIVATIVE)
define("winograd_back", "call", infer=_infer_back, evaluate=_evaluate_back, derivative=NO_DERIVATIVE)
define(
    "winograd_weights",
    "call",
    infer=TABLE["conv2d_weights"].infer,
    evaluate=TABLE["conv2d_weights"].evaluate,
    derivative=NO_DERIVATIVE,
)
