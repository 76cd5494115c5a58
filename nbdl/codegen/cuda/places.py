"""Print places: the byte of a card's memory at which an array begins.

A card's memory is one array of bytes. In this order it holds what says which step is running, single numbers, the
spaces of the plan, room for sums in slices, what depends on the number of rows, and the caller's arrays, whose places
are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nbdl.codegen.index import size_text
from nbdl.codegen.memory import align
from nbdl.codegen.names import Names, label, short_label
from nbdl.codegen.plan import Buffer, Plan, Variable, locate, resolve
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Size
from nbdl.kernels.cuda.sizes import CONTROL

NUMBER_BYTES = 8
"""Bytes that a single number takes."""


@dataclass
class Layout:
    """Where the spaces of a plan begin, when `numbers` single numbers lie in front of them."""

    plan: Plan
    numbers: int
    scratch_bytes: int

    @property
    def local(self) -> int:
        """Where whole tensors begin."""
        return CONTROL + align(self.numbers * NUMBER_BYTES)

    @property
    def partial(self) -> int:
        """Where sums over the batch begin."""
        return self.local + align(self.plan.local_bytes)

    @property
    def shared(self) -> int:
        """Where results in memory of their own begin."""
        return self.partial + align(self.plan.partial_bytes)

    @property
    def scratch(self) -> int:
        """Where sums have room for their slices."""
        return self.shared + align(self.plan.shared_bytes)

    @property
    def rows(self) -> int:
        """Where what depends on the number of rows begins."""
        return self.scratch + align(self.scratch_bytes)

    def end(self, capacity: int) -> int:
        """Where the caller's arrays begin, given for how many rows there is room."""
        return self.rows + align(self.plan.row_bytes * capacity)


class Places:
    """The places that a step names: each is worked out once, at its beginning.

    `lines` are the lines that do it; `arrays` the names of the places of the variables.
    """

    def __init__(
        self, plan: Plan, names: Names, arrays: Mapping[Variable, str], layout: Layout, *, in_body: bool = False
    ):
        self.plan, self.names, self.arrays, self.layout = plan, names, arrays, layout
        self._label = short_label if in_body else label
        self.lines: list[str] = []
        self._known: dict[str, str] = {}

    def of(self, node: Node, start: int = 0) -> str:
        """The name of the place of element `start` of a stored node."""
        root, offset, offset_rows = resolve(node)
        buffer = locate(self.plan, root)
        width = root.dtype.itemsize
        text = self._text(buffer, (start + offset) * width, offset_rows * width)
        if text not in self._known:
            self._known[text] = text if text.isidentifier() else self._named(text, node)
        return self._known[text]

    def _named(self, text: str, node: Node) -> str:
        name = self.names.of(("place", text), self._label(node))
        self.lines.append(f"{name} = {text}")
        return name

    def _text(self, buffer: Buffer, skip: int, skip_rows: int) -> str:
        rows = [f"{skip_rows} * rows"] * bool(skip_rows)
        if buffer.variable is not None:
            offset = buffer.offset + skip
            return " + ".join([self.arrays[buffer.variable], *[str(offset)] * bool(offset), *rows])
        if buffer.space == "rows":
            return " + ".join(
                [str(self.layout.rows + skip), *[f"{buffer.offset} * capacity"] * bool(buffer.offset), *rows]
            )
        base = {"local": self.layout.local, "partial": self.layout.partial, "shared": self.layout.shared}
        return " + ".join([str(base[buffer.space] + buffer.offset + skip), *rows])


def bytes_text(size: Size, width: int) -> str:
    """Print the bytes of `size` numbers."""
    return size_text(size * width)
