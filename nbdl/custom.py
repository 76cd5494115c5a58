"""`nbdl.op`: operations that the primitives can't express, as further rows of the primitive table."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nbdl.errors import PluginError
from nbdl.ir.graph import Node
from nbdl.ir.primitives import TABLE, Context, CustomKernel, Derivative, define
from nbdl.ir.shapes import Shape, broadcast
from nbdl.tensor import Tensor, TensorLike, node_of

ShapeRule = Callable[..., Sequence[Any]]


def op(
    name: str,
    *,
    cpu: Callable[..., Any],
    derivative: Callable[..., Any] | None,
    shape: ShapeRule | None = None,
    dtype: Any = None,
    cuda: Callable[..., Any] | None = None,
) -> Callable[..., Tensor]:
    """Register an operation of your own, and return the function that records it.

    Without a `shape` rule the operation is elementwise: `cpu` takes one number of each input and returns a number, inputs broadcast,
    and the operation is fused into loops like any built-in one. With a rule, `cpu(input, ..., out)` takes whole arrays (C order, the
    rows of one worker first) and fills `out`.

    Args:
        name: a lower-case name that no other operation has.
        cpu: a function at the top level of a module, in the Python that Numba compiles (decorated with `numba.njit` or not).
        derivative: `derivative(inputs, output, gradient)` returns the gradient of each input, in tensor code (None: none flows
            there); or None if the operation has no derivative.
        shape: `shape(*shapes)` returns the result's shape.
        dtype: dtype of the result; that of the first input if it isn't given.
        cuda: the same as `cpu` for `numba.cuda`; without it the operation runs on CPUs only.

    Raises:
        PluginError: a piece is missing or can't work; the message says which and why.

    >>> import nbdl
    >>> def _cube(x):
    ...     return x * x * x
    >>> cube = nbdl.op("cube", cpu=_cube, derivative=lambda inputs, output, g: [3 * inputs[0] ** 2 * g])
    >>> cube([1.0, 2.0])
    tensor([1., 8.])
    """
    _check_name(name)
    function = getattr(cpu, "py_func", cpu)
    inputs = _check_function(name, function, whole=shape is not None)
    if derivative is not None and not callable(derivative):
        raise PluginError(f"the derivative of the operation {name!r} must be a function, or None if there is none")
    if cuda is not None and not callable(cuda):
        raise PluginError(f"the CUDA function of the operation {name!r} isn't callable")
    kernel = CustomKernel(cpu, function.__module__, function.__qualname__, _source_hash(function), cuda)
    result = None if dtype is None else np.dtype(dtype)

    def infer(*nodes: Node) -> tuple[Shape, np.dtype]:
        shapes = [each.shape for each in nodes]
        return tuple(shape(*shapes)) if shape else broadcast(*shapes), result or nodes[0].dtype

    def evaluate(context: Context, node: Node, *arrays: np.ndarray) -> np.ndarray:
        if shape is None:
            return np.vectorize(function, otypes=[node.dtype])(*arrays)
        out = np.empty(context.shape(node), node.dtype)
        cpu(*[np.ascontiguousarray(array) for array in arrays], out)
        return out

    text = f"{name}({', '.join('{' + str(place) + '}' for place in range(inputs))})"
    kind: Any = "call" if shape else "elementwise"
    define(name, kind, infer=infer, evaluate=evaluate, derivative=_rule(name, derivative), text=text, kernel=kernel)

    def record(*tensors: TensorLike) -> Tensor:
        from nbdl.ir.primitives import apply

        if len(tensors) != inputs:
            raise PluginError(f"{name} takes {inputs} tensors, not {len(tensors)}")
        return Tensor.wrap(apply(name, *[node_of(each) for each in tensors]))

    record.__name__ = record.__qualname__ = name
    record.__doc__ = function.__doc__
    return record


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise PluginError(f"an operation's name is a lower-case identifier, not {name!r}")
    if name in TABLE:
        raise PluginError(f"there is an operation {name!r} already; choose another name, such as mypackage_{name}")


def _check_function(name: str, function: Callable[..., Any], *, whole: bool) -> int:
    """Check the CPU function and return the number of the operation's inputs."""
    if not inspect.isfunction(function):
        raise PluginError(f"the operation {name!r} needs a Python function for the CPU, not {function!r}")
    if "<locals>" in function.__qualname__ or function.__name__ == "<lambda>":
        raise PluginError(
            f"the CPU function of the operation {name!r} must stand at the top level of a module: generated programs import it from there"
        )
    parameters = list(inspect.signature(function).parameters.values())
    if any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in parameters) or len(parameters) < (2 if whole else 1):
        form = "the inputs and `out`" if whole else "one number of each input"
        raise PluginError(f"the CPU function of the operation {name!r} takes {form}, as plain positional parameters")
    return len(parameters) - (1 if whole else 0)


def _source_hash(function: Callable[..., Any]) -> str:
    """Changes when the function does, so that no program compiled from an older one is found in the cache."""
    try:
        text = inspect.getsource(inspect.getmodule(function) or function)
    except (OSError, TypeError):
        text = repr(function.__code__.co_code)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rule(name: str, derivative: Callable[..., Any] | None) -> Derivative | None:
    if derivative is None:
        return None

    def rule(node: Node, gradient: Node) -> list[Node | None]:
        inputs = tuple(Tensor.wrap(each) for each in node.inputs)
        parts = list(derivative(inputs, Tensor.wrap(node), Tensor.wrap(gradient)))
        if len(parts) != len(inputs):
            raise PluginError(f"the derivative of {name!r} must return a gradient (or None) for each of its {len(inputs)} inputs")
        return [None if part is None else node_of(part) for part in parts]

    return rule
