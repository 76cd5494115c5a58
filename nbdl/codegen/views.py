"""Print views: how generated code names the memory that a node lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nbdl.codegen.expressions import dtype_name
from nbdl.codegen.index import core, size_text
from nbdl.codegen.names import Names, label
from nbdl.codegen.plan import Plan, Variable, locate
from nbdl.codegen.work import root_of
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Shape, Size, product


@dataclass(frozen=True)
class Piece:
    """Memory as a view names it: where it begins, its sizes other than 1, and whether it is read or written."""

    root: Node
    start: int
    shape: Shape
    writing: bool


class Views:
    """The views of a program: each is made once, at the beginning of a step, and named after what lies there.

    `lines` are the lines that make them; `arrays` the names of the variables' arrays.
    """

    def __init__(self, plan: Plan, names: Names, arrays: Mapping[Variable, str]):
        self.plan = plan
        self.names = names
        self.arrays = arrays
        self.lines: list[str] = []
        self._views: dict[Piece, str] = {}

    def of(self, node: Node, *, writing: bool = False) -> str:
        """The name of a node's array, axes of size 1 left out."""
        return self.view(node, 0, core(node.shape) or (1,), label(node), writing=writing)

    def view(self, node: Node, start: int, shape: tuple[Size, ...], base: str = "", *, writing: bool = False) -> str:
        """The name of an array of `shape` that begins at element `start` of a stored node."""
        root, offset = _resolve(node)
        buffer = locate(self.plan, root)
        partial = buffer.space == "partial"
        piece = Piece(root, start + offset, shape, writing and partial)
        if piece not in self._views:
            self._views[piece] = self._make_view(piece, root, base or label(node))
        return self._views[piece]

    def _make_view(self, piece: Piece, root: Node, base: str) -> str:
        buffer = locate(self.plan, root)
        if buffer.variable is not None:
            return self.of_variable(
                buffer.variable, piece.start + buffer.offset // root.dtype.itemsize, piece.shape, base
            )
        name = self.names.of(piece, base)
        skip = piece.start * root.dtype.itemsize
        memory, place = self._place(buffer.space, buffer.offset + skip, piece.writing)
        self.lines.append(
            f"{name} = view({memory}, {place}, {_shape_text(piece.shape)}, {dtype_name(root.dtype)})"
        )
        return name

    def _place(self, space: str, offset: int, writing: bool) -> tuple[str, str]:
        if space == "rows":
            return "arena", "0" if offset == 0 else f"{offset} * capacity"
        if space == "local":
            row_bytes = self.plan.row_bytes
            return "arena", f"{row_bytes} * capacity + {offset}" if row_bytes else str(offset)
        if space == "partial":
            return "shared", f"mine + {offset}" if writing else str(offset)
        return "shared", f"(1 + workers) * {self.plan.partial_bytes} + {offset}" if self.plan.partial_bytes else str(
            offset
        )

    def of_variable(self, variable: Variable, start: int, shape: Shape, base: str = "") -> str:
        array = self.arrays[variable]
        if start == 0 and shape == (product(variable.node.shape),):
            return array
        name = self.names.of((variable, start, shape), base or variable.name)
        line = f"{name} = part({array}, {start}, {_shape_text(shape)})"
        if line not in self.lines:
            self.lines.append(line)
        return name

    def scratch(self, dtype: np.dtype) -> str:
        """The name of the working memory that matrix products need."""
        kind, place = dtype_name(dtype), f"{self.plan.row_bytes} * capacity + {self.plan.local_bytes}"
        line = f"scratch_{kind} = view(arena, {place}, (SCRATCH,), {kind})"
        if line not in self.lines:
            self.lines.append(line)
        return f"scratch_{dtype_name(dtype)}"


    def memory(self, node: Node) -> str:
        """What tells a stored node's memory from all other memory."""
        root, start = _resolve(node)
        if root not in self.plan.buffers:
            return str(id(root))
        buffer = locate(self.plan, root)
        place = id(buffer.variable) if buffer.variable is not None else f"{buffer.space} {id(root)}"
        return f"{place} {buffer.offset + start * root.dtype.itemsize}"


def _resolve(node: Node) -> tuple[Node, int]:
    """The node whose memory a view looks into, and the element at which it begins."""
    start = 0
    while node.name in ("reshape", "slice") and root_of(node) is not node:
        if node.name == "slice":
            behind = product(node.inputs[0].shape[node.param("axis") + 1 :])
            assert isinstance(behind, int)  # only whole tensors are sliced along their first axis
            start += node.param("start") * behind
        node = node.inputs[0]
    return node, start


def _shape_text(shape: Shape) -> str:
    return "(" + ", ".join(size_text(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
