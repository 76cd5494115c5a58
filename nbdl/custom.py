"""`nbdl.op`: operations that the primitives can't express, as further rows of the primitive table."""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from nbdl.errors import DtypeError, NbdlError, PluginError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import TABLE, Context, CustomKernel, Derivative, apply, define, undefine
from nbdl.ir.shapes import Batch, Shape, broadcast, show_shape
from nbdl.source_hash import source_hash
from nbdl.tensor import Tensor, TensorLike, node_of

ShapeRule = Callable[..., Sequence[Any]]
MISSING: Final = object()


def op(
    name: str,
    *,
    cpu: Callable[..., Any] = MISSING,  # type: ignore[assignment]  # a missing piece is refused with its reason
    derivative: Callable[..., Any] | None = MISSING,  # type: ignore[assignment]
    shape: ShapeRule | None = None,
    dtype: Any = None,
    cuda: Callable[..., Any] | None = None,
) -> Callable[..., Tensor]:
    """Register an operation of your own, and return the function that records it.

    Without a `shape` rule the operation is elementwise: `cpu` takes one number of each input and returns a number,
    inputs broadcast, and the operation is fused into loops like any built-in one. With a rule, `cpu(input, ..., out)`
    takes whole arrays (C order, the rows of one worker first) and fills `out`, all of it.

    Args:
        name: a lower-case name that no other operation has.
        cpu: a function at the top level of a module, in the Python that Numba compiles (decorated with `numba.njit` or
            not).
        derivative: `derivative(inputs, output, gradient)` returns the gradient of each input, in tensor code (None:
            none flows there); or None if the operation has no derivative.
        shape: `shape(*shapes)` returns the result's shape; the batch axis is one of the sizes that it is given.
        dtype: dtype of the result; if it isn't given that of the first input, or float32 where an operation with a
            derivative is given integers only.
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
    function = getattr(cpu, "py_func", cpu)
    _check_pieces(name, cpu=cpu, derivative=derivative, shape=shape, cuda=cuda)
    inputs = _check_function(name, function, whole=shape is not None)
    _check_name(name, function)
    kernel = CustomKernel(cpu, function.__module__, function.__qualname__, source_hash(function), cuda)
    text = f"{name}({', '.join('{' + str(place) + '}' for place in range(inputs))})"
    define(
        name,
        "call" if shape else "elementwise",
        infer=_infer_rule(name, shape, _checked_dtype(name, dtype)),
        evaluate=_evaluate_whole(name, cpu) if shape else _evaluate_elements(name, function),
        derivative=_derivative_rule(name, derivative, elementwise=shape is None),
        text=text,
        kernel=kernel,
    )

    def record(*tensors: TensorLike) -> Tensor:
        if len(tensors) != inputs:
            raise PluginError(f"{name} takes {inputs} tensors, not {len(tensors)}")
        nodes = [node_of(each) for each in tensors]
        if derivative is not None and dtype is None and all(each.dtype.kind != "f" for each in nodes):
            nodes = [ops.as_float(each) for each in nodes]
        return Tensor.wrap(apply(name, *nodes))

    record.__name__ = record.__qualname__ = name
    record.__module__ = function.__module__
    record.__doc__ = function.__doc__
    record.kernel = cpu  # type: ignore[attr-defined]  # a module may call both by one name
    return record


# --- checks when it is registered -------------------------------------------------------------------------------------


def _check_pieces(name: str, *, cpu: Any, derivative: Any, shape: Any, cuda: Any) -> None:
    """Raise `PluginError` for a piece that is missing or of the wrong kind."""
    if cpu is MISSING:
        raise PluginError(f"the operation {name!r} needs cpu=, the function that Numba compiles")
    if derivative is MISSING:
        raise PluginError(
            f"the operation {name!r} needs derivative=, a function (inputs, output, gradient) -> gradients, or None if "
            "it has none: without it no gradient would flow through, silently"
        )
    for what, piece in (("derivative", derivative), ("shape rule", shape), ("CUDA function", cuda)):
        if piece is not None and not callable(piece):
            raise PluginError(f"the {what} of the operation {name!r} must be a function, or None; {piece!r} isn't")
    if derivative is not None and not _takes(derivative, 3):
        raise PluginError(f"the derivative of the operation {name!r} must take (inputs, output, gradient)")


def _takes(function: Callable[..., Any], number: int) -> bool:
    try:
        inspect.signature(function).bind(*range(number))
    except TypeError:
        return False
    except ValueError:  # a function in C may have no signature to look at
        return True
    return True


def _check_function(name: str, function: Callable[..., Any], *, whole: bool) -> int:
    """Check the CPU function and return the number of the operation's inputs."""
    if not inspect.isfunction(function):
        raise PluginError(f"the operation {name!r} needs a Python function for the CPU, not {function!r}")
    if "." in function.__qualname__ or function.__name__ == "<lambda>":
        raise PluginError(
            f"the CPU function of the operation {name!r} must stand at the top level of a module: generated programs "
            "import it from there"
        )
    parameters = list(inspect.signature(function).parameters.values())
    plain = all(each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty for each in parameters)
    if not plain or len(parameters) < (2 if whole else 1):
        form = "the inputs and `out`" if whole else "one number of each input"
        raise PluginError(
            f"the CPU function of the operation {name!r} takes {form}, as plain positional parameters without defaults"
        )
    return len(parameters) - (1 if whole else 0)


