"""Scans: those of one loop become one, what nobody needs is left out, bodies are improved like any graph.

A body that adds up over the rows of the batch in each step would have all workers meet in each step; such a scan is
written out, step after step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, topological, with_inputs
from nbdl.ir.scan import Body, ResultKey, inner_nodes, last, result, scan
from nbdl.ir.shapes import has_batch
from nbdl.ir.verify import verify

MOST_WRITTEN_OUT = 20_000  # operations of a scan that is written out: beyond, compiling takes minutes


def scans_of(outputs: Sequence[Node]) -> list[Node]:
    """The scans below the outputs, each after those that it needs."""
    return [node for node in topological(outputs) if node.name == "scan"]


def _exchange(outputs: Sequence[Node], new_scan: Callable[[Node, tuple[Node, ...]], Node], keys: Keys) -> list[Node]:
    """Rebuild with other scans; `keys` tells under which key a result of the old one is found in the new one."""

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name == "scan":
            return new_scan(node, inputs)
        if node.primitive.kind == "result":
            return result(inputs[0], *keys(node.inputs[0], (node.param("kind"), node.param("index"))))
        return None

    new = substitute(outputs, change)
    return [new[output] for output in outputs]


Keys = Callable[[Node, ResultKey], ResultKey]


def look_up_finals(outputs: Sequence[Node]) -> list[Node]:
    """Read the states after the last step from their histories: it is the same memory."""

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.primitive.kind != "result" or node.param("kind") != "final":
            return None
        return last(result(inputs[0], "state", node.param("index")), inputs[0].param("reverse"))

    new = substitute(outputs, change)
    return [new[output] for output in outputs]


# --- one loop -----------------------------------------------------------------------------------------------------


def merge_scans(outputs: Sequence[Node]) -> list[Node]:
    """Scans of the same step over the same operands become one with the results of all: the one that a network runs,
    and the one that also keeps what its derivative needs.
    """
    groups: dict[object, list[Node]] = {}
    for node in scans_of(outputs):
        groups.setdefault(_loop(node), []).append(node)
    bodies = {key: _union([node.param("body") for node in nodes]) for key, nodes in groups.items()}
    made: dict[object, Node] = {}

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        key = _loop(node)
        if key not in made:
            made[key] = scan(bodies[key], inputs, node.param("length"), reverse=node.param("reverse"))
        return made[key]

    def new_key(node: Node, key: ResultKey) -> ResultKey:
        kind, output = key[0], node.param("body").output(key)
        together = bodies[_loop(node)]
        return key if kind == "state" else (kind, getattr(together, f"{kind}s").index(output))

    return _exchange(outputs, new_scan, new_key) if len(groups) < sum(map(len, groups.values())) else list(outputs)


def _loop(node: Node) -> object:
    """What two scans have in common that can be one; leaves are the same nodes if one was made from the other."""
    body: Body = node.param("body")
    return node.inputs, body.leaves, body.new_states, node.param("length"), node.param("reverse")


def _union(bodies: Sequence[Body]) -> Body:
    stacks = dict.fromkeys(each for body in bodies for each in body.stacks)
    totals = dict.fromkeys(each for body in bodies for each in body.totals)
    return replace(bodies[0], stacks=tuple(stacks), totals=tuple(totals))


# --- what nobody needs --------------------------------------------------------------------------------------------


def trim_scans(outputs: Sequence[Node]) -> list[Node]:
    """Leave out results that nobody reads, and states, elements and constants that no result depends on."""
    kept = _needed(outputs)

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body, operands = node.param("body"), dict(zip(node.param("body").leaves, inputs, strict=True))
        smaller = _smaller(body, kept[node])
        return scan(smaller, [operands[leaf] for leaf in smaller.leaves], node.param("length"), reverse=node.param("reverse"))

    def new_key(node: Node, key: ResultKey) -> ResultKey:
        same_kind = [each for each, _ in node.param("body").results() if each in kept[node] and each[0] == key[0]]
        return key[0], same_kind.index(key)

    return _exchange(outputs, new_scan, new_key) if kept else list(outputs)


def _needed(outputs: Sequence[Node]) -> dict[Node, set[ResultKey]]:
    """For every scan, the results that are read, and the states that these depend on."""
    live = set(outputs)
    kept: dict[Node, set[ResultKey]] = {}
    for node in reversed(topological(outputs)):
        if node not in live:
            continue
        if node.primitive.kind == "result":
            kept.setdefault(node.inputs[0], set()).add((node.param("kind"), node.param("index")))
        if node.name == "scan":
            body: Body = node.param("body")
            read = _with_states(body, kept[node])
            kept[node] = {key for key, _ in body.results() if key in read}
            leaves = _smaller(body, kept[node]).leaves
            live.update(operand for leaf, operand in zip(body.leaves, node.inputs, strict=True) if leaf in leaves)
        else:
            live.update(node.inputs)
    return kept


def _with_states(body: Body, keys: set[ResultKey]) -> set[ResultKey]:
    wanted = set(keys)
    while True:
        below = set(topological([body.output(key) for key in wanted]))
        more = {("state", index) for index, leaf in enumerate(body.states) if leaf in below} - wanted
        if not more:
            return wanted
        wanted |= more  # type: ignore[arg-type]


def _smaller(body: Body, keys: set[ResultKey]) -> Body:
    """The body with these results only."""
    below = set(topological([body.output(key) for key in keys]))
    states = [index for index in range(len(body.states)) if ("state", index) in keys]
    return Body(
        tuple(body.states[index] for index in states),
        tuple(leaf for leaf in body.elements if leaf in below),
        tuple(leaf for leaf in body.constants if leaf in below),
        tuple(body.new_states[index] for index in states),
        tuple(each for index, each in enumerate(body.stacks) if ("stack", index) in keys),
        tuple(each for index, each in enumerate(body.totals) if ("total", index) in keys),
    )


# --- bodies -------------------------------------------------------------------------------------------------------


def improve_bodies(outputs: Sequence[Node], passes: Sequence[Callable[[Sequence[Node]], list[Node]]]) -> list[Node]:
    """Apply passes to the body of every scan."""
    better: dict[Body, Body] = {}

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body: Body = node.param("body")
        if body not in better:
            better[body] = _improved(body, passes)
        return scan(better[body], inputs, node.param("length"), reverse=node.param("reverse"))

    return _exchange(outputs, new_scan, lambda node, key: key) if scans_of(outputs) else list(outputs)


def _improved(body: Body, passes: Sequence[Callable[[Sequence[Node]], list[Node]]]) -> Body:
    outputs = list(body.outputs)
    for each in passes:
        new = each(outputs)
        verify(new, like=outputs, after=f"{each.__name__} in a scan")
        outputs = new
    states, stacks = len(body.new_states), len(body.stacks)
    return replace(
        body,
        new_states=tuple(outputs[:states]),
        stacks=tuple(outputs[states : states + stacks]),
        totals=tuple(outputs[states + stacks :]),
    )


# --- scans that are written out -----------------------------------------------------------------------------------


def write_out_scans(outputs: Sequence[Node]) -> list[Node]:
    """Write out scans whose rows meet in each step. Raises `ShapeError` if that would be too long a program."""
    if not any(_rows_meet(node) for node in scans_of(outputs)):
        return list(outputs)
    made: dict[Node, dict[ResultKey, Node]] = {}

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name == "scan" and _rows_meet(node):
            made[node] = _written_out(node, inputs)
            return node
        if node.primitive.kind == "result" and node.inputs[0] in made:
            return made[node.inputs[0]][node.param("kind"), node.param("index")]
        return None

    new = substitute(outputs, change)
    return [new[output] for output in outputs]


def _rows_meet(node: Node) -> bool:
    return any(
        not has_batch(each.shape) and any(has_batch(operand.shape) for operand in each.inputs)
        for each in inner_nodes(node)
        if each.name != "scan"
    )


def _written_out(node: Node, operands: tuple[Node, ...]) -> dict[ResultKey, Node]:
    body, length, reverse = node.param("body"), node.param("length"), node.param("reverse")
    if length * len(body.order) > MOST_WRITTEN_OUT:
        raise ShapeError(
            f"a scan of {length} steps adds up over the rows of the batch in each of them, so that it has to be written "
            f"out, and that gives {length * len(body.order):,} operations; take the sums outside of the step, or use "
            "fewer steps"
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
    return {key: _joined(key, each, reverse) for key, each in steps.items()}


def _at(x: Node, time: int) -> Node:
    return ops.reshape(ops.slice_axis(x, 0, time, 1), x.shape[1:])


def _joined(key: ResultKey, steps: list[Node], reverse: bool) -> Node:
    if key[0] == "total":
        total = steps[0]
        for each in steps[1:]:
            total = total + each
        return total
    ordered = steps[::-1] if reverse else steps
    return ops.concatenate([ops.reshape(each, (1, *each.shape)) for each in ordered], 0)
