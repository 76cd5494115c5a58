"""Print a scan: the body as a function, and the loop over time that calls it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbdl.autodiff import BACKWARD
from nbdl.codegen.expressions import number
from nbdl.codegen.index import core, size_text
from nbdl.codegen.work import Call
from nbdl.ir.graph import Node
from nbdl.ir.scan import Body, ResultKey, known_number
from nbdl.ir.shapes import Size, product

if TYPE_CHECKING:
    from nbdl.codegen.step import StepPrinter

ALWAYS = ("rows", "first_row", "batch_size", "capacity", "worker", "workers", "arena", "shared")
"""What a body may need of the step around it."""
TIME = "time"


def print_scan(printer: StepPrinter, node: Node) -> list[str]:
    """The lines of the loop; the body becomes a function of the module."""
    return _ScanPrinter(printer, node).lines()


class _ScanPrinter:
    def __init__(self, printer: StepPrinter, node: Node):
        self.printer = printer
        self.node = node
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
        function, needed = self._function()
        steps = f"range({self.length - 1}, -1, -1)" if self.reverse else f"range({self.length})"
        call = f"{function}({', '.join([*needed, *self._given(), *self._written()])})"
        return [*self._beginning(), f"for {TIME} in {steps}:", f"    {call}"]

    def _function(self) -> tuple[str, list[str]]:
        """Print the body; returns the function's name and what it needs of the step around it, which comes first."""
        inner = self.printer.inner(self.printer.plan.bodies[self.node])
        lines = inner.body_lines()
        words = set(re.findall(r"[A-Za-z_]\w*", "\n".join(lines)))
        needed = [name for name in ALWAYS if name in words]
        parameters = [*needed, *inner.handed_in]
        backward = "backward_" if self.node.scope.startswith(BACKWARD) else ""
        layer = self.node.scope.removeprefix(BACKWARD).split(".")[-1] or "scan"
        name = f"{backward}{layer}_step"
        return self.printer.functions.define("kernel", name, parameters, ['"""One step in time."""', *lines]), needed

    # --- arrays ---

    def _beginning(self) -> list[str]:
        """Put the first states into their histories, and zeros into what is added up."""
        lines = []
        for place, leaf in enumerate(self.body.states):
            history, begin = self._history(place), self.length if self.reverse else 0
            size = product(leaf.shape)
            start = begin if history.param("kind") == "state" else begin % 2
            target = self._flat(history, start, size)
            value = known_number(self.operands[leaf])
            if value is None:
                lines.append(f"copy({self._flat(self.operands[leaf], 0, size)}, {target})")
            else:
                lines.append(f"fill({target}, {number(value.param('value'), value.dtype)})")
        for key, each in self.body.results():
            if key[0] == "total":
                lines.append(f"fill({self._flat(self.results[key], 0, product(each.shape))}, 0)")
        return lines

    def _given(self) -> list[str]:
        """What a step reads: states, pieces of the elements, constants."""
        states = [self._state(place, self.reverse) for place in range(len(self.body.states))]
        elements = [self._piece(self.operands[leaf], leaf) for leaf in self.body.elements]
        return [*states, *elements, *[self.printer.views.of(self.operands[leaf]) for leaf in self.body.constants]]

    def _written(self) -> list[str]:
        """What a step writes: states, pieces of the stacks, totals."""
        arguments = []
        for key, each in self.body.results():
            if key[0] == "state":
                arguments.append(self._state(key[1], not self.reverse))
            elif key[0] == "stack":
                arguments.append(self._piece(self.results[key], each))
            else:
                arguments.append(self.printer.views.of(self.results[key]))
        return arguments

    def _history(self, place: int) -> Node:
        """Where a state lies: with all its steps, or only the two latest."""
        return self.results.get(("state", place)) or self.results["pair", place]

    def _state(self, place: int, later: bool) -> str:
        """A state before or after a step; slots are numbered in the order of time."""
        history = self._history(place)
        slot = f"{TIME} + 1" if later else TIME
        if history.param("kind") == "pair":
            slot = f"({slot}) & 1" if later else f"{slot} & 1"
        return f"{self._by_time(history, self.body.states[place])}[{slot}]"

    def _piece(self, whole: Node, each: Node) -> str:
        return f"{self._by_time(whole, each)}[{TIME}]"

    def _by_time(self, whole: Node, each: Node) -> str:
        """An array whose first axis are the steps, the others those of what a step sees; axes of size 1 left out."""
        return self.printer.views.view(whole, 0, (whole.shape[0], *(core(each.shape) or (1,))))

    def _flat(self, whole: Node, start: int, size: Size) -> str:
        """The elements of one slot."""
        array = self.printer.views.view(whole, 0, (product(whole.shape),))
        count = size_text(size)
        if product(whole.shape) == size:
            return array
        begin = f"{start} * {f'({count})' if '*' in count else count}" if start else "0"
        return f"part({array}, {begin}, ({count},))"
