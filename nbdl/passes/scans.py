"""Scans: those of one loop become one, what nobody needs is left out, bodies are improved like any graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from nbdl.ir.graph import Node, substitute, topological
from nbdl.ir.scan import Body, Kind, ResultKey, after, before, last, last_of_pair, result
from nbdl.ir.verify import verify
from nbdl.passes.scan_tools import computed_for, exchange, results_of, same_keys, scans_of, with_body

Pass = Callable[[Sequence[Node]], list[Node]]


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
            made[key] = with_body(node, bodies[key], inputs)
        return made[key]

    def new_key(node: Node, key: ResultKey) -> ResultKey:
        places = {"stack": bodies[_loop(node)].stacks, "total": bodies[_loop(node)].totals}
        return (key[0], places[key[0]].index(node.param("body").output(key))) if key[0] in places else key

    return exchange(outputs, new_scan, new_key)


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
    read = set(results_of(outputs))

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
        return with_body(node, smaller, [operands[leaf] for leaf in smaller.leaves])

    def new_key(node: Node, key: ResultKey) -> ResultKey | None:
        wanted = computed_for(key)
        if wanted not in kept.get(node, ()):
            return None
        same_kind = [each for each, _ in node.param("body").results() if each in kept[node] and each[0] == wanted[0]]
        return key[0], same_kind.index(wanted)

    return exchange(outputs, new_scan, new_key) if kept else list(outputs)


def _needed(outputs: Sequence[Node]) -> dict[Node, set[ResultKey]]:
    """For every scan that is needed, what a step has to compute."""
    live = set(outputs)
    kept: dict[Node, set[ResultKey]] = {}
    for node in reversed(topological(outputs)):
        if node not in live:
            continue
        if node.primitive.kind == "result":
            kept.setdefault(node.inputs[0], set()).add(computed_for((node.param("kind"), node.param("index"))))
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


# --- bodies -----------------------------------------------------------------------------------------------------------


def improve_bodies(outputs: Sequence[Node], passes: Sequence[Pass]) -> list[Node]:
    """Apply passes to the body of every scan."""
    better: dict[Body, Body] = {}

    def new_scan(node: Node, inputs: tuple[Node, ...]) -> Node:
        body: Body = node.param("body")
        if body not in better:
            better[body] = _improved(body, passes)
        return with_body(node, better[body], inputs)

    return exchange(outputs, new_scan, same_keys) if scans_of(outputs) else list(outputs)


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
