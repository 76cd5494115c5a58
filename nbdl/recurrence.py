"""`scan`: a loop over time, recorded once and compiled to a native loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from operator import index
from typing import Any

from nbdl import (
    lazy,
    random,
    scanning,  # noqa: F401 - rows of the primitive table
)
from nbdl.autodiff import expand_gradients
from nbdl.errors import ShapeError, UntraceableError
from nbdl.ir import ops
from nbdl.ir.graph import Node, depending_on, topological, with_inputs
from nbdl.ir.scan import Body, after, result, titled_leaf
from nbdl.ir.scan import scan as record_scan
from nbdl.ir.shapes import Batch, Shape, show_shape
from nbdl.options import check_function
from nbdl.tensor import Tensor, node_of
from nbdl.trees import Container, Leaf, Structure, flatten, unflatten

Step = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    step: Step, initial: Any, elements: Any = None, *, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """Call `step` again and again, each time on the state that it returned before; return last state and outputs.

    (state, output_t) = step(state, element_t) for t = 0, 1, ... (from the last element to the first with `reverse`).
    The step is recorded once and becomes a native loop; gradients flow through it, through everything that it uses from
    outside too. Whatever it uses that depends on neither state nor element is computed once, before the loop.

    Args:
        step: takes a state and an element, returns the next state (of the same structure, shapes and dtypes) and an
            output.
        initial: the first state: a tensor, or tuples, lists and dictionaries of tensors.
        elements: what is gone through along the first axis, `(length, ...)`: a tensor, or tuples, lists and
            dictionaries of tensors; None if the step needs none.
        length: number of steps; needed only without elements.
        reverse: go from the last element to the first; outputs keep the order of the elements.

    Returns:
        the last state, and the outputs `(length, ...)`.

    Raises:
        ShapeError: elements of different lengths, no steps, a state that changes its shape or dtype.
        UntraceableError: the step returns something else, or asks for the value of a tensor.

    >>> import nbdl
    >>> nbdl.scan(lambda total, x: (total + x, total + x), nbdl.asarray(0.0), nbdl.asarray([1.0, 2.0, 3.0]))
    (tensor(6.), tensor([1., 3., 6.]))
    """
    check_function("scan", step)
    states, state_structure = _nodes(initial)
    through, element_structure = _nodes(elements)
    traced = _Traced(step, states, state_structure, through, element_structure, _length(through, length))
    if lazy.is_debugging() and not any(map(lazy.is_traced, (*states, *through))):
        return traced.run(reverse)
    return traced.record(reverse)


def _nodes(tree: Any) -> tuple[list[Node], Structure]:
    leaves: list[Any] = []
    structure = flatten(tree, leaves)
    return [node_of(each if isinstance(each, Tensor) else Tensor(each)) for each in leaves], structure


def _names(structure: Structure, name: str) -> list[str]:
    """What the leaves are called: after the key under which they are found, or the field of a named tuple."""
    if isinstance(structure, Leaf):
        return [name]
    if not isinstance(structure, Container):
        return []
    keys = structure.keys or getattr(structure.kind, "_fields", None) or [name] * len(structure.children)
    return [each for key, child in zip(keys, structure.children, strict=True) for each in _names(child, str(key))]


def _length(elements: Sequence[Node], length: int | None) -> int:
    sizes = []
    for each in elements:
        size = each.shape[0] if each.shape else None
        if not isinstance(size, int):
            reason = "the batch axis" if isinstance(size, Batch) else "no axis"
            raise ShapeError(f"scan goes along the first axis of its elements, and one of them has {reason} there")
        sizes.append(size)
    if length is None and not sizes:
        raise ShapeError("scan needs elements, or the number of steps as length=...")
    wanted = sizes[0] if length is None else index(length)
    if any(size != wanted for size in sizes) or wanted < 1:
        shapes = f" through elements {', '.join(show_shape(each.shape) for each in elements)}" if elements else ""
        raise ShapeError(f"a scan can't go {wanted} steps{shapes}")
    return wanted


@dataclass
class _Traced:
    """A step that is being recorded."""

    step: Step
    states: list[Node]
    state_structure: Structure
    elements: list[Node]
    element_structure: Structure
    length: int

    def run(self, reverse: bool) -> tuple[Any, Any]:
        """Call the step for each element: what it prints, and where it stops, is seen as it happens."""
        states, made = self.states, {}
        with random.drawn_again() as go_back:
            for time in reversed(range(self.length)) if reverse else range(self.length):
                go_back()
                states, made[time], structure = self._call(states, [_at(each, time) for each in self.elements])
        stacks = [
            ops.concatenate([ops.reshape(made[time][place], (1, *each.shape)) for time in range(self.length)], 0)
            for place, each in enumerate(made[0])
        ]
        return self._result(states, stacks, structure)

    def record(self, reverse: bool) -> tuple[Any, Any]:
        """Call the step once, and record a loop of it."""
        states = self._leaves([each.shape for each in self.states], self.states, self.state_structure, "state")
        shapes = [each.shape[1:] for each in self.elements]
        elements = self._leaves(shapes, self.elements, self.element_structure, "element")
        with self._examples(states, elements, reverse), lazy.unchanging("scan"):
            new, outputs, output_structure = self._call(states, elements)
        expanded = expand_gradients([*new, *outputs], [*states, *elements])
        new, outputs = expanded[: len(new)], expanded[len(new) :]
        own = depending_on([*states, *elements], [*new, *outputs])
        for leaf, node in zip(states, new, strict=True):
            if node in own and node.inputs and not node.title:
                node.title = f"new_{leaf.title}"
        body, constants = _close(states, elements, new, [each for each in outputs if each not in new], own)
        node = record_scan(body, [*self.states, *self.elements, *constants], self.length, reverse=reverse)
        final = [result(node, "final", index) for index in range(len(states))]
        stacks = iter([result(node, "stack", index) for index in range(len(body.stacks))])
        made = [
            after(result(node, "state", new.index(each)), reverse) if each in new else next(stacks) for each in outputs
        ]
        return self._result(final, made, output_structure)

    def _result(self, final: Sequence[Node], stacks: Sequence[Node], structure: Structure) -> tuple[Any, Any]:
        return (
            unflatten(self.state_structure, [Tensor.wrap(each) for each in final]),
            unflatten(structure, [Tensor.wrap(each) for each in stacks]),
        )

    def _examples(
        self, states: Sequence[Node], elements: Sequence[Node], reverse: bool
    ) -> AbstractContextManager[None]:
        """With `debug=True`, code that asks for values while it is recorded gets those of the first step."""
        if not lazy.has_examples():
            return nullcontext()
        values = {leaf: lazy.value_of(node) for leaf, node in zip(states, self.states, strict=True)}
        first = -1 if reverse else 0
        values |= {leaf: lazy.value_of(node)[first, ...] for leaf, node in zip(elements, self.elements, strict=True)}
        return lazy.examples(values)

    @staticmethod
    def _leaves(shapes: Sequence[Shape], nodes: Sequence[Node], structure: Structure, name: str) -> list[Node]:
        """Leaves of the body for what a step is given."""
        return [
            titled_leaf(shape, each.dtype, own)
            for shape, each, own in zip(shapes, nodes, _names(structure, name), strict=True)
        ]

    def _call(self, states: list[Node], elements: list[Node]) -> tuple[list[Node], list[Node], Structure]:
        given = [
            unflatten(structure, [Tensor.wrap(leaf) for leaf in leaves])
            for structure, leaves in ((self.state_structure, states), (self.element_structure, elements))
        ]
        returned = self.step(*given)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise UntraceableError(f"the step of a scan returns (state, output), not {type(returned).__name__}")
        new, structure = _nodes(returned[0])
        if structure != self.state_structure:
            raise UntraceableError(
                "the step of a scan must return a state like the one that it was given: "
                f"{_show(self.state_structure)}, not {_show(structure)}"
            )
        outputs, output_structure = _nodes(returned[1])
        return new, outputs, output_structure


def _at(x: Node, time: int) -> Node:
    return ops.reshape(ops.slice_axis(x, 0, time, 1), x.shape[1:])


def _show(structure: Structure) -> str:
    """A structure as one would write it."""
    if isinstance(structure, Leaf):
        return "a tensor"
    if not isinstance(structure, Container):
        number = " (a constant: whole numbers that change are tensors, such as nbdl.asarray(0))"
        return f"{structure.value!r}{number if isinstance(structure.value, int) else ''}"
    children = [_show(each) for each in structure.children]
    if structure.keys is not None:
        return "{" + ", ".join(f"{key!r}: {each}" for key, each in zip(structure.keys, children, strict=True)) + "}"
    return f"({', '.join(children)})"


def _close(
    states: Sequence[Node], elements: Sequence[Node], new: Sequence[Node], stacks: Sequence[Node], own: set[Node]
) -> tuple[Body, list[Node]]:
    """The body with a leaf for everything that it takes from outside; and what that is."""
    outside: dict[Node, Node] = {}

    def inner(node: Node) -> Node:
        if node.name in ("constant", "batch_size"):
            return node
        if node not in outside:
            name = node.param("name") if node.name == "input" else ""
            outside[node] = ops.leaf(node.shape, node.dtype, name=name, differentiable=node.differentiable)
            outside[node].scope, outside[node].title = node.scope, node.title
        return outside[node]

    outputs = [*new, *stacks]
    rebuilt: dict[Node, Node] = {leaf: leaf for leaf in (*states, *elements)}
    for node in topological(outputs, lambda each: each not in own):
        if node not in rebuilt:
            inputs = tuple([rebuilt[each] for each in node.inputs]) if node in own else ()
            rebuilt[node] = with_inputs(node, inputs) if node in own else inner(node)
    made = [rebuilt[each] for each in outputs]
    body = Body(
        tuple(states), tuple(elements), tuple(outside.values()), tuple(made[: len(new)]), tuple(made[len(new) :])
    )
    return body, list(outside)
