"""Winograd's convolution in the primitive table: rows that a pass puts in the place of `conv2d` and its gradients
where they are quicker. Nothing is derived from them.

`winograd_points` are what a kernel (k, k, channels, outputs) is mapped to for tiles of so many pixels along each side:
(tile + k - 1, tile + k - 1, channels, outputs), or with outputs before channels if they are `transposed`, as the
gradient with respect to the image reads them.
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
from nbdl.kernels.winograd import TILES

NEEDS_ROOM = {"winograd", "winograd_back", "winograd_weights"}
"""What needs memory to work in, and tells how much by its geometry and tile; points need no more than these."""


def winograd(node: Node, first: Node, second: Node, tile: int) -> Node:
    """What computes the same as one of the three convolutions, on two operands."""
    geometry = node.param("geometry")
    if node.name == "conv2d_weights":
        return apply("winograd_weights", first, second, geometry=geometry, tile=tile)
    back = node.name == "conv2d_back"
    points = apply("winograd_points", second, tile=tile, transposed=back)
    return apply("winograd_back" if back else "winograd", first, points, geometry=geometry, tile=tile)


def _infer_points(w: Node, tile: int, transposed: bool) -> Inferred:
    check_floats("winograd_points", w)
    kernel = w.shape[0] if len(w.shape) == 4 else None
    if not isinstance(kernel, int) or w.shape[1] != kernel or tile not in TILES.get(kernel, ()):
        sides = " or ".join(f"({side}, {side}, channels, outputs)" for side in TILES)
        raise ShapeError(f"winograd_points takes weights {sides}, not {show_shape(w.shape)} in tiles of {tile}x{tile}")
    channels, outputs = w.shape[2:]
    side = tile + kernel - 1
    return (side, side, *((outputs, channels) if transposed else (channels, outputs))), w.dtype


def _check_points(name: str, given: Node, geometry: Geometry, tile: int, *, transposed: bool) -> None:
    side, sizes = tile + geometry.kernel[0] - 1, geometry.weights[2:]
    wanted = (side, side, *(reversed(sizes) if transposed else sizes))
    if given.shape != wanted:
        raise ShapeError(f"{name} takes points {show_shape(wanted)}, not {show_shape(given.shape)}")


def _infer(x: Node, points: Node, geometry: Geometry, tile: int) -> Inferred:
    check_floats("winograd", x, points)
    check_images("winograd", x, geometry.image)
    _check_points("winograd", points, geometry, tile, transposed=False)
    return (x.shape[0], *geometry.result, geometry.outputs), x.dtype


def _infer_back(g: Node, points: Node, geometry: Geometry, tile: int) -> Inferred:
    check_floats("winograd_back", g, points)
    check_images("winograd_back", g, (*geometry.result, geometry.outputs))
    _check_points("winograd_back", points, geometry, tile, transposed=True)
    return (g.shape[0], *geometry.image), g.dtype


def _infer_weights(x: Node, g: Node, geometry: Geometry, tile: int) -> Inferred:
    return TABLE["conv2d_weights"].infer(x, g, geometry=geometry)


def _evaluate_points(context: Context, node: Node, w: np.ndarray) -> np.ndarray:
    found = reference_images.winograd_points(w, node.param("tile"))
    return found.swapaxes(2, 3) if node.param("transposed") else found


def _evaluate(context: Context, node: Node, x: np.ndarray, points: np.ndarray) -> np.ndarray:
    w = reference_images.weights_of_points(points, node.param("tile"))
    return reference_images.convolve(x, w, node.param("geometry"))


def _evaluate_back(context: Context, node: Node, g: np.ndarray, points: np.ndarray) -> np.ndarray:
    w = reference_images.weights_of_points(points, node.param("tile")).swapaxes(2, 3)
    return reference_images.convolve_back(g, w, node.param("geometry"))


define("winograd_points", "call", infer=_infer_points, evaluate=_evaluate_points, derivative=NO_DERIVATIVE)
define("winograd", "call", infer=_infer, evaluate=_evaluate, derivative=NO_DERIVATIVE)
define("winograd_back", "call", infer=_infer_back, evaluate=_evaluate_back, derivative=NO_DERIVATIVE)
define(
    "winograd_weights",
    "call",
    infer=_infer_weights,
    evaluate=TABLE["conv2d_weights"].evaluate,
    derivative=NO_DERIVATIVE,
)
