"""What passes over scans have in common: finding them, and putting others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nbdl.ir.graph import Node, substitute, topological
from nbdl.ir.scan import Body, ResultKey, result, scan

Keys = Callable[[Node, ResultKey], ResultKey | None]


def scans_of(outputs: Sequence[Node]) -> list[Node]:
    """The scans below the outputs, each after those that it needs."""
    return [node for node in topological(outputs) if node.name == "scan"]


def results_of(outputs: Sequence[Node]) -> Iterator[tuple[Node, ResultKey]]:
    """Every result that is read, with its scan."""
    for node in topological(outputs):
        if node.primitive.kind == "result":
            yield node.inputs[0], (node.param("kind"), node.param("index"))


def exchange(outputs: Sequence[Node], new_scan: Callable[[Node, tuple[Node, ...]], Node], keys: Keys) -> list[Node]:
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


def same_keys(node: Node, key: ResultKey) -> ResultKey:
    """Every result of the old scan is found under its key in the new one."""
    return key


def with_body(node: Node, body: Body, operands: Sequence[Node]) -> Node:
    """A scan as long as `node`, in its direction."""
    return scan(body, operands, node.param("length"), reverse=node.param("reverse"))


def computed_for(key: ResultKey) -> ResultKey:
    """What a step computes for a result: a state, a part of a stack, or of a total."""
    return key if key[0] in ("stack", "total") else ("state", key[1])
