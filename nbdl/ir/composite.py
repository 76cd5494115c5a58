"""Rows of the primitive table that are compositions with a better derivative than that of their parts.

A pass (`nbdl/passes/composites.py`) puts the composition in their place once all gradients have been taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl.errors import DtypeError
from nbdl.ir import ops
from nbdl.ir.elementwise import Inferred, infer_elementwise
from nbdl.ir.graph import Node
from nbdl.ir.primitives import Context, Derivative, define

COMPOSITIONS: dict[str, Callable[..., Node]] = {}
"""What each row is made of: `composition(node, *inputs)`."""


def _infer_softmax(x: Node, axis: int) -> Inferred:
    if x.dtype.kind != "f":
        raise DtypeError(f"softmax takes floating-point numbers, not {x.dtype}; convert with .astype")
    return x.shape, x.dtype


def _evaluate_softmax(context: Context, node: Node, x: np.ndarray) -> np.ndarray:
    if not x.size:
        return x
    axis = node.param("axis")
    numerator = np.exp(x - np.max(x, axis=axis, keepdims=True))
    result: np.ndarray = numerator / np.sum(numerator, axis=axis, keepdims=True)
    return result


def _softmax_derivative(node: Node, g: Node) -> list[Node | None]:
    """y (g - sum(y g)): from the result alone; the parts' derivatives would need the exponentials and their sum."""
    return [node * (g - ops.reduce_sum(g * node, (node.param("axis"),)))]


def _softmax(node: Node, x: Node) -> Node:
    axes = (node.param("axis"),)
    numerator = ops.exp(x - ops.reduce_max(x, axes))
    return numerator / ops.reduce_sum(numerator, axes)


define("softmax", "deferred", infer=_infer_softmax, evaluate=_evaluate_softmax, derivative=_softmax_derivative)
COMPOSITIONS["softmax"] = _softmax


# --- element by element -----------------------------------------------------------------------------------------------


