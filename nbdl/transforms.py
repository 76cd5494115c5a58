"""Functions of functions: `grad`, `value_and_grad` and `jit`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from nbdl import lazy
from nbdl.errors import DtypeError, ShapeError, UntraceableError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import TABLE
from nbdl.ir.shapes import product, show_shape
from nbdl.tensor import Tensor, as_array


def value_and_grad(function: Callable[..., Tensor], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the value of a scalar `function` and its gradient.

    Args:
        function: takes tensors (or arrays) and returns a scalar tensor.
        argnums: the position, or positions, of the arguments to differentiate by. With one position the gradient is a tensor,
            with several a tuple.

    Raises:
        ShapeError: the function returns no scalar.
        DtypeError: an argument to differentiate by is not of floating-point numbers.

    >>> import nbdl
    >>> value_and_grad(lambda x: nbdl.sum(x * x))([1.0, 2.0])
    (tensor(5.), tensor([2., 4.]))
    """
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function)
    def both(*arguments: Any, **options: Any) -> tuple[Tensor, Any]:
        tensors = list(arguments)
        for place in places:
            tensors[place] = _variable(arguments[place], place)
        value = function(*tensors, **options)
        if not isinstance(value, Tensor) or product(value.shape) != 1:
            got = show_shape(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(f"grad needs a function that returns a scalar; {_name(function)} returned {got}: take its mean or sum")
        gradients = [Tensor.wrap(ops.gradient(value.node, tensors[place].node)) for place in places]
        return value, gradients[0] if isinstance(argnums, int) else tuple(gradients)

    return both


def grad(function: Callable[..., Tensor], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of a scalar `function`; the arguments are those of `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    tensor(12.)
    >>> grad(grad(lambda x: x**3))(2.0)
    tensor(12.)
    """
    both = value_and_grad(function, argnums)

    @functools.wraps(function)
    def gradient(*arguments: Any, **options: Any) -> Any:
        return both(*arguments, **options)[1]

    return gradient


def _variable(argument: Any, place: int) -> Tensor:
    """A tensor through which gradients flow: the argument itself if it is a traced one."""
    if isinstance(argument, Tensor):
        node = argument.node
        if node.dtype.kind != "f":
            raise DtypeError(f"can't differentiate by argument {place}: it has the dtype {node.dtype}")
        return argument if node.differentiable else Tensor.wrap(_differentiable(node))
    array = as_array(argument)
    if array.dtype.kind != "f":
        raise DtypeError(f"can't differentiate by argument {place}: it has the dtype {array.dtype}; use floating-point numbers")
    return Tensor.wrap(ops.value(array, differentiable=True))


def _differentiable(node: Node) -> Node:
    """The same value, as a node of its own through which gradients flow."""
    return Node(TABLE["reshape"], (node,), (("shape", node.shape),), node.shape, node.dtype, True)


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled at its first call, and again for arguments of other shapes or dtypes.

    The function is run on symbolic tensors and must return a tensor or a tuple (list, dict) of tensors. Arguments that aren't
    tensors or arrays are constants of the compiled function; another value means another compilation.

    Raises:
        UntraceableError: the function asks for the value of a tensor, or returns something else than tensors.

    >>> import nbdl
    >>> @nbdl.jit
    ... def norm(x):
    ...     return nbdl.sqrt(nbdl.sum(x * x))
    >>> norm([3.0, 4.0])
    tensor(5.)
    """
    compiled: dict[Any, _Compiled] = {}

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        arrays, key, rebuild = _flatten(arguments, options)
        if key not in compiled:
            compiled[key] = _Compiled(function, [Tensor.wrap(ops.leaf(each.shape, each.dtype)) for each in arrays], rebuild)
        return compiled[key](arrays)

    return call


class _Compiled:
    """One compilation of a function."""

    def __init__(self, function: Callable[..., Any], leaves: list[Tensor], rebuild: Callable[[list[Tensor]], tuple[Any, Any]]):
        arguments, options = rebuild(leaves)
        result = function(*arguments, **options)
        tensors = _tensors(result, function)
        self.pack = _packer(result)
        nodes = [each.node for each in tensors]
        self.run = lazy.compile_graph(nodes, [each.node for each in leaves])

    def __call__(self, arrays: list[Any]) -> Any:
        return self.pack([Tensor.wrap(ops.value(array)) for array in self.run(arrays)])


def _flatten(arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[list[Any], Any, Callable[[list[Tensor]], tuple[Any, Any]]]:
    """The arrays among arguments, a key of everything else, and how to put tensors back."""
    arrays: list[Any] = []
    key: list[Any] = []
    for each in (*arguments, *options.values()):
        if isinstance(each, str | type(None)) or callable(each):
            key.append(each)
        else:
            arrays.append(as_array(each))
            key.append((arrays[-1].shape, arrays[-1].dtype))
    constants = [isinstance(each, str | type(None)) or callable(each) for each in (*arguments, *options.values())]

    def rebuild(tensors: list[Tensor]) -> tuple[Any, Any]:
        source = iter(tensors)
        values = [each if fixed else next(source) for each, fixed in zip((*arguments, *options.values()), constants, strict=True)]
        return values[: len(arguments)], dict(zip(options, values[len(arguments) :], strict=True))

    return arrays, (tuple(key), len(arguments), tuple(options)), rebuild


def _tensors(result: Any, function: Callable[..., Any]) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, tuple | list | dict) and result:
        parts = list(result.values()) if isinstance(result, dict) else list(result)
        if all(isinstance(each, Tensor) for each in parts):
            return parts
    raise UntraceableError(f"jit needs a function that returns tensors; {_name(function)} returned {type(result).__name__}")


def _packer(result: Any) -> Callable[[list[Tensor]], Any]:
    if isinstance(result, Tensor):
        return lambda tensors: tensors[0]
    if isinstance(result, dict):
        names = list(result)
        return lambda tensors: dict(zip(names, tensors, strict=True))
    kind = type(result)
    return lambda tensors: kind(tensors) if kind in (list, tuple) else kind(*tensors)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))
