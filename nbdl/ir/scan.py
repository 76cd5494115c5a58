"""A loop over time as one node: the body is a graph of its own, and the node has several results.

The operands of a `scan` are the states before the first step, the elements (what is gone through, time first), and the
constants (what the body takes from outside, the same in every step). Its results are taken with `result`:

- `state`: the history of a state, `(length + 1, ...)`: a slot before and after every step. Forwards, step t reads slot
  t and writes slot t + 1; in reverse it reads slot t + 1 and writes slot t.
- `final`: a state after the last step: a slot of its history, with a gradient of its own.
- `pair`: the two latest slots of a state, which take turns: what is left of the history where only the end is needed.
- `stack`: what a step gives, one step after another, `(length, ...)`.
- `total`: what a step gives, added up over the steps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import evaluate_all
from nbdl.ir.primitives import Context, apply
from nbdl.ir.shapes import Shape, show_shape

Kind = Literal["state", "final", "pair", "stack", "total"]
ResultKey = tuple[Kind, int]


@dataclass(frozen=True, eq=False)
class Body:
    """What a step computes: leaves, and the nodes made of them. Bodies are equal if they compute the same.

    Args:
        states: leaves: the states before the step.
        elements: leaves: the step's piece of each operand that is gone through.
        constants: leaves: what is the same in all steps.
        new_states: the states after the step.
        stacks: what is kept of every step.
        totals: what is added up over the steps.
    """

    states: tuple[Node, ...]
    elements: tuple[Node, ...]
    constants: tuple[Node, ...]
    new_states: tuple[Node, ...]
    stacks: tuple[Node, ...] = ()
    totals: tuple[Node, ...] = ()

    @property
    def leaves(self) -> tuple[Node, ...]:
        """All leaves, in the order of the operands."""
        return (*self.states, *self.elements, *self.constants)

    @property
    def outputs(self) -> tuple[Node, ...]:
        """All that a step computes."""
        return (*self.new_states, *self.stacks, *self.totals)

    def results(self) -> Iterator[tuple[ResultKey, Node]]:
        """Every result with what a step gives to it."""
        kinds: tuple[tuple[Kind, tuple[Node, ...]], ...] = (
            ("state", self.new_states),
            ("stack", self.stacks),
            ("total", self.totals),
        )
        for kind, nodes in kinds:
            for index, node in enumerate(nodes):
                yield (kind, index), node

    def output(self, key: ResultKey) -> Node:
        """What a step gives to a result."""
        kinds = {"stack": self.stacks, "total": self.totals}
        return kinds.get(key[0], self.new_states)[key[1]]

    def with_outputs(self, outputs: Sequence[Node]) -> Body:
        """The body that computes these in place of its outputs."""
        states, stacks = len(self.new_states), len(self.stacks)
        return replace(
            self,
            new_states=tuple(outputs[:states]),
            stacks=tuple(outputs[states : states + stacks]),
            totals=tuple(outputs[states + stacks :]),
        )

    @cached_property
    def order(self) -> list[Node]:
        """All nodes, each after its inputs."""
        return topological(self.outputs)

    @cached_property
    def _key(self) -> Hashable:
        numbers = {leaf: number for number, leaf in enumerate(self.leaves)}
        key: list[Hashable] = [(leaf.shape, leaf.dtype) for leaf in self.leaves]
        for node in self.order:
            if node not in numbers:
                numbers[node] = len(numbers)
                inputs = tuple(numbers[each] for each in node.inputs)
                key.append((node.name, node.params, node.shape, node.dtype, inputs))
        counts = (len(self.states), len(self.elements), len(self.constants), len(self.stacks), len(self.totals))
        return tuple(key), tuple(numbers[each] for each in self.outputs), counts

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Body) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"<body of {len(self.order) - len(self.leaves)} operations>"


def titled_leaf(shape: Shape, dtype: np.dtype[Any], title: str) -> Node:
    """A leaf of a body, under the name by which people know its value."""
    leaf = ops.leaf(shape, dtype, name=title, differentiable=dtype.kind == "f")
    leaf.title = title
    return leaf


def inner_nodes(scan: Node) -> Iterator[Node]:
    """The nodes of a scan's body, and of bodies in it."""
    body: Body = scan.param("body")
    for node in body.order:
        yield node
        if node.name == "scan":
            yield from inner_nodes(node)


def scan(body: Body, operands: Sequence[Node], length: int, *, reverse: bool = False) -> Node:
    """Record the loop; its values are taken with `result`."""
    return apply("scan", *operands, body=body, length=length, reverse=reverse)


def result(node: Node, kind: Kind, index: int) -> Node:
    """One of the results of a scan."""
    return apply("result", node, kind=kind, index=index)


