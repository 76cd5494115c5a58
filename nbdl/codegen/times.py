"""When, within a row of a split loop, a value is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbdl.ir.graph import Node

if TYPE_CHECKING:
    from nbdl.codegen.fusion import Fusion
    from nbdl.codegen.work import Loop, Value


class Times:
    """The *time* of a value in a loop: how many reductions over the row must be finished before it is known.

    Inner loop t comes after the numbers of row t, which come after inner loop t - 1.
    """

    def __init__(self, fusion: Fusion, loop: Loop):
        self._fusion = fusion
        self._loop = loop
        self._known: dict[Value, int] = {}

    def of(self, value: Value) -> int:
        """The time of a value."""
        if value not in self._known:
            self._known[value] = self._work_out(value)
        return self._known[value]

    def of_seed(self, seed: Node) -> int:
        """The time at which a stored value of the loop is computed (a reduction is known one later)."""
        return max((self.of(each) for each in self._fusion.operands(seed, self._loop.index[seed])), default=0)

    def _work_out(self, value: Value) -> int:
        node, index = value
        if node in self._loop.index:
            return self.of_seed(node) + (1 if node.primitive.kind == "reduction" else 0)
        if self._fusion.stops(node):
            return 0
        return max((self.of(each) for each in self._fusion.inputs(node, index)), default=0)
