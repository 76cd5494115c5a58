"""Scans: those of one loop become one, what nobody needs is left out, bodies are improved like any graph.

A body that adds up over the rows of the batch in each step would have all workers meet in each step; such a scan is
written out, step after step.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, topological, with_inputs
from nbdl.ir.scan import (
    Body,
    Kind,
    ResultKey,
    after,
    before,
    inner_nodes,
    known_number,
    last,
    last_of_pair,
    result,
    scan,
)
from nbdl.ir.shapes import has_batch
from nbdl.ir.verify import verify

MOST_WRITTEN_OUT = 20_000  # operations of a scan that is written out: beyond, compiling takes minutes

Keys = Callable[[Node, ResultKey], ResultKey | None]
Pass = Callable[[Sequence[Node]], list[Node]]


def scans_of(outputs: Sequence[Node]) -> list[Node]:
    """The scans below the outputs, each after those that it needs."""
    return [node for node in topological(outputs) if node.name == "scan"]


def _results_of(outputs: Sequence[Node]) -> Iterator[tuple[Node, ResultKey]]:
    """Every result that is read, with its scan."""
    for node in topological(outputs):
        if node.primitive.kind == "result":
            yield node.inputs[0], (node.param("kind"), node.param("index"))


def _exchange(outputs: Sequence[Node], new_scan: Callable[[Node, tuple[Node, ...]], Node], keys: Keys) -> list[Node]:
    """Rebuild with other scans; `keys` tells under which key a result of the old one is found in the new one: None if
    nowhere, as nobody needs it.
    """

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name == "scan":
            return new_scan(node, inputs)
        if node.primitive.kind == "result":
            key = keys(node.inputs[0], (node.param("kind"), node.param("index")))
            return node if key is None else result(inputs[0], *key)
        return None

    new = substitute(outputs, change)
    return [new[output] for output in outputs]


def _same_keys(node: Node, key: ResultKey) -> ResultKey:
    return key


def _with(node: Node, body: Body, operands: Sequence[Node]) -> Node:
    """A scan as long as `node`, in its direction."""
    return scan(body, operands, node.param("length"), reverse=node.param("reverse"))


# --- one loop ---------------------------------------------------------------------------------------------------------


def merge_scans(outputs: Sequence[Node]) -> list[Node]:
    """Scans of the same step over the same operands become one with the results of all: the one that a network runs,
    and the one that also keeps what its derivative needs.
    """
    groups: dict[Hashable, list[Node]] = {}
    for node in scans_of(outputs):
        groups.setdefault(_loop(node), []).append(node)
    if all(len(nodes) == 1 for nodes in groups.values()):
        return list(outputs)
    bodies = {key: _union([node.param("body") for node in nodes]) for key, nodes in groups.items()}
    made: dict[Hashable, Node] = {}

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        key = _loop(node)
        if key not in made:
            made[key] = _with(node, bodies[key], inputs)
        return made[key]

    def new_key(node: Node, key: ResultKey) -> ResultKey:
        places = {"stack": bodies[_loop(node)].stacks, "total": bodies[_loop(node)].totals}
        return (key[0], places[key[0]].index(node.param("body").output(key))) if key[0] in places else key

    return _exchange(outputs, new_scan, new_key)


def _loop(node: Node) -> Hashable:
    """What two scans have in common that can be one; leaves are the same nodes if one was made from the other."""
    body: Body = node.param("body")
    return node.inputs, body.leaves, body.new_states, node.param("length"), node.param("reverse")


def _union(bodies: Sequence[Body]) -> Body:
    stacks = dict.fromkeys(each for body in bodies for each in body.stacks)
    totals = dict.fromkeys(each for body in bodies for each in body.totals)
    return replace(bodies[0], stacks=tuple(stacks), totals=tuple(totals))


def look_up_finals(outputs: Sequence[Node]) -> list[Node]:
    """Read the states after the last step from their histories, which is the same memory; where nobody reads the
    history, two slots are enough.
    """
    read = set(_results_of(outputs))

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.primitive.kind != "result" or node.param("kind") != "final":
            return None
        index, length, reverse = node.param("index"), inputs[0].param("length"), inputs[0].param("reverse")
        if (node.inputs[0], ("state", index)) in read:
            return last(result(inputs[0], "state", index), reverse)
        return last_of_pair(result(inputs[0], "pair", index), length, reverse)

    new = substitute(outputs, change)
    return [new[output] for output in outputs]


# --- what nobody needs ------------------------------------------------------------------------------------------------


def trim_scans(outputs: Sequence[Node]) -> list[Node]:
    """Leave out results that nobody reads, and states, elements and constants that no result depends on."""
    kept = _needed(outputs)

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node not in kept:
            return node  # only what is left out itself needs it
        body, operands = node.param("body"), dict(zip(node.param("body").leaves, inputs, strict=True))
        smaller = _smaller(body, kept[node])
        return _with(node, smaller, [operands[leaf] for leaf in smaller.leaves])

    def new_key(node: Node, key: ResultKey) -> ResultKey | None:
        wanted = _computed(key)
        if wanted not in kept.get(node, ()):
            return None
        same_kind = [each for each, _ in node.param("body").results() if each in kept[node] and each[0] == wanted[0]]
        return key[0], same_kind.index(wanted)

    return _exchange(outputs, new_scan, new_key) if kept else list(outputs)


def _computed(key: ResultKey) -> ResultKey:
    """What a step computes for a result: a state, a part of a stack, or of a total."""
    return key if key[0] in ("stack", "total") else ("state", key[1])


def _needed(outputs: Sequence[Node]) -> dict[Node, set[ResultKey]]:
    """For every scan that is needed, what a step has to compute."""
    live = set(outputs)
    kept: dict[Node, set[ResultKey]] = {}
    for node in reversed(topological(outputs)):
        if node not in live:
            continue
        if node.primitive.kind == "result":
            kept.setdefault(node.inputs[0], set()).add(_computed((node.param("kind"), node.param("index"))))
        if node.name == "scan":
            body: Body = node.param("body")
            kept[node] = _with_states(body, kept[node])
            leaves = _smaller(body, kept[node]).leaves
            live.update(operand for leaf, operand in zip(body.leaves, node.inputs, strict=True) if leaf in leaves)
        else:
            live.update(node.inputs)
    return kept


def _with_states(body: Body, keys: set[ResultKey]) -> set[ResultKey]:
    """Add the states that the wanted results depend on."""
    wanted = set(keys)
    while True:
        below = set(topological([body.output(key) for key in wanted]))
        more: set[ResultKey] = {("state", index) for index, leaf in enumerate(body.states) if leaf in below}
        if more <= wanted:
            return wanted
        wanted |= more


def _smaller(body: Body, keys: set[ResultKey]) -> Body:
    """The body with these results only."""
    below = set(topological([body.output(key) for key in keys]))
    states = [index for index in range(len(body.states)) if ("state", index) in keys]

    def kept(kind: Kind, nodes: Sequence[Node]) -> tuple[Node, ...]:
        return tuple(each for index, each in enumerate(nodes) if (kind, index) in keys)

    return Body(
        tuple(body.states[index] for index in states),
        tuple(leaf for leaf in body.elements if leaf in below),
        tuple(leaf for leaf in body.constants if leaf in below),
        tuple(body.new_states[index] for index in states),
        kept("stack", body.stacks),
        kept("total", body.totals),
    )


# --- what is the same in every step -----------------------------------------------------------------------------------


def inline_numbers(outputs: Sequence[Node]) -> list[Node]:
    """What a step is given that is one known number becomes part of the body, where it can be simplified."""

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body, operands = node.param("body"), dict(zip(node.param("body").leaves, inputs, strict=True))
        numbers: dict[Node, Node] = {}
        for leaf in (*body.elements, *body.constants):
            number = known_number(operands[leaf])
            if number is not None:
                numbers[leaf] = ops.broadcast_to(number, leaf.shape)
        return _with(node, *_replaced(body, operands, numbers, {})) if numbers else _rebuilt(node, inputs)

    return _exchange(outputs, new_scan, _same_keys) if scans_of(outputs) else list(outputs)


def hoist(outputs: Sequence[Node]) -> list[Node]:
    """What a step computes from constants alone is computed once, before the loop; so are their transposes, which
    matrix products would read transposed in every step.
    """

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body = _transposing_before(node.param("body"))
        operands = dict(zip(body.leaves, inputs, strict=True))
        moved = {each: _outside(each, operands) for each in _fixed(body)}
        leaves = {each: _leaf_like(each) for each in moved}
        added = {leaves[each]: outside for each, outside in moved.items()}
        return _with(node, *_replaced(body, operands, leaves, added)) if moved else _rebuilt(node, inputs)

    return _exchange(outputs, new_scan, _same_keys) if scans_of(outputs) else list(outputs)


def _rebuilt(node: Node, inputs: tuple[Node, ...]) -> Node:
    return node if inputs == node.inputs else with_inputs(node, inputs)


def _transposing_before(body: Body) -> Body:
    """The body with transposes of constants as operations of their own."""

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name != "matmul" or not node.param("transpose_y"):
            return None
        x, y = inputs
        if y not in body.constants or has_batch(y.shape):
            return None
        return ops.product_of(x, ops.swap_last(y), node.param("transpose_x"), False)

    new = substitute(body.outputs, change)
    return body.with_outputs([new[each] for each in body.outputs])


def _fixed(body: Body) -> list[Node]:
    """The largest expressions of constants in a body that are worth moving out: to repeat numbers is not work."""
    fixed = set(body.constants)
    for node in body.order:
        if node.inputs and all(each in fixed or _is_number(each) for each in node.inputs):
            fixed.add(node)
    needed = [*body.outputs, *[each for node in body.order if node not in fixed for each in node.inputs]]
    found: dict[Node, None] = {}
    for node in needed:
        while node in fixed and node.name == "broadcast":
            (node,) = node.inputs
        if node in fixed and node.inputs and node.name != "scan":
            found[node] = None
    return list(found)


def _is_number(node: Node) -> bool:
    return node.name in ("constant", "batch_size")


def _outside(node: Node, operands: dict[Node, Node]) -> Node:
    """The same expression of the operands."""
    new = dict(operands)
    for each in topological([node], new.__contains__):
        if each not in new:
            new[each] = _rebuilt(each, tuple([new[below] for below in each.inputs]))
    return new[node]


def _leaf_like(node: Node) -> Node:
    leaf = ops.leaf(node.shape, node.dtype, differentiable=node.differentiable)
    leaf.scope, leaf.title = node.scope, node.title
    return leaf


def _replaced(
    body: Body, operands: dict[Node, Node], new: dict[Node, Node], added: dict[Node, Node]
) -> tuple[Body, list[Node]]:
    """A body with some nodes replaced, and its operands; `added` are further constants."""
    outputs = substitute(body.outputs, lambda node, inputs: new.get(node))
    made = body.with_outputs([outputs[each] for each in body.outputs])
    made = replace(
        made,
        elements=tuple([leaf for leaf in body.elements if leaf not in new]),
        constants=(*[leaf for leaf in body.constants if leaf not in new], *added),
    )
    return made, [(operands | added)[leaf] for leaf in made.leaves]


# --- bodies -----------------------------------------------------------------------------------------------------------


def improve_bodies(outputs: Sequence[Node], passes: Sequence[Pass]) -> list[Node]:
    """Apply passes to the body of every scan."""
    better: dict[Body, Body] = {}

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body: Body = node.param("body")
        if body not in better:
            better[body] = _improved(body, passes)
        return _with(node, better[body], inputs)

    return _exchange(outputs, new_scan, _same_keys) if scans_of(outputs) else list(outputs)


def _improved(body: Body, passes: Sequence[Pass]) -> Body:
    outputs = list(body.outputs)
    for each in passes:
        new = each(outputs)
        verify(new, like=outputs, after=f"{each.__name__} in a scan")
        outputs = new
    return body.with_outputs(outputs)


def share_results(outputs: Sequence[Node]) -> list[Node]:
    """What a step gives twice, or has as its state or element anyway, isn't kept once more."""

    def change(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.primitive.kind != "result" or node.param("kind") not in ("stack", "total"):
            return None
        loop, body, reverse = inputs[0], inputs[0].param("body"), inputs[0].param("reverse")
        kind, computed = node.param("kind"), body.output((node.param("kind"), node.param("index")))
        if kind == "total":
            return result(loop, kind, body.totals.index(computed))
        if computed in body.elements:
            return loop.inputs[body.leaves.index(computed)]
        if computed in body.states:
            return before(result(loop, "state", body.states.index(computed)), reverse)
        if computed in body.new_states:
            return after(result(loop, "state", body.new_states.index(computed)), reverse)
        return result(loop, kind, body.stacks.index(computed))

    new = substitute(outputs, change)
    return [new[output] for output in outputs]


# --- scans that are written out ---------------------------------------------------------------------------------------


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
    steps = computed[_computed(key)]
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
