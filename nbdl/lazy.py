"""Give pending tensors their values: interpreted at first, compiled once the same graph keeps coming back."""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.autodiff import expand_gradients
from nbdl.errors import UntraceableError
from nbdl.ir.graph import Node, structure, topological
from nbdl.ir.interpret import interpret


def realize(nodes: Sequence[Node]) -> None:
    """Compute the nodes that have no value yet, and keep their values.

    Raises `UntraceableError` if one of them depends on something that is only known when a program runs.
    """
    pending = [node for node in nodes if node.value is None]
    if not pending:
        return
    check_traceable(pending)
    _interpret(pending)


def check_traceable(nodes: Sequence[Node]) -> None:
    """Raise `UntraceableError` if a node has no value because a program is only being recorded."""
    for node in topological(nodes, stop=lambda each: each.value is not None):
        if node.value is None and (node.name in ("input", "batch_size")):
            where = f" in {node.scope}" if node.scope else ""
            raise UntraceableError(
                f"a value was asked for{where} while the program is only being recorded (by float(), if, print or "
                "numpy()): there is none yet. Use nbdl.where for choices, or compile with debug=True"
            )


def _interpret(pending: list[Node]) -> None:
    outputs = expand_gradients(pending)
    for node, array in zip(pending, interpret(outputs), strict=True):
        node.value = array
        if not node.differentiable:
            node.inputs = ()  # a value that needs no gradient forgets its past, or a loop would keep all of it alive


__all__ = ["check_traceable", "realize", "structure"]
