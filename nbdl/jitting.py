"""`jit`: a function of tensors as one native program, compiled at its first call."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from nbdl import lazy, random
from nbdl.cards import choose_device
from nbdl.errors import UntraceableError
from nbdl.ir import ops
from nbdl.ir.graph import Node, node_count, scope, topological
from nbdl.options import check_function
from nbdl.tensor import Tensor
from nbdl.trees import Constant, Container, Leaf, Structure, flatten, unflatten

MANY = 16
"""Compilations after which a user is told that a function is compiled again and again."""


def jit(function: Callable[..., Any], *, device: str = "cpu") -> Callable[..., Any]:
    """Return a function that is compiled at its first call, and again for arguments of other shapes or dtypes.

    The function is run once on symbolic tensors. It returns a tensor, or tuples, lists and dictionaries of tensors; its
    arguments may be such too. Floating-point numbers and arrays are inputs; whole numbers, booleans, strings and other
    objects are constants: another value means another compilation. Tensors that the function takes from outside, such
    as a network's parameters, are looked up at each call; anything else from outside is what it was when the function
    was compiled. Gradients flow through the result as they do through that of the function itself.

    Args:
        function: what is compiled.
        device: `cpu`, `cuda` (an NVIDIA card) or `auto`; on a card arguments and results are copied at each call.

    Raises:
        UntraceableError: the function asks for the value of a tensor, changes a parameter, or returns something else
            than tensors.
        OptionError: an argument that is neither a tensor nor hashable; a device that isn't there.

    >>> import nbdl
    >>> @nbdl.jit
    ... def norm(x):
    ...     return nbdl.sqrt(nbdl.sum(x * x))
    >>> norm([3.0, 4.0])
    tensor(5.)
    """
    check_function("jit", function)
    compiled: dict[Hashable, _Compiled] = {}
    device = choose_device(device)

    @functools.wraps(function, updated=())
    def call(*arguments: Any, **options: Any) -> Any:
        given: list[Any] = []
        structure = flatten(((function,), arguments, options), given)
        inputs = [each if isinstance(each, Tensor) else Tensor(each) for each in given]
        if lazy.is_debugging() or _is_traced(inputs):  # it becomes part of what is recorded around it
            return function(*arguments, **options)
        key = (structure, tuple([(each.shape, each.dtype, each.requires_grad) for each in inputs]))
        known = compiled.get(key)
        if known is None:
            known = _Compiled(function, structure, inputs, device)
            if _is_traced(known.captured):
                return function(*arguments, **options)
            compiled[key] = known
            if len(compiled) == MANY:
                warnings.warn(
                    f"{_name(function)} was compiled {MANY} times, each time for other shapes or constants; give "
                    "numbers that change as arrays or floats",
                    stacklevel=2,
                )
        return known(inputs)

    return call


class _Compiled:
    """One compilation of a function."""

    def __init__(self, function: Callable[..., Any], structure: Structure, inputs: Sequence[Tensor], device: str):
        before = node_count()
        leaves = [ops.leaf(each.shape, each.dtype, differentiable=each.requires_grad) for each in inputs]
        self.key = ops.leaf((2,), np.int64, name="key")
        _, arguments, options = unflatten(structure, [Tensor.wrap(leaf) for leaf in leaves])
        with random.traced(self.key), scope(_name(function)), lazy.unchanging("jit"):
            result = function(*arguments, **options)
        tensors: list[Tensor] = []
        self.result = flatten(result, tensors)
        _check_result(self.result, tensors, result, function)
        self.outputs = [each.node for each in tensors]
        outside = _outside(self.outputs, before)
        self.captured = [_tensor_of(node) for node in outside]
        self.leaves = [*leaves, *outside]
        self.draws = self.key in topological(self.outputs)
        if self.draws:
            self.leaves.append(self.key)
        self.run = None if _is_traced(self.captured) else lazy.compile_graph(self.outputs, self.leaves, device)

    def __call__(self, inputs: Sequence[Tensor]) -> Any:
        nodes = [each.node for each in (*inputs, *self.captured)]
        if self.draws:
            nodes.append(random.fresh_key())
        lazy.realize(nodes)
        assert self.run is not None  # jit doesn't keep a compilation of what is recorded elsewhere
        arrays = self.run([lazy.known_value(node) for node in nodes])
        return unflatten(self.result, [Tensor.wrap(node) for node in self._nodes(nodes, arrays)])

    def _nodes(self, inputs: Sequence[Node], arrays: Sequence[np.ndarray]) -> list[Node]:
        """Nodes of the results; those that a gradient flows through have a past."""
        if not any(output.differentiable for output in self.outputs):
            return [ops.value(array) for array in arrays]
        nodes = lazy.rebuild(self.outputs, dict(zip(self.leaves, inputs, strict=True)))
        for node, array in zip(nodes, arrays, strict=True):
            if node.value is None:
                lazy.keep_value(node, array)
        return nodes


def _outside(outputs: Sequence[Node], before: int) -> list[Node]:
    """The nodes that a function took from outside: those made before it ran, and arrays and new parameters."""
    differentiates = any(node.primitive is lazy.GRADIENT for node in topological(outputs))

    def is_outside(node: Node) -> bool:
        if node.inputs and differentiates and node.differentiable:
            return False  # a gradient may have to go through it, to the parameters below
        return node.number < before or (node.value is not None and not node.inputs)

    return [node for node in topological(outputs, is_outside) if is_outside(node) and node.name != "constant"]


def _tensor_of(node: Node) -> Tensor:
    """The tensor whose node this is; at each call its node may be another one."""
    tensor = node.tensor() if node.tensor is not None else None
    return tensor if isinstance(tensor, Tensor) and tensor.node is node else Tensor.wrap(node)


def _is_traced(tensors: Sequence[Tensor]) -> bool:
    return any(each.node.value is None and lazy.is_traced(each.node) for each in tensors)


def _check_result(structure: Structure, tensors: Sequence[Any], result: Any, function: Callable[..., Any]) -> None:
    if not tensors or not all(isinstance(each, Tensor) for each in tensors) or not _only_tensors(structure):
        kind = type(result).__name__
        what = kind if isinstance(structure, Leaf | Constant) else f"a {kind} of other things"
        raise UntraceableError(f"jit needs a function that returns tensors; {_name(function)} returned {what}")


def _only_tensors(structure: Structure) -> bool:
    if isinstance(structure, Container):
        return all(_only_tensors(each) for each in structure.children)
    return isinstance(structure, Leaf) or structure.value is None


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "the function" if name == "<lambda>" else name


