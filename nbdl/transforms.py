"""Functions of functions: `grad` and `value_and_grad`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import index
from typing import Any

from nbdl import lazy
from nbdl.errors import DtypeError, OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import TABLE
from nbdl.ir.shapes import product, show_shape
from nbdl.options import check_function
from nbdl.tensor import Tensor, node_of, variables_below
from nbdl.trees import Structure, flatten, unflatten


def value_and_grad(function: Callable[..., Tensor], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the value of a scalar `function` and its gradient.

    Args:
        function: takes tensors (or arrays, or tuples, lists and dictionaries of such) and returns a scalar tensor.
        argnums: the position, or positions, of the arguments to differentiate by. With one position the gradient is
            like that argument (a tensor, or a dictionary of tensors, ...), with several a tuple.

    Raises:
        ShapeError: the function returns no scalar.
        DtypeError: an argument to differentiate by is not of floating-point numbers.
        OptionError: there is no argument at such a position.

    >>> import nbdl
    >>> value_and_grad(lambda x: nbdl.sum(x * x))([1.0, 2.0])
    (tensor(5.), tensor([2., 4.]))
    """
    check_function("grad", function)
    is_one = not isinstance(argnums, Sequence)
    places = (index(argnums),) if is_one else tuple(argnums)  # type: ignore[arg-type]

    @functools.wraps(function, updated=())
    def both(*arguments: Any, **options: Any) -> tuple[Tensor, Any]:
        variables = _Variables(function, arguments, places)
        value = function(*variables.arguments, **options)
        if not isinstance(value, Tensor) or product(value.shape) != 1:
            got = show_shape(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(
                f"grad needs a function that returns a scalar; {_name(function)} returned {got}: take its mean or sum"
            )
        gradients = variables.gradients(value)
        return variables.outside(value.node), gradients[0] if is_one else gradients

    return both


def grad(function: Callable[..., Tensor], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of a scalar `function`; the arguments are those of `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    tensor(12.)
    >>> grad(grad(lambda x: x**3))(2.0)
    tensor(12.)
    """
    both = value_and_grad(function, argnums)

    @functools.wraps(function, updated=())
    def gradient(*arguments: Any, **options: Any) -> Any:
        return both(*arguments, **options)[1]

    return gradient


class _Variables:
    """The arguments that a function is differentiated by, as tensors through which gradients flow."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any], places: Sequence[int]):
        self.arguments = list(arguments)
        self.tensors: dict[int, list[Tensor]] = {}
        self.structures: dict[int, Structure] = {}
        self.made: set[Node] = set()
        for place in places:
            if not -len(arguments) <= place < len(arguments):
                number = len(arguments)
                raise OptionError(f"can't differentiate by argument {place}: {_name(function)} was given {number}")
            given: list[Any] = []
            self.structures[place] = flatten(arguments[place], given)
            if not given:
                raise DtypeError(f"can't differentiate by argument {place}: it holds no floating-point numbers")
            self.tensors[place] = [self._variable(each, place) for each in given]
            self.arguments[place] = unflatten(self.structures[place], self.tensors[place])

    def gradients(self, value: Tensor) -> tuple[Any, ...]:
        """The derivatives of a value, each put together like its argument."""
        return tuple(
            unflatten(structure, [self.outside(ops.gradient(value.node, each.node)) for each in self.tensors[place]])
            for place, structure in self.structures.items()
        )

    def outside(self, node: Node) -> Tensor:
        """A result as those see it who don't know the variables: a constant, unless it depends on others."""
        depends = node.differentiable and any(each not in self.made for each in variables_below(node))
        return Tensor.wrap(node if depends or not node.differentiable else ops.stop_gradient(node))

    def _variable(self, argument: Any, place: int) -> Tensor:
        if not isinstance(argument, Tensor):
            argument = Tensor.wrap(node_of(argument))
        node = argument.node
        if node.dtype.kind != "f":
            raise DtypeError(
                f"can't differentiate by argument {place}: it has the dtype {node.dtype}; use floating-point numbers"
            )
        if node.value is None and not node.differentiable and not lazy.is_traced(node):
            lazy.realize([node])  # so that a loop of updates is the same graph each time, and doesn't grow
        known = node.value is not None and not node.differentiable
        variable = ops.value(node.value, differentiable=True) if known else _passing(node)
        self.made.add(variable)
        return Tensor.wrap(variable)


def _passing(node: Node) -> Node:
    """The same value, as a node of its own through which gradients flow."""
    return Node(TABLE["reshape"], (node,), (("shape", node.shape),), node.shape, node.dtype, True)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
