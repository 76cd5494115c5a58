"""Convolution in the primitive table: images (n, height, width, channels), weights (kernel height, kernel width,
channels / groups, outputs).

    out[i, y, z, o] = sum over ky, kx, c of
                      x[i, y * stride + ky * dilation - top, z * stride + kx * dilation - left, c] * w[ky, kx, c, o]

It is linear in both operands, so its two gradients are rows of their own, and each of the three has the other two as
its derivatives. All sizes but the number of images are in the parameter `geometry`.

Source: Dumoulin, Visin, A guide to convolution arithmetic for deep learning, arXiv 1603.07285 (2016).
"""

from __future__ import annotations

import numpy as np

from nbdl.errors import DtypeError, ShapeError
from nbdl.ir.graph import Node
from nbdl.ir.primitives import Context, apply, define
from nbdl.ir.shapes import Shape, show_shape
from nbdl.ir.structural import Inferred
from nbdl.kernels import reference_images
from nbdl.kernels.geometry import Geometry


def convolution(x: Node, w: Node, geometry: Geometry) -> Node:
    """The convolution of images with weights."""
    return apply("conv2d", x, w, geometry=geometry)


def weight_gradient(x: Node, gradient: Node, geometry: Geometry) -> Node:
    """What a gradient with respect to the result of a convolution means for the weights: a sum over the batch."""
    return apply("conv2d_weights", x, gradient, geometry=geometry)


def input_gradient(gradient: Node, w: Node, geometry: Geometry) -> Node:
    """What a gradient with respect to the result of a convolution means for the images: a transposed convolution."""
    return apply("conv2d_back", gradient, w, geometry=geometry)


def check_images(name: str, operand: Node, wanted: tuple[int, ...]) -> None:
    """Raise `ShapeError` if an operand isn't (n, *wanted)."""
    if operand.shape[1:] != wanted:
        raise ShapeError(f"{name} takes (n, {', '.join(map(str, wanted))}), not {show_shape(operand.shape)}")


def check_floats(name: str, *operands: Node) -> None:
    """Raise `DtypeError` unless all operands are floating-point numbers of one dtype."""
    dtypes = [str(each.dtype) for each in operands]
    if len(set(dtypes)) > 1 or operands[0].dtype.kind != "f":
        raise DtypeError(f"{name} takes floating-point tensors of one dtype, not {' and '.join(dtypes)}")


def _check_weights(name: str, w: Node, geometry: Geometry) -> None:
    if w.shape != geometry.weights:
        raise ShapeError(f"{name} takes weights {show_shape(geometry.weights)}, not {show_shape(w.shape)}")


def _result(geometry: Geometry) -> tuple[int, int, int]:
    return (*geometry.result, geometry.outputs)


def _infer(x: Node, w: Node, geometry: Geometry) -> Inferred:
    check_floats("conv2d", x, w)
    check_images("conv2d", x, geometry.image)
    _check_weights("conv2d", w, geometry)
    return (x.shape[0], *_result(geometry)), x.dtype


def _infer_weights(x: Node, g: Node, geometry: Geometry) -> Inferred:
    check_floats("conv2d_weights", x, g)
    check_images("conv2d_weights", x, geometry.image)
    check_images("conv2d_weights", g, _result(geometry))
    if x.shape[0] != g.shape[0]:
        raise ShapeError(f"conv2d_weights of {x.shape[0]} images and {g.shape[0]} gradients")
    shape: Shape = geometry.weights
    return shape, x.dtype


def _infer_back(g: Node, w: Node, geometry: Geometry) -> Inferred:
    check_floats("conv2d_back", g, w)
    check_images("conv2d_back", g, _result(geometry))
    _check_weights("conv2d_back", w, geometry)
    return (g.shape[0], *geometry.image), g.dtype


def _derivative(node: Node, g: Node) -> list[Node | None]:
    (x, w), geometry = node.inputs, node.param("geometry")
    return [input_gradient(g, w, geometry), weight_gradient(x, g, geometry)]


def _derivative_weights(node: Node, g: Node) -> list[Node | None]:
    (x, gradient), geometry = node.inputs, node.param("geometry")
    return [input_gradient(gradient, g, geometry), convolution(x, g, geometry)]


def _derivative_back(node: Node, g: Node) -> list[Node | None]:
    (gradient, w), geometry = node.inputs, node.param("geometry")
    return [convolution(g, w, geometry), weight_gradient(g, gradient, geometry)]


def _evaluate(context: Context, node: Node, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return reference_images.convolve(x, w, node.param("geometry"))


def _evaluate_weights(context: Context, node: Node, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return reference_images.convolve_weights(x, g, node.param("geometry"))


def _evaluate_back(context: Context, node: Node, g: np.ndarray, w: np.ndarray) -> np.ndarray:
    return reference_images.convolve_back(g, w, node.param("geometry"))


define("conv2d", "call", infer=_infer, evaluate=_evaluate, derivative=_derivative)
define("conv2d_weights", "call", infer=_infer_weights, evaluate=_evaluate_weights, derivative=_derivative_weights)
define("conv2d_back", "call", infer=_infer_back, evaluate=_evaluate_back, derivative=_derivative_back)
