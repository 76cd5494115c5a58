"""Rows of the primitive table that work element by element.

Each row: name, dtype rule, NumPy function, printed text, derivative. Inputs broadcast; `autodiff` sums the gradient
over axes that were repeated, so the rules here need not care.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl.errors import DtypeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import NO_DERIVATIVE, Context, Derivative, define
from nbdl.ir.shapes import Shape, broadcast

Inferred = tuple[Shape, np.dtype[Any]]

_KINDS = {"f": "floating-point", "i": "integer", "u": "unsigned integer", "b": "boolean"}


def infer_elementwise(name: str, kinds: str, result: np.dtype[Any] | None = None) -> Callable[..., Inferred]:
    """Broadcast the shapes; all inputs have one dtype, of one of `kinds`; the result has it too unless given."""

    def rule(*inputs: Node) -> Inferred:
        dtype = inputs[0].dtype
        if any(each.dtype != dtype for each in inputs):
            raise DtypeError(f"{name} takes inputs of one dtype, not {', '.join(str(each.dtype) for each in inputs)}")
        if dtype.kind not in kinds:
            takes = " or ".join(_KINDS[kind] for kind in kinds)
            raise DtypeError(f"{name} takes {takes} numbers, not {dtype}; convert with .astype")
        return broadcast(*[each.shape for each in inputs]), result or dtype

    return rule


def _row(
    name: str, kinds: str, function: Callable[..., Any], text: str, derivative: Derivative | None, result: Any = None
) -> None:
    """Add a row whose NumPy meaning is `function(*arrays)`."""

    def evaluate(context: Context, node: Node, *arrays: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # infinities and NaN are values here; training checks for them
            return np.asarray(function(*arrays), dtype=node.dtype)

    inferred = infer_elementwise(name, kinds, np.dtype(result) if result else None)
    define(name, "elementwise", infer=inferred, evaluate=evaluate, derivative=derivative, text=text)


def _infer_where(condition: Node, x: Node, y: Node) -> Inferred:
    if condition.dtype.kind != "b" or x.dtype != y.dtype:
        raise DtypeError(f"where takes a boolean and two of one dtype, not {condition.dtype}, {x.dtype} and {y.dtype}")
    return broadcast(condition.shape, x.shape, y.shape), x.dtype


def _numpy_sigmoid(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1, decay) / (1 + decay)


def _numpy_erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def _split_tie(node: Node, g: Node) -> list[Node | None]:
    """At a tie each operand gets half of the gradient, as in PyTorch."""
    low, high = node.inputs[::-1] if node.name == "maximum" else node.inputs
    # the operands are compared with each other, not with the result: computed again in another loop, they may differ in
    # the last bit
    first_wins = ops.where(ops.binary("equal", low, high), 0.5, ops.cast(ops.binary("less", low, high), low.dtype))
    return [g * first_wins, g * (1 - first_wins)]


def _power_derivative(node: Node, g: Node) -> list[Node | None]:
    x, y = node.inputs
    if y.name == "constant":
        exponent = y.param("value")
        below = ops.power(x, exponent - 1) if exponent else ops.constant(0, x.dtype)
        return [g * exponent * below, None]
    is_flat = ops.binary("equal", y, 0)  # x ** 0 is 1 everywhere, and 0 * x ** -1 isn't a number at 0
    below = ops.where(is_flat, 0, ops.power(x, ops.where(is_flat, 1, y - 1)))
    logarithm = ops.log(ops.where(ops.binary("less_equal", x, 0), 1, x))  # x ** y is flat in y where x is 0
    return [g * y * below, g * node * logarithm]


def _keep(node: Node, g: Node) -> list[Node | None]:
    return [g]


FLOATS, NUMBERS, ANY = "f", "fiu", "fiub"
TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

# name, dtypes, NumPy, text, derivative for (node, g) with inputs x, y
_row("add", NUMBERS, np.add, "{0} + {1}", lambda node, g: [g, g])
_row("subtract", NUMBERS, np.subtract, "{0} - {1}", lambda node, g: [g, -g])
_row("multiply", NUMBERS, np.multiply, "{0} * {1}", lambda node, g: [g * node.inputs[1], g * node.inputs[0]])
_row(
    "divide", FLOATS, np.divide, "{0} / {1}", lambda node, g: [g / node.inputs[1], -(g * node) / node.inputs[1]]
)
_row(
    "fast_divide",
    FLOATS,
    np.divide,
    "fast_divide({0}, {1})",
    lambda node, g: [ops.fast_divide(g, node.inputs[1]), -ops.fast_divide(g * node, node.inputs[1])],
)
_row("power", FLOATS, np.power, "power({0}, {1})", _power_derivative)
_row(
    "remainder", NUMBERS, np.remainder, "{0} % {1}",
    lambda node, g: [g, g * (node - node.inputs[0]) / node.inputs[1]],  # x % y = x - floor(x / y) * y
)  # fmt: skip
_row("floor_divide", NUMBERS, np.floor_divide, "{0} // {1}", NO_DERIVATIVE)
_row("maximum", NUMBERS, np.maximum, "maximum({0}, {1})", _split_tie)
_row("minimum", NUMBERS, np.minimum, "minimum({0}, {1})", _split_tie)

_row("negative", NUMBERS, np.negative, "-{0}", lambda node, g: [-g])
_row("abs", NUMBERS, np.abs, "abs({0})", lambda node, g: [g * ops.unary("sign", node.inputs[0])])
_row("sign", FLOATS, np.sign, "sign({0})", NO_DERIVATIVE)
_row("floor", FLOATS, np.floor, "floor({0})", NO_DERIVATIVE)
_row("sqrt", FLOATS, np.sqrt, "sqrt({0})", lambda node, g: [g * 0.5 / node])
_row("exp", FLOATS, np.exp, "exp({0})", lambda node, g: [g * node])
_row("expm1", FLOATS, np.expm1, "expm1({0})", lambda node, g: [g * (node + 1)])
_row("log", FLOATS, np.log, "log({0})", lambda node, g: [g / node.inputs[0]])
_row("log1p", FLOATS, np.log1p, "log1p({0})", lambda node, g: [g / (node.inputs[0] + 1)])
_row("sin", FLOATS, np.sin, "sin({0})", lambda node, g: [g * ops.unary("cos", node.inputs[0])])
_row("cos", FLOATS, np.cos, "cos({0})", lambda node, g: [-(g * ops.unary("sin", node.inputs[0]))])
_row("atan", FLOATS, np.arctan, "atan({0})", lambda node, g: [g / (node.inputs[0] * node.inputs[0] + 1)])
_row("tanh", FLOATS, np.tanh, "tanh({0})", lambda node, g: [g * (1 - node * node)])
_row("sigmoid", FLOATS, _numpy_sigmoid, "sigmoid({0})", lambda node, g: [g * node * (1 - node)])
_row(
    "erf",
    FLOATS,
    _numpy_erf,
    "erf({0})",
    lambda node, g: [g * TWO_OVER_ROOT_PI * ops.exp(-(node.inputs[0] * node.inputs[0]))],
)

_row("less", ANY, np.less, "{0} < {1}", NO_DERIVATIVE, np.bool_)
_row("less_equal", ANY, np.less_equal, "{0} <= {1}", NO_DERIVATIVE, np.bool_)
_row("equal", ANY, np.equal, "{0} == {1}", NO_DERIVATIVE, np.bool_)
_row("not_equal", ANY, np.not_equal, "{0} != {1}", NO_DERIVATIVE, np.bool_)
_row("logical_and", "b", np.logical_and, "{0} & {1}", NO_DERIVATIVE)
_row("logical_or", "b", np.logical_or, "{0} | {1}", NO_DERIVATIVE)
_row("logical_not", "b", np.logical_not, "not {0}", NO_DERIVATIVE)
_row("is_finite", FLOATS, np.isfinite, "is_finite({0})", NO_DERIVATIVE, np.bool_)
_row("stop_gradient", ANY, lambda x: x, "{0}", NO_DERIVATIVE)



def _evaluate_where(context: Context, node: Node, condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(condition, x, y)


define(
    "where",
    "elementwise",
    infer=_infer_where,
    evaluate=_evaluate_where,
    derivative=lambda node, g: [None, ops.where(node.inputs[0], g, 0), ops.where(node.inputs[0], 0, g)],
    text="{1} if {0} else {2}",
)
define(
    "cast",
    "elementwise",
    infer=lambda x, dtype: (x.shape, dtype),
    evaluate=lambda context, node, x: x.astype(node.dtype),
    derivative=lambda node, g: [ops.cast(g, node.inputs[0].dtype)] if node.inputs[0].dtype.kind == "f" else [None],
    text="{dtype}({0})",
)
