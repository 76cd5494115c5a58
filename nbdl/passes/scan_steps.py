"""Scans that are written out, step after step.

A body that adds up over the rows of the batch in each step would have all workers meet in each step.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, with_inputs
from nbdl.ir.scan import ResultKey, inner_nodes
from nbdl.ir.shapes import has_batch
from nbdl.passes.scan_tools import computed_for, scans_of

MOST_WRITTEN_OUT = 20_000  # operations of a scan that is written out: beyond, compiling takes minutes


def write_out_scans(outputs: Sequence[Node]) -> list[Node]:
    """Write out scans whose rows meet in each step. Raises `ShapeError` if that would be too long a program."""
    outputs = list(outputs)
    while any(map(_rows_meet, scans_of(outputs))):  # in one that is written out there may be others
        outputs = _write_out(outputs)
    return outputs


def _write_out(outputs: Sequence[Node]) -> list[Node]:
    made: dict[Node, dict[ResultKey, list[Node]]] = {}

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name == "scan" and _rows_meet(node):
            made[node] = _all_steps(node, inputs)
            return node
        if node.primitive.kind == "result" and node.inputs[0] in made:
            return _taken(node, made[node.inputs[0]])
        return None

    new = substitute(outputs, change)
    return [new[output] for output in outputs]


def _rows_meet(node: Node) -> bool:
    return any(
        not has_batch(each.shape) and any(has_batch(operand.shape) for operand in each.inputs)
        for each in inner_nodes(node)
        if each.name != "scan"
    )


def _all_steps(node: Node, operands: tuple[Node, ...]) -> dict[ResultKey, list[Node]]:
    """What each step computes, in the order of the steps; a state begins with what it is before the first."""
    body, length, reverse = node.param("body"), node.param("length"), node.param("reverse")
    if length * len(body.order) > MOST_WRITTEN_OUT:
        raise ShapeError(
            f"a scan of {length} steps adds up over the rows of the batch in each of them, so that it has to be "
            f"written out, and that gives {length * len(body.order):,} operations; take the sums outside of the step, "
            "or use fewer steps"
        )
    given = dict(zip(body.leaves, operands, strict=True))
    states = [given[leaf] for leaf in body.states]
    steps: dict[ResultKey, list[Node]] = {key: [] for key, _ in body.results()}
    for index, state in enumerate(states):
        steps["state", index].append(state)
    for time in reversed(range(length)) if reverse else range(length):
        values = dict(given) | dict(zip(body.states, states, strict=True))
        values |= {leaf: _at(given[leaf], time) for leaf in body.elements}
        for each in body.order:
            values[each] = values[each] if each in values else with_inputs(each, tuple(values[x] for x in each.inputs))
        states = [values[each] for each in body.new_states]
        for key, each in body.results():
            steps[key].append(values[each])
    return steps


def _at(x: Node, time: int) -> Node:
    return ops.reshape(ops.slice_axis(x, 0, time, 1), x.shape[1:])


def _taken(node: Node, computed: dict[ResultKey, list[Node]]) -> Node:
    """A result, put together from what the steps compute."""
    key: ResultKey = (node.param("kind"), node.param("index"))
    steps = computed[computed_for(key)]
    if key[0] == "total":
        total = steps[0]
        for each in steps[1:]:
            total = total + each
        return total
    if key[0] == "final":
        return steps[-1]
    order = steps[::-1] if node.inputs[0].param("reverse") else steps
    if key[0] == "pair":
        order = steps[-2:] if (len(steps) - 1) % 2 and order is steps else steps[:-3:-1]
    return ops.concatenate([ops.reshape(each, (1, *each.shape)) for each in order], 0)
