"""Single numbers of a step (learning rate, bias corrections, a loss): known outside of loops, each worked out once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nbdl.codegen.expressions import Text, constant, dtype_name, length, operation
from nbdl.codegen.names import Names, label
from nbdl.codegen.plan import Plan
from nbdl.codegen.work import Position, is_scalar, is_scalar_work
from nbdl.ir.graph import Node


class Numbers:
    """Prints the numbers of a function.

    Args:
        plan: what is printed.
        names: of the function.
        array: the name of a node's array.
    """

    def __init__(self, plan: Plan, names: Names, array: Callable[[Node], str]):
        self._plan, self._fusion = plan, plan.fusion
        self._names, self._array = names, array
        self._known: dict[Node, Text] = {}
        self._uses = self._count_uses()

    def _count_uses(self) -> dict[Node, int]:
        uses: dict[Node, int] = {}
        for node in self._fusion.order:
            for each in node.inputs:
                if is_scalar_work(each):
                    uses[each] = uses.get(each, 0) + 1
        for variable in self._plan.variables:
            if variable.result is not None and is_scalar_work(variable.result):
                uses[variable.result] = uses.get(variable.result, 0) + 1
        return uses

    def old_lines(self) -> list[str]:
        """Read numbers that the step changes before anything else: at its end another worker may have changed them
        already.
        """
        lines = []
        used = {each for node in self._fusion.order for each in node.inputs}
        for variable in self._plan.scalar_results:
            leaf = variable.leaf
            if leaf is not None and leaf in used:
                name = self._names.of(("scalar", leaf), f"old_{label(leaf)}")
                lines.append(f"{name} = {self._array(leaf)}[0]")
                self._known[leaf] = Text(name)
        return ["", *lines] if lines else []

    def lines(self, before: Position) -> list[str]:
        """Work out the numbers that are known before a position, as far as that hasn't been done."""
        lines = []
        for node in self._fusion.order:
            position = self._fusion.scalar_position.get(node)
            if position is None or position >= before or node in self._known or node.primitive.kind == "leaf":
                continue
            text = self._work_out(node)
            if not text.text.isidentifier() and (
                self._uses.get(node, 0) > 1 or length(text.text) > 60 or "[" in text.text
            ):
                name = self._names.of(("scalar", node), label(node))
                lines.append(f"{name} = {text.text}")
                text = Text(name)
            self._known[node] = text
        return ["", *lines] if lines else []

    def named(self) -> list[str]:
        """The names of the numbers that have lines of their own."""
        return [text.text for text in self._known.values() if text.text.isidentifier()]

    def _work_out(self, node: Node) -> Text:
        if node.primitive.kind in ("view", "movement") or node.name == "stop_gradient":
            (operand,) = node.inputs
            return self.text(operand) if is_scalar(operand) else Text(f"{self._array(node)}[0]")
        return operation(node, [self.text(each) for each in node.inputs])

    def text(self, node: Node) -> Text:
        """The text of a number that is known outside of loops."""
        if node.name == "constant":
            return constant(node)
        if node.name == "batch_size":
            return Text("batch_size" if node.dtype == np.float32 else f"{dtype_name(node.dtype)}(batch_size)")
        if node in self._known:
            return self._known[node]
        return Text(f"{self._array(node)}[0]")