def known_number(operand: Node) -> Node | None:
    """The constant that all elements of an operand are, if it is known when the graph is made."""
    while operand.name in ("broadcast", "reshape"):
        (operand,) = operand.inputs
    return operand if operand.name == "constant" else None


def before(history: Node, reverse: bool) -> Node:
    """Of a state's history: the states before each step."""
    return _slots(history, 1 if reverse else 0)


def after(history: Node, reverse: bool) -> Node:
    """Of a state's history: the states after each step."""
    return _slots(history, 0 if reverse else 1)


def last(history: Node, reverse: bool) -> Node:
    """Of a state's history: the state after the last step."""
    return _slot(history, 0 if reverse else _length(history) - 1)


def first(history: Node, reverse: bool) -> Node:
    """Of a state's history: the state before the first step."""
    return _slot(history, _length(history) - 1 if reverse else 0)


def last_of_pair(pair: Node, length: int, reverse: bool) -> Node:
    """Of the two latest slots of a state: the state after the last step."""
    return _slot(pair, 0 if reverse else length % 2)


def _length(history: Node) -> int:
    length = history.shape[0]
    assert isinstance(length, int)  # the time axis never depends on the batch
    return length


def _slots(history: Node, start: int) -> Node:
    return ops.slice_axis(history, 0, start, _length(history) - 1)


def _slot(history: Node, place: int) -> Node:
    return ops.reshape(ops.slice_axis(history, 0, place, 1), history.shape[1:])


# --- the rules of the table -------------------------------------------------------------------------------------------

BUNDLE: Shape = (0,)
"""The shape of a scan itself: it has no elements, only results."""


def infer_scan(*operands: Node, body: Body, length: int, reverse: bool) -> tuple[Shape, np.dtype[Any]]:
    """Check the operands against the body's leaves. Raises `ShapeError`."""
    if length < 1:
        raise ShapeError(f"a scan needs at least one step, not {length}")
    leading = [()] * len(body.states) + [(length,)] * len(body.elements) + [()] * len(body.constants)
    for operand, leaf, extra in zip(operands, body.leaves, leading, strict=True):
        if (operand.shape, operand.dtype) != ((*extra, *leaf.shape), leaf.dtype):
            raise ShapeError(
                f"a scan of {length} steps got {operand.dtype}{show_shape(operand.shape)} for a value of "
                f"{leaf.dtype}{show_shape(leaf.shape)} in each step"
            )
    for old, new in zip(body.states, body.new_states, strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ShapeError(
                f"the state {old.title!r} of a scan must keep its shape and dtype: {old.dtype}{show_shape(old.shape)} "
                f"before the step, {new.dtype}{show_shape(new.shape)} after it"
            )
    return BUNDLE, ops.FLOAT32


def infer_result(node: Node, kind: Kind, index: int) -> tuple[Shape, np.dtype[Any]]:
    """The shape of a result: history, stack or total."""
    each = node.param("body").output((kind, index))
    length = node.param("length")
    return (*_leading(kind, length), *each.shape), each.dtype


def evaluate_scan(context: Context, node: Node, *operands: np.ndarray) -> Any:
    """Run the loop with NumPy; returns the arrays of all results by their keys."""
    body, length, reverse = node.param("body"), node.param("length"), node.param("reverse")
    made = {
        key: np.zeros((*_leading(key[0], length), *context.shape(each)), each.dtype) for key, each in body.results()
    }
    begin, end, step = (length, 0, -1) if reverse else (0, length, 1)
    operand_of = dict(zip(body.leaves, operands, strict=True))
    for index, state in enumerate(body.states):
        made["state", index][begin] = operand_of[state]
    for slot in range(begin, end, step):
        time = min(slot, slot + step)
        # `[time, ...]`: an array without axes stays one
        known = {leaf: operand_of[leaf] for leaf in body.constants}
        known |= {leaf: made["state", index][slot, ...] for index, leaf in enumerate(body.states)}
        known |= {leaf: operand_of[leaf][time, ...] for leaf in body.elements}
        computed = evaluate_all(body.order, known, rows=context.rows, check=context.check)
        for key, each in body.results():
            if key[0] == "total":
                made[key] += computed[each]
            else:
                made[key][slot + step if key[0] == "state" else time] = computed[each]
    for index in range(len(body.states)):
        history = made["state", index]
        made["final", index] = history[end, ...]
        made["pair", index] = np.stack([history[end - step], history[end]][:: 1 if end % 2 else -1])
    return made


def _leading(kind: Kind, length: int) -> tuple[int, ...]:
    return {"state": (length + 1,), "pair": (2,), "stack": (length,)}.get(kind, ())


def evaluate_result(context: Context, node: Node, made: Any) -> np.ndarray:
    """Take a result out of what `evaluate_scan` returned."""
    array: np.ndarray = made[node.param("kind"), node.param("index")]
    return array
