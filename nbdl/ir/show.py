"""The text form of a graph: one line a node, grouped by the layers that the nodes come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbdl.ir.graph import Node, topological
from nbdl.ir.shapes import show_shape

BACKWARD, UPDATE = "backward of ", "update by "
DEFAULT = (("step", 1), ("transpose_x", False), ("transpose_y", False))
OBVIOUS = ("shape", "dtype", "name", "value", "size")  # parameters that the result's shape and dtype say already
PIECES = "pieces of the inputs"
STAGES = {PIECES: 0, "": 2, "loss": 2, "gradient": 3, BACKWARD: 3, UPDATE: 4, "totals": 5}
WIDTH = 52


def show_graph(results: Mapping[str, Node]) -> str:
    """Return a listing of everything that the results are made of.

    First come the pieces of the inputs, such as the parameters that a flat vector is made of; then the layers in the
    order in which they run, the loss, the gradients and the updates. `n` is the number of rows of a batch.

    >>> from nbdl.ir import ops
    >>> from nbdl.ir.shapes import Batch
    >>> x = ops.leaf((Batch(), 3), "float32", name="x")
    >>> print(show_graph({"twice": ops.multiply(x, 2)}))
    inputs
      x                                                     float32 (n, 3)
    <BLANKLINE>
    outside of layers
      v1 = multiply(x, 2)                                   float32 (n, 3)
    <BLANKLINE>
    results
      twice = v1
    """
    nodes = topological(results.values())
    groups = _groups([node for node in nodes if node.name not in ("input", "constant")])
    names = _names(nodes, groups)
    inputs = [node for node in nodes if node.name == "input"]
    parts = [("inputs", [_line(names[node], node) for node in inputs])]
    parts += [(title, [_operation(node, names) for node in members]) for title, members in groups]
    parts.append(("results", [f"  {name} = {names[node]}" for name, node in results.items()]))
    return "\n\n".join("\n".join([title, *lines]) for title, lines in parts if lines)


def _groups(nodes: Sequence[Node]) -> list[tuple[str, list[Node]]]:
    groups: dict[str, list[Node]] = {}
    pieces: set[Node] = set()
    for node in nodes:
        if node.primitive.kind in ("view", "movement") and all(
            each.name == "input" or each in pieces for each in node.inputs
        ):
            pieces.add(node)
        groups.setdefault(PIECES if node in pieces else node.scope, []).append(node)
    ordered = sorted(groups, key=_stage)  # stable: within a stage as they run
    return [(scope or "outside of layers", groups[scope]) for scope in ordered]


def _stage(scope: str) -> int:
    """Layers and metrics come before what only a training program has, whatever is worked out first."""
    if scope.startswith((BACKWARD, UPDATE)):
        return STAGES[BACKWARD if scope.startswith(BACKWARD) else UPDATE]
    return STAGES.get(scope, 1)


def _names(nodes: Sequence[Node], groups: Sequence[tuple[str, list[Node]]]) -> dict[Node, str]:
    """Inputs have names, constants are written as they are, everything else is numbered in the order of the listing."""
    names: dict[Node, str] = {}
    for node in nodes:
        if node.name == "constant":
            names[node] = f"{node.param('value'):.6g}"
        elif node.name == "input":
            wanted = node.param("name") or "constant"
            taken = sum(name.rstrip("_0123456789") == wanted for name in names.values())
            names[node] = f"{wanted}_{taken + 1}" if taken else wanted
    members = [node for _, group in groups for node in group]
    return names | {node: f"v{number}" for number, node in enumerate(members, start=1)}


def _operation(node: Node, names: Mapping[Node, str]) -> str:
    params = [f"{key}={value}" for key, value in node.params if key not in OBVIOUS and (key, value) not in DEFAULT]
    return _line(f"{names[node]} = {node.name}({', '.join([*[names[each] for each in node.inputs], *params])})", node)


def _line(text: str, node: Node) -> str:
    return f"  {text:<{WIDTH}}  {node.dtype.name} {show_shape(node.shape)}"
