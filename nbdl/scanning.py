"""The derivative of a scan: a scan in the other direction.

Going back, a step needs values of the same step on the way forward. States, elements and constants are there anyway;
results of calls and of expensive functions are kept by the forward scan as further stacks, and cheap ones are computed
again. Gradients of constants that are sums over the rows of a batch (those of weights) are taken after the loop, over
the rows of all steps at once; the others are added up step by step.

Source: Werbos, Backpropagation Through Time: What It Does and How to Do It, Proceedings of the IEEE 78 (1990).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nbdl.autodiff import pull_back
from nbdl.ir import ops
from nbdl.ir.graph import Node, scope, topological, with_inputs
from nbdl.ir.primitives import define
from nbdl.ir.scan import (
    Body,
    ResultKey,
    after,
    before,
    evaluate_result,
    evaluate_scan,
    first,
    infer_result,
    infer_scan,
    result,
    scan,
    titled_leaf,
)
from nbdl.ir.shapes import Batch, Shape, has_batch, product

CHEAP = frozenset(
    "add subtract multiply negative maximum minimum abs where cast less less_equal equal not_equal logical_and "
    "logical_or logical_not stop_gradient broadcast reshape slice transpose constant batch_size".split()
)
"""What is computed again on the way back rather than kept."""


class _Backward:
    """The backward scan of one forward scan.

    Args:
        node: the forward scan.
        gradients: the gradients of its results.
    """

    def __init__(self, node: Node, gradients: Mapping[ResultKey, Node]):
        self.node = node
        self.body: Body = node.param("body")
        self.length: int = node.param("length")
        self.reverse: bool = node.param("reverse")
        self.gradients = gradients
        self.forward = set(self.body.order)
        # maxima are compared with what they were taken of: computed again, it may differ in the last bit
        self.compared = {node.inputs[0] for node in self.body.order if node.name == "max"}
        self.saved: dict[Node, int] = {}  # further stacks of the forward scan
        self.elements: dict[Node, Node] = {}  # leaves of the backward body, with their operands
        self.constants: dict[Node, Node] = {}
        self.stacks: dict[Node, int] = {}
        self.totals: list[Node] = []
        self.outside: list[Node] = []  # of the forward body: all of their steps are needed after the loop

    def run(self) -> list[Node | None]:
        """Return the gradients of the forward scan's operands."""
        states = [leaf for leaf in self.body.states if leaf.dtype.kind == "f"]
        d_states = [_gradient_leaf(leaf) for leaf in states]
        wrt = [leaf for leaf in self.body.leaves if leaf.dtype.kind == "f"]
        found = dict(zip(wrt, pull_back(self._seeds(dict(zip(states, d_states, strict=True))), wrt), strict=True))
        elements = {leaf: self._stacked(found[leaf]) for leaf in self.body.elements if leaf in found}
        constants = {leaf: self._constant(found[leaf]) for leaf in self.body.constants if leaf in found}
        for leaf in states:
            if found[leaf].inputs and not found[leaf].title:
                found[leaf].title = f"new_d_{leaf.title or 'state'}"
        body = self._backward_body(d_states, [found[leaf] for leaf in states])
        operands = [*map(self._begin, states), *self.elements.values(), *self.constants.values()]
        self.scan = scan(body, operands, self.length, reverse=not self.reverse)
        initial: dict[Node, Node] = {}
        for place, leaf in enumerate(states):
            gradient = result(self.scan, "final", place)
            history = self.gradients.get(("state", self.body.states.index(leaf)))
            initial[leaf] = gradient if history is None else gradient + first(history, self.reverse)
        made = initial | {leaf: later() for leaf, later in (elements | constants).items()}
        return [made.get(leaf) for leaf in self.body.leaves]

    def _begin(self, state: Node) -> Node:
        """The gradient of a state after the last step."""
        given = self.gradients.get(("final", self.body.states.index(state)))
        return ops.broadcast_to(ops.constant(0, state.dtype) if given is None else given, state.shape)

    def _seeds(self, d_states: Mapping[Node, Node]) -> list[tuple[Node, Node]]:
        """What a step gives, each with its gradient: that of the next step, and those handed in from outside."""
        seeds = [
            (new, d_states[old])
            for old, new in zip(self.body.states, self.body.new_states, strict=True)
            if old in d_states
        ]
        for (kind, index), gradient in self.gradients.items():
            if kind == "final":
                continue  # the gradient that the way back begins with
            output = self.body.output((kind, index))
            leaf = _gradient_leaf(output)
            if kind == "total":
                self.constants[leaf] = gradient
            else:
                self.elements[leaf] = gradient if kind == "stack" else after(gradient, self.reverse)
            seeds.append((output, leaf))
        return seeds

    # --- what the way back needs of the way forward ---

    def _is_saved(self, node: Node) -> bool:
        """Whether a node of the forward body is known on the way back without being computed again."""
        if node not in self.forward or not node.inputs:
            return node in self.forward
        kept = {*self.body.new_states, *self.body.stacks, *self.compared}
        return node in kept or node.name not in CHEAP

    def _operand(self, node: Node) -> Node:
        """All steps of a node of the forward body that is known on the way back, or a constant."""
        operands = dict(zip(self.body.leaves, self.node.inputs, strict=True))
        if node in self.body.states:
            return before(result(self.extended, "state", self.body.states.index(node)), self.reverse)
        if node in operands:
            return operands[node]
        if node in self.body.new_states:
            return after(result(self.extended, "state", self.body.new_states.index(node)), self.reverse)
        if node in self.body.stacks:
            return result(self.extended, "stack", self.body.stacks.index(node))
        return result(self.extended, "stack", len(self.body.stacks) + self.saved[node])

    def _backward_body(self, d_states: Sequence[Node], new: Sequence[Node]) -> Body:
        outputs = [*new, *self.stacks, *self.totals]
        reached = [node for node in topological(outputs, self._is_saved) if self._is_saved(node)]
        known = [node for node in reached if node.name not in ("constant", "batch_size")]
        self._save(known)
        fresh: dict[Node, Node] = {}
        for node in known:
            if node in self.body.constants:
                self.constants[node] = self._operand(node)
            else:
                fresh[node] = node if not node.inputs else _stand_in(node)
                self.elements[fresh[node]] = self._operand(node)
        rebuilt = iter(_rebuilt(outputs, fresh))
        return Body(
            tuple(d_states),
            tuple(self.elements),
            tuple(self.constants),
            tuple(next(rebuilt) for _ in new),
            tuple(next(rebuilt) for _ in self.stacks),
            tuple(rebuilt),
        )

    def _save(self, nodes: Sequence[Node]) -> None:
        """Make the forward scan that keeps these nodes as well."""
        have = {*self.body.leaves, *self.body.new_states, *self.body.stacks}
        for node in [*nodes, *[each for each in self.outside if each in self.forward]]:
            if node not in have:
                self.saved.setdefault(node, len(self.saved))
        body = replace(self.body, stacks=(*self.body.stacks, *self.saved))
        with scope(self.node.scope):
            self.extended = scan(body, self.node.inputs, self.length, reverse=self.reverse)

    # --- what happens after the loop ---

    def _stacked(self, node: Node) -> Callable[[], Node]:
        """All steps of a node, once the backward scan is made."""
        if self._is_saved(node) and node not in self.body.constants and node.name not in ("constant", "batch_size"):
            self.outside.append(node)
            return lambda: self._operand(node)
        place = self.stacks.setdefault(node, len(self.stacks))
        return lambda: result(self.scan, "stack", place)

    def _constant(self, gradient: Node) -> Callable[[], Node]:
        """The gradient of a constant: over the rows of all steps at once where it is a sum over rows."""
        if gradient.name == "add" and all(each.shape == gradient.shape for each in gradient.inputs):
            x, y = (self._constant(each) for each in gradient.inputs)
            return lambda: x() + y()
        if gradient.name == "reshape":
            inner = self._constant(gradient.inputs[0])
            return lambda: ops.reshape(inner(), gradient.shape)
        if _adds_rows(gradient) and not any(each in self.body.constants for each in gradient.inputs):
            parts = [self._stacked(each) for each in gradient.inputs]
            return lambda: _over_all_steps(gradient, [part() for part in parts])
        place = len(self.totals)
        self.totals.append(gradient)
        return lambda: result(self.scan, "total", place)


