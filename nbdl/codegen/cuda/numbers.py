"""Single numbers: one thread works them out from other numbers, a kernel for all that are known at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nbdl.codegen.cuda.names import CUDA_RESERVED
from nbdl.codegen.expressions import Text, constant, dtype_name, operation
from nbdl.codegen.names import Names, short_label
from nbdl.ir.graph import Node


@dataclass
class NumbersKernel:
    """Prints a kernel of one thread.

    Args:
        is_known: whether a number can be read from memory already.
    """

    is_known: Callable[[Node], bool]
    names: Names = field(default_factory=lambda: Names(CUDA_RESERVED))
    read: dict[Node, str] = field(default_factory=dict)
    texts: dict[Node, Text] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    needs_rows: bool = False

    def text(self, node: Node) -> Text:
        """The text of a number; what it needs is read or worked out first."""
        if node.name == "constant":
            return constant(node)
        if node not in self.texts:
            self.texts[node] = self._known(node) if self.is_known(node) else self._worked_out(node)
        return self.texts[node]

    def _known(self, node: Node) -> Text:
        name = self.read[node] = self.names.of(node, short_label(node))
        return Text(f"{name}[0]")

    def _worked_out(self, node: Node) -> Text:
        if node.name == "batch_size":
            self.needs_rows = True
            return Text(f"{dtype_name(node.dtype)}(rows)")
        if node.primitive.kind in ("view", "movement") or node.name == "stop_gradient":
            return self.text(node.inputs[0])
        text = operation(node, [self.text(each) for each in node.inputs])
        if text.text.isidentifier():
            return text
        name = self.names.of(("value", node), short_label(node))
        self.lines.append(f"{name} = {text.text}")
        return Text(name)
