"""Print a scan: the body as a function that launches kernels, and the loop over time that calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbdl.codegen.cuda.places import bytes_text
from nbdl.codegen.expressions import dtype_name
from nbdl.codegen.index import factor, size_text
from nbdl.codegen.scan_text import ScanText
from nbdl.ir.graph import Node
from nbdl.ir.shapes import product

if TYPE_CHECKING:
    from nbdl.codegen.cuda.printer import CudaPrinter

ALWAYS = ("card", "rows", "first_row", "capacity")
"""What a body is told of the step around it."""


def print_scan(printer: CudaPrinter, node: Node) -> list[str]:
    """The lines of the loop; the body becomes a function of the module."""
    return _ScanPrinter(printer, node).lines()


class _ScanPrinter(ScanText):
    def __init__(self, printer: CudaPrinter, node: Node):
        super().__init__(printer.fusion, node)
        self.printer = printer

    def _function(self) -> tuple[str, list[str]]:
        inner = self.printer.inner(self.printer.plan.bodies[self.node])
        body = ['"""One step in time."""', *inner.body_lines()]
        parameters = [*ALWAYS, *inner.arrays.values()]
        return self.printer.functions.define("", self.name, parameters, body), list(ALWAYS)

    def _whole(self, node: Node) -> str:
        return self.printer.places.of(node)

    def _at(self, whole: Node, each: Node, slot: str) -> str:
        """The place of one slot, or of one step's piece."""
        if slot == "0":
            return self._whole(whole)
        number = f"({slot})" if " " in slot else slot
        return f"{self._whole(whole)} + {number} * {factor(bytes_text(product(each.shape), each.dtype.itemsize))}"

    def _copy(self, source: Node, whole: Node, each: Node, slot: int) -> str:
        target, count = self._at(whole, each, str(slot)), size_text(product(each.shape))
        return f"copy(card, {dtype_name(each.dtype)}, {self._whole(source)}, {target}, {count})"

    def _fill(self, whole: Node, each: Node, slot: int, value: str) -> str:
        target, count = self._at(whole, each, str(slot)), size_text(product(each.shape))
        return f"fill(card, {dtype_name(each.dtype)}, {target}, {count}, {value})"
