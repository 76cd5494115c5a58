"""Gradients against differences, and functions recorded with a symbolic batch axis."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nbdl import functions, lazy
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.ir.shapes import Batch, has_batch
from nbdl.tensor import Tensor

# Central differences are off by step**2 * f''' / 6 and by the rounding of f, eps * f / step; with step = eps**(1/3)
# both are about 4e-11 times the size of f and its derivatives. Sums of many elements and steep functions multiply that
# by some thousands.
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
GRADIENT_TOLERANCE = 1e-6

Function = Callable[..., Tensor]


@contextmanager
def interpreted() -> Iterator[None]:
    """Inside, nothing is compiled however often it comes back: values are NumPy's, to the last place."""
    rounds, lazy.ROUNDS = lazy.ROUNDS, sys.maxsize
    try:
        yield
    finally:
        lazy.ROUNDS = rounds


# --- gradients --------------------------------------------------------------------------------------------------------


@interpreted()
def check_gradients(function: Function, *arrays: Any, tolerance: float = GRADIENT_TOLERANCE) -> None:
    """Compare the gradient of a function with central differences, in float64, at every element of every float array.

    Args:
        function: takes as many tensors as there are arrays and returns a tensor of any shape.
        arrays: where to look; integers and booleans are passed on and not differentiated. Keep away from corners: a
            difference across one is no derivative.
        tolerance: largest error, relative to the size of the gradient (at least 1).
    """
    points = [_as_float64(array) for array in arrays]
    weights = _weights(np.shape(function(*map(Tensor, points)).numpy()))

    def weighted(values: Sequence[np.ndarray]) -> float:
        return float(np.sum(function(*map(Tensor, values)).numpy() * weights))

    tensors = [Tensor(point, requires_grad=point.dtype.kind == "f") for point in points]
    functions.sum(function(*tensors) * weights).backward()
    for place, tensor in enumerate(tensors):
        if points[place].dtype.kind != "f":
            continue
        found = np.zeros_like(points[place]) if tensor.grad is None else tensor.grad.numpy()
        expected = _central_differences(weighted, points, place)
        error = np.max(np.abs(found - expected), initial=0.0)
        limit = tolerance * max(1.0, float(np.max(np.abs(expected), initial=0.0)))
        assert error <= limit, (
            f"gradient of argument {place}: off by {error:.3g} > {limit:.3g}\n{found}\ninstead of\n{expected}"
        )


def _as_float64(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _weights(shape: tuple[int, ...]) -> np.ndarray:
    """Different for every element, so that errors in the output's elements can't cancel."""
    return np.cos(np.arange(int(np.prod(shape)), dtype=np.float64) + 0.5).reshape(shape)


def _central_differences(function: Callable[..., float], points: Sequence[np.ndarray], place: int) -> np.ndarray:
    result = np.zeros_like(points[place])
    for index in np.ndindex(result.shape):
        step = STEP * max(1.0, abs(float(points[place][index])))
        ends = []
        for sign in (1, -1):
            moved = [point.copy() for point in points]
            moved[place][index] += sign * step
            ends.append(function(moved))
        result[index] = (ends[0] - ends[1]) / (2 * step)
    return result


def gradient(function: Function, *arrays: Any) -> np.ndarray:
    """The gradient of the sum of what a function returns, with respect to its first argument."""
    first = Tensor(arrays[0], requires_grad=True)
    functions.sum(function(first, *map(Tensor, arrays[1:]))).backward()
    return np.zeros_like(arrays[0]) if first.grad is None else first.grad.numpy()


# --- tracing ----------------------------------------------------------------------------------------------------------


def trace(function: Function, *arrays: Any, differentiable: bool = False) -> tuple[Node, list[Node]]:
    """Record a function on inputs whose first axis is the symbolic batch; return the result and the inputs."""
    leaves = []
    for array in map(np.asarray, arrays):
        shape = (Batch(), *array.shape[1:])
        leaves.append(ops.leaf(shape, array.dtype, differentiable=differentiable and array.dtype.kind == "f"))
    return function(*map(Tensor.wrap, leaves)).node, leaves


@interpreted()
def check_traces(function: Function, *arrays: Any) -> None:
    """Check that a function can be recorded with a symbolic batch axis, and gives the same as outside of a program.

    All arrays have rows first, at least two of them.
    """
    output, leaves = trace(function, *arrays)
    for rows in (1, len(arrays[0])):
        parts = [np.asarray(array)[:rows] for array in arrays]
        (found,) = interpret([output], dict(zip(leaves, parts, strict=True)), rows=rows)
        expected = function(*map(Tensor, parts)).numpy()
        assert found.shape == expected.shape, (
            f"traced, the result has the shape {found.shape} instead of {expected.shape}"
        )
        np.testing.assert_array_equal(found, expected, err_msg=f"traced, with {rows} rows")


def batch_reductions(outputs: Sequence[Node]) -> list[Node]:
    """The nodes at which rows of the batch meet: sums, maxima and matrix products over the batch axis."""
    return [node for node in topological(outputs) if _loses_batch(node)]


def _loses_batch(node: Node) -> bool:
    return any(has_batch(each.shape) for each in node.inputs) and not has_batch(node.shape)