def _stand_in(node: Node) -> Node:
    """The leaf by which a step backwards knows a value of the step forwards."""
    return titled_leaf(node.shape, node.dtype, node.title or node.name)


def _gradient_leaf(node: Node) -> Node:
    return titled_leaf(node.shape, node.dtype, f"d_{node.title or 'output'}")


def _adds_rows(node: Node) -> bool:
    """Whether a node is a sum over the rows of a batch that can as well be taken over the rows of all steps."""
    if node.name == "sum":
        return any(isinstance(node.inputs[0].shape[axis], Batch) for axis in node.param("axes"))
    if node.name == "matmul":
        x = node.inputs[0]
        deep = x.shape[-2] if node.param("transpose_x") else x.shape[-1]
        return isinstance(deep, Batch) and len(node.shape) == 2
    return node.name == "scatter_add" and has_batch(node.inputs[1].shape)


def _over_all_steps(node: Node, stacked: Sequence[Node]) -> Node:
    """The sum over rows, and over the steps that its stacked operands have as a first axis."""
    if node.name == "sum":
        axes = (0, *[axis + 1 for axis in node.param("axes")])
        return ops.reshape(ops.reduce_sum(stacked[0], axes), node.shape)
    if node.name == "matmul":
        x, y = stacked
        swap_x, swap_y = node.param("transpose_x"), node.param("transpose_y")
        return ops.product_of(_flat_rows(x, swap_x), _flat_rows(y, not swap_y), True, False)
    return ops.scatter_add(stacked[0], stacked[1], node.param("rows"))


def _flat_rows(x: Node, rows_first: bool) -> Node:
    """(time, rows, columns) as (time * rows, columns); without `rows_first` the last two axes are swapped before."""
    x = x if rows_first else ops.swap_last(x)
    merged: Shape = (product(x.shape[:2]), x.shape[2])
    return ops.reshape(x, merged)


def _rebuilt(outputs: Sequence[Node], fresh: Mapping[Node, Node]) -> list[Node]:
    new = dict(fresh)
    for node in topological(outputs, new.__contains__):
        if node not in new:
            inputs = tuple(new[each] for each in node.inputs)
            new[node] = node if inputs == node.inputs else with_inputs(node, inputs)
    return [new[output] for output in outputs]


def _scan_derivative(node: Node, gradients: Mapping[ResultKey, Node]) -> list[Node | None]:
    return _Backward(node, gradients).run()


define("scan", "call", infer=infer_scan, evaluate=evaluate_scan, derivative=_scan_derivative)
# the gradients of the results are handed to the scan all at once, by their keys (`autodiff.pull_back`)
define("result", "result", infer=infer_result, evaluate=evaluate_result, derivative=lambda node, g: [None])
