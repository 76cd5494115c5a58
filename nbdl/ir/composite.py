"""Rows of the primitive table that are compositions with a better derivative than that of their parts.

A pass (`nbdl/passes/composites.py`) puts the composition in their place once all gradients have been taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl.errors import DtypeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import Context, define
from nbdl.ir.shapes import Shape


def _infer_softmax(x: Node, axis: int) -> tuple[Shape, np.dtype[Any]]:
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


define("softmax", "deferred", infer=_infer_softmax, evaluate=_evaluate_softmax, derivative=_softmax_derivative)


def _softmax(node: Node, x: Node) -> Node:
    axes = (node.param("axis"),)
    numerator = ops.exp(x - ops.reduce_max(x, axes))
    return numerator / ops.reduce_sum(numerator, axes)


COMPOSITIONS: dict[str, Callable[..., Node]] = {"softmax": _softmax}
"""What each row is made of: `composition(node, *inputs)`."""
