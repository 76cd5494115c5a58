"""`scan`: a loop over time, recorded once and compiled to a native loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nbdl import scanning  # noqa: F401 - rows of the primitive table
from nbdl.autodiff import expand_gradients
from nbdl.errors import ShapeError, UntraceableError
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological, with_inputs
from nbdl.ir.scan import Body, after, result
from nbdl.ir.scan import scan as record_scan
from nbdl.ir.shapes import Batch, show_shape
from nbdl.tensor import Tensor, node_of
from nbdl.trees import Structure, flatten, unflatten

Step = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    step: Step, initial: Any, elements: Any = None, *, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """Call `step` again and again, each time on the state that it returned before; return the last state and the outputs.

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
    >>> total, sums = nbdl.scan(lambda total, x: (total + x, total + x), nbdl.asarray(0.0), nbdl.asarray([1.0, 2.0, 3.0]))
    >>> total, sums
    (tensor(6.), tensor([1., 3., 6.]))
    """
    states, state_structure = _nodes(initial)
    through, element_structure = _nodes(elements)
    traced = _Traced(step, states, state_structure, through, element_structure, _length(through, length))
    return traced.record(reverse)


def _nodes(tree: Any) -> tuple[list[Node], Structure]:
    leaves: list[Any] = []
    structure = flatten(tree, leaves)
    return [node_of(each if isinstance(each, Tensor) else Tensor(each)) for each in leaves], structure


def _length(elements: Sequence[Node], length: int | None) -> int:
    sizes = [each.shape[0] if each.shape else None for each in elements]
    for size in sizes:
        if not isinstance(size, int):
            reason = "the batch axis" if isinstance(size, Batch) else "no axis"
            raise ShapeError(f"scan goes along the first axis of its elements, and one of them has {reason} there")
    wanted = length if length is not None else next(iter(sizes), None)
    if wanted is None:
        raise ShapeError("scan needs elements, or the number of steps as length=...")
    assert isinstance(wanted, int)
    if any(size != wanted for size in sizes) or wanted < 1:
        shapes = ", ".join(show_shape(each.shape) for each in elements)
        raise ShapeError(f"a scan of {wanted} steps can't go through elements {shapes}")
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

    def record(self, reverse: bool) -> tuple[Any, Any]:
        states = [ops.leaf(each.shape, each.dtype, name="state", differentiable=_is_float(each)) for each in self.states]
        elements = [
            ops.leaf(each.shape[1:], each.dtype, name="element", differentiable=_is_float(each))
            for each in self.elements
        ]
        new, outputs, output_structure = self._call(states, elements)
        expanded = expand_gradients([*new, *outputs])
        new, outputs = expanded[: len(new)], expanded[len(new) :]
        own = _depending({*states, *elements}, [*new, *outputs])
        body, constants = _close(states, elements, new, [each for each in outputs if each not in new], own)
        node = record_scan(body, [*self.states, *self.elements, *constants], self.length, reverse=reverse)
        final = [result(node, "final", index) for index in range(len(states))]
        stacks = iter([result(node, "stack", index) for index in range(len(body.stacks))])
        made = [
            after(result(node, "state", new.index(each)), reverse) if each in new else next(stacks) for each in outputs
        ]
        return (
            unflatten(self.state_structure, [Tensor.wrap(each) for each in final]),
            unflatten(output_structure, [Tensor.wrap(each) for each in made]),
        )

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
            raise UntraceableError("the step of a scan must return a state of the structure that it was given")
        outputs, output_structure = _nodes(returned[1])
        return new, outputs, output_structure


def _is_float(node: Node) -> bool:
    return node.dtype.kind == "f"


def _depending(leaves: set[Node], outputs: Sequence[Node]) -> set[Node]:
    """The nodes that depend on one of the leaves."""
    own = set(leaves)
    for node in topological(outputs):
        if any(each in own for each in node.inputs):
            own.add(node)
    return own


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
            outside[node] = ops.leaf(node.shape, node.dtype, name=name or "given", differentiable=node.differentiable)
            outside[node].scope = node.scope
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
