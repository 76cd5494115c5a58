"""Nodes, and graphs made of them.

A node is one row of the primitive table (`primitives.py`) applied to other nodes. Nodes never change; a transformation
makes new ones. The one exception is `value`: the array that the node stands for, filled in when it becomes known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl.ir.shapes import Shape, show_shape

if TYPE_CHECKING:
    from nbdl.ir.primitives import Primitive

Params = tuple[tuple[str, Hashable], ...]


class Node:
    """One operation: a primitive, its inputs, its static parameters, and the shape and dtype of the result.

    `scope` names the layer that the operation comes from (for comments in generated code and for messages), `title`
    what is computed, if that has a name of its own (`forget_gate`).
    `differentiable` says whether a gradient may flow through: it does from a parameter on.
    """

    __slots__ = (
        "__weakref__",
        "differentiable",
        "dtype",
        "inputs",
        "number",
        "params",
        "primitive",
        "scope",
        "shape",
        "tensor",
        "title",
        "value",
    )

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Node, ...],
        params: Params,
        shape: Shape,
        dtype: np.dtype[Any],
        differentiable: bool = False,
        value: np.ndarray | None = None,
    ):
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.differentiable = differentiable
        self.value = value
        self.scope: str = _local.scope
        self.title: str = ""
        self.tensor: Callable[[], object] | None = None  # weak reference to the user's tensor
        self.number = next(_numbers)

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.primitive.name

    def param(self, name: str) -> Any:
        """Return the static parameter `name`."""
        for key, value in self.params:
            if key == name:
                return value
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"<{self.name} {self.dtype}{show_shape(self.shape)}>"

    if TYPE_CHECKING:  # ops.py defines them: derivative rules read like formulas

        def __add__(self, other: Node | float) -> Node: ...
        def __radd__(self, other: float) -> Node: ...
        def __sub__(self, other: Node | float) -> Node: ...
        def __rsub__(self, other: float) -> Node: ...
        def __mul__(self, other: Node | float) -> Node: ...
        def __rmul__(self, other: float) -> Node: ...
        def __truediv__(self, other: Node | float) -> Node: ...
        def __rtruediv__(self, other: float) -> Node: ...
        def __neg__(self) -> Node: ...


_numbers = count()


def node_count() -> int:
    """The number of nodes made so far: the `number` of the next one is larger."""
    return next(_numbers)


class _Local(threading.local):
    scope: str = ""


_local = _Local()


PARAMETER = "parameter "
"""Scope of the nodes that cut a parameter out of the flat vector; its name follows."""


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Nodes made inside carry the scope `name`."""
    outer = _local.scope
    _local.scope = name
    try:
        yield
    finally:
        _local.scope = outer


def current_scope() -> str:
    """Name of the innermost scope, or an empty string."""
    return _local.scope


@dataclass(frozen=True)
class Graph:
    """Outputs, and the leaves in the order in which their values will be given."""

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]

    def nodes(self) -> list[Node]:
        """All nodes that the outputs need, each after its inputs."""
        return topological(self.outputs)


def topological(outputs: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """List the nodes below `outputs`, each once and after its inputs; `stop(node)` hides the inputs of a node."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[Node | None] = [*outputs]
    stack.reverse()
    while stack:
        node = stack.pop()
        if node is None:  # the inputs of the node below this mark are listed
            order.append(stack.pop())  # type: ignore[arg-type]
        elif node not in seen:
            seen.add(node)
            if node.inputs and not (stop is not None and stop(node)):
                stack += (node, None)
                stack += node.inputs[::-1]
            else:
                order.append(node)
    return order


def depending_on(leaves: Iterable[Node], outputs: Iterable[Node]) -> set[Node]:
    """The leaves, and the nodes below `outputs` that depend on one of them."""
    own = set(leaves)
    for node in topological(outputs):
        if any(each in own for each in node.inputs):
            own.add(node)
    return own


def substitute(
    outputs: Iterable[Node],
    replace: Callable[[Node, tuple[Node, ...]], Node | None],
    new: dict[Node, Node] | None = None,
    stop: Callable[[Node], bool] | None = None,
) -> dict[Node, Node]:
    """Rebuild the graph below `outputs`: `replace(node, new_inputs)` gives the new node, or None to keep it.

    Returns the new node of every old one (in `new`, if given: `replace` may read there what has been rebuilt so far).
    A kept node whose inputs changed is rebuilt with them. Where `stop(node)` holds, the node stays, with all below it.
    """
    new = {} if new is None else new
    for node in topological(outputs, stop):
        if stop is not None and stop(node):
            new[node] = node
            continue
        inputs = tuple([new[each] for each in node.inputs])
        with scope(node.scope):
            changed = replace(node, inputs)
            if changed is None:
                changed = node if inputs == node.inputs else with_inputs(node, inputs)
        new[node] = changed
    return new


def with_inputs(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The same operation on other inputs of the same shapes."""
    made = Node(node.primitive, inputs, node.params, node.shape, node.dtype, node.differentiable)
    made.scope, made.title = node.scope, node.title
    return made