def _row(name: str, function: Callable[..., Any], derivative: Derivative, composition: Callable[..., Node]) -> None:
    """Add a row that works element by element, whose NumPy meaning is `function(*arrays)`."""

    def evaluate(context: Context, node: Node, *arrays: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(function(*arrays), dtype=node.dtype)

    define(name, "deferred", infer=infer_elementwise(name, "f"), evaluate=evaluate, derivative=derivative)
    COMPOSITIONS[name] = lambda node, *inputs: composition(*inputs)


def _where(condition: tuple[str, Node, Node | float], yes: Node | float, no: Node | float) -> Node:
    return ops.where(ops.binary(*condition), yes, no)


def _like_sign(x: Node, size: Node) -> Node:
    """A size with the sign of x, of which only the size was worked with."""
    return _where(("less", x, 0), -size, size)


def _sinh_of_half(a: Node) -> Node:
    """sinh(a / 2) for a not below 0: e**a itself may be infinite where the result isn't."""
    grown = ops.floating("expm1", a * 0.5)
    return (grown + _where(("equal", grown, math.inf), 1, grown / (grown + 1))) * 0.5


def _sinh(x: Node) -> Node:
    half = _sinh_of_half(ops.unary("abs", x))
    return _like_sign(x, 2 * half * ops.sqrt(half * half + 1))


def _cosh(x: Node) -> Node:
    half = _sinh_of_half(ops.unary("abs", x))
    return 2 * half * half + 1


LARGE = 2.0**28
"""Where x * x + 1 is x * x to the last digit, and in float32 still a finite number."""


def _asinh(x: Node) -> Node:
    a = ops.unary("abs", x)
    near = ops.floating("log1p", a + a * a / (ops.sqrt(a * a + 1) + 1))
    return _like_sign(x, _where(("less", a, LARGE), near, ops.log(a) + math.log(2)))


def _acosh(x: Node) -> Node:
    above = x - 1
    near = ops.floating("log1p", above + ops.sqrt(above) * ops.sqrt(above + 2))
    return _where(("less", x, LARGE), near, ops.log(x) + math.log(2))


def _atanh(x: Node) -> Node:
    a = ops.unary("abs", x)
    return _like_sign(x, 0.5 * ops.floating("log1p", 2 * a / (1 - a)))


def _other_side(x: Node) -> Node:
    """sqrt(1 - x * x): cosine and sine of one angle."""
    return ops.sqrt((1 - x) * (1 + x))


def _atan2(y: Node, x: Node) -> Node:
    """The smaller side by the longer one, and then what is known of the point: which is longer, and both signs."""
    a, b = ops.unary("abs", y), ops.unary("abs", x)
    short, long = ops.minimum(a, b), ops.maximum(a, b)
    slope = _where(("equal", short, long), _where(("equal", long, 0), 0, 1), short / long)
    angle = ops.floating("atan", slope)
    angle = _where(("less", b, a), math.pi / 2 - angle, angle)
    angle = _where(("less", x, 0), math.pi - angle, angle)
    return _like_sign(y, angle)


def _hypot(x: Node, y: Node) -> Node:
    a, b = ops.unary("abs", x), ops.unary("abs", y)
    short, long = ops.minimum(a, b), ops.maximum(a, b)
    slope = _where(("equal", short, long), 1, short / long)  # 0 / 0 and inf / inf
    return long * ops.sqrt(slope * slope + 1)


def _logaddexp(x: Node, y: Node) -> Node:
    gap = _where(("equal", x, y), 0, ops.unary("abs", x - y))  # inf - inf
    return ops.maximum(x, y) + ops.floating("log1p", ops.exp(-gap))


def _logaddexp_derivative(node: Node, g: Node) -> list[Node | None]:
    share = ops.floating("sigmoid", node.inputs[0] - node.inputs[1])
    return [g * share, g * (1 - share)]


def _share(node: Node, place: int) -> Node:
    """A coordinate over the squared distance from the origin."""
    distance = ops.floating_binary("hypot", *node.inputs)
    return node.inputs[place] / distance / distance


# name, NumPy, derivative for (node, g) with inputs x, y, composition of the inputs
_row("tan", np.tan, lambda node, g: [g * (node * node + 1)], lambda x: ops.floating("sin", x) / ops.floating("cos", x))
_row("sinh", np.sinh, lambda node, g: [g * ops.floating("cosh", node.inputs[0])], _sinh)
_row("cosh", np.cosh, lambda node, g: [g * ops.floating("sinh", node.inputs[0])], _cosh)
_row("asinh", np.arcsinh, lambda node, g: [g / ops.floating_binary("hypot", node.inputs[0], 1)], _asinh)
_row(
    "acosh", np.arccosh,
    lambda node, g: [g / (ops.sqrt(node.inputs[0] - 1) * ops.sqrt(node.inputs[0] + 1))], _acosh,
)  # fmt: skip
_row("atanh", np.arctanh, lambda node, g: [g / ((1 - node.inputs[0]) * (1 + node.inputs[0]))], _atanh)
_row(
    "asin", np.arcsin, lambda node, g: [g / _other_side(node.inputs[0])],
    lambda x: 2 * ops.floating("atan", x / (_other_side(x) + 1)),
)  # fmt: skip
_row(
    "acos", np.arccos, lambda node, g: [-g / _other_side(node.inputs[0])],
    lambda x: 2 * ops.floating("atan", ops.sqrt((1 - x) / (1 + x))),
)  # fmt: skip
_row(
    "atan2", lambda y, x: np.arctan2(y + 0.0, x + 0.0),  # -0.0 + 0.0 is 0.0
    lambda node, g: [g * _share(node, 1), -(g * _share(node, 0))], _atan2,
)  # fmt: skip
_row("hypot", np.hypot, lambda node, g: [g * node.inputs[0] / node, g * node.inputs[1] / node], _hypot)
_row("logaddexp", np.logaddexp, _logaddexp_derivative, _logaddexp)
