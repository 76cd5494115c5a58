"""Print a scan: the body as a function that launches kernels, and the loop over time that calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbdl.autodiff import BACKWARD
from nbdl.codegen.cuda.places import bytes_text
from nbdl.codegen.expressions import dtype_name, number
from nbdl.codegen.index import size_text
from nbdl.codegen.work import Call
from nbdl.ir.graph import Node
from nbdl.ir.scan import Body, ResultKey, known_number
from nbdl.ir.shapes import product

if TYPE_CHECKING:
    from nbdl.codegen.cuda.printer import CudaPrinter

ALWAYS = ("card", "rows", "first_row", "capacity")
"""What a body is told of the step around it."""
TIME = "time"


def print_scan(printer: CudaPrinter, node: Node) -> list[str]:
    """The lines of the loop; the body becomes a function of the module."""
    return _ScanPrinter(printer, node).lines()


class _ScanPrinter:
    def __init__(self, printer: CudaPrinter, node: Node):
        self.printer, self.node = printer, node
        self.body: Body = node.param("body")
        self.length: int = node.param("length")
        self.reverse: bool = node.param("reverse")
        self.operands = dict(zip(self.body.leaves, node.inputs, strict=True))
        kernel = printer.fusion.kernel_of[node]
        assert isinstance(kernel, Call)
        self.results: dict[ResultKey, Node] = {
            (each.param("kind"), each.param("index")): each for each in kernel.results
        }

    def lines(self) -> list[str]:
        """What is to be done before the loop, and the loop."""
        steps = f"range({self.length - 1}, -1, -1)" if self.reverse else f"range({self.length})"
        call = f"{self._function()}({', '.join([*ALWAYS, *self._given(), *self._written()])})"
        return [*self._beginning(), f"for {TIME} in {steps}:", f"    {call}"]

    def _function(self) -> str:
        """Print the body; returns the function's name."""
        inner = self.printer.inner(self.printer.plan.bodies[self.node])
        lines = inner.body_lines()
        backward = "backward_" if self.node.scope.startswith(BACKWARD) else ""
        layer = self.node.scope.removeprefix(BACKWARD).split(".")[-1] or "scan"
        parameters = [*ALWAYS, *inner.arrays.values()]
        body = ['"""One step in time."""', *lines]
        return self.printer.functions.define("", f"{backward}{layer}_step", parameters, body)

    # --- arrays ---

    def _beginning(self) -> list[str]:
        """Put the first states into their histories, and zeros into what is added up."""
        lines = []
        for place, leaf in enumerate(self.body.states):
            history, begin = self._history(place), self.length if self.reverse else 0
            slot = begin if history.param("kind") == "state" else begin % 2
            target = self._at(history, leaf, str(slot))
            kind, count = dtype_name(leaf.dtype), size_text(product(leaf.shape))
            value = known_number(self.operands[leaf])
            if value is None:
                lines.append(f"copy(card, {kind}, {self._place(self.operands[leaf])}, {target}, {count})")
            else:
                text = number(value.param("value"), value.dtype)
                lines.append(f"fill(card, {kind}, {target}, {count}, {text})")
        for key, each in self.body.results():
            if key[0] == "total":
                count = size_text(product(each.shape))
                lines.append(f"fill(card, {dtype_name(each.dtype)}, {self._place(self.results[key])}, {count}, 0)")
        return lines

    def _given(self) -> list[str]:
        """What a step reads: states, pieces of the elements, constants."""
        states = [self._state(place, self.reverse) for place in range(len(self.body.states))]
        elements = [self._at(self.operands[leaf], leaf, TIME) for leaf in self.body.elements]
        return [*states, *elements, *[self._place(self.operands[leaf]) for leaf in self.body.constants]]

    def _written(self) -> list[str]:
        """What a step writes: states, pieces of the stacks, totals."""
        arguments = []
        for key, each in self.body.results():
            if key[0] == "state":
                arguments.append(self._state(key[1], not self.reverse))
            elif key[0] == "stack":
                arguments.append(self._at(self.results[key], each, TIME))
            else:
                arguments.append(self._place(self.results[key]))
        return arguments

    def _history(self, place: int) -> Node:
        """Where a state lies: with all its steps, or only the two latest."""
        return self.results.get(("state", place)) or self.results["pair", place]

    def _state(self, place: int, later: bool) -> str:
        """A state before or after a step; slots are numbered in the order of time."""
        history = self._history(place)
        slot = f"({TIME} + 1)" if later else TIME
        if history.param("kind") == "pair":
            slot = f"({slot} & 1)"
        return self._at(history, self.body.states[place], slot)

    def _place(self, node: Node) -> str:
        return self.printer.places.of(node)

    def _at(self, whole: Node, each: Node, slot: str) -> str:
        """The place of one slot, or of one step's piece."""
        if slot == "0":
            return self._place(whole)
        return f"{self._place(whole)} + {slot} * {_factor(bytes_text(product(each.shape), each.dtype.itemsize))}"


def _factor(text: str) -> str:
    return f"({text})" if "*" in text else text
