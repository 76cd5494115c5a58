"""Print a scan: the body as a function, and the loop over time that calls it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbdl.codegen.index import core, factor, size_text
from nbdl.codegen.scan_text import ScanText
from nbdl.ir.graph import Node
from nbdl.ir.shapes import product

if TYPE_CHECKING:
    from nbdl.codegen.step import StepPrinter

ALWAYS = ("rows", "first_row", "batch_size", "capacity", "worker", "workers", "arena", "shared")
"""What a body may need of the step around it."""


def print_scan(printer: StepPrinter, node: Node) -> list[str]:
    """The lines of the loop; the body becomes a function of the module."""
    return _ScanPrinter(printer, node).lines()


class _ScanPrinter(ScanText):
    def __init__(self, printer: StepPrinter, node: Node):
        super().__init__(printer.fusion, node)
        self.printer = printer

    def _function(self) -> tuple[str, list[str]]:
        inner = self.printer.inner(self.printer.plan.bodies[self.node])
        lines = inner.body_lines()
        words = set(re.findall(r"[A-Za-z_]\w*", "\n".join(lines)))
        needed = [name for name in ALWAYS if name in words]
        body = ['"""One step in time."""', *lines]
        return self.printer.functions.define("kernel", self.name, [*needed, *inner.handed_in], body), needed

    def _whole(self, node: Node) -> str:
        return self.printer.views.of(node)

    def _at(self, whole: Node, each: Node, slot: str) -> str:
        """An array whose first axis are the steps, the others those of what a step sees; axes of size 1 left out."""
        return f"{self.printer.views.view(whole, 0, (whole.shape[0], *(core(each.shape) or (1,))))}[{slot}]"

    def _copy(self, source: Node, whole: Node, each: Node, slot: int) -> str:
        target = self._flat(whole, each, slot)
        return f"copy({self._flat(source, each, 0)}, {target})"

    def _fill(self, whole: Node, each: Node, slot: int, value: str) -> str:
        return f"fill({self._flat(whole, each, slot)}, {value})"

    def _flat(self, whole: Node, each: Node, slot: int) -> str:
        """The elements of one slot."""
        array = self.printer.views.view(whole, 0, (product(whole.shape),))
        size = product(each.shape)
        if product(whole.shape) == size:
            return array
        count = size_text(size)
        begin = f"{slot} * {factor(count)}" if slot else "0"
        return f"part({array}, {begin}, ({count},))"