def _check_name(name: str, function: Callable[..., Any]) -> None:
    """Raise `PluginError` unless the name is free; the same function may come again, from a module that is reloaded."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise PluginError(f"an operation's name is a lower-case identifier, not {name!r}")
    if keyword.iskeyword(name) or hasattr(builtins, name) or name in ("run", "step", "kernel", "inlined"):
        raise PluginError(f"{name!r} means something else in generated programs; choose another name, as my_{name}")
    known = TABLE.get(name)
    if known is None:
        return
    if known.kernel is None or (known.kernel.module, known.kernel.name) != (function.__module__, function.__qualname__):
        whose = f" in {known.kernel.module}" if known.kernel else ""
        raise PluginError(f"there is an operation {name!r} already{whose}; choose another name, such as my_{name}")
    undefine(name)


def _checked_dtype(name: str, dtype: Any) -> np.dtype | None:
    if dtype is None:
        return None
    try:
        made = np.dtype(dtype)
    except TypeError:
        made = None
    if made not in ops.DTYPES:
        known = ", ".join(sorted(map(str, ops.DTYPES)))
        raise PluginError(f"the dtype {dtype!r} of the operation {name!r} isn't one of {known}")
    return made


# --- the row's rules --------------------------------------------------------------------------------------------------


def _infer_rule(name: str, shape: ShapeRule | None, dtype: np.dtype | None) -> Callable[..., tuple[Shape, np.dtype]]:
    def infer(*nodes: Node) -> tuple[Shape, np.dtype]:
        shapes = [each.shape for each in nodes]
        if shape is None:
            return broadcast(*shapes), dtype or nodes[0].dtype
        try:
            result = tuple(shape(*shapes))
        except NbdlError:
            raise
        except Exception as error:
            given = ", ".join(map(show_shape, shapes))
            what = f"{type(error).__name__}: {error}"
            raise PluginError(f"the shape rule of {name!r} failed on {given}: {what}") from error
        if not all(isinstance(size, int | Batch) for size in result):
            raise PluginError(f"the shape rule of {name!r} must return sizes, not {result!r}")
        return result, dtype or nodes[0].dtype

    return infer


def _evaluate_whole(name: str, cpu: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def evaluate(context: Context, node: Node, *arrays: np.ndarray) -> np.ndarray:
        # NaN, so that elements which the function leaves out show
        out = np.full(context.shape(node), np.nan if node.dtype.kind == "f" else 0, node.dtype)
        try:
            # single numbers are arrays of one element here, as in programs
            cpu(*[np.ascontiguousarray(array) for array in arrays], np.atleast_1d(out))
        except Exception as error:
            raise _failure(name, error) from error
        return out

    return evaluate


def _evaluate_elements(name: str, function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def evaluate(context: Context, node: Node, *arrays: np.ndarray) -> np.ndarray:
        columns = [each.ravel() for each in np.broadcast_arrays(*arrays)]
        try:
            try:
                values = [function(*numbers) for numbers in zip(*columns, strict=True)]
            except (ArithmeticError, ValueError):  # Python refuses what gives infinity or NaN in machine code
                values = [_machine_code(function)(*numbers) for numbers in zip(*columns, strict=True)]
            return np.array(values, node.dtype).reshape(context.shape(node))
        except Exception as error:
            raise _failure(name, error) from error

    return evaluate


def _machine_code(function: Callable[..., Any]) -> Callable[..., Any]:
    from nbdl.kernels.cpu.jit import plugin_kernel

    compiled: Callable[..., Any] = plugin_kernel(function.__module__, function.__qualname__)
    return compiled


def _failure(name: str, error: Exception) -> PluginError:
    lines = str(error).strip().splitlines() or [""]
    return PluginError(f"the CPU function of the operation {name!r} failed: {type(error).__name__}: {lines[0]}")


def _derivative_rule(name: str, derivative: Callable[..., Any] | None, *, elementwise: bool) -> Derivative | None:
    if derivative is None:
        return None

    def rule(node: Node, gradient: Node) -> list[Node | None]:
        inputs = tuple(Tensor.wrap(each) for each in node.inputs)
        parts = derivative(inputs, Tensor.wrap(node), Tensor.wrap(gradient))
        if not isinstance(parts, list | tuple) or len(parts) != len(inputs):
            raise PluginError(
                f"the derivative of {name!r} must return a list with a gradient (or None) for each of its "
                f"{len(inputs)} inputs"
            )
        return [
            None if part is None else _fitted(name, node_of(part), each, node.shape if elementwise else each.shape)
            for part, each in zip(parts, node.inputs, strict=True)
        ]

    return rule


def _fitted(name: str, part: Node, variable: Node, shape: Shape) -> Node:
    """The gradient of one input, in its dtype; it has the input's shape, or that which the input was broadcast to."""
    try:
        if part.shape != variable.shape:
            part = ops.broadcast_to(part, shape)
        return ops.cast(part, variable.dtype)
    except (ShapeError, DtypeError) as error:
        shapes = f"{show_shape(part.shape)} for an input {show_shape(variable.shape)}"
        raise PluginError(f"the derivative of {name!r} returned a gradient {shapes}") from error
