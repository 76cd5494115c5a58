"""What printers of scans share: the loop over time, what a step reads and writes, and what lies there before it."""

from __future__ import annotations

from nbdl.autodiff import BACKWARD
from nbdl.codegen.expressions import number
from nbdl.codegen.fusion import Fusion
from nbdl.codegen.work import Call
from nbdl.ir.graph import Node
from nbdl.ir.scan import Body, ResultKey, known_number

TIME = "time"


class ScanText:
    """Prints one scan. Subclasses say how a step finds its arrays, and what its function is called with beside them."""

    def __init__(self, fusion: Fusion, node: Node):
        self.node = node
        self.body: Body = node.param("body")
        self.length: int = node.param("length")
        self.reverse: bool = node.param("reverse")
        self.operands = dict(zip(self.body.leaves, node.inputs, strict=True))
        kernel = fusion.kernel_of[node]
        assert isinstance(kernel, Call)
        self.results: dict[ResultKey, Node] = {
            (each.param("kind"), each.param("index")): each for each in kernel.results
        }

    # --- how a device does it ---

    def _function(self) -> tuple[str, list[str]]:
        """Print the body; returns the function's name and what it needs of the step around it, which comes first."""
        raise NotImplementedError

    def _whole(self, node: Node) -> str:
        """All of a node."""
        raise NotImplementedError

    def _at(self, whole: Node, each: Node, slot: str) -> str:
        """The piece of `whole` that belongs to a step: an array like `each`."""
        raise NotImplementedError

    def _copy(self, source: Node, whole: Node, each: Node, slot: int) -> str:
        """The line that copies a node to a piece."""
        raise NotImplementedError

    def _fill(self, whole: Node, each: Node, slot: int, value: str) -> str:
        """The line that fills a piece with a number."""
        raise NotImplementedError

    # --- the loop ---

    def lines(self) -> list[str]:
        """What is to be done before the loop, and the loop."""
        function, needed = self._function()
        steps = f"range({self.length - 1}, -1, -1)" if self.reverse else f"range({self.length})"
        call = f"{function}({', '.join([*needed, *self._given(), *self._written()])})"
        return [*self._beginning(), f"for {TIME} in {steps}:", f"    {call}"]

    @property
    def name(self) -> str:
        """What the body's function is called: after the layer."""
        backward = "backward_" if self.node.scope.startswith(BACKWARD) else ""
        layer = self.node.scope.removeprefix(BACKWARD).split(".")[-1] or "scan"
        return f"{backward}{layer}_step"

    def _beginning(self) -> list[str]:
        """Put the first states into their histories, and zeros into what is added up."""
        lines = []
        for place, leaf in enumerate(self.body.states):
            history, begin = self._history(place), self.length if self.reverse else 0
            slot = begin if history.param("kind") == "state" else begin % 2
            first = self.operands[leaf]
            value = known_number(first)
            if value is None:
                lines.append(self._copy(first, history, leaf, slot))
            else:
                lines.append(self._fill(history, leaf, slot, number(value.param("value"), value.dtype)))
        for key, each in self.body.results():
            if key[0] == "total":
                lines.append(self._fill(self.results[key], each, 0, "0"))
        return lines

    def _given(self) -> list[str]:
        """What a step reads: states, pieces of the elements, constants."""
        states = [self._state(place, self.reverse) for place in range(len(self.body.states))]
        elements = [self._at(self.operands[leaf], leaf, TIME) for leaf in self.body.elements]
        return [*states, *elements, *[self._whole(self.operands[leaf]) for leaf in self.body.constants]]

    def _written(self) -> list[str]:
        """What a step writes: states, pieces of the stacks, totals."""
        arguments = []
        for key, each in self.body.results():
            if key[0] == "state":
                arguments.append(self._state(key[1], not self.reverse))
            elif key[0] == "stack":
                arguments.append(self._at(self.results[key], each, TIME))
            else:
                arguments.append(self._whole(self.results[key]))
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
        return self._at(history, self.body.states[place], slot)
